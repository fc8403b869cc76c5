import { spawn } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Command } from 'commander';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cameraSpec, startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { OnvifSim } from '#cctv/sim/onvif.ts';
import { buildProgram } from '../program.ts';
import { Desk } from '../../../tests/servers/desk.ts';

const root = path.join(import.meta.dirname, '../../..');

let cameras: SimulatedCameras;
const desk = new Desk();
const { dir } = desk;
const file = (name: string) => desk.file(name);
const read = (name: string) => desk.read(name);
const write = (text: string) => desk.settings(text);
const run = (program: string, words: readonly string[], input?: string) => desk.run(program, words, input);
const lares = (...words: string[]) => run('lares', ['cctv', ...words]);
const url = (name: string) => `rtsp://127.0.0.1:${new URL(cameras.url('/open')).port}${name}`;

beforeAll(async () => {
  cameras = await startCameras([
    cameraSpec(
      '/main',
      { kind: 'square' },
      { width: 1280, height: 720, username: 'admin', password: 'hunter 22' },
    ),
    cameraSpec('/open', { kind: 'square' }),
    cameraSpec('/locked', { kind: 'square' }, { username: 'admin', password: 'hunter22' }),
  ]);
});
afterAll(async () => {
  await cameras.close();
  desk.remove();
});
beforeEach(() => desk.clear());

const commandsBelow = (command: Command): Command[] =>
  command.commands.flatMap((child) => [child, ...commandsBelow(child)]);

test('every command says in one line what it does', () => {
  const program = buildProgram({}, new AbortController().signal);
  const cctv = program.commands.find((command) => command.name() === 'cctv')!;
  const all = commandsBelow(cctv);
  expect(all.map((command) => command.name())).toEqual(
    expect.arrayContaining([
      'run',
      'list',
      'add',
      'test',
      'calibrate',
      'try',
      'mode',
      'analyze',
      'migrate',
      'use',
    ]),
  );
  expect(all.filter((command) => command.description() === '').map((command) => command.name())).toEqual([]);
});

test.each([
  ['test_cameras', 'lares cctv test'],
  ['analyze_alerts', 'lares cctv analyze'],
  ['calibrate_camera', 'lares cctv calibrate'],
  ['migrate_database', 'lares cctv migrate'],
  ['benchmark_fps', 'lares cctv benchmark'],
  ['monitor_resources', 'lares cctv monitor'],
  ['e2e_test', 'lares cctv e2e'],
  ['stress_test', 'lares cctv stress'],
  ['plot_metrics', 'lares cctv plot'],
  ['test_audio', 'lares audio test'],
  ['smart-cctv', 'lares cctv'],
])('%s is %s', (program, command) => {
  const { status, stdout } = run(program, ['--help']);
  expect([status, stdout.split('\n')[0]]).toEqual([0, expect.stringContaining(`Usage: ${command} `)]);
});

test('a word that is no command is refused with those that are', () => {
  const { status, stderr } = lares('bogus');
  expect([status, stderr]).toEqual([
    2,
    expect.stringMatching(/no command "bogus"; lares cctv has run, list, /),
  ]);
});

