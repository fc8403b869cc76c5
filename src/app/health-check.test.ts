import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { cameraSpec, startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { installed, scratch, systemPath, until } from '../../tests/servers/process.ts';

const root = path.join(import.meta.dirname, '../..');
const script = path.join(root, 'scripts/health_check.sh');

let cameras: SimulatedCameras;
let folder: ReturnType<typeof scratch>;
const file = (name: string) => path.join(folder.dir, name);

/** A program that stands before the real one of its name. */
function fake(name: string, body: string): void {
  writeFileSync(file(`fakes/${name}`), `#!/bin/bash\n${body}\n`);
  chmodSync(file(`fakes/${name}`), 0o755);
}
const disk = (percent: number) =>
  fake(
    'df',
    `echo 'Filesystem 1024-blocks Used Available Capacity Mounted on'; echo 'x 100 1 1 ${percent}% /'`,
  );

beforeAll(async () => {
  folder = scratch('health');
  mkdirSync(file('fakes'));
  mkdirSync(file('data'));
  cameras = await startCameras([
    cameraSpec('/gate', { kind: 'square' }),
    cameraSpec('/garden', { kind: 'square' }),
  ]);
});
afterAll(async () => {
  await cameras.close();
  folder.remove();
});

const settings = (...paths: string[]) =>
  writeFileSync(
    file('lares.yaml'),
    `cameras:\n${paths.map((p, i) => `  - { id: c${i}, url: '${new URL(p, cameras.url('/gate')).href}' }\n`).join('')}`,
  );

beforeEach(() => {
  settings('/gate');
  disk(90);
  fake('pgrep', `[ "$1" = -f ] && echo "smart-cctv main.py" | grep -qE "$2"`);
  fake('systemctl', `echo "$*" >> ${file('systemctl.log')}; [ "$1" = is-enabled ] && echo enabled`);
  writeFileSync(file('systemctl.log'), '');
  rmSync(file('data/maintenance'), { force: true });
});

const env = () => ({
  PATH: `${file('fakes')}:${systemPath}`,
  LARES_CONFIG: file('lares.yaml'),
  LARES_DATA: file('data'),
});
const check = () => {
  const { status, stdout, stderr } = spawnSync(script, { encoding: 'utf8', env: env() });
  return { status, said: stdout + stderr };
};
const asked = () =>
  readFileSync(file('systemctl.log'), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '');

test('nothing is said while all is well', () => {
  expect([check(), asked()]).toEqual([{ status: 0, said: '' }, []]);
});

test.each([
  ['enabled', 'the unit is started', ['is-enabled smart-cctv', 'start smart-cctv']],
  ['disabled', 'a unit that somebody switched off stays off', ['is-enabled smart-cctv']],
  ['masked', 'so does one that is masked', ['is-enabled smart-cctv']],
])('a system that does not run and whose unit is %s is told of: %s', (state, _what, calls) => {
  fake('pgrep', 'exit 1');
  // Only root starts units by itself.
  fake('sudo', 'shift; exec "$@"');
  fake('systemctl', `echo "$*" >> ${file('systemctl.log')}; [ "$1" = is-enabled ] && echo ${state}`);
  expect([check(), asked()]).toEqual([{ status: 0, said: 'ERROR: System not running!\n' }, calls]);
});

test('during maintenance a stopped system is told of and left alone', () => {
  fake('pgrep', 'exit 1');
  writeFileSync(file('data/maintenance'), '');
  expect([check(), asked()]).toEqual([{ status: 0, said: 'ERROR: System not running!\n' }, []]);
});

test('more than 90 % of the disk are a warning, with the figure', () => {
  disk(91);
  expect(check()).toEqual({ status: 0, said: 'WARNING: Disk usage at 91%\n' });
});

test('one camera of two that gives no picture is an error', () => {
  settings('/gate', '/nothing-here');
  expect(check()).toEqual({ status: 0, said: 'ERROR: Camera connectivity issue\n' });
});

test('everything that is wrong is said, one line each', () => {
  fake('pgrep', 'exit 1');
  writeFileSync(file('data/maintenance'), '');
  disk(100);
  settings('/nothing-here');
  expect(check().said).toBe(
    'ERROR: System not running!\nWARNING: Disk usage at 100%\nERROR: Camera connectivity issue\n',
  );
});

test('a check that begins while another one runs says and does nothing', async () => {
  fake(
    'df',
    `touch ${file('began')}; while [ ! -e ${file('go-on')} ]; do sleep 0.05; done; echo; echo 'x 100 1 1 99% /'`,
  );
  const first = spawn(script, { env: env(), stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  first.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(() => spawnSync('test', ['-e', file('began')]).status === 0);
  expect(check()).toEqual({ status: 0, said: '' });
  writeFileSync(file('go-on'), '');
  await once(first, 'close');
  expect(said).toBe('WARNING: Disk usage at 99%\n');
  // The lock went with the one that held it.
  disk(95);
  expect(check().said).toBe('WARNING: Disk usage at 95%\n');
});

test('the example for cron runs the script that is shipped, every quarter of an hour', () => {
  const lines = readFileSync(path.join(root, 'deploy/cron.d/smart-cctv'), 'utf8').split('\n');
  expect(lines.filter((line) => line.startsWith('*'))).toEqual([
    '*/15 * * * * root /opt/smart-cctv-system/scripts/health_check.sh >> /var/log/smart-cctv-health.log 2>&1',
  ]);
});

const unitFile = path.join(root, 'deploy/systemd/smart-cctv.service');
const analyze = installed('/usr/bin/systemd-analyze');

test.skipIf(analyze === undefined)(
  'systemd finds no mistake in the unit and rates its exposure at most 2.5',
  () => {
    const there = file('smart-cctv.service');
    writeFileSync(there, readFileSync(unitFile, 'utf8').replaceAll('/opt/lares/', `${root}/`));
    const run = (...words: string[]) =>
      spawnSync(analyze!, [...words, there], { encoding: 'utf8', env: { PATH: systemPath } });
    const verified = run('verify');
    expect([verified.status, verified.stderr.split('\n').filter((l) => l.includes('smart-cctv'))]).toEqual([
      0,
      [],
    ]);
    expect(run('security', '--offline=true', '--threshold=25').status).toBe(0);
  },
);
