import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { areas } from '../cli.ts';
import { closeAll, folder, io, states } from './fixture.ts';
import { judgeSpace, newEnough } from './machine.ts';

afterEach(closeAll);

test('a private, writable data directory is fine; an open one gets a command', async () => {
  const dataDir = path.join(folder(), 'data');
  const before = await areas.permissions(io({}, { dataDir }));
  mkdirSync(dataDir, { mode: 0o700 });
  const private_ = await areas.permissions(io({}, { dataDir }));
  chmodSync(dataDir, 0o755);
  const open = await areas.permissions(io({}, { dataDir }));
  expect([before, private_, open].map((f) => f[0]?.state)).toEqual(['ok', 'ok', 'warn']);
  expect(open[0]?.fix).toBe(`chmod 700 ${dataDir}`);
});

test('a data directory that is a file, or lies where nothing can be written, is a failure', async () => {
  const file = path.join(folder(), 'data');
  writeFileSync(file, '');
  const asFile = await areas.permissions(io({}, { dataDir: file }));
  const inProc = await areas.permissions(io({}, { dataDir: '/proc/lares/data' }));
  expect([asFile[0]?.state, inProc[0]?.state]).toEqual(['fail', 'fail']);
});

test('an env file that everybody can read is a warning with the fix', async () => {
  const file = path.join(folder(), 'presence-monitoring.env');
  writeFileSync(file, 'HOMEASSISTANT_TOKEN=x\n', { mode: 0o644 });
  chmodSync(file, 0o644);
  const [open] = await areas.permissions(io({}, { secretFiles: [file] }));
  chmodSync(file, 0o600);
  const closed = await areas.permissions(io({}, { secretFiles: [file, '/nonexistent.env'] }));
  expect([open?.state, open?.fix]).toEqual(['warn', `chmod 600 ${file}`]);
  expect(closed).toHaveLength(1);
});

test('a native library that does not load is a missing dependency', async () => {
  const broken = async () => Promise.reject(new Error('cannot find koffi.node'));
  expect((await areas.deps(io({}, { loadNative: broken }))).map((f) => f.state)).toEqual(['ok', 'fail']);
  expect(['24.11.0', '24.10.9', '23.99.0', '26.0.0'].map(newEnough)).toEqual([true, false, false, true]);
});

test('a missing capability says what is lost and how to grant it', async () => {
  const [finding] = await areas.capability(io({}, { mayUseRaw: () => false }));
  expect([finding?.state, finding?.fix]).toEqual([
    'warn',
    expect.stringContaining('AmbientCapabilities=CAP_NET_RAW'),
  ]);
});

test.each([
  ['before the program was made', { now: () => 1e12, installedAt: 1.7e12 }, undefined, 'fail'],
  ['without a time server', {}, 'no\n', 'warn'],
  ['synchronised', {}, 'yes\n', 'ok'],
])('a clock %s', async (_title, over, said, state) => {
  const [finding] = await areas.clock(io({}, { ...over, program: async () => said }));
  expect(finding?.state).toBe(state);
});

test('little space is a warning, none a failure', async () => {
  const mib = 2 ** 20;
  expect([5000 * mib, 500 * mib, 50 * mib].map((free) => judgeSpace('/data', free).state)).toEqual([
    'ok',
    'warn',
    'fail',
  ]);
  expect((await areas.disk(io({})))[0]?.text).toContain('MiB free for /nonexistent');
});

test('no file at all points to lares init', async () => {
  const none = io({}, { configFile: undefined });
  const [finding] = await areas.config(none);
  expect([finding?.state, finding?.fix]).toEqual(['warn', 'lares init']);
  expect(states(await areas.network(none))).toEqual([['ok', 'not configured; nothing is scanned']]);
});
