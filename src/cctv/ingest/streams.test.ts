import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttp, type ServerResponse } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { Frame } from 'node-av/lib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { DetectorServer } from '../detect/server.ts';
import { makeVideo } from '../keep/fixture.ts';
import { KeepFolders } from '../keep/folders.ts';
import type { Clip } from '../sim/clip.ts';
import { drawnClip, fileMedia, movingSquare } from '../sim/media.ts';
import { MjpegSim } from '../sim/mjpeg.ts';
import { RtspSim } from '../sim/rtsp.ts';
import type { Faults, PathOptions } from '../sim/rtsp.model.ts';
import { brightSquares, Heard, planFor, until } from './fixture.ts';
import { CameraFleet } from './fleet.ts';
import { JpegWriter } from './jpeg.ts';

/** What cameras send that is unusual, and what stands in their place. */

const [width, height] = [320, 240];
let dir: string;
let recordings: string;
let clip: Clip;
let hevc: Clip;
let detector: DetectorServer;
let sim: RtspSim;
let heard: Heard;
let fleet: CameraFleet;
let life: AsyncDisposableStack;

beforeAll(async () => {
  const draw = movingSquare(width, height);
  clip = drawnClip({ codec: 'h264', width, height, fps: 10, seconds: 2, draw, keyframeSeconds: 1 });
  hevc = drawnClip({ codec: 'h265', width, height, fps: 10, seconds: 2, draw, keyframeSeconds: 1 });
  dir = mkdtempSync(path.join(tmpdir(), 'lares-streams-'));
  recordings = path.join(dir, 'recordings');
  await new KeepFolders(path.join(dir, 'kept.json')).claim(recordings);
  detector = new DetectorServer();
  await detector.listen(path.join(dir, 'detector.sock'));
  await detector.use(brightSquares());
});
afterAll(async () => {
  await detector.close();
  rmSync(dir, { recursive: true });
});

beforeEach(async () => {
  life = new AsyncDisposableStack();
  sim = await new RtspSim().listen();
  life.defer(() => sim.close());
  heard = new Heard();
  fleet = new CameraFleet({ clock: systemClock, log: silent });
  fleet.onSignal(heard.take);
  const stop = new AbortController();
  const done = fleet.run(stop.signal);
  life.defer(async () => {
    stop.abort();
    await done;
  });
});
afterEach(() => life.disposeAsync());

const read = (url: string, more: Parameters<typeof planFor>[2] = {}) =>
  fleet.configure([planFor('yard', url, more)], {
    detector: path.join(dir, 'detector.sock'),
    timeZone: 'UTC',
  });
