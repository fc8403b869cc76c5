import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { databaseUrlOf, dataDirOf, envFilesOf, findConfig, loadHouse } from './context.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-context-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('the token that init writes beside the settings is the one that the service uses', () => {
  const file = path.join(dir, 'lares.yaml');
  writeFileSync(file, 'homeassistant:\n  token: !secret homeassistant_token\n');
  writeFileSync(path.join(dir, 'lares.env'), 'HOMEASSISTANT_TOKEN=a-token-of-this-test\n');
  chmodSync(path.join(dir, 'lares.env'), 0o600);
  const { config, secrets, warnings } = loadHouse(file, {});
  expect([config.homeassistant?.token, secrets, warnings]).toEqual([
    'a-token-of-this-test',
    ['a-token-of-this-test'],
    [],
  ]);
});

test('an env file that others can read is warned of, with the fix', () => {
  const file = path.join(dir, 'lares.yaml');
  writeFileSync(file, 'home: {}\n');
  writeFileSync(path.join(dir, 'lares.env'), 'HOMEASSISTANT_TOKEN=a-token-of-this-test\n');
  chmodSync(path.join(dir, 'lares.env'), 0o644);
  expect(loadHouse(file, {}).warnings.map((w) => w.fix)).toEqual([
    `chmod 600 ${path.join(dir, 'lares.env')}`,
  ]);
});

test('on an installed system the last place for secrets is the env file of systemd', () => {
  expect(envFilesOf('/etc/lares/lares.yaml', {}).at(-1)).toBe('/etc/presence-monitoring.env');
  expect(envFilesOf('lares.yaml', { LARES_ENV_FILE: '/x.env' })).toEqual([
    '/x.env',
    '/etc/presence-monitoring.env',
    '.env',
    'lares.env',
  ]);
});

test('the address of PostgreSQL may stand in an env file as well; an empty one is none', () => {
  const file = path.join(dir, 'lares.yaml');
  const url = 'postgres://lares@127.0.0.1/lares';
  expect([databaseUrlOf(file, {}), databaseUrlOf(file, { DATABASE_URL: '' })]).toEqual([
    undefined,
    undefined,
  ]);
  writeFileSync(path.join(dir, '.env'), `DATABASE_URL=${url}\n`, { mode: 0o600 });
  expect(databaseUrlOf(file, {})).toBe(url);
  expect(databaseUrlOf(file, { DATABASE_URL: `${url}2` })).toBe(`${url}2`);
});

test('a named configuration file is used even when it is missing, so that the error names it', () => {
  expect(findConfig({ config: '/nowhere/lares.yaml' }, {})).toBe('/nowhere/lares.yaml');
  expect(() => loadHouse('/nowhere/lares.yaml', {})).toThrow(/cannot read \/nowhere\/lares.yaml/);
});

test('the data directory comes from the option, the environment, systemd, or stands beside us', () => {
  expect([
    dataDirOf({ data: '/a' }, { LARES_DATA: '/b' }),
    dataDirOf({}, { LARES_DATA: '/b', STATE_DIRECTORY: '/c' }),
    dataDirOf({}, { STATE_DIRECTORY: '/c:/d' }),
    dataDirOf({}, {}),
    // On an installed system a command uses the database of the service, wherever it is called.
    dataDirOf({ config: '/etc/lares/lares.yaml' }, {}),
  ]).toEqual(['/a', '/b', '/c', path.resolve('data'), '/var/lib/lares']);
});
