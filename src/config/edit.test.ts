import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { editText, valueOf, type Edit } from './edit.ts';
import { fixtureSchema } from './fixture.ts';
import { ConfigError } from './load.ts';
import { SecretRef } from './source.ts';
import { editConfig, writeAtomically } from './write.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-config-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const file = `# our house
home:   {name:   'Elm'}  # odd spacing is kept

graphite:
    host: "192.0.2.123"   # the old Pi
    # port stays at its default
presence:
  people:
  - person: alex    # not indented, as some write it
    wifi_macs: ["AA:BB:CC:DD:EE:FF"]
    # alex also has a watch
  - person: sam
# the end
`;

/** [what, edits, the lines that go, the lines that come]. */
const cases: readonly (readonly [string, readonly Edit[], readonly string[], readonly string[]])[] = [
  [
    'a text in quotes',
    [{ path: ['graphite', 'host'], value: 'carbon.lan' }],
    ['    host: "192.0.2.123"   # the old Pi'],
    ['    host: carbon.lan   # the old Pi'],
  ],
  [
    'a value in a flow section',
    [{ path: ['home', 'name'], value: 'Oak, North' }],
    ["home:   {name:   'Elm'}  # odd spacing is kept"],
    ['home:   {name:   "Oak, North"}  # odd spacing is kept'],
  ],
  ['a new key in a section', [{ path: ['graphite', 'port'], value: 2004 }], [], ['    port: 2004']],
  [
    'a new key in a list entry',
    [{ path: ['presence', 'people', 1, 'name'], value: 'Sam' }],
    [],
    ['    name: Sam'],
  ],
  [
    'a new section',
    [{ path: ['wifi', 'networks'], value: ['192.0.2.0/24'] }],
    [],
    ['wifi:', '  networks:', '    - 192.0.2.0/24'],
  ],
  [
    'a new list entry',
    [{ path: ['presence', 'people', 2], value: { person: 'jo', wifi_macs: [] } }],
    [],
    ['  - person: jo', '    wifi_macs: []'],
  ],
  [
    'another entry in a flow list',
    [{ path: ['presence', 'people', 0, 'wifi_macs', 1], value: '02:00:00:00:00:01' }],
    ['    wifi_macs: ["AA:BB:CC:DD:EE:FF"]'],
    ['    wifi_macs: ["AA:BB:CC:DD:EE:FF", 02:00:00:00:00:01]'],
  ],
  [
    'a reference to a secret',
    [{ path: ['graphite', 'host'], value: new SecretRef('carbon') }],
    ['    host: "192.0.2.123"   # the old Pi'],
    ['    host: !secret carbon   # the old Pi'],
  ],
  ['a removed list entry', [{ path: ['presence', 'people', 1], remove: true }], ['  - person: sam'], []],
  [
    'a removed section',
    [{ path: ['home'], remove: true }],
    ["home:   {name:   'Elm'}  # odd spacing is kept"],
    [],
  ],
  ['something removed that is not there', [{ path: ['log', 'level'], remove: true }], [], []],
];

test.each(cases)('%s changes its own lines only', (_what, edits, gone, come) => {
  for (const eol of ['\n', '\r\n']) {
    const before = file.replaceAll('\n', eol);
    const after = editText(before, edits);
    const [old, next] = [before.split(eol), after.split(eol)];
    expect(old.filter((line) => !next.includes(line))).toEqual(gone);
    expect(next.filter((line) => !old.includes(line))).toEqual(come);
    expect(next.filter((line) => old.includes(line))).toEqual(old.filter((line) => next.includes(line)));
  }
});

test('the first setting of an empty file becomes a section', () => {
  expect(editText('# nothing yet\n', [{ path: ['home', 'name'], value: 'Elm' }])).toBe(
    '# nothing yet\nhome:\n  name: Elm\n',
  );
});

test('a value is put behind a key that has none', () => {
  expect(editText('home:\n  name: # to do\n', [{ path: ['home', 'name'], value: 'Elm' }])).toBe(
    'home:\n  name: Elm # to do\n',
  );
});

test('a path through a value or past the end of a list is refused', () => {
  expect(() => editText(file, [{ path: ['home', 'name', 'x'], value: 1 }])).toThrow(
    'home.name is not a section',
  );
  expect(() => editText(file, [{ path: ['presence', 'people', 5], value: 1 }])).toThrow(
    'presence.people[5] is not the next entry of a list',
  );
});

const word = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/);
const scalar = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.integer(),
  fc.boolean(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).filter((d) => !Object.is(d, -0)),
);
const tree = fc.dictionary(
  word,
  fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(word, tie('value'), { maxKeys: 3 }),
    ),
  })).value,
  { minKeys: 1, maxKeys: 4 },
);
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('any value set at any key is read back, and all other settings are unchanged', () => {
  fc.assert(
    fc.property(tree, word, fc.oneof(scalar, tree), fc.boolean(), (before, key, value, flow) => {
      const text = stringify(before, { lineWidth: 0, ...(flow ? { collectionStyle: 'flow' as const } : {}) });
      const after = editText(text, [{ path: [key], value }]);
      expect(plain(valueOf(after))).toEqual(plain({ ...before, [key]: value }));
    }),
    { numRuns: 250 },
  );
});

test('any existing setting, however deep, can be changed and removed without touching the others', () => {
  const leaves = (value: unknown, at: (string | number)[]): (string | number)[][] =>
    typeof value === 'object' && value !== null
      ? [
          ...(at.length === 0 ? [] : [at]),
          ...Object.entries(value).flatMap(([k, v]) =>
            leaves(v, [...at, Array.isArray(value) ? Number(k) : k]),
          ),
        ]
      : [at];
  fc.assert(
    fc.property(tree, fc.nat(), scalar, (before, pick, value) => {
      const paths = leaves(before, []);
      const at = paths[pick % paths.length]!;
      const text = stringify(before, { lineWidth: 0 });
      const model = structuredClone(plain(before));
      let parent = model as Record<string | number, unknown>;
      for (const segment of at.slice(0, -1)) parent = parent[segment] as Record<string | number, unknown>;
      const last = at.at(-1)!;
      parent[last] = plain(value);
      expect(plain(valueOf(editText(text, [{ path: at, value }])))).toEqual(model);
      if (Array.isArray(parent)) parent.splice(Number(last), 1);
      else delete parent[last];
      expect(plain(valueOf(editText(text, [{ path: at, remove: true }])))).toEqual(model);
    }),
    { numRuns: 250 },
  );
});

test('an edit keeps mode and symbolic link, and leaves no temporary file', () => {
  const real = path.join(dir, 'real.yaml');
  const link = path.join(dir, 'lares.yaml');
  writeFileSync(real, file);
  chmodSync(real, 0o640);
  symlinkSync(real, link);
  const { config } = editConfig(fixtureSchema, { file: link }, [{ path: ['graphite', 'port'], value: 2004 }]);
  expect(config.graphite).toEqual({ host: '192.0.2.123', port: 2004 });
  expect(readFileSync(real, 'utf8')).toContain('    port: 2004\n');
  expect(statSync(real).mode & 0o777).toBe(0o640);
  expect(readdirSync(dir).toSorted()).toEqual(['lares.yaml', 'real.yaml']);
});

test('an edit that would make the settings invalid is refused and nothing is written', () => {
  const target = path.join(dir, 'real.yaml');
  const before = readFileSync(target, 'utf8');
  expect(() =>
    editConfig(fixtureSchema, { file: target }, [{ path: ['graphite', 'port'], value: 70_000 }]),
  ).toThrow(ConfigError);
  expect(readFileSync(target, 'utf8')).toBe(before);
});

test('a write that fails leaves the old file and no temporary file, and says where to look', () => {
  const target = path.join(dir, 'full.yaml');
  writeFileSync(target, 'home: {}\n');
  const whenFull = () => writeAtomically(target, 'x'.repeat(10), -1);
  expect(whenFull).toThrow(`check the owner and the space of ${dir}`);
  expect(readFileSync(target, 'utf8')).toBe('home: {}\n');
  expect(readdirSync(dir).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});