const follows = () => until('tracks', () => heard.of('tracks').some((t) => t.tracks.length > 0));
const lastState = () => heard.of('state').at(-1);

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  life.defer(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('a camera over TLS', () => {
  let tls: { readonly key: string; readonly cert: string };
  beforeAll(() => {
    const file = (name: string) => path.join(dir, name);
    const kind = '-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=camera';
    const made = ['-keyout', file('key.pem'), '-out', file('cert.pem')];
    execFileSync('/usr/bin/openssl', ['req', ...kind.split(' '), ...made], { stdio: 'ignore' });
    tls = { key: readFileSync(file('key.pem'), 'utf8'), cert: readFileSync(file('cert.pem'), 'utf8') };
  });

  test('with a certificate of its own is read, and read again after it was lost', async () => {
    const secure = await new RtspSim().listen({ tls });
    life.defer(() => secure.close());
    secure.add('/yard', clip, { username: 'alex', password: 'p@ss:w/rd' });
    read(secure.url('/yard'));
    await follows();
    secure.cut('/yard');
    await until('its return', () => heard.states('yard').length === 4);
    expect(heard.states('yard')).toEqual(['connecting', 'live', 'down RTSP_ENDED lost', 'live']);
    secure.fault('/yard', { halfOpen: true });
    await until('the stall', () => lastState()?.state === 'down');
    expect(heard.states('yard').at(-1)).toBe('down RTSP_STALLED lost');
    secure.heal('/yard');
    await until('its return', () => lastState()?.state === 'live');
  });

  test('that hangs in the handshake is named, and let go of', async () => {
    const open = new Set<object>();
    const port = await listening(
      createServer((socket) => {
        open.add(socket);
        socket.on('error', () => undefined);
        socket.resume().on('close', () => open.delete(socket));
      }),
    );
    read(`rtsps://alex:secret@127.0.0.1:${port}/yard`);
    await until('the cause', () => lastState()?.state === 'down');
    expect(lastState()).toMatchObject({
      cause: 'RTSP_SILENT',
      detail: `127.0.0.1:${port} accepted the connection and did not answer within 1.5 s`,
    });
    fleet.configure([], { timeZone: 'UTC' });
    await until('the end of all connections', () => open.size === 0);
  });

  test.each([
    ['that answers in plain text', 'RTSP/1.0 400 Bad Request\r\n\r\n', 'ERR_SSL_WRONG_VERSION_NUMBER'],
    ['that ends the connection', undefined, 'the connection was cut (ECONNRESET)'],
  ])('%s is named as one without TLS', async (_, said, why) => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => (said === undefined ? socket.destroy() : socket.end(said)));
    });
    const port = await listening(plain);
    read(`rtsps://alex:secret@127.0.0.1:${port}/yard`);
    await until('the cause', () => lastState()?.state === 'down');
    expect(lastState()).toMatchObject({
      cause: 'RTSP_GARBAGE',
      detail: `no TLS with 127.0.0.1:${port}: ${why}; write rtsp:// where the camera does not encrypt`,
    });
  });

  test('that is asked without TLS is named', async () => {
    const secure = await new RtspSim().listen({ tls });
    life.defer(() => secure.close());
    secure.add('/yard', clip);
    read(secure.url('/yard').replace('rtsps:', 'rtsp:'));
    await until('the cause', () => lastState()?.state === 'down');
    expect(['RTSP_GARBAGE', 'RTSP_ENDED']).toContain(lastState()?.cause);
  });
});

describe('a stream is followed', () => {
  const odd: Readonly<Record<string, { readonly options?: PathOptions; readonly faults?: Partial<Faults> }>> =
    {
      'sets in the description only': { options: { sets: 'description' } },
      'sets in band only': { options: { sets: 'band' } },
      'timestamps at the end of their 32 bits': { options: { firstTimestamp: 2 ** 32 - 90_000 } },
      'empty packets and empty NAL units': { faults: { empty: true } },
      'each nonce good for once': { options: { username: 'alex', password: 'p@ss:w/rd', nonceOnce: true } },
    };

  test.each(['h264', 'h265'] as const)(
    'recorded and shown, of %s, however odd it is',
    async (codec) => {
      const names = Object.keys(odd);
      const record = { mode: 'continuous', segmentSeconds: 1, preSeconds: 1, postSeconds: 1 } as const;
      const plans = names.map((name, n) => {
        const place = `/${name.replaceAll(' ', '-')}`;
        sim.add(place, codec === 'h264' ? clip : hevc, odd[name]!.options);
        sim.fault(place, odd[name]!.faults ?? {});
        const folder = path.join(recordings, `${codec}-${n}`);
        return planFor(name, sim.url(place), { record: { ...record, folder } });
      });
      fleet.configure(plans, { detector: path.join(dir, 'detector.sock'), timeZone: 'UTC' });
      for (const camera of names) fleet.order({ kind: 'watch', camera, on: true });
      for (const name of names) {
        const own = (signal: { readonly camera: string }) => signal.camera === name;
        const mime = codec === 'h264' ? 'avc1.' : 'hvc1.';
        const pictures = () => heard.of('stats').findLast(own)?.stats.frames ?? 0;
        await until(`tracks of ${name}`, () => heard.of('tracks').some((t) => own(t) && t.tracks.length > 0));
        await until(`two seconds of ${name}`, () => pictures() > 20);
        await until(`a file of ${name}`, () =>
          heard.of('segment').some((s) => own(s) && s.closed && s.bytes > 1000),
        );
        await until(`live ${name}`, () => heard.of('live').some((l) => own(l) && l.mime.startsWith(mime)));
        expect([name, ...heard.states(name)]).toEqual([name, 'connecting', 'live']);
      }
    },
    120_000,
  );

  test('after the camera moved to another path, and one that moves in circles is named', async () => {
    sim.add('/new', clip);
    sim.add('/old', clip, { movedTo: sim.url('/new') });
    sim.add('/circle', clip, { movedTo: `rtsp://127.0.0.1:${sim.port}/circle` });
    read(sim.url('/old'));
    await follows();
    heard.forget();
    read(sim.url('/circle'));
    await until('the cause', () => lastState()?.state === 'down');
    expect(lastState()?.cause).toBe('RTSP_REFUSED');
  });

  test('over UDP although packets are lost', async () => {
    sim.add('/yard', clip);
    sim.fault('/yard', { loss: 0.05 });
    read(sim.url('/yard'), { transport: 'udp' });
    await follows();
    await until('more pictures', () => (heard.of('stats').at(-1)?.stats.frames ?? 0) > 30);
    expect(heard.states('yard')).toEqual(['connecting', 'live']);
  });
});

