import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cameraSpec, startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { Desk } from '../../../tests/servers/desk.ts';
import type { Trial } from './try.ts';

let cameras: SimulatedCameras;
const desk = new Desk();
const run = (program: string, words: readonly string[]) => desk.run(program, words);
const url = (name: string) => `rtsp://127.0.0.1:${new URL(cameras.url('/open')).port}${name}`;

beforeAll(async () => {
  cameras = await startCameras([
    cameraSpec('/open', { kind: 'square' }),
    cameraSpec('/locked', { kind: 'square' }, { username: 'admin', password: 'hunter22' }),
    cameraSpec('/strange', { kind: 'square' }, { announce: 'FOO' }),
    cameraSpec('/late', { kind: 'square' }),
    cameraSpec('/full', { kind: 'square' }),
  ]);
  cameras.fault('/late', { noKeyframes: true });
  cameras.fault('/full', { status: { SETUP: 454 } });
});
afterAll(async () => {
  await cameras.close();
  desk.remove();
});

describe('test_cameras', () => {
  const settings = (...entries: string[]) =>
    desk.settings(`cameras:\n${entries.map((e) => `  - { ${e} }\n`).join('')}`);

  test('tells of every camera that is on what comes or precisely why nothing does', () => {
    settings(
      `id: good, name: Gate, url: '${url('/open')}'`,
      `id: password, url: '${url('/locked')}', username: admin, password: wrong`,
      `id: codec, url: '${url('/strange')}'`,
      `id: keyframe, url: '${url('/late')}'`,
      `id: session, url: '${url('/full')}'`,
      `id: path, url: '${url('/none')}'`,
      `id: port, url: 'rtsp://127.0.0.1:1/x'`,
      `id: name, url: 'rtsp://no-such-host.invalid/x'`,
      `id: off, url: 'rtsp://127.0.0.1:1/x', enabled: false`,
    );
    const { status, stdout, stderr } = run('test_cameras', ['--json', '--timeout', '3']);
    const trials = JSON.parse(stdout) as Trial[];
    expect(status).toBe(1);
    expect(trials.map((t) => [t.camera, t.ok, t.cause])).toEqual([
      ['good', true, undefined],
      ['password', false, 'RTSP_AUTH'],
      ['codec', false, 'CODEC_UNSUPPORTED'],
      ['keyframe', false, 'NO_KEYFRAME'],
      ['session', false, 'RTSP_SESSION'],
      ['path', false, 'RTSP_NOT_FOUND'],
      ['port', false, 'RTSP_CONNECT'],
      ['name', false, 'RTSP_DNS'],
    ]);
    expect(trials[0]).toMatchObject({ name: 'Gate', codec: 'h264', width: 640, height: 360 });
    expect(trials[0]!.fps).toBeCloseTo(10, 0);
    expect(stderr).toContain('7 of 8 do not work: password, codec, keyframe, session, path, port, name');
    expect(stdout + stderr).not.toMatch(/wrong/);
  });

  test('with --quiet says nothing while all is well, and only what is wrong otherwise', () => {
    settings(`id: good, url: '${url('/open')}'`);
    expect(run('test_cameras', ['--quiet'])).toEqual({ status: 0, stdout: '', stderr: '' });
    settings(`id: good, url: '${url('/open')}'`, `id: bad, url: '${url('/none')}'`);
    const { status, stdout } = run('test_cameras', ['--quiet']);
    expect([status, stdout.split('\n').map((line) => line.split(' ')[0])]).toEqual([
      1,
      ['CAMERA', 'bad', ''],
    ]);
  });

  test('looks at the streams of a camera once each, with their use', () => {
    settings(`id: two, url: '${url('/open')}', streams: { detect: '${url('/none')}' }`);
    const trials = JSON.parse(run('test_cameras', ['--json']).stdout) as Trial[];
    expect(trials.map((t) => [t.uses, t.ok])).toEqual([
      ['detect', false],
      ['record, live', true],
    ]);
  });

  test('tries an address without any settings, and never shows its password', () => {
    const good = run('test_cameras', ['--url', cameras.url('/locked'), '--json']);
    expect([good.status, good.stdout.includes('hunter22')]).toEqual([0, false]);
    const bad = run('test_cameras', ['--url', cameras.url('/locked').replace('hunter22', 'hunter21')]);
    expect([bad.status, bad.stdout]).toEqual([1, expect.stringContaining('RTSP_AUTH')]);
    expect(bad.stdout + bad.stderr).not.toContain('hunter21');
  });

  test.each([
    [['--camera', 'gaet'], 1, 'there is no camera gaet; there are gate'],
    [['--timeout', '0'], 2, '--timeout "0"'],
    [['--url', 'gate'], 2, 'expected an address like rtsp://'],
    [['--url', 'ftp://192.0.2.20/s'], 2, '--url: expected an address like rtsp://'],
  ])('%j ends with %i', (words, code, message) => {
    settings(`id: gate, url: '${url('/open')}'`);
    const { status, stderr } = run('test_cameras', words);
    expect([status, stderr]).toEqual([code, expect.stringContaining(message)]);
  });
});
