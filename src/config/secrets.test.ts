import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { envLine, parseEnvFile } from './env-file.ts';
import { fixtureSchema } from './fixture.ts';
import { ConfigError, loadConfig, type LoadOptions } from './load.ts';
import { maskConfig } from './redact.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-secrets-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Writes a private file into the test's folder. */
function file(name: string, text: string, mode = 0o600): string {
  const full = path.join(dir, name);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, text);
  chmodSync(full, mode);
  return full;
}

const text = 'homeassistant:\n  url: http://ha.lan\n  token: !secret ha_token\n';
const load = (options: Partial<LoadOptions> = {}) =>
  loadConfig(fixtureSchema, { file: path.join(dir, 'lares.yaml'), text, ...options });
const problems = (options: Partial<LoadOptions>) => {
  try {
    load(options);
    return [];
  } catch (error) {
    return error instanceof ConfigError ? error.problems : [error];
  }
};

test('a secret is taken from the first place that has it: credential, _FILE, environment, env file, secrets.yaml', () => {
  const credentials = path.dirname(file('credentials/ha_token', 'from-credential\n'));
  const places: [string, Partial<LoadOptions>][] = [
    ['from-secrets-yaml', { secretsFile: file('secrets.yaml', 'ha_token: from-secrets-yaml\n') }],
    ['from-env-file', { envFiles: [file('house.env', 'export HA_TOKEN="from-env-file" # ours\n')] }],
    ['from-environment', { env: { HA_TOKEN: 'from-environment' } }],
    [
      'from-token-file',
      { env: { HA_TOKEN: 'from-environment', HA_TOKEN_FILE: file('token', 'from-token-file\n') } },
    ],
    ['from-credential', { credentialsDir: credentials }],
  ];
  let all: Partial<LoadOptions> = {};
  for (const [expected, place] of places) {
    all = { ...all, ...place };
    const { config, secrets, warnings } = load(all);
    expect([config.homeassistant?.token, secrets, warnings]).toEqual([expected, [expected], []]);
  }
});

test('a missing secret says where it was looked for', () => {
  const envFile = file('house.env', '');
  expect(
    problems({
      envFiles: [envFile, '/nowhere.env'],
      credentialsDir: dir,
      secretsFile: path.join(dir, 's.yaml'),
    }),
  ).toEqual([
    {
      file: path.join(dir, 'lares.yaml'),
      line: 3,
      column: 18,
      path: 'homeassistant.token',
      message: `expected a secret named ha_token, found none; looked in ${dir}/ha_token, the environment variables HA_TOKEN_FILE and HA_TOKEN, HA_TOKEN in ${envFile}, HA_TOKEN in /nowhere.env (no such file), ha_token in ${dir}/s.yaml`,
      hint: 'write HA_TOKEN=... into /nowhere.env',
    },
  ]);
});

test('a world-readable file with secrets is a warning with the fix, and a problem where that is wanted', () => {
  const envFile = file('house.env', 'HA_TOKEN=from-env-file\n', 0o644);
  const message = `${envFile} holds secrets and everybody on this machine can read it`;
  expect(load({ envFiles: [envFile] }).warnings).toEqual([
    { level: 'warning', subject: envFile, message, fix: `chmod 600 ${envFile}` },
  ]);
  expect(problems({ envFiles: [envFile], refuseWorldReadable: true })).toEqual([
    { file: envFile, line: 1, column: 1, path: '', message, hint: `chmod 600 ${envFile}` },
  ]);
});

test('a secret written in clear is accepted with a warning and hidden', () => {
  const { config, warnings, secrets } = load({ text: text.replace('!secret ha_token', 'clear-as-day') });
  expect([config.homeassistant?.token, secrets]).toEqual(['clear-as-day', ['clear-as-day']]);
  expect(warnings).toEqual([
    {
      level: 'warning',
      subject: 'homeassistant.token',
      message: `homeassistant.token is written in clear in ${dir}/lares.yaml`,
      fix: 'put it into the env file or secrets.yaml and write token: !secret homeassistant_token',
    },
  ]);
});