test('a stream that changes its size again and again is followed on its one connection', async () => {
  const sizes = [
    [320, 240],
    [640, 360],
    [176, 144],
  ] as const;
  const clips = sizes.map(([wide, high]) =>
    drawnClip({
      codec: 'h264',
      width: wide,
      height: high,
      fps: 10,
      seconds: 1,
      draw: movingSquare(wide, high),
    }),
  );
  sim.add('/yard', clips[0]!);
  read(sim.url('/yard'), { motionGate: false });
  await follows();
  for (let n = 1; n <= 12; n += 1) {
    heard.forget();
    const [wide] = sizes[n % 3]!;
    sim.replace('/yard', clips[n % 3]!);
    await until('tracks in it', () =>
      heard.of('tracks').some((t) => t.width === wide && t.tracks.length > 0),
    );
  }
  expect(heard.states('yard')).toEqual([]);
  expect(sim.counts('/yard').connected).toBe(1);
});

test('B-frames are recorded at their times', async () => {
  const file = makeVideo(dir, 'b.mp4', {
    seconds: 4,
    args: ['-bf', '2', '-b_strategy', '0', '-sc_threshold', '0'],
  });
  sim.add('/yard', await fileMedia(file));
  const folder = path.join(recordings, 'yard');
  const record = { mode: 'continuous', folder, segmentSeconds: 2, preSeconds: 1, postSeconds: 1 } as const;
  read(sim.url('/yard'), { record });
  const whole = () => heard.of('segment').filter((s) => s.closed);
  await until('three segments', () => whole().length > 2);
  const asked = '-v error -select_streams v -show_entries frame=pts_time -of csv=p=0';
  const said = execFileSync('ffprobe', [...asked.split(' '), whole()[1]!.file], { encoding: 'utf8' });
  const shown = said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number.parseFloat(line));
  const steps = shown.slice(1).map((at, i) => Math.round((at - shown[i]!) * 100));
  // Pictures of 10 a second, each once and in order.
  expect(shown.length).toBeGreaterThan(15);
  expect(steps.filter((step) => step !== 10)).toEqual([]);
});

test('a picture of a camera that is only recorded is taken from its one connection, which goes on', async () => {
  const draw = movingSquare(width, height);
  sim.add(
    '/slow',
    drawnClip({ codec: 'h264', width, height, fps: 10, seconds: 3, draw, keyframeSeconds: 3 }),
  );
  const folder = path.join(recordings, 'slow');
  const record = { mode: 'continuous', folder, segmentSeconds: 60, preSeconds: 1, postSeconds: 1 } as const;
  read(sim.url('/slow'), { detect: false, record });
  await until('its life', () => lastState()?.state === 'live');
  // A keyframe was some seconds ago.
  await until('five seconds', () => sim.counts('/slow').pictures > 50);
  fleet.order({ kind: 'picture', camera: 'yard', request: 1 });
  await until('the picture', () => heard.of('picture').some((p) => p.request === 1));
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
  expect(sim.counts('/slow').connected).toBe(1);
});