describe('lares cctv add', () => {
  test('measures a camera and writes it down: its password apart, every comment as it was', () => {
    const text = '# our house\nhome:\n  name: Test # keep me\n';
    write(text);
    const added = run(
      'lares',
      [
        'cctv',
        'add',
        url('/main'),
        '--username',
        'admin',
        '--password-stdin',
        '--name',
        'Front gate',
        '--json',
      ],
      'hunter 22\n',
    );
    expect([added.status, added.stderr]).toEqual([0, '']);
    expect(JSON.parse(added.stdout)).toMatchObject({
      camera: {
        id: 'camera_1',
        name: 'Front gate',
        username: 'admin',
        password: '!secret cctv_camera_1_password',
      },
      probe: { codec: 'h264', width: 1280, height: 720, keyframeSeconds: 1 },
      written: [file('lares.env'), 'lares.yaml'].map(
        (f) => expect.stringContaining(path.basename(f)) as string,
      ),
    });
    expect(read('lares.yaml')).toBe(
      `${text}cameras:
  - id: camera_1
    name: Front gate
    url: ${url('/main')}
    username: admin
    password: !secret cctv_camera_1_password
    enabled: true
    fps: 5
`,
    );
    expect([read('lares.env').includes('hunter 22'), statSync(file('lares.env')).mode & 0o777]).toEqual([
      true,
      0o600,
    ]);
    expect(added.stdout).not.toContain('hunter');
    expect(run('validate_config', ['lares.yaml'])).toMatchObject({ status: 0, stderr: '' });
    // What was written works.
    expect(run('test_cameras', ['--quiet'])).toEqual({ status: 0, stdout: '', stderr: '' });

    const second = lares('add', url('/open'), '--id', 'garden');
    expect([second.status, second.stdout]).toEqual([
      0,
      expect.stringMatching(/h264 +640x360 +10\.0 +every 1 s +detect/),
    ]);
    expect(read('lares.yaml')).toContain(`  - id: garden\n    url: ${url('/open')}\n    enabled: true\n`);
    const twice = lares('add', url('/open'));
    expect([twice.status, twice.stderr]).toEqual([
      2,
      expect.stringContaining('is camera garden of the settings'),
    ]);
  });

  test('writes nothing with --dry-run, and nothing when the camera does not play', () => {
    write('cameras: []\n');
    const dry = lares('add', cameras.url('/locked'), '--dry-run');
    expect([dry.status, dry.stdout]).toEqual([0, expect.stringContaining('nothing was written')]);
    const wrong = lares('add', url('/locked'), '--username', 'admin', '--password', 'wrong');
    expect([wrong.status, wrong.stderr]).toEqual([
      1,
      expect.stringContaining('refused the user name and password'),
    ]);
    expect(read('lares.yaml')).toBe('cameras: []\n');
    expect(() => read('lares.env')).toThrow('ENOENT');
  });

  test.each([
    [['garden', '--id', 'a-b'], 2, '--id a-b: there is a camera a_b already'],
    [['rtsp://127.0.0.1:1/x'], 1, 'nothing listens there'],
    [['ftp://127.0.0.1/x'], 2, 'expected a host or an address'],
    [['rtsp://127.0.0.1:1/x', '--password', 'p'], 2, 'a password needs a user name'],
  ])('%j ends with %i', (words, code, message) => {
    write(`cameras:\n  - { id: a_b, url: 'rtsp://192.0.2.1/x' }\n`);
    const { status, stderr } = lares('add', ...words);
    expect([status, stderr]).toEqual([code, expect.stringContaining(message)]);
  });

  test('needs settings to write into', () => {
    expect(lares('add', url('/open'))).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('lares init') as string,
    });
  });
});

test('a search asks only networks that are named', async () => {
  const address = '127.0.1.77';
  await using onvif = new AsyncDisposableStack();
  const camera = onvif.adopt(
    await new OnvifSim({ name: 'Porch', hardware: 'C-200', profiles: [] }).listen(address),
    (sim) => sim.close(),
  );
  write(`cameras:\n  - { id: porch, url: 'rtsp://${address}/x' }\n`);
  const search = (...words: string[]) =>
    // The simulator answers from this process, which must not wait meanwhile.
    new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
      const child = spawn(path.join(root, 'bin/lares'), ['cctv', 'discover', ...words], { cwd: dir });
      let [stdout, stderr] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
      child.on('close', (status) => resolve({ status, stdout, stderr }));
    });
  expect(await search()).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('no network is named') as string,
  });
  expect(await search('-n', '127.0.1')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('expected networks like 192.0.2.0/24') as string,
  });
  const none = await search('-n', '127.0.1.78/32', '--json');
  expect([none.status, none.stdout, camera.probes]).toEqual([0, '[]\n', 0]);
  const found = await search('-n', `${address}/32`, '--json');
  expect([found.status, JSON.parse(found.stdout), camera.probes]).toEqual([
    0,
    [{ address, name: 'Porch', hardware: 'C-200', xaddrs: [camera.xaddr], ports: [], known: ['porch'] }],
    1,
  ]);
  write(`cctv:\n  networks: [${address}/32]\n`);
  expect((await search()).stdout).toMatch(
    /127\.0\.1\.77 +Porch +C-200 +ONVIF +new; lares cctv add 127\.0\.1\.77/,
  );
});

