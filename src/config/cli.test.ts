import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { configCommands } from './cli.ts';
import { fixtureSchema } from './fixture.ts';
import { networkOf } from './init.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-cli-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const at = (name: string) => path.join(dir, name);

/** Runs one command as the program does. */
async function lares(
  args: readonly string[],
  options: { env?: Record<string, string>; answers?: readonly string[] } = {},
) {
  let out = '';
  let err = '';
  let code = 0;
  const output = new PassThrough();
  output.resume();
  const program = new Command().exitOverride().option('--json');
  configCommands(program, {
    schema: fixtureSchema,
    bindings: { 'homeassistant.token': ['HOMEASSISTANT_TOKEN', 'HA_TOKEN'] },
    env: options.env ?? {},
    envFiles: [],
    file: () => at('lares.yaml'),
    out: (text) => (out += text),
    err: (text) => (err += text),
    input: Readable.from((options.answers ?? []).map((line) => `${line}\n`)),
    output,
    exitCode: (c) => (code = c),
  });
  try {
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof LaresError)) throw error;
    err += error.message;
    code = 2;
  }
  return { out, err, code };
}

test('check says that a valid file is valid', async () => {
  writeFileSync(at('lares.yaml'), 'home: {name: Elm}\n');
  expect(await lares(['check'])).toEqual({ out: 'Configuration valid\n', err: '', code: 0 });
});

test('check shows every problem with its line and ends with 2', async () => {
  writeFileSync(at('x.yaml'), 'home: {nam: Elm}\nlog:\n  level: loud\n');
  expect(await lares(['check', at('x.yaml')])).toEqual({
    out: `${at('x.yaml')}:1:8 home.nam: expected one of name; found the unknown key "nam" (did you mean name?)
    1 | home: {nam: Elm}
               ^
${at('x.yaml')}:3:10 log.level: expected one of debug, info, warn, error, found "loud"
    3 |   level: loud
                 ^

2 problems in ${at('x.yaml')}
`,
    err: '',
    code: 2,
  });
});

test('check --json prints the problems for programs', async () => {
  writeFileSync(at('lares.yaml'), 'home: {nam: Elm}\n');
  const { out, code } = await lares(['check', '--json']);
  expect([JSON.parse(out), code]).toEqual([
    {
      valid: false,
      file: at('lares.yaml'),
      problems: [
        {
          file: at('lares.yaml'),
          line: 1,
          column: 8,
          path: 'home.nam',
          message: 'expected one of name; found the unknown key "nam"',
          hint: 'did you mean name?',
        },
      ],
      warnings: [],
    },
    2,
  ]);
});

test('config print shows everything in use but no secret', async () => {
  writeFileSync(at('lares.yaml'), 'homeassistant: {url: http://ha.lan}\n');
  const { out } = await lares(['config', 'print'], { env: { HOMEASSISTANT_TOKEN: 'a-very-secret-token' } });
  expect(out.split('\n').slice(0, 8)).toEqual([
    `# ${at('lares.yaml')}`,
    '# homeassistant.token comes from the environment variable HOMEASSISTANT_TOKEN',
    'home:',
    '  name: Home',
    'log:',
    '  level: info',
    '  json: false',
    'homeassistant:',
  ]);
  expect(out).not.toContain('a-very-secret-token');
});

test('init --yes writes a valid file from its options and asks nothing', async () => {
  const out = at('lares.yaml');
  const args = [
    'init',
    '--yes',
    '--out',
    out,
    '--network',
    '192.0.2.0/24',
    '--graphite',
    '192.0.2.123:2003',
    '--person',
    'alex',
    '--person',
    'Sam=aabb.ccdd.eeff',
  ];
  expect((await lares(args)).out).toBe(`Wrote ${out}.\nCheck it with: lares check ${out}\n`);
  expect(readFileSync(out, 'utf8')).toBe(`# Settings of this house, written by: lares init
# Check them with: lares check. Everything that can be set: docs/reference/config.md

# Where the metrics go: the plaintext port of Carbon
graphite:
  host: 192.0.2.123
  port: 2003

# The networks that are swept for phones; nothing that is not named here is ever scanned
wifi:
  networks:
    - 192.0.2.0/24
  scan_interval_seconds: 30

# Who is home. wifi_macs take any notation; find them with: lares presence discover
presence:
  offline_grace_seconds: 300
  people:
    - person: alex
      wifi_macs: []
    - person: sam
      name: Sam
      wifi_macs:
        - "AA:BB:CC:DD:EE:FF"
`);
  expect((await lares(['check'])).out).toBe('Configuration valid\n');
});

test('init refuses to overwrite without --force', async () => {
  writeFileSync(at('lares.yaml'), 'home: {name: Elm}\n');
  const refused = await lares(['init', '--yes', '--out', at('lares.yaml')]);
  expect([refused.code, readFileSync(at('lares.yaml'), 'utf8')]).toEqual([2, 'home: {name: Elm}\n']);
  expect(refused.err).toContain('exists already');
  expect((await lares(['init', '--yes', '--force', '--out', at('lares.yaml')])).code).toBe(0);
});