const bindings = {
  'homeassistant.token': ['HOMEASSISTANT_TOKEN', 'HA_TOKEN'],
  'graphite.host': ['GRAPHITE_HOST'],
  'graphite.port': ['GRAPHITE_PORT'],
  'log.json': ['LOG_JSON'],
  'wifi.networks': ['NETWORKS'],
};

test('the environment overrides and fills settings, converted to what the schema wants', () => {
  const { config, origins } = load({
    text: 'graphite: {host: from-file}\n',
    bindings,
    env: {
      GRAPHITE_HOST: 'carbon.lan',
      GRAPHITE_PORT: '2004',
      LOG_JSON: 'yes',
      NETWORKS: '192.0.2.0/24, 10.0.0.0/24',
    },
  });
  expect([config.graphite, config.log.json, config.wifi.networks]).toEqual([
    { host: 'carbon.lan', port: 2004 },
    true,
    ['192.0.2.0/24', '10.0.0.0/24'],
  ]);
  expect([...origins.keys()]).toEqual(['graphite.host', 'graphite.port', 'log.json', 'wifi.networks']);
});

test('an older name of a variable is understood with a notice; a token alone switches nothing on', () => {
  const env = { HA_TOKEN: 'older-name-token' };
  const named = load({ text: 'homeassistant: {url: http://ha.lan}\n', bindings, env });
  expect([named.config.homeassistant?.token, named.secrets, named.warnings]).toEqual([
    'older-name-token',
    ['older-name-token'],
    [
      {
        level: 'info',
        subject: 'homeassistant.token',
        message: 'HA_TOKEN is an older name of HOMEASSISTANT_TOKEN; it is understood',
        fix: 'rename HA_TOKEN to HOMEASSISTANT_TOKEN',
      },
    ],
  ]);
  expect(load({ text: 'home: {}\n', bindings, env }).config.homeassistant).toBeUndefined();
});

test('a wrong value from the environment names its variable', () => {
  expect(problems({ text: 'graphite: {host: x}\n', bindings, env: { GRAPHITE_PORT: 'many' } })).toEqual([
    {
      file: 'the environment variable GRAPHITE_PORT',
      line: 1,
      column: 1,
      path: 'graphite.port',
      message: 'expected a whole number from 1 to 65535, found "many"',
    },
  ]);
});

test('an env file with a broken line is a problem that does not show the line', () => {
  const envFile = file('house.env', '# ok\nHA_TOKEN = spaced-out-secret\nOTHER="unclosed-secret\n');
  expect(problems({ envFiles: [envFile], env: { HA_TOKEN: 'long-enough' } })).toEqual([
    { file: envFile, line: 2, column: 1, path: '', message: 'expected KEY=value without blanks around =' },
    { file: envFile, line: 3, column: 1, path: '', message: 'expected a closing quote for OTHER' },
  ]);
});

test('digits in secrets.yaml keep their leading zeros', () => {
  expect(
    load({ secretsFile: file('secrets.yaml', 'ha_token: 0012345678\n') }).config.homeassistant?.token,
  ).toBe('0012345678');
});

test('bytes that are not UTF-8 are named with their place, and a missing file with its remedy', () => {
  const bad = path.join(dir, 'lares.yaml');
  writeFileSync(bad, Buffer.from('home:\n  name: caf\xe9\n', 'latin1'));
  expect(() => loadConfig(fixtureSchema, { file: bad })).toThrow(
    `${bad}:2:12: expected UTF-8 text, found the byte 0xe9`,
  );
  expect(() => loadConfig(fixtureSchema, { file: path.join(dir, 'none.yaml') })).toThrow(
    'write one with: lares init',
  );
});

test('an empty file is valid, with a warning', () => {
  expect(load({ text: '# nothing\n' }).warnings.map((w) => w.message)).toEqual([
    `${dir}/lares.yaml is empty: every setting has its default`,
  ]);
});

