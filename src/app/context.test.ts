import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { forgetAddress, tellAddress } from './address.ts';
import {
  cliHouse,
  configPlaces,
  databaseUrlOf,
  dataDirOf,
  envFilesOf,
  findConfig,
  loadHouse,
  type GlobalOptions,
} from './context.ts';
import { usualDemoDir } from './demo-place.ts';

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

test('settings are looked for here, where the cameras of the original had theirs, and where the service has them', () => {
  expect(configPlaces({}, {})).toEqual(['lares.yaml', 'config/config.yaml', '/etc/lares/lares.yaml']);
});

/** A house that answers, and commands that are to find it. */
async function running(options: GlobalOptions, env: Record<string, string> = {}) {
  const server = createServer((_request, reply) => reply.end('{"here":true}')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const house = cliHouse(() => options, env, AbortSignal.timeout(60_000));
  return { house, port, url: `http://127.0.0.1:${port}`, close: () => server.close() };
}

test('commands find the running house by its data, also while its settings are wrong or name another port', async () => {
  const config = path.join(dir, 'lares.yaml');
  const { house, url, close } = await running({ config, data: dir });
  tellAddress(dir, url);
  for (const text of ['http: { port: 1 }\n', 'nonsense: [\n']) {
    writeFileSync(config, text);
    expect(await house.get('/')).toEqual({ here: true });
  }
  forgetAddress(dir);
  await expect(house.get('/')).rejects.toThrow('nonsense');
  close();
});

test('what a killed house left, or a copy of its data, is no address', async () => {
  const config = path.join(dir, 'lares.yaml');
  const { house, port, close } = await running({ config, data: dir });
  writeFileSync(config, `http: { port: ${port} }\n`);
  // The largest process number of Linux is 2^22.
  for (const left of ['4194305 http://127.0.0.1:1\n', 'no such thing', '']) {
    writeFileSync(path.join(dir, 'address'), left);
    expect(await house.get('/')).toEqual({ here: true });
  }
  close();
});

test('where nothing is set up, commands are about the demo house of this user while it runs', async () => {
  const env = { XDG_CACHE_HOME: dir };
  const { house, url, close } = await running({}, env);
  const own = house.dataDir();
  const demo = usualDemoDir(env);
  mkdirSync(demo, { recursive: true });
  tellAddress(demo, url);
  expect([house.dataDir(), await house.get('/')]).toEqual([demo, { here: true }]);
  expect(cliHouse(() => ({ data: dir }), env, AbortSignal.timeout(1_000)).dataDir()).toBe(dir);
  forgetAddress(demo);
  expect(house.dataDir()).toBe(own);
  close();
});
