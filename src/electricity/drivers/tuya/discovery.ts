import { createSocket, type Socket } from 'node:dgram';
import { LaresError, reason } from '#kernel/errors.ts';
import { broadcastOf, formatIpv4, networkOf } from '#devices/lan/codec/ipv4.ts';
import type { DiscoverIo } from '../../driver.ts';
import { addressesOf } from '../shared/networks.rules.ts';
import { readBeacon, solicitation } from './beacon.ts';
import type { TuyaConfig } from './config.ts';
import type { Beacon } from './model.ts';
import { sweepable } from './sweep.ts';

const solicitEveryMs = 2_000;
const addressesAtOnce = 64;

/**
 * Hears what devices announce about themselves, as it comes in, for as long as the settings say. Asks the networks of
 * the settings for more; without networks it only listens. Throws UNREACHABLE when no port can be listened to.
 */
export async function* discoverBeacons(
  settings: Pick<TuyaConfig, 'networks' | 'discovery'>,
  io: DiscoverIo,
): AsyncIterable<Beacon> {
  const { listen_seconds, ports, solicit_port, bind } = settings.discovery;
  const over = AbortSignal.any([io.signal, AbortSignal.timeout(listen_seconds * 1000)]);
  const heard = new Mailbox<Beacon>(over);
  const onPacket = (packet: Buffer) => {
    const beacon = readBeacon(packet);
    if (beacon !== undefined) heard.put(beacon);
  };
  const sockets: Socket[] = [];
  let failure: unknown;
  for (const port of new Set([solicit_port, ...ports]))
    await listen(bind, port, onPacket).then(
      (socket) => sockets.push(socket),
      (error: unknown) => (failure = error),
    );
  if (sockets.length === 0)
    throw new LaresError('UNREACHABLE', `cannot listen for Tuya devices: ${reason(failure)}`, {
      cause: failure,
    });
  try {
    void solicit(sockets[0]!, settings, over);
    yield* heard.all(io.progress, listen_seconds * 1000);
  } finally {
    for (const socket of sockets) socket.close();
  }
}

function listen(bind: string, port: number, onPacket: (packet: Buffer) => void): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    socket.once('error', reject);
    socket.bind(port, bind, () => {
      socket.off('error', reject);
      // A network that went down must not end the search on the others.
      socket.on('error', () => {});
      socket.on('message', onPacket);
      socket.setBroadcast(true);
      resolve(socket);
    });
  });
}

/** Asks again while the search lasts: datagrams get lost. */
async function solicit(
  socket: Socket,
  { networks, discovery }: Pick<TuyaConfig, 'networks' | 'discovery'>,
  over: AbortSignal,
): Promise<void> {
  const asked = networks.map(networkOf).map((network) => ({
    addresses: [broadcastOf(network), ...(discovery.sweep ? addressesOf(sweepable([network])) : [])],
    within: formatIpv4(network.base + (network.prefix < 31 ? 1 : 0)),
  }));
  while (!over.aborted) {
    for (const { addresses, within } of asked) {
      const own = discovery.bind === '0.0.0.0' ? await addressTowards(within) : discovery.bind;
      if (own !== undefined) await send(socket, solicitation(own), discovery.solicit_port, addresses, over);
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, solicitEveryMs);
      over.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
}

async function send(
  socket: Socket,
  packet: Buffer,
  port: number,
  addresses: readonly string[],
  over: AbortSignal,
): Promise<void> {
  for (let at = 0; at < addresses.length && !over.aborted; at += addressesAtOnce)
    await Promise.all(
      addresses
        .slice(at, at + addressesAtOnce)
        // An address without a way to it is no failure of the search.
        .map((address) => new Promise<void>((done) => socket.send(packet, port, address, () => done()))),
    );
}

/** Our own address on the way to another one; the kernel knows, and nothing is sent. */
function addressTowards(host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const done = (address: string | undefined) => {
      socket.close();
      resolve(address);
    };
    socket.once('error', () => done(undefined));
    socket.connect(9, host, () => done(socket.address().address));
  });
}

/** Hands over what others put in, in order, until the signal aborts. */
class Mailbox<T> {
  readonly #over: AbortSignal;
  readonly #waiting: T[] = [];
  #wake = () => {};

  constructor(over: AbortSignal) {
    this.#over = over;
    over.addEventListener('abort', () => this.#wake(), { once: true });
  }

  put(item: T): void {
    // Whoever floods us with packets gets no more of our memory than this.
    if (this.#waiting.length < 10_000) this.#waiting.push(item);
    this.#wake();
  }

  async *all(progress: DiscoverIo['progress'], ms: number): AsyncIterable<T> {
    const started = performance.now();
    let count = 0;
    for (;;) {
      const item = this.#waiting.shift();
      if (item !== undefined) {
        count += 1;
        yield item;
        continue;
      }
      if (this.#over.aborted) return;
      progress?.(Math.min(1, (performance.now() - started) / ms), `${count} announcements heard`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
