import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CctvBody } from '#cctv/index.ts';
import { cameraSpec, startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { freePort, scratch, systemPath, until } from '../../../tests/servers/process.ts';

const root = path.join(import.meta.dirname, '../../..');

let cameras: SimulatedCameras;
let folder: ReturnType<typeof scratch>;
let pid: number | undefined;
const file = (name: string) => path.join(folder.dir, name);
const env = () => ({
  PATH: `${file('fakes')}:${process.env['PATH']}`,
  LARES_CONFIG: file('lares.yaml'),
  LARES_DATA: file('data'),
});
const run = (program: string, ...words: string[]) =>
  spawnSync(path.join(root, program), words, { encoding: 'utf8', cwd: folder.dir, env: env() });
const json = (...words: string[]) =>
  JSON.parse(run('bin/lares', 'cctv', ...words, '--json').stdout) as unknown;
const live = () =>
  (json('list') as Partial<CctvBody>).cameras?.filter((camera) => camera.state === 'live').length;
const alive = () => pid !== undefined && spawnSync('kill', ['-0', `${pid}`]).status === 0;

beforeAll(async () => {
  folder = scratch('service');
  for (const name of ['data', 'fakes']) mkdirSync(file(name), { mode: 0o700 });
  // A machine without the unit: the check starts the service itself.
  writeFileSync(file('fakes/systemctl'), '#!/bin/bash\nexit 1\n', { mode: 0o755 });
  cameras = await startCameras([
    cameraSpec('/gate', { kind: 'square' }),
    cameraSpec('/yard', { kind: 'square' }),
    cameraSpec('/garden', { kind: 'square' }),
  ]);
  const camera = (id: string) => `  - { id: ${id}, url: '${cameras.url(`/${id}`)}', detect: false }\n`;
  writeFileSync(
    file('lares.yaml'),
    `http:\n  port: ${await freePort()}\ncameras:\n${camera('gate')}${camera('yard')}performance:\n  cameras_per_process: 1\n`,
    { mode: 0o600 },
  );
});
afterAll(async () => {
  if (alive()) process.kill(pid!, 'SIGTERM');
  await until(() => !alive());
  await cameras.close();
  folder.remove();
});

test('where there is no unit the health check starts the service itself, under the one name that operators look for', async () => {
  // Another house on this machine must not pass for this one.
  writeFileSync(file('fakes/pgrep'), '#!/bin/bash\nexit 1\n', { mode: 0o755 });
  expect(run('scripts/health_check.sh')).toMatchObject({
    status: 0,
    stdout: 'ERROR: System not running!\n',
    stderr: '',
  });
  const holder = file('data/lock.pid');
  await until(() => existsSync(holder) && Number(readFileSync(holder, 'utf8')) > 0);
  pid = Number(readFileSync(holder, 'utf8'));
  await until(
    () => live() === 2,
    () => `${run('bin/lares', 'cctv', 'list').stdout}${readFileSync(file('data/smart-cctv.out'), 'utf8')}`,
    60_000,
  );

  const found = (...words: string[]) =>
    spawnSync('pgrep', [...words, '-s', `${pid}`], { encoding: 'utf8', env: { PATH: systemPath } })
      .stdout.trim()
      .split('\n');
  // The cameras have processes of their own, and none of them has the name of the service.
  expect(found('-f', '.').length).toBeGreaterThanOrEqual(3);
  expect(found('-f', 'main.py')).toEqual([`${pid}`]);
  expect(found('-fc', 'main.py')).toEqual(['1']);
});

test('the mode of the house is shown with its reason, set for some minutes, and taken back', () => {
  const mode = (...words: string[]) =>
    json('mode', ...words) as { mode: string; why: string; until: string | null };
  const before = mode();
  expect(['home', 'night']).toContain(before.mode);
  const set = mode('away', '--minutes', '5');
  expect(set).toEqual({ mode: 'away', why: 'set by hand', until: expect.any(String) as string });
  expect(Date.parse(set.until!) - Date.now()).toBeLessThanOrEqual(300_000);
  expect(mode()).toEqual(set);
  expect(run('bin/lares', 'cctv', 'mode').stdout).toMatch(/^away: set by hand, until \S/);
  const after = mode('auto');
  // The night may begin or end just now.
  expect([before, mode()]).toContainEqual(after);
});

test.each([
  [['mode', 'asleep'], 'there is no mode "asleep"; expected one of home, away, night, auto'],
  [['mode', 'away', '--minutes', '0'], '--minutes "0"'],
  [['mode', '--minutes', '5'], '--minutes needs a mode'],
])('%j is refused', (words, message) => {
  const { status, stderr } = run('bin/lares', 'cctv', ...words);
  expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
});

test('a picture of now comes through the command line', () => {
  const saved = run('bin/lares', 'cctv', 'snapshot', '--camera', 'gate', '--out', file('now.jpg'));
  expect([saved.status, readFileSync(file('now.jpg')).subarray(0, 2).toString('hex')]).toEqual([0, 'ffd8']);
});

test('a camera that is added while the house runs is taken by it', async () => {
  const added = run('bin/lares', 'cctv', 'add', cameras.url('/garden'), '--id', 'garden');
  expect([added.status, added.stderr]).toEqual([0, '']);
  await until(() => live() === 3);
});

test('the ground is drawn over what the running camera sees', () => {
  const pose = ['--height', '3', '--tilt', '20', '--fov', '80'];
  const done = run('bin/calibrate_camera', '--camera', 'gate', ...pose, '--reference', 'kerb=point:0,6');
  expect([done.status, done.stderr]).toEqual([0, '']);
  expect(readFileSync(file('config/calibration/gate.svg'), 'utf8')).toContain('data:image/jpeg;base64,');
});

test('a rule whose reference is taken out of the calibration while the house runs is told of', async () => {
  const settings = readFileSync(file('lares.yaml'), 'utf8');
  const near = '{ distance_to_reference: { reference: kerb, operator: less_than, value: 3 } }';
  writeFileSync(
    file('lares.yaml'),
    `${settings}alert_rules:\n  - { id: near, cameras: [gate], classes: [person], conditions: ${near} }\n`,
  );
  const log = () => readFileSync(file('data/logs/app.log'), 'utf8');
  await until(() => /alert_rules/.test(log()));
  const calibration = file('config/calibration/gate.json');
  writeFileSync(calibration, readFileSync(calibration, 'utf8').replaceAll('"kerb"', '"step"'));
  await until(() => /alert_rules\[0\]\S* can never hold: /.test(log()));
});

test('the service that the check started stops cleanly', async () => {
  process.kill(pid!, 'SIGTERM');
  await until(() => !alive());
  const left = () =>
    spawnSync('pgrep', ['-s', `${pid}`], { encoding: 'utf8', env: { PATH: systemPath } }).stdout;
  // Whoever ended is listed until the system has taken note of it.
  await expect.poll(left).toBe('');
});
