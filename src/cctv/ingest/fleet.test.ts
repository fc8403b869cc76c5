import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { Frame } from 'node-av/lib';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { DetectorServer } from '../detect/server.ts';
import type { Clip } from '../sim/clip.ts';
import { drawnClip, movingSquare } from '../sim/media.ts';
import { KeepFolders } from '../keep/folders.ts';
import { MjpegSim } from '../sim/mjpeg.ts';
import { RtspSim } from '../sim/rtsp.ts';
import { brightSquares, Heard, planFor, until } from './fixture.ts';
import { CameraFleet } from './fleet.ts';
import { JpegWriter } from './jpeg.ts';

let clip: Clip;
let folder: string;
let detector: DetectorServer;
let sim: RtspSim;
let heard: Heard;
let fleet: CameraFleet;
let stop: AbortController;
let done: Promise<void>;

beforeAll(async () => {
  const draw = movingSquare(640, 360);
  clip = drawnClip({ codec: 'h264', width: 640, height: 360, fps: 10, seconds: 6, draw, keyframeSeconds: 1 });
  folder = await mkdtemp(join(tmpdir(), 'lares-cameras-'));
  detector = new DetectorServer();
  await detector.listen(join(folder, 'detector.sock'));
  await detector.use(brightSquares());
});

afterAll(async () => {
  await detector.close();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  sim = await new RtspSim().listen();
  sim.add('/yard', clip);
  heard = new Heard();
  stop = new AbortController();
  fleet = new CameraFleet({ clock: systemClock, log: silent });
  fleet.onSignal(heard.take);
  done = fleet.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await done;
  await sim.close();
});

const settings = () => ({ detector: join(folder, 'detector.sock'), timeZone: 'UTC' });

test('follows what moves in the picture of a camera and sends its best picture', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('a picture', () => heard.of('picture').length > 0);
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
});

test('finds a stalled camera, tells it once, and is back when it sends again', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('pictures', () => heard.states('yard').at(-1) === 'live');
  sim.fault('/yard', { halfOpen: true });
  await until('the stall', () => heard.states('yard').at(-1)?.startsWith('down') === true);
  // Long enough for several tries against a camera that answers but sends nothing.
  await sleep(6000);
  sim.heal('/yard');
  await until('its return', () => heard.states('yard').at(-1) === 'live');
  const states = heard.states('yard');

  expect(states.slice(0, 3)).toEqual(['connecting', 'live', 'down RTSP_STALLED lost']);
  expect(states.filter((s) => s.endsWith('lost'))).toHaveLength(1);
  expect(states.at(-1)).toBe('live');
  expect(heard.of('state').some((s) => JSON.stringify(s).includes('127.0.0.1'))).toBe(false);
});

test.each([
  ['fin', 'RTSP_ENDED'],
  ['rst', 'RTSP_ENDED'],
] as const)('comes back by itself after the connection ended with %s', async (how, cause) => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('pictures', () => heard.states('yard').at(-1) === 'live');
  sim.cut('/yard', how);
  await until('its return', () => heard.states('yard').length === 4);
  expect(heard.states('yard')).toEqual(['connecting', 'live', `down ${cause} lost`, 'live']);
});

test.each([
  ['a wrong password', { status: {} }, '/locked', 'RTSP_AUTH'],
  ['a wrong path', { status: {} }, '/nothing', 'RTSP_NOT_FOUND'],
  ['a session that the camera does not know', { status: { SETUP: 454 } }, '/yard', 'RTSP_SESSION'],
  ['a camera that accepts and says nothing', { hang: true }, '/yard', 'RTSP_SILENT'],
  ['a camera that answers with noise', { babble: true }, '/yard', 'RTSP_GARBAGE'],
  ['a stream of noise', { garbage: true }, '/yard', 'RTSP_GARBAGE'],
  ['a stream without keyframes', { noKeyframes: true }, '/yard', 'NO_KEYFRAME'],
] as const)('names %s', async (_, faults, path, cause) => {
  sim.add('/locked', clip, { username: 'alex', password: 'right' });
  sim.fault('/yard', faults);
  const url =
    path === '/nothing' ? sim.url('/yard').replace('/yard', path) : sim.url(path).replace('right', 'wrong');
  fleet.configure([planFor('yard', url)], settings());
  await until(cause, () => heard.states('yard').at(-1)?.startsWith('down') === true);
  expect(heard.states('yard')).toEqual(['connecting', `down ${cause} lost`]);
  const { detail } = heard.of('state').at(-1)!;
  expect(detail).not.toContain('wrong');
});

