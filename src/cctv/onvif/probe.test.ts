import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cameraSpec, startCameras, type SimulatedCameras } from '../sim/cameras.ts';
import { MjpegSim } from '../sim/mjpeg.ts';
import { OnvifSim, type SimProfile } from '../sim/onvif.ts';
import { measureStream } from './measure.ts';
import { probeCamera } from './probe.ts';
import type { ProbedStream } from './probe.model.ts';
import { rolesOf, suggestEntry, warningsOf } from './probe.rules.ts';

const login = { username: 'alex', password: 'open sesame' };
let cameras: SimulatedCameras;

beforeAll(async () => {
  const square = { kind: 'square' } as const;
  cameras = await startCameras([
    cameraSpec('/stream1', square, { ...login, width: 1280, height: 720, keyframeSeconds: 1 }),
    cameraSpec('/stream2', square, { ...login, width: 640, height: 360, keyframeSeconds: 0.5 }),
    cameraSpec('/hevc', square, { codec: 'h265', width: 320, height: 240 }),
  ]);
});
afterAll(() => cameras.close());

function bare(path: string): string {
  return cameras.url(path).replace(/\/\/.*@/, '//');
}

const measured = (path: string, rest: Partial<ProbedStream>) => ({
  url: bare(path),
  codec: 'h264',
  fps: 10,
  ...rest,
});
const large = () => measured('/stream1', { width: 1280, height: 720, keyframeSeconds: 1 });
const small = () => measured('/stream2', { width: 640, height: 360, keyframeSeconds: 0.5 });

describe('a probe', () => {
  test('of a host without ONVIF finds the streams at the usual paths and measures them', async () => {
    const probe = await probeCamera(new URL(bare('/stream1')).host, login);
    expect(probe).toEqual({
      codec: 'h264',
      width: 1280,
      height: 720,
      fps: 10,
      keyframeSeconds: 1,
      urls: { main: bare('/stream1'), sub: bare('/stream2') },
      streams: [large(), small()],
      roles: { detect: bare('/stream2'), record: bare('/stream1'), live: bare('/stream1') },
      warnings: [],
    });
    expect(suggestEntry(probe, 'camera_1', login)).toEqual({
      id: 'camera_1',
      url: bare('/stream1'),
      ...login,
      streams: probe.roles,
      enabled: true,
      fps: 5,
    });
  });

  test('of a host with ONVIF takes what the camera names, its firmware and its clock', async () => {
    const { host } = new URL(bare('/stream1'));
    const profile = (token: string, path: string): SimProfile => ({
      token,
      name: token,
      encoding: 'H264',
      width: 1,
      height: 1,
      fps: 1,
      gop: 1,
      streamUrl: `rtsp://${host}${path}`,
    });
    const profiles = [profile('large', '/stream1'), profile('small', '/stream2'), profile('gone', '/gone')];
    // Cameras tell whole seconds: the middle of one is no second off.
    const now = () => Date.UTC(2026, 10, 21, 10, 5, 7, 500);
    const sim = await new OnvifSim({ ...login, profiles, firmware: '2.8.1', now }).listen('127.0.0.1');
    sim.driftSeconds = 90;
    const probe = await probeCamera(host.split(':')[0] ?? '', { ...login, now });
    await sim.close();
    expect(probe).toMatchObject({
      firmware: '2.8.1',
      manufacturer: 'Lares',
      streams: [
        { ...large(), name: 'large' },
        { ...small(), name: 'small' },
      ],
      clockDriftSeconds: 90,
    });
    expect(probe.warnings).toEqual([
      'the camera has no stream at this path (404 to DESCRIBE)',
      expect.stringMatching(
        /^the clock of the camera is (89|90|90\.\d|89\.\d) s ahead; set its time server$/,
      ),
    ]);
  });

  test('of an address measures that stream alone', async () => {
    const probe = await probeCamera(bare('/hevc'));
    expect(probe).toMatchObject({
      urls: { main: bare('/hevc') },
      streams: [{ codec: 'h265', width: 320, height: 240, fps: 10 }],
      warnings: [expect.stringContaining('no stream is H.264 (h265)') as string],
    });
  });

  test('of MJPEG over HTTP measures it too', async () => {
    const picture = execFileSync(
      'ffmpeg',
      ['-v', 'error', '-f', 'lavfi', '-i', 'testsrc=size=320x240', '-frames:v', '1', '-f', 'mjpeg', '-'],
      { encoding: 'buffer' },
    );
    const sim = await new MjpegSim({ pictures: [picture], fps: 10, ...login }).listen();
    const probe = await probeCamera(sim.url);
    await sim.close();
    expect(probe).toMatchObject({ codec: 'mjpeg', width: 320, height: 240 });
    expect(JSON.stringify(probe)).not.toContain('sesame');
  });

  test.each([
    ['a wrong password', () => cameras.url('/stream1').replace('sesame', 'barley'), 'AUTH_REFUSED'],
    ['a path that is not there', () => bare('/hevc').replace('hevc', 'nothing'), 'NOT_FOUND'],
    ['a port that nobody has', () => 'rtsp://127.0.0.1:9/x', 'UNREACHABLE'],
    ['a text that is no address', () => 'ftp://192.0.2.1/', 'USAGE'],
  ])('with %s is an error that holds no password', async (_, target, code) => {
    const failure = await probeCamera(target()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code });
    expect(String(failure)).not.toMatch(/barley|sesame/);
  });

  test('of a camera that sends nothing says so', async () => {
    cameras.fault('/hevc', { halfOpen: true });
    const order = { url: bare('/hevc'), transport: 'tcp', forMs: 500 } as const;
    expect(await measureStream(order)).toEqual({
      ok: false,
      cause: 'RTSP_SILENT',
      detail: expect.any(String) as string,
    });
    cameras.heal('/hevc');
  });
});

const stream = (
  url: string,
  codec: string,
  width: number,
  rest: Partial<ProbedStream> = {},
): ProbedStream => ({
  url,
  codec,
  width,
  height: (width * 9) / 16,
  ...rest,
});

describe('what is made of streams', () => {
  test('the smallest of at least 320 is looked at, the largest kept, the largest H.264 shown', () => {
    const streams = [stream('c', 'h265', 2560), stream('a', 'h264', 160), stream('b', 'h264', 640)];
    expect(rolesOf(streams)).toEqual({ detect: 'b', record: 'c', live: 'b' });
    expect(rolesOf([stream('a', 'h265', 160)])).toEqual({ detect: 'a', record: 'a' });
    expect(rolesOf([])).toEqual({});
  });

  test('warnings say what to do', () => {
    const streams = [stream('a', 'mjpeg', 1920), stream('b', 'h265', 2560, { keyframeSeconds: 10 })];
    const words = warningsOf(streams, { clockDriftSeconds: -90, analytics: true });
    expect(words.map((text) => text.split(',')[0])).toEqual([
      'the 2560x1440 stream has a keyframe only every 10 s',
      'no stream is H.264 (mjpeg',
      'the 1920x1080 stream is MJPEG',
      'the smallest stream is 1920x1080; a second stream of 640x360 would cost a tenth to look at',
      'the clock of the camera is 90 s behind; set its time server',
      'the camera analyses its own pictures; switch its motion detection off if frames are lost',
    ]);
    expect(warningsOf([stream('a', 'h264', 640, { keyframeSeconds: 2 })], { clockDriftSeconds: 2 })).toEqual(
      [],
    );
  });
});
