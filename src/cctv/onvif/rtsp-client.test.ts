import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clipOf, type Clip } from '../sim/clip.ts';
import { RtspSim } from '../sim/rtsp.ts';
import type { Faults, PathOptions } from '../sim/rtsp.model.ts';
import { describeRtsp } from './rtsp-client.ts';

// Parameter sets and one picture of a few bytes: enough for everything but decoding.
const nal = (...bytes: number[]) => [0, 0, 0, 1, ...bytes];
const clip: Clip = clipOf(
  'h264',
  Buffer.from([...nal(0x67, 0x64, 0, 0x1f, 0xac), ...nal(0x68, 0xee), ...nal(0x65, 0x88, 0x84)]),
  10,
);

let sim: RtspSim;

beforeEach(async () => {
  sim = await new RtspSim().listen();
});
afterEach(() => sim.close());

const secret = 'open sesame';
const patient = { timeoutMs: 30_000 };

async function causeOf(faults: Partial<Faults>, options: PathOptions = {}, timeoutMs = 30_000) {
  sim.add('/cam', clip, { username: 'alex', password: secret, ...options });
  sim.fault('/cam', faults);
  const found = await describeRtsp(sim.url('/cam'), { timeoutMs, play: true });
  expect(JSON.stringify(found)).not.toContain('sesame');
  return found.ok ? 'ok' : found.cause;
}

const cases: readonly (readonly [string, Partial<Faults>, string])[] = [
  ['all is well', {}, 'ok'],
  ['it closes the connection', { refuse: true }, 'RTSP_ENDED'],
  ['it never answers', { hang: true }, 'RTSP_SILENT'],
  ['it agrees to play and sends nothing', { halfOpen: true }, 'RTSP_STALLED'],
  ['it answers with random bytes', { babble: true }, 'RTSP_GARBAGE'],
  ['it refuses with 401', { status: { DESCRIBE: 401 } }, 'RTSP_AUTH'],
  ['it refuses with 404', { status: { DESCRIBE: 404 } }, 'RTSP_NOT_FOUND'],
  ['it refuses SETUP with 454', { status: { SETUP: 454 } }, 'RTSP_SESSION'],
  ['it refuses PLAY with 454', { status: { PLAY: 454 } }, 'RTSP_SESSION'],
  ['it has no bandwidth left', { status: { SETUP: 453 } }, 'RTSP_REFUSED'],
  ['it is out of service', { status: { DESCRIBE: 503 } }, 'RTSP_REFUSED'],
  ['it is slow but answers', { slowMs: 50 }, 'ok'],
];

test.each(cases)('when %s the cause is named', async (_, faults, cause) => {
  // Only silence takes the whole time.
  const silent = cause === 'RTSP_SILENT' || cause === 'RTSP_STALLED';
  expect(await causeOf(faults, {}, silent ? 3_000 : 30_000)).toBe(cause);
});

test('a codec that nobody can decode is named', async () => {
  expect(await causeOf({}, { announce: 'VP8' })).toBe('CODEC_UNSUPPORTED');
});

test('a path that is not there, a wrong password and none at all are told apart', async () => {
  sim.add('/cam', clip, { username: 'alex', password: secret });
  const url = sim.url('/cam');
  expect(await describeRtsp(url.replace('/cam', '/other'), patient)).toEqual({
    ok: false,
    cause: 'RTSP_NOT_FOUND',
    detail: 'the camera has no stream at this path (404 to DESCRIBE)',
  });
  expect(await describeRtsp(url.replace('sesame', 'barley'), patient)).toEqual({
    ok: false,
    cause: 'RTSP_AUTH',
    detail: 'the camera refused the user name and password (401 to DESCRIBE)',
  });
  expect(await describeRtsp(url.replace(/\/\/.*@/, '//'), patient)).toEqual({
    ok: false,
    cause: 'RTSP_AUTH',
    detail: 'the camera asks for a user name and password (401 to DESCRIBE)',
  });
});

test('the description is given with its tracks', async () => {
  sim.add('/cam', clip);
  const found = await describeRtsp(sim.url('/cam'), patient);
  expect(found).toMatchObject({
    ok: true,
    tracks: [{ media: 'video', codec: 'h264', fps: 10, control: 'trackID=0' }],
  });
});

test('a name that nobody knows, a port that nobody has and a text that is no address are told apart', async () => {
  const { port } = sim;
  await sim.close();
  const cause = async (url: string) => {
    const found = await describeRtsp(url, { timeoutMs: 30_000 });
    return found.ok ? 'ok' : found.cause;
  };
  expect(await cause('rtsp://no-such-camera.invalid/')).toBe('RTSP_DNS');
  expect(await cause(`rtsp://127.0.0.1:${port}/`)).toBe('RTSP_CONNECT');
  expect(await cause('http://127.0.0.1/')).toBe('RTSP_CONNECT');
  expect(await cause('')).toBe('RTSP_CONNECT');
});

test('another service at the port is garbage, and bytes that never end are no danger', async () => {
  const servers: Server[] = [];
  const serve = async (bytes: Buffer) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      const pour = () => {
        while (socket.writable && socket.write(bytes)) if (bytes.length < 1000) return;
      };
      socket.on('drain', pour);
      pour();
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `rtsp://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  };
  const cause = async (bytes: Buffer) => {
    const found = await describeRtsp(await serve(bytes), { timeoutMs: 30_000 });
    return found.ok ? 'ok' : found.cause;
  };
  expect(await cause(Buffer.from('220 mail ready\r\n'))).toBe('RTSP_GARBAGE');
  expect(await cause(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'))).toBe('RTSP_GARBAGE');
  expect(await cause(Buffer.alloc(65_536, 'RTSP/1.0 200 OK and so on '))).toBe('RTSP_GARBAGE');
  for (const server of servers) server.close();
});

test('a signal ends the wait at once', async () => {
  sim.add('/cam', clip);
  sim.fault('/cam', { hang: true });
  const stop = new AbortController();
  const waiting = describeRtsp(sim.url('/cam'), { timeoutMs: 60_000, signal: stop.signal });
  await expect.poll(() => sim.counts('/cam').connections).toBe(1);
  stop.abort();
  expect(await waiting).toMatchObject({ ok: false });
  await expect.poll(() => sim.counts('/cam').connections).toBe(0);
});