test('names a codec that it cannot decode', async () => {
  sim.add('/odd', clip, { announce: 'X-NOBODY' });
  fleet.configure([planFor('yard', sim.url('/odd'))], settings());
  await until('the cause', () => heard.states('yard').length === 2);
  expect(heard.states('yard')).toEqual(['connecting', 'down CODEC_UNSUPPORTED lost']);
});

test('opens one connection for equal addresses, and none for a camera that has nothing to do', async () => {
  sim.add('/idle', clip);
  const url = sim.url('/yard');
  fleet.configure(
    [
      planFor('yard', url, { urls: { detect: url, record: url, live: url } }),
      planFor('idle', sim.url('/idle'), { detect: false }),
    ],
    settings(),
  );
  fleet.order({ kind: 'watch', camera: 'yard', on: true });
  await until('pictures', () => heard.of('picture').length > 0);
  expect(sim.counts('/yard').mostConnections).toBe(1);
  expect(sim.counts('/idle').connected).toBe(0);
});

test('answers with a picture also for a camera that is not decoded, and leaves it alone afterwards', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'), { detect: false })], settings());
  expect(fleet.pids()).toEqual([]);
  fleet.order({ kind: 'picture', camera: 'yard', request: 7, width: 320 });
  await until('the picture', () => heard.of('picture').length > 0);
  const [picture] = heard.of('picture');
  expect(picture).toMatchObject({ camera: 'yard', request: 7 });
  expect([...picture!.clean.subarray(0, 2)]).toEqual([0xff, 0xd8]);
  await until('the end of the connection', () => sim.counts('/yard').connections === 0);
});

test('says of a camera that only was watched that it is off once nobody watches', async () => {
  sim.add('/door', clip);
  fleet.configure(
    [planFor('yard', sim.url('/yard'), { detect: false }), planFor('door', sim.url('/door'))],
    settings(),
  );
  const watch = (on: boolean) => fleet.order({ kind: 'watch', camera: 'yard', on });
  expect(heard.states('yard')).toEqual(['off']);
  watch(true);
  await until('its life', () => heard.states('yard').at(-1) === 'live');
  watch(false);
  expect(heard.states('yard').at(-1)).toBe('off');
  await until('the end of the connection', () => sim.counts('/yard').connections === 0);
  expect(heard.states('yard')).toEqual(['off', 'connecting', 'live', 'off']);
  watch(true);
  await until('its life again', () => heard.states('yard').at(-1) === 'live');
});

test('connects anew only to cameras whose plan changed, and ends a process without cameras', async () => {
  sim.add('/door', clip);
  const [yard, door] = [planFor('yard', sim.url('/yard')), planFor('door', sim.url('/door'))];
  fleet.configure([yard, door], settings());
  const live = (id: string, times: number) => heard.states(id).filter((s) => s === 'live').length === times;
  await until('both', () => live('yard', 1) && live('door', 1));
  fleet.configure([yard, { ...door, threshold: 0.7 }], settings());
  await until('the door again', () => live('door', 2));
  expect(sim.counts('/yard').connected).toBe(1);
  expect(sim.counts('/door').connected).toBe(2);
  expect(fleet.pids()).toHaveLength(1);
  const [pid] = fleet.pids();
  fleet.configure([], settings());
  await until('the end of the process', () => !isAlive(pid!));
  expect(fleet.pids()).toEqual([]);
});

test('goes on through a change of size, without loss', async () => {
  const draw = movingSquare(320, 240);
  const small = drawnClip({ codec: 'h264', width: 320, height: 240, fps: 10, seconds: 2, draw });
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('tracks', () => heard.of('tracks').some((t) => t.width === 640));
  sim.replace('/yard', small);
  await until('tracks', () => heard.of('tracks').some((t) => t.width === 320 && t.tracks.length > 0));
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
  expect(heard.of('stream').at(-1)!.info).toMatchObject({ codec: 'h264', width: 320, height: 240 });
});

