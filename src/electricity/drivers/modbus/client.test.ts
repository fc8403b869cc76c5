import { once } from 'node:events';
import { duplexPair, type Duplex } from 'node:stream';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { LaresError } from '#kernel/errors.ts';
import { freePort, until } from '../../../../tests/servers/process.ts';
import { openLink } from './bus.ts';
import { Link } from './client.ts';
import { rtuFrame, tcpFrame, type Framing } from './codec.ts';
import { dialOf, type Dial } from './dial.ts';
import { config } from './driver.ts';
import { ModbusSim, type ModbusFault } from './sim.ts';
import { decodeValue } from './value.codec.ts';

const framings: Framing[] = ['tcp', 'rtu'];
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const never = new AbortController().signal;
const power = { unit: 1, fn: 4, start: 0x0c, count: 2 } as const;
const volts = { ...power, start: 0 };

async function house(framing: Framing, lateMs = 150) {
  const sim = await new ModbusSim({
    framing,
    lateMs,
    meters: [
      { unit: 1, template: 'sdm120', power: () => 1234.5 },
      { unit: 2, template: 'sdm120', power: () => 99 },
    ],
  }).listen();
  const [bus] = config.parse({ buses: [{ host: '127.0.0.1', port: sim.port }] }).buses;
  const link = openLink(bus!, framing);
  closers.push(() => sim.close());
  closers.push(() => link.close());
  const read = async (request: typeof power | typeof volts = power, timeoutMs = 30_000) =>
    decodeValue('float32', 'ABCD', await link.read(request, timeoutMs, never));
  return { sim, link, read };
}

const failure = (promise: Promise<unknown>): Promise<LaresError> =>
  promise.then(
    () => expect.fail('it was expected to fail'),
    (error: unknown) => error as LaresError,
  );

test.each(framings)('%s: values are read over one connection', async (framing) => {
  const { sim, read } = await house(framing);
  for (let i = 0; i < 20; i += 1) expect(await read()).toBe(1234.5);
  expect(sim.connections).toBe(1);
  expect(sim.requests).toHaveLength(20);
});

test.each(framings)('%s: a reply in single bytes is put together', async (framing) => {
  const { sim, read } = await house(framing);
  sim.fault('split');
  expect(await read()).toBe(1234.5);
  expect(await read(volts)).toBeCloseTo(229.4, 1);
});