const variables = fc.dictionary(
  fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/),
  fc
    .string({
      unit: fc.oneof(
        fc.constantFrom(' ', "'", '"', '\\', '$', '#', '=', ';', '\n', '!', '`', 'é'),
        fc.stringMatching(/^[a-z]$/),
      ),
    })
    .filter((s) => !s.includes('\0')),
  { minKeys: 1, maxKeys: 5 },
);

test('an env file that we write is read back by us and by the shell alike', () => {
  fc.assert(
    fc.property(variables, (values) => {
      const lines = Object.entries(values).map(([key, value]) => `${envLine(`X_${key}`, value)}\n`);
      const { values: read, troubles } = parseEnvFile(lines.join(''));
      const wanted = Object.fromEntries(Object.entries(values).map(([key, value]) => [`X_${key}`, value]));
      expect([Object.fromEntries(read), troubles]).toEqual([wanted, []]);
      const shell = execFileSync('/bin/sh', ['-c', `set -a; . ${file('x.env', lines.join(''))}; env -0`], {
        encoding: 'utf8',
        env: {},
      });
      const seen = Object.fromEntries(
        shell
          .split('\0')
          .filter((l) => l.startsWith('X_'))
          .map((l) => [l.slice(0, l.indexOf('=')), l.slice(l.indexOf('=') + 1)]),
      );
      expect(seen).toEqual(wanted);
    }),
    { numRuns: 25 },
  );
});

test('any text as env file or as settings is either read or refused with problems', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (any) => {
      parseEnvFile(any);
      expect(problems({ text: any }).filter((problem) => problem instanceof Error)).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

const secretText = fc.stringMatching(/^[A-Za-z0-9]{12,40}$/).map((s) => `Zq${s}`);
/** Ways to write a secret wrongly; each file is invalid. */
const wrong: readonly ((secret: string) => string)[] = [
  (s) => `homeassistant:\n  url: nope\n  token: ${s}\n`,
  (s) => `homeassistant:\n  url: http://ha.lan\n  tokn: ${s}\n`,
  (s) => `homeassistant: {url: http://ha.lan, token: ${s}, extra: 1}\n`,
  (s) => `homeassistant:\n  url: http://ha.lan\n  token: "${s}\n`,
  (s) => `homeassistant:\n  url: http://ha.lan\n  token: [${s}]\n`,
  (s) => `homeassistant:\n  url: http://ha.lan\n  token: |\n    ${s}\n  extra: 1\n`,
  (s) => `homeassistant:\n\turl: http://ha.lan\n\ttoken: ${s}\n`,
  (s) => `cameras:\n  Front: {kind: rtsp, url: "rtsp://admin:${s}@192.0.2.7/1"}\n`,
  (s) => `homeasistant:\n  url: http://user:${s}@ha.lan\n  password: ${s}\n`,
  (s) => `graphite: {host: http://user:${s}@carbon, prt: 1}\n`,
];

test('a secret never appears in rendered problems, however the file is broken', () => {
  fc.assert(
    fc.property(secretText, fc.constantFrom(...wrong), (secret, write) => {
      const error = (() => {
        try {
          load({ text: write(secret) });
        } catch (e) {
          return e as ConfigError;
        }
        return undefined;
      })();
      expect(error).toBeInstanceOf(ConfigError);
      expect(
        `${error?.render()} ${error?.message} ${error?.source} ${JSON.stringify(error?.problems)}`,
      ).not.toContain(secret);
    }),
    { numRuns: 200 },
  );
});

test('a secret never appears in the printed configuration, also inside another setting', () => {
  fc.assert(
    fc.property(secretText, fc.boolean(), (secret, inClear) => {
      const written = inClear ? secret : '!secret ha_token';
      const loaded = load({
        text: `home: {name: x}\nhomeassistant:\n  url: http://ha.lan/${secret}\n  token: ${written}\n`,
        env: { HA_TOKEN: secret },
      });
      expect(JSON.stringify(maskConfig(fixtureSchema, loaded))).not.toContain(secret);
      expect(maskConfig(fixtureSchema, loaded)).toMatchObject({
        home: { name: 'x' },
        homeassistant: { token: '[secret]' },
      });
    }),
    { numRuns: 50 },
  );
});