test.each(['tcp', 'udp'] as const)('reads H.265 over %s', async (transport) => {
  const draw = movingSquare(320, 240);
  sim.add('/hevc', drawnClip({ codec: 'h265', width: 320, height: 240, fps: 10, seconds: 2, draw }));
  fleet.configure([planFor('yard', sim.url('/hevc'), { transport })], settings());
  await until('tracks', () => heard.of('tracks').some((t) => t.tracks.length > 0));
  expect(heard.of('stream')[0]!.info).toMatchObject({ codec: 'hevc', width: 320, height: 240 });
});

test('records one stream and shows it live while another is looked at', async () => {
  sim.add('/main', clip);
  await new KeepFolders(join(folder, 'kept.json')).claim(join(folder, 'recordings'));
  const urls = { detect: sim.url('/yard'), record: sim.url('/main'), live: sim.url('/main') };
  const record = {
    mode: 'continuous',
    folder: join(folder, 'recordings', 'yard'),
    segmentSeconds: 2,
    preSeconds: 1,
    postSeconds: 1,
  } as const;
  fleet.configure([planFor('yard', sim.url('/yard'), { urls, record })], settings());
  fleet.order({ kind: 'watch', camera: 'yard', on: true });
  await until('a whole segment', () => heard.of('segment').some((s) => s.closed && s.bytes > 1000));
  await until('a fragment', () => heard.of('live').some((l) => l.part === 'fragment' && l.key));
  expect(heard.of('live')[0]).toMatchObject({
    part: 'init',
    mime: expect.stringContaining('avc1.') as string,
  });
  expect(new Set(heard.of('stream').map((s) => s.role))).toEqual(new Set(['detect', 'record', 'live']));
  expect(sim.counts('/main').mostConnections).toBe(1);
  // The stream that is only kept is never decoded: as many frames as the other sends, not twice.
  expect(heard.of('stats').at(-1)!.stats.decodedFps).toBeLessThan(13);
});

test('reads MJPEG over HTTP', async () => {
  const writer = new JpegWriter();
  const draw = movingSquare(320, 240);
  const pictures = Array.from({ length: 20 }, (_, i) => {
    const frame = Frame.fromVideoBuffer(draw(i), { width: 320, height: 240, format: AV_PIX_FMT_YUV420P });
    writer.paint(frame);
    return Buffer.from(writer.encode());
  });
  const http = await new MjpegSim({ pictures, fps: 10 }).listen();
  fleet.configure([planFor('yard', http.url)], settings());
  await until('tracks', () => heard.of('tracks').some((t) => t.tracks.length > 0));
  expect(heard.of('stream')[0]!.info).toMatchObject({ codec: 'mjpeg', width: 320, height: 240 });
  http.fault = '404';
  http.cut();
  await until('the cause', () => heard.states('yard').at(-1) === 'down RTSP_NOT_FOUND');
  expect(heard.states('yard').filter((s) => s.endsWith('lost'))).toHaveLength(1);
  await http.close();
});

test('a process that a camera floods with one endless picture ends, and the next one begins', async () => {
  const chunk = Buffer.alloc(2 ** 20, 7);
  const endless = createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=b' });
    response.write('--b\r\nContent-Type: image/jpeg\r\nContent-Length: 2000000000\r\n\r\n');
    const pour = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', pour);
    pour();
  }).listen(0, '127.0.0.1');
  await once(endless, 'listening');
  const { port } = endless.address() as AddressInfo;
  const small = new CameraFleet({ clock: systemClock, log: silent, mostMemory: 160 * 2 ** 20 });
  small.onSignal(heard.take);
  small.configure([planFor('flood', `http://127.0.0.1:${port}/`)], { timeZone: 'UTC' });
  const life = new AbortController();
  const ended = small.run(life.signal);
  try {
    await until('the end of the process', () => heard.states('flood').includes('down DECODER_DIED lost'));
    expect(heard.of('log').map(({ message }) => message)).toContainEqual(
      expect.stringMatching(/^the process of flood grew to \d+ MiB/),
    );
    await until('another process', () => small.pids().length === 1);
  } finally {
    life.abort();
    await ended;
    endless.closeAllConnections();
    endless.close();
  }
});

test('one picture of many megabytes is named as garbage before anything looks into it', async () => {
  const pictures = [Buffer.alloc(40 * 2 ** 20, 7)];
  const camera = await new MjpegSim({ pictures, fps: 10 }).listen();
  fleet.configure([planFor('vast', camera.url)], settings());
  await until('the cause', () =>
    heard.of('state').some(({ detail }) => detail === 'one picture of 40 MiB came'),
  );
  expect(heard.states('vast').at(-1)).toBe('down RTSP_GARBAGE lost');
  await camera.close();
});