describe('calibrate_camera', () => {
  const waiting = `cameras:
  - { id: gate, url: 'rtsp://127.0.0.1:1/x' }
alert_rules:
  - { id: near, conditions: { distance_to_reference: { reference: kerb, operator: '<', value: 3 } } }
`;

  test('makes what a rule waits for, beside the settings, and says how good it is', () => {
    write(waiting);
    const refused = run('validate_config', ['lares.yaml']);
    expect([refused.status, refused.stdout]).toEqual([
      2,
      expect.stringContaining('lares cctv calibrate --camera gate'),
    ]);
    const pose = ['--height', '3', '--tilt', '20', '--fov', '80', '--picture', '1280x720'];
    const done = run('calibrate_camera', ['--camera', 'gate', ...pose, '--reference', 'kerb=line:-3,6;3,6']);
    expect([done.status, done.stdout]).toEqual([0, expect.stringContaining('references: kerb')]);
    expect(run('validate_config', ['lares.yaml']).status).toBe(0);
    expect(run('calibrate_camera', ['--camera', 'gate', '--check', '--json'])).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(read('config/calibration/gate.svg')).toContain('<svg');
  });

  const pose = ['--camera', 'gate', '--height', '3', '--tilt', '20', '--fov', '80'];

  test('of a file in a folder config stands in that folder', () => {
    mkdirSync(file('config'));
    writeFileSync(file('config/config.yaml'), waiting);
    const where = ['-c', 'config/config.yaml'];
    const shown = ['--picture', '1280x720', '--reference', 'kerb=point:0,6'];
    const done = run('calibrate_camera', [...where, ...pose, ...shown]);
    expect([done.status, read('config/calibration/gate.json').includes('"camera": "gate"')]).toEqual([
      0,
      true,
    ]);
  });

  test('asks the camera for the size of its picture', () => {
    write(`cameras:\n  - { id: gate, url: '${url('/open')}' }\n`);
    const done = run('calibrate_camera', pose);
    expect(done.status).toBe(0);
    expect(JSON.parse(read('config/calibration/gate.json'))).toMatchObject({
      measured: { picture: { width: 640, height: 360 } },
    });
  });

  test.each([
    [['--camera', 'gaet', '--check'], 1, 'there is no camera gaet; there are gate'],
    [['--camera', 'gate', '--check'], 1, 'gate is not calibrated'],
    [['--camera', 'gate', '--height', 'tall'], 2, '--height tall: expected a number'],
    [['--camera', 'gate', '--picture', 'big'], 2, '--picture big'],
    [['--camera', 'gate', '--people', '7'], 1, 'it is made when the cameras run first'],
    [[], 2, '--camera'],
  ])('%j ends with %i', (words, code, message) => {
    write(waiting);
    const { status, stderr } = run('calibrate_camera', words);
    expect([status, stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});

test('migrate_database takes over the book of the original, says first what it would do, and once is enough', () => {
  write('home: {}\n');
  mkdirSync(file('data'));
  const book = new DatabaseSync(file('data/events.db'));
  book.exec(`create table alerts (id integer primary key, timestamp integer, message text);
    insert into alerts values (1, ${Math.floor(Date.now() / 1000) - 3_600}, 'A person at the gate')`);
  book.close();
  const dry = run('migrate_database', ['--dry-run']);
  expect([dry.status, dry.stdout]).toEqual([0, expect.stringContaining('would go from layout 0 to 1')]);
  expect(run('migrate_database', [])).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('backups/') as string,
  });
  expect(run('migrate_database', []).stdout).toMatch(/there is nothing to do\n$/);
  expect(JSON.parse(run('analyze_alerts', ['--days', '400', '--json']).stdout)).toMatchObject({ alerts: 1 });
});

test('models are listed on a machine without settings', () => {
  const { status, stdout } = lares('models', 'list', '--json');
  expect(status).toBe(0);
  expect((JSON.parse(stdout) as { name: string; default: boolean }[]).find((m) => m.default)?.name).toBe(
    'centernet',
  );
});

test('the speakers of the settings are listed, and a test of another one names them', () => {
  write('speakers:\n  - { id: living_room, enabled: false }\n');
  const listed = run('lares', ['audio', 'list', '--json']);
  expect([listed.status, JSON.parse(listed.stdout)]).toMatchObject([0, [{ id: 'living_room' }]]);
  const wrong = run('test_audio', ['--speaker', 'kitchen']);
  expect([wrong.status, wrong.stderr]).toEqual([1, expect.stringContaining('living_room')]);
});