test('init asks, takes a wrong answer back, and keeps the token in a private env file', async () => {
  const answers = [
    'Elm',
    '192.0.2',
    '192.0.2.0/24',
    '',
    'ha.lan:8123',
    'a-very-secret-token',
    'Alex',
    'AA:BB:CC:DD:EE:FF',
    '',
    '',
  ];
  const { out, code } = await lares(['init', '--out', at('lares.yaml')], { answers });
  expect([out.split('\n')[0], code]).toEqual([`Wrote ${at('lares.yaml')} and ${at('lares.env')}.`, 0]);
  const printed = JSON.parse((await lares(['config', 'print', '--json'])).out) as Record<string, unknown>;
  expect(printed).toMatchObject({
    home: { name: 'Elm' },
    wifi: { networks: ['192.0.2.0/24'] },
    homeassistant: { url: 'http://ha.lan:8123', token: '[secret]' },
    presence: { people: [{ person: 'alex', name: 'Alex', wifi_macs: ['aa:bb:cc:dd:ee:ff'] }] },
  });
  expect(readFileSync(at('lares.yaml'), 'utf8')).toContain('token: !secret homeassistant_token\n');
  expect(readFileSync(at('lares.env'), 'utf8')).toContain('\nHOMEASSISTANT_TOKEN=a-very-secret-token\n');
  expect(statSync(at('lares.env')).mode & 0o777).toBe(0o600);
});

test('init writes nothing when the questions end early', async () => {
  const { err, code } = await lares(['init', '--out', at('lares.yaml')], { answers: ['Elm'] });
  expect([err, code]).toEqual(['stopped before all questions were answered; nothing was written', 2]);
  expect(statSync(at('lares.yaml'), { throwIfNoEntry: false })).toBeUndefined();
});

test('import writes the file, or prints it with --dry-run, and moves a token in clear into the env file', async () => {
  writeFileSync(
    at('people_config.yaml'),
    'people: [{name: alex, macs: [AABBCCDDEEFF]}]\nhomeassistant: {token: a-very-secret-token}\n',
  );
  const dry = await lares(['import', at('people_config.yaml'), '--out', at('lares.yaml'), '--dry-run']);
  expect(statSync(at('lares.yaml'), { throwIfNoEntry: false })).toBeUndefined();
  const real = await lares(['import', at('people_config.yaml'), '--out', at('lares.yaml')]);
  expect(readFileSync(at('lares.yaml'), 'utf8')).toBe(dry.out);
  expect(real.out).toBe(
    `Wrote ${at('lares.yaml')}: 1 person. Check it with: lares check ${at('lares.yaml')}\n`,
  );
  expect(`${dry.out}${dry.err}${real.out}${real.err}`).not.toContain('a-very-secret-token');
  expect(statSync(at('lares.env')).mode & 0o777).toBe(0o600);
  expect((await lares(['check'])).out).toBe('Configuration valid\n');
});

test('the network of an address is proposed, not the address', () => {
  expect(['192.0.2.17/24', '10.1.2.3/16', '192.0.2.200/25', '203.0.113.9/32'].map(networkOf)).toEqual([
    '192.0.2.0/24',
    '10.1.0.0/16',
    '192.0.2.128/25',
    '203.0.113.9/32',
  ]);
});

test('check reads a file of the original too, with its own lines', async () => {
  const good =
    'people:\n  - person: alex\n    wifi_macs: [AABBCCDDEEFF]\nwifi: {cidr: 192.0.2.0/24}\nhomeassistant: {poll_interval_seconds: 300}\n';
  writeFileSync(at('people_config.yaml'), good);
  const valid = await lares(['check', at('people_config.yaml')]);
  expect([valid.out, valid.code]).toEqual(['Configuration valid\n', 0]);
  writeFileSync(
    at('people_config.yaml'),
    'people:\n  - person: alex\n    macs: [AABB]\n    wifi_mcas: []\n  - person: alex\nwifi:\n  cidr: 192.0.2.0/33\n',
  );
  const wrong = await lares(['check', at('people_config.yaml'), '--json']);
  const { problems } = JSON.parse(wrong.out) as {
    problems: { line: number; column: number; path: string; message: string }[];
  };
  expect([problems.map((p) => `${p.line}:${p.column} ${p.path}: ${p.message}`), wrong.code]).toEqual([
    [
      '3:12 people[0].macs[0]: expected a MAC address like AA:BB:CC:DD:EE:FF, found "AABB"',
      '5:13 people[1].person: "alex" is listed twice',
      '7:9 wifi.cidr: expected an IPv4 network such as 192.0.2.0/24, found "192.0.2.0/33"',
    ],
    2,
  ]);
});
