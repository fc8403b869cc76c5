import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Fastify, { type FastifyInstance } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { Demuxer } from 'node-av';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { LaresError } from '#kernel/errors.ts';
import { chromiumPath, openBrowser } from '../../../tests/e2e/browser.ts';
import { until } from '../../../tests/servers/process.ts';
import type { Signal } from '../ingest/messages.ts';
import { feed, makeVideo } from '../keep/fixture.ts';
import { LiveHub } from './hub.ts';
import { makeLive, type Live } from './remux.ts';
import { liveRoutes } from './routes.ts';

type LiveSignal = Extract<Signal, { kind: 'live' }>;

let dir: string;
let clip: string;
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-live-'));
  clip = makeVideo(dir, 'a.mp4', { seconds: 4, fps: 25, size: '640x360' });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const isLive = (signal: Signal): signal is LiveSignal => signal.kind === 'live';

describe('what goes to browsers', () => {
  const start = 1_000_000;

  async function run(watchAt: number | undefined, options: { count?: number } = {}): Promise<LiveSignal[]> {
    const signals: LiveSignal[] = [];
    const live = makeLive({ camera: 'yard', send: (signal) => isLive(signal) && signals.push(signal) });
    let n = 0;
    await feed(live, clip, start, {
      ...options,
      each: () => {
        if (n === watchAt) live.watch(true);
        n += 1;
      },
    });
    return signals;
  }

  test('is nothing while nobody watches', async () => {
    expect(await run(undefined)).toEqual([]);
  });

  test('begins at once with what came since the last keyframe, then is one piece a picture', async () => {
    const signals = await run(35, { count: 60 });
    expect(signals.slice(0, 3).map(({ part, key, at, mime }) => ({ part, key, at, mime }))).toEqual([
      { part: 'init', key: true, at: start + 1_000, mime: 'avc1.42c01e' },
      { part: 'fragment', key: true, at: start + 1_000, mime: 'avc1.42c01e' },
      { part: 'fragment', key: false, at: start + 1_400, mime: 'avc1.42c01e' },
    ]);
    expect(signals).toHaveLength(2 + 25);
    expect(signals.filter(({ key }) => key)).toHaveLength(3);
  });
});

/** A house with one camera that gives the clip for ever, as fast as it was taken. */
class LiveHouse {
  readonly app: FastifyInstance = Fastify({ forceCloseConnections: true });
  readonly orders: [string, boolean][] = [];
  readonly #stop = new AbortController();
  readonly hub: LiveHub;
  readonly #live: Live;
  connections = 0;
  /** How long pictures take. */
  ready: Promise<void> = Promise.resolve();
  #reading: Promise<void> = Promise.resolve();

  constructor(file: string) {
    this.hub = new LiveHub(
      {
        has: (camera) => camera === 'yard',
        watch: (camera, on) => {
          this.orders.push([camera, on]);
          this.#live.watch(on);
        },
        picture: async () => {
          await this.ready;
          return readFileSync(path.join(dir, 'p.jpg'));
        },
      },
      { monotonic: () => performance.now() },
    );
    this.#live = makeLive({ camera: 'yard', send: (signal) => isLive(signal) && this.hub.take(signal) });
    this.#reading = this.#read(file);
  }

  async listen(): Promise<string> {
    this.app.setValidatorCompiler(validatorCompiler);
    this.app.setSerializerCompiler(serializerCompiler);
    this.app.setErrorHandler((error, _request, reply) => {
      const code = error instanceof LaresError ? error.code : 'INTERNAL';
      return reply.code(code === 'NOT_FOUND' ? 404 : 500).send({ code, message: String(error) });
    });
    this.app.addHook('onRequest', async (_request, reply) => {
      reply.header(
        'content-security-policy',
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self'; media-src 'self' blob:",
      );
    });
    await this.app.register(
      liveRoutes({
        port: { has: (camera) => camera === 'yard' },
        hub: this.hub,
        refusal: (headers) => (headers.host?.startsWith('127.0.0.1') === true ? undefined : 'wrong host'),
      }),
    );
    const page = (url: string, type: string, body: string | Buffer) =>
      this.app.get(url, (_request, reply) => reply.type(type).send(body));
    page(
      '/',
      'text/html',
      '<!doctype html><div id="screen"></div><script type="module" src="/test.js"></script>',
    );
    page(
      '/test.js',
      'text/javascript',
      "import { attachLive } from '/live.js'; window.live = attachLive(document.getElementById('screen'), 'yard');",
    );
    for (const name of ['live.js', 'lib.js'])
      page(`/${name}`, 'text/javascript', readFileSync(path.resolve('src/http/page', name)));
    await this.app.listen({ host: '127.0.0.1', port: 0 });
    return `http://127.0.0.1:${(this.app.server.address() as AddressInfo).port}`;
  }