test('a picture of a quarter of a billion pixels is not decoded', async () => {
  // A true JPEG whose head claims 15872 by 15872 pixels.
  const frame = Frame.fromVideoBuffer(Buffer.alloc(320 * 180 * 1.5, 128), {
    width: 320,
    height: 180,
    format: AV_PIX_FMT_YUV420P,
  });
  const writer = new JpegWriter();
  writer.paint(frame);
  const picture = Buffer.from(writer.encode());
  const head = picture.indexOf(Buffer.from([0xff, 0xc0]));
  picture.writeUInt16BE(15_872, head + 5);
  picture.writeUInt16BE(15_872, head + 7);
  const camera = await new MjpegSim({ pictures: [picture], fps: 10 }).listen();
  fleet.configure([planFor('huge', camera.url)], settings());
  await until('pictures that are refused', () =>
    heard.of('stats').some(({ stats }) => stats.decodeErrors > 3),
  );
  expect(heard.states('huge')).not.toContain('live');
  await camera.close();
});

test('plays a file at the pace of a camera, over and over', async () => {
  const file = join(folder, 'clip.h264');
  const nals = clip.units
    .slice(0, 20)
    .flatMap(({ nals: parts, key }) => [...(key ? clip.sets : []), ...parts]);
  await writeFile(file, Buffer.concat(nals.flatMap((nal) => [Buffer.from([0, 0, 0, 1]), nal])));
  fleet.configure([planFor('yard', pathToFileURL(file).href)], settings());
  await until('more frames than the file holds', () =>
    heard.of('stats').some(({ stats }) => stats.frames > 30),
  );
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
  for (const { stats } of heard.of('stats')) expect(stats.decodedFps).toBeLessThan(60);
});

test('objects whose feet are in an object mask are not followed', async () => {
  const everywhere = [
    { x: 0, y: 0 },
    { x: 1, y: 0 },
    { x: 1, y: 1 },
    { x: 0, y: 1 },
  ];
  sim.add('/free', clip);
  const masked = planFor('yard', sim.url('/yard'), { objectMasks: [everywhere] });
  fleet.configure([masked, planFor('free', sim.url('/free'))], settings());
  await until('tracks', () => heard.of('tracks').filter((t) => t.camera === 'free').length > 5);
  expect(heard.of('tracks').filter((t) => t.camera === 'yard')).toEqual([]);
});

test('goes on while the detector hangs, and looks again when it answers', async () => {
  const path = join(folder, 'hung.sock');
  const answered = Promise.withResolvers<void>();
  let asked = 0;
  const hung = new DetectorServer();
  await hung.listen(path);
  const squares = brightSquares();
  await hung.use({
    ...squares,
    detect: async (frames, threshold) => {
      asked += 1;
      await answered.promise;
      return squares.detect(frames, threshold);
    },
  });
  fleet.configure([planFor('yard', sim.url('/yard'), { motionGate: false })], {
    detector: path,
    timeZone: 'UTC',
  });
  await until('frames that nobody looked at', () => (heard.of('stats').at(-1)?.stats.dropped ?? 0) > 10);
  expect(heard.of('tracks')).toEqual([]);
  expect(asked).toBeLessThan(3);
  answered.resolve();
  await until('tracks', () => heard.of('tracks').length > 0);
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
  await hung.close();
});

test('asks a camera ever more slowly that ends each connection as soon as it gives pictures', async () => {
  fleet.onSignal((signal) => signal.kind === 'state' && signal.state === 'live' && sim.cut('/yard'));
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('eight seconds of stats', () => heard.of('stats').length > 8);
  expect(sim.counts('/yard').connected).toBeLessThan(12);
  expect(sim.counts('/yard').connected).toBeGreaterThan(3);
});

test('follows nothing while the detector is away, and goes on when it is back', async () => {
  const path = join(folder, 'other.sock');
  fleet.configure([planFor('yard', sim.url('/yard'))], { detector: path, timeZone: 'UTC' });
  await until('motion', () => heard.of('stats').some(({ stats }) => stats.motion > 0));
  expect(heard.of('tracks')).toEqual([]);
  const late = new DetectorServer();
  await late.listen(path);
  await late.use(brightSquares());
  await until('tracks', () => heard.of('tracks').length > 0);
  await late.close();
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
