import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import TuyAPI from 'tuyapi';
import { TuyaClient } from '#electricity/drivers/tuya/client.ts';
import { readBeacon } from '#electricity/drivers/tuya/beacon.ts';
import type { Version } from '#electricity/drivers/tuya/model.ts';
import { TuyaSim } from '#electricity/drivers/tuya/sim.ts';
import { systemClock } from '#platform/clock.ts';

// Neither has types of what is used here.
const require = createRequire(import.meta.url);
interface Stub {
  startServer(port: number): void;
  shutdown(): void;
  getState(): Record<string, unknown>;
}
const TuyaStub = require('@tuyapi/stub') as new (options: object) => Stub;
const { MessageParser } = require('tuyapi/lib/message-parser.js') as {
  MessageParser: new (options: object) => { parse(packet: Buffer): { payload: object }[] };
};
const { UDP_KEY } = require('tuyapi/lib/config.js') as { UDP_KEY: Buffer };

const id = '002004265ccf7fb1b659';
const key = '0123456789abcdef';
const host = '127.0.0.1';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) =>
    server.listen(0, host, () => resolve((server.address() as { port: number }).port)),
  );
  await new Promise((resolve) => server.close(resolve));
  return port;
}

// tuyapi knows no 3.2. After a push of a 3.5 device it waits for ever for the next reply: it expects its own numbers there.
describe.each<Version>(['3.1', '3.3', '3.4', '3.5'])(
  'tuyapi against our simulator, version %s',
  (version) => {
    it('reads and switches it', async () => {
      const sim = await new TuyaSim({ id, key, version, power: () => 42 }).listen();
      closing.push(() => sim.close());
      const device = new TuyAPI({ id, key, ip: host, port: sim.port, version, issueGetOnConnect: false });
      device.on('error', () => {});
      closing.push(() => device.disconnect());
      await device.connect();
      expect(await device.get({ schema: true })).toMatchObject({
        dps: { '1': true, '9': 0, '18': 192, '19': 420, '20': 2300 },
      });
      await device.set({ dps: 1, set: false });
      expect(sim.device.on).toBe(false);
    });
  },
);

describe('our client against @tuyapi/stub, version 3.1', () => {
  it('reads, switches and reads back', async () => {
    const port = await freePort();
    const stub = new TuyaStub({ id, key, state: { '1': true, '4': 100, '5': 230, '6': 2301 } });
    stub.startServer(port);
    closing.push(() => stub.shutdown());
    const client = new TuyaClient({
      host,
      port,
      id,
      key,
      version: '3.1',
      timeoutMs: 60_000,
      clock: systemClock,
    });
    closing.push(() => client.close());
    const signal = AbortSignal.timeout(60_000);
    const points = { 1: true, 4: 100, 5: 230, 6: 2301 };
    expect(Object.fromEntries(await client.status(signal, []))).toEqual(points);
    await client.set(new Map([[1, false]]), signal);
    expect(stub.getState()['1']).toBe(false);
    expect(Object.fromEntries(await client.status(signal, []))).toEqual({ ...points, 1: false });
  });
});

describe('tuyapi as a listener', () => {
  it.each<Version>(['3.1', '3.3'])(
    'and we read the same from the broadcast of version %s',
    async (version) => {
      const sim = await new TuyaSim({ id, key, version }).listen();
      closing.push(() => sim.close());
      const [theirs] = new MessageParser({ key: UDP_KEY, version: Number(version) }).parse(sim.beacon());
      expect(theirs!.payload).toMatchObject({ gwId: id, ip: host, version, productKey: 'simulatedproduct' });
      expect(readBeacon(sim.beacon())).toEqual({ id, ip: host, version, productId: 'simulatedproduct' });
    },
  );
});