/** A meter in a thread of its own, which answers 1234.5 to everything also while this thread stands still. */
async function meterBeside(): Promise<number> {
  const meter = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const reply = (asked) => Buffer.from([asked[0], asked[1], 0, 0, 0, 7, 1, 4, 4, 0x44, 0x9a, 0x50, 0]);
     require('node:net')
       .createServer((socket) => socket.on('data', (asked) => socket.write(reply(asked))))
       .listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port); });`,
    { eval: true },
  );
  closers.push(() => meter.terminate());
  return ((await once(meter, 'message')) as [number])[0];
}

test('a reply that came in time counts, also when this process stood still beyond the time-out', async () => {
  const [bus] = config.parse({ buses: [{ host: '127.0.0.1', port: await meterBeside() }] }).buses;
  const link = openLink(bus!, 'tcp');
  closers.push(() => link.close());
  await link.read(power, 30_000, never);
  const late = link.read(power, 100, never);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000);
  expect(decodeValue('float32', 'ABCD', await late)).toBe(1234.5);
});

const broken: readonly (readonly [ModbusFault, Framing, LaresError['code'], RegExp])[] = [
  ['garbage', 'tcp', 'BAD_REPLY', /no Modbus TCP|cannot say|counts|not ours|closed/],
  ['transaction', 'tcp', 'BAD_REPLY', /it answered a transaction which is not ours$/],
  ['unit', 'tcp', 'BAD_REPLY', /unit 2 answered for unit 1; do two meters share an id\?/],
  ['unit', 'rtu', 'BAD_REPLY', /unit 2 answered for unit 1/],
  ['short', 'tcp', 'BAD_REPLY', /it sent 1 registers instead of 2/],
  ['short', 'rtu', 'BAD_REPLY', /it sent 1 registers instead of 2/],
  ['oversized', 'tcp', 'BAD_REPLY', /cannot say that 65535 bytes follow/],
  ['oversized', 'rtu', 'TIMEOUT', /did not answer/],
  ['crc', 'rtu', 'BAD_REPLY', /the CRC of the reply is wrong/],
  ['exception', 'tcp', 'BAD_REPLY', /refused with exception 4: it failed while it read/],
  ['exception', 'rtu', 'BAD_REPLY', /refused with exception 4/],
  ['busy', 'tcp', 'UNREACHABLE', /exception 6: it is busy/],
  ['gateway', 'tcp', 'UNREACHABLE', /exception 11: it did not answer the gateway/],
  ['reset', 'tcp', 'UNREACHABLE', /ECONNRESET/],
  ['reset', 'rtu', 'UNREACHABLE', /ECONNRESET/],
  ['drop', 'tcp', 'UNREACHABLE', /ECONNRESET|closed the connection|EPIPE/],
  ['hang', 'tcp', 'TIMEOUT', /timeout: unit 1 at 127\.0\.0\.1:\d+ did not answer within 0\.3 s/],
  ['hang', 'rtu', 'TIMEOUT', /did not answer within 0\.3 s/],
];

test.each(broken)(
  '%s over %s is one clear error, and the next read works',
  async (fault, framing, code, text) => {
    const { sim, read } = await house(framing);
    sim.fault(fault);
    const error = await failure(read(power, code === 'TIMEOUT' ? 300 : 30_000));
    expect(error.message).toMatch(text);
    expect(error.code).toBe(code);
    sim.fault(undefined);
    expect(await read()).toBe(1234.5);
  },
);

test.each(framings)('%s: a reply that comes too late is not taken for the next one', async (framing) => {
  const { sim, link, read } = await house(framing);
  // What takes its time is to be the reply and not the connection.
  await read();
  sim.fault('late');
  expect((await failure(link.read(power, 50, never))).code).toBe('TIMEOUT');
  sim.fault('slow');
  // The late reply of unit 1 arrives while unit 2 is asked.
  const data = await link.read({ ...power, unit: 2 }, 30_000, never);
  expect(decodeValue('float32', 'ABCD', data)).toBe(99);
  expect(sim.connections).toBe(1);
});

test('a late reply and the right one in the same segment are told apart', async () => {
  const { sim, link, read } = await house('tcp');
  await read();
  sim.fault('merge');
  expect((await failure(link.read(volts, 50, never))).code).toBe('TIMEOUT');
  expect(await read()).toBe(1234.5);
  expect(sim.connections).toBe(1);
});

test('a gateway that closed an idle connection is connected again without an error', async () => {
  const { sim } = await house('tcp');
  const [bus] = config.parse({ buses: [{ host: '127.0.0.1', port: sim.port }] }).buses;
  let line: Duplex | undefined;
  const dial: Dial = async (...limits) => (line = await dialOf(bus!)(...limits));
  const link = new Link({ address: 'the gateway', framing: 'tcp', dial });
  closers.push(() => link.close());
  const read = async () => decodeValue('float32', 'ABCD', await link.read(power, 30_000, never));
  await read();
  const closed = once(line!, 'close');
  sim.disconnect();
  await closed;
  expect(await read()).toBe(1234.5);
  expect(sim.connections).toBe(2);
});

test('an abort ends a read at once with its reason, and closing fails one on its way', async () => {
  const { sim, link } = await house('tcp');
  sim.fault('hang');
  const stop = new AbortController();
  const reading = failure(link.read(power, 60_000, stop.signal));
  await until(() => sim.requests.length === 1);
  stop.abort(new Error('enough'));
  expect((await reading).message).toBe('enough');
  const other = failure(link.read(power, 60_000, never));
  await until(() => sim.requests.length === 2);
  link.close();
  expect((await other).message).toMatch(/was closed/);
});

test('a port where nothing listens says so', async () => {
  const port = await freePort();
  const [bus] = config.parse({ buses: [{ host: '127.0.0.1', port }] }).buses;
  const error = await failure(openLink(bus!, 'tcp').read(power, 30_000, never));
  expect([error.code, error.message]).toEqual([
    'UNREACHABLE',
    `127.0.0.1:${port}: nothing listens there (ECONNREFUSED); is the service running, and is the port right?`,
  ]);
});

/** A peer that sends these pieces once it is asked. */
function talker(framing: Framing, pieces: (ask: Buffer) => readonly Buffer[]) {
  return new Link({
    address: 'the peer',
    framing,
    dial: () => {
      const [near, far] = duplexPair();
      far.on('error', () => {});
      far.on('data', (ask: Buffer) => {
        for (const piece of pieces(ask)) if (!far.destroyed) far.write(piece);
      });
      return Promise.resolve(near);
    },
  });
}

const answerTo = (framing: Framing, ask: Buffer): Buffer => {
  const body = Buffer.from([1, 4, 4, 0x44, 0x9a, 0x50, 0x00]);
  return framing === 'tcp' ? tcpFrame(ask.readUInt16BE(0), body) : rtuFrame(body);
};

test('a reply cut into any pieces is read', async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...framings), cuts, async (framing, where) => {
      const link = talker(framing, (ask) => {
        const whole = answerTo(framing, ask);
        const points = [0, ...where.toSorted((a, b) => a - b), whole.length];
        return points.slice(1).map((end, i) => whole.subarray(points[i], end));
      });
      expect(decodeValue('float32', 'ABCD', await link.read(power, 30_000, never))).toBe(1234.5);
      link.close();
    }),
    { numRuns: 200 },
  );
});

test('whatever a peer sends, a read ends with its registers or one error of ours', async () => {
  const noise = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...framings), noise, fc.boolean(), async (framing, bytes, begin) => {
      const link = talker(framing, (ask) => {
        const whole = answerTo(framing, ask);
        // Noise behind a sound beginning goes deeper.
        return [...(begin ? [whole.subarray(0, whole.length - 3)] : []), ...bytes.map((b) => Buffer.from(b))];
      });
      const outcome = await link.read(power, 5, never).then(
        (data) => (data.length === 4 ? 'registers' : 'another length'),
        (error: unknown) => (error as LaresError).code,
      );
      expect(['registers', 'BAD_REPLY', 'TIMEOUT', 'UNREACHABLE']).toContain(outcome);
      link.close();
    }),
    { numRuns: 300 },
  );
});