  /** As after a lost connection: a new beginning of the stream. */
  begin(): void {
    this.#live.watch(true);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#reading;
    await this.app.close();
  }

  async #read(file: string): Promise<void> {
    const { signal } = this.#stop;
    const began = performance.now();
    let offset = 0;
    this.connections += 1;
    for (let round = 0; !signal.aborted; round += 1) {
      const demuxer = await Demuxer.open(file);
      const stream = demuxer.video()!;
      if (round === 0) this.#live.open(stream, { width: 640, height: 360 });
      let count = 0;
      for await (const packet of demuxer.packets(stream.index)) {
        if (packet === null || signal.aborted) break;
        const due = began + offset + count * 40;
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
        this.#live.packet(packet, Date.now(), packet.isKeyframe);
        packet.free();
        count += 1;
      }
      offset += count * 40;
      await demuxer.close();
    }
  }
}

describe('over the network', () => {
  let house: LiveHouse;
  let url: string;
  beforeEach(async () => {
    makeVideo(dir, 'p.jpg', {
      codec: 'mjpeg',
      seconds: 1,
      fps: 1,
      size: '320x180',
      args: ['-frames:v', '1', '-update', '1'],
    });
    house = new LiveHouse(clip);
    url = await house.listen();
  });
  afterEach(() => house.close());

  const socket = (target: string, headers: Record<string, string> = {}) =>
    new WebSocket(`${url.replace('http', 'ws')}${target}`, { headers });
  const outcome = (client: WebSocket) =>
    new Promise<string>((resolve) => {
      client.on('open', () => resolve('open'));
      client.on('unexpected-response', (_request, response) => resolve(String(response.statusCode)));
      client.on('error', () => resolve('error'));
    });

  test.each([
    ['/api/cctv/cameras/yard/live', {}, 'open'],
    ['/api/cctv/cameras/nobody/live', {}, '404'],
    ['/api/cctv/cameras/%E0%A4%A/live', {}, '404'],
    ['/elsewhere', {}, '404'],
    ['/api/cctv/cameras/yard/live', { origin: 'http://evil.example' }, '421'],
    ['/api/cctv/cameras/yard/live', { origin: 'null' }, '421'],
    ['/api/cctv/cameras/yard/live', { host: 'evil.example' }, '421'],
  ])('a socket to %s with %j ends as %s', async (target, headers, wanted) => {
    const client = socket(target, headers as Record<string, string>);
    expect(await outcome(client)).toBe(wanted);
    client.terminate();
  });

  test('a socket tells the codec, then the head, then pictures from a keyframe on', async () => {
    const client = socket('/api/cctv/cameras/yard/live', { origin: url });
    const messages: (string | Buffer)[] = [];
    client.on('message', (data: Buffer, binary: boolean) => messages.push(binary ? data : data.toString()));
    await until(() => messages.length > 5);
    client.close();
    expect(messages[0]).toBe('{"type":"stream","mime":"avc1.42c01e"}');
    expect(messages.slice(1, 3).map((message) => (message as Buffer)[0])).toEqual([0, 1]);
    await until(() => house.hub.viewers('yard') === 0);
    expect(house.orders).toEqual([
      ['yard', true],
      ['yard', false],
    ]);
  });

  test('a picture, and an endless row of them, are JPEG', async () => {
    const one = await fetch(`${url}/api/cctv/cameras/yard/picture.jpg?width=640`);
    expect([one.status, one.headers.get('content-type')]).toEqual([200, 'image/jpeg']);
    expect(Buffer.from(await one.arrayBuffer())).toEqual(readFileSync(path.join(dir, 'p.jpg')));
    expect((await fetch(`${url}/api/cctv/cameras/nobody/picture.jpg`)).status).toBe(404);
    const row = await fetch(`${url}/api/cctv/cameras/yard/mjpeg?fps=5`);
    const reader = row.body!.getReader();
    let text = '';
    while (text.split('--lares-picture').length < 4)
      text += Buffer.from((await reader.read()).value!).toString('latin1');
    await reader.cancel();
    expect(text).toContain('Content-Type: image/jpeg');
  });

  const raw = async (lines: readonly string[]) => {
    const client = connect(Number(new URL(url).port), '127.0.0.1');
    client.on('error', () => undefined);
    await once(client, 'connect');
    client.write(`${lines.join('\r\n')}\r\n\r\n`);
    return client;
  };

  test('readers that leave while a picture is made free their places', async () => {
    const made = Promise.withResolvers<void>();
    house.ready = made.promise;
    const readers = await Promise.all(
      Array.from({ length: 64 }, () =>
        raw(['GET /api/cctv/cameras/yard/mjpeg HTTP/1.1', 'Host: 127.0.0.1', 'Connection: close']),
      ),
    );
    const status = async () => {
      const leave = new AbortController();
      const late = setTimeout(() => leave.abort(), 500);
      try {
        return (await fetch(`${url}/api/cctv/cameras/yard/mjpeg`, { signal: leave.signal })).status;
      } catch {
        return undefined;
      } finally {
        clearTimeout(late);
        leave.abort();
      }
    };
    await until(async () => (await status()) === 503);
    for (const reader of readers) reader.destroy();
    await until(
      async () =>
        (await new Promise<number>((resolve) => house.app.server.getConnections((_, n) => resolve(n)))) < 8,
    );
    made.resolve();
    await until(async () => (await status()) === 200);
  });

  test('a client that is refused a socket and resets its connection harms nobody', async () => {
    const client = await raw([
      'GET /api/cctv/cameras/nobody/live HTTP/1.1',
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
    ]);
    await once(client, 'data');
    client.resetAndDestroy();
    expect((await fetch(`${url}/api/cctv/cameras/yard/picture.jpg`)).status).toBe(200);
  });

  test.skipIf(chromiumPath === undefined)(
    'a browser shows the camera within a second of now, from one connection to it, and pictures where it cannot',
    async () => {
      const { context, close } = await openBrowser();
      try {
        const pages = [await context.newPage(), await context.newPage(), await context.newPage()] as const;
        for (const page of pages) await page.goto(url);
        const [cannot, , page] = pages;
        const stats = (of: typeof page) =>
          of.evaluate<{ mode: string; why: string; latencyMs?: number }>('window.live.stats()');
        const shown = () =>
          page.evaluate<number>("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames");
        const isNow = async () => {
          const before = await shown();
          await until(
            async () => (await shown()) > before + 20,
            () => 'no pictures are shown',
            30_000,
          );
          let last: unknown;
          await until(
            async () => ((last = (await stats(page)).latencyMs ?? Infinity) as number) < 1_000,
            () => `${JSON.stringify(last)} ms behind`,
          );
        };
        await isNow();
        expect(await stats(page)).toMatchObject({ mode: 'video', why: '' });
        expect(house.connections).toBe(1);
        expect(house.orders).toEqual([['yard', true]]);
        expect(house.hub.viewers('yard')).toBe(3);
        // One that was held up jumps back to now.
        await page.evaluate("document.querySelector('video').currentTime -= 2");
        await isNow();
        // The camera connects anew: the stream begins again.
        house.begin();
        await isNow();
        // A browser that cannot play the codec.
        await cannot.addInitScript('MediaSource.isTypeSupported = () => false');
        await cannot.reload();
        await until(async () => (await stats(cannot)).mode === 'pictures');
        expect((await stats(cannot)).why).toContain('this browser cannot play avc1');
        await until(() => cannot.evaluate<boolean>("document.querySelector('img').naturalWidth === 320"));
      } finally {
        await close();
      }
    },
    60_000,
  );
});