describe('MJPEG', () => {
  let jpeg: Buffer[];
  beforeAll(() => {
    const writer = new JpegWriter();
    const draw = movingSquare(width, height);
    jpeg = Array.from({ length: 20 }, (_, i) => {
      writer.paint(Frame.fromVideoBuffer(draw(i), { width, height, format: AV_PIX_FMT_YUV420P }));
      return Buffer.from(writer.encode());
    });
    writer.close();
  });

  /** A camera that answers by hand: `part` writes one picture. */
  async function camera(
    head: Record<string, string>,
    part: (response: ServerResponse, picture: Buffer) => void,
  ): Promise<string> {
    const server = createHttp((_, response) => {
      response.writeHead(200, head);
      let n = 0;
      const timer = setInterval(() => part(response, jpeg[n++ % jpeg.length]!), 100);
      response.on('close', () => clearInterval(timer));
    });
    life.defer(() => server.closeAllConnections());
    return `http://127.0.0.1:${await listening(server)}/`;
  }
  const parts =
    (more = '') =>
    (response: ServerResponse, picture: Buffer) => {
      response.write(`--b\r\nContent-Type: image/jpeg\r\n${more}\r\n`);
      response.write(picture);
      response.write('\r\n');
    };
  const type = (value: string) => ({ 'content-type': value });

  const plain = 'multipart/x-mixed-replace; boundary=b';
  test.each([
    ['that names no boundary', 'multipart/x-mixed-replace', ''],
    ['whose parts do not say how long they are', plain, ''],
    ['whose boundary is quoted, with its dashes', 'multipart/x-mixed-replace; boundary="--b"', ''],
    ['whose length is no number', plain, 'Content-Length: many\r\n'],
  ])('%s is read', async (_, kind, more) => {
    read(await camera(type(kind), parts(more)));
    await follows();
    await until('more pictures', () => (heard.of('stats').at(-1)?.stats.frames ?? 0) > 15);
    expect(heard.states('yard')).toEqual(['connecting', 'live']);
  });

  test('of 20 MB a picture is read', async () => {
    const vast = await new MjpegSim({
      pictures: jpeg.map((picture) => Buffer.concat([picture, Buffer.alloc(20e6)])),
      fps: 2,
    }).listen();
    life.defer(() => vast.close());
    read(vast.url);
    await follows();
    expect(heard.states('yard')).toEqual(['connecting', 'live']);
  });

  test.each([9000, 900])('whose parts say that they have %i bytes and do not is named', async (length) => {
    read(await camera(type(plain), parts(`Content-Length: ${length}\r\n`)));
    await until('the cause', () => heard.states('yard').includes('down RTSP_GARBAGE lost'));
    expect(heard.of('state').find((s) => s.lost)?.detail).toBe(
      'what comes is not what the camera says it is',
    );
  });

  test('that is one picture only, or at a host that nobody knows, is named', async () => {
    const still = await new MjpegSim({ pictures: jpeg, fps: 10 }).listen();
    life.defer(() => still.close());
    read(still.url.replace('/stream', '/snapshot.jpg'));
    await until('the cause', () => lastState()?.state === 'down');
    expect(lastState()).toMatchObject({
      cause: 'RTSP_GARBAGE',
      detail: 'no endless row of pictures (MJPEG) came; a still picture or a page is not enough',
    });
    read('http://alex:secret@nobody.invalid/video');
    await until('the other cause', () => lastState()?.cause === 'RTSP_DNS');
    expect(lastState()?.detail).toBe('the host name nobody.invalid is not known');
  });

  test('of a shape that cannot be worked with is named, and the others of its process go on', async () => {
    sim.add('/yard', clip);
    const size = { width: 65_488, height: 16 };
    const writer = new JpegWriter();
    const pixels = Buffer.alloc(size.width * size.height * 1.5, 128);
    writer.paint(Frame.fromVideoBuffer(pixels, { ...size, format: AV_PIX_FMT_YUV420P }));
    const picture = Buffer.from(writer.encode());
    writer.close();
    // Wider than a JPEG may be that is written here.
    picture.writeUInt16BE(65_520, picture.indexOf(Buffer.from([0xff, 0xc0])) + 7);
    const flat = await new MjpegSim({ pictures: [picture], fps: 10 }).listen();
    life.defer(() => flat.close());
    fleet.configure([planFor('flat', flat.url), planFor('yard', sim.url('/yard'))], { timeZone: 'UTC' });
    await until('its life', () => heard.states('flat').at(-1) === 'live');
    fleet.order({ kind: 'picture', camera: 'flat', request: 1 });
    await until('the cause', () => heard.states('flat').at(-1)?.startsWith('down') === true);
    expect(heard.states('flat')).toEqual(['connecting', 'live', 'down CODEC_UNSUPPORTED lost']);
    await until('the other', () => heard.states('yard').at(-1) === 'live');
    expect(heard.states('yard')).toEqual(['connecting', 'live']);
  });
});
