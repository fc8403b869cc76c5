import { generateKeyPair, type KeyObject } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { broadcastOf, contains, parseIpv4, type Network } from '#devices/lan/codec/ipv4.ts';
import { addressesOf } from '../shared/networks.rules.ts';
import { keyProbe, localProbe, parseDiscovery, shortProbe, type Reply } from './discovery-packet.ts';

export interface Heard extends Reply {
  readonly host: string;
}

export interface SearchOptions {
  readonly networks: readonly Network[];
  readonly ports: { readonly local: number; readonly discovery: readonly number[] };
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly progress?: ((done: number, text: string) => void) | undefined;
}

// Plugs sleep between the beacons of their access point and lose packets; most that miss one round hear the next.
const roundsAtMs = [0, 250, 1_000];
const listenMs = 1_000;
/** Larger searches are asked once only, or they would take minutes. */
const mostInRounds = 1_024;
// A burst fills the queue of the sender's own Wi-Fi and the neighbour table of its kernel.
const burst = 64;
const burstGapMs = 4;
/** How long a reply of the encrypted kind waits for the one that tells more. */
const betterMs = 40;

/** Whoever floods us with replies gets no more of our memory than this. */
const mostDevices = 10_000;

let searchKey: Promise<{ readonly key: KeyObject; readonly pem: string }> | undefined;

/** The key of this process for discovery. Making one takes a small computer a second, so it is made once and beside the search. */
function discoveryKey() {
  searchKey ??= promisify(generateKeyPair)('rsa', { modulusLength: 2048 }).then(
    ({ privateKey, publicKey }) => ({
      key: privateKey,
      pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    }),
  );
  return searchKey;
}

/**
 * Asks every address of the networks and their broadcast addresses, on all ports at the same time and in several rounds,
 * and yields each device once, as soon as it is known how to ask it. Ends by itself. Sends nothing without a network.
 */
export async function* search(options: SearchOptions): AsyncGenerator<Heard> {
  const { networks, signal } = options;
  if (networks.length === 0 || signal.aborted) return;
  const queue: Heard[] = [];
  let wake = () => {};
  const known = new Set<string>();
  const waiting = new Map<string, NodeJS.Timeout>();
  const tell = (id: string, heard: Heard) => {
    clearTimeout(waiting.get(id));
    waiting.delete(id);
    if (known.has(id)) return;
    known.add(id);
    queue.push(heard);
    wake();
  };
  const socket = createSocket({ type: 'udp4' });
  let key: KeyObject | undefined;
  socket.on('error', () => {});
  socket.on('message', (packet, { address }) => {
    const reply = parseDiscovery(packet, key);
    if (reply === undefined || known.size + waiting.size >= mostDevices) return;
    // Nobody else was asked: a stranger must not lead us, and the proof of our login, to himself.
    if (!networks.some((network) => contains(network, parseIpv4(address) ?? 0))) return;
    const id = reply.id ?? address;
    const heard = { ...reply, host: address };
    // Port 9999 tells the name and needs no login, so it wins when a device answers both.
    if (reply.way === 'xor') tell(id, heard);
    else if (!known.has(id) && !waiting.has(id)) waiting.set(id, setTimeout(tell, betterMs, id, heard));
  });
  let over = false;
  const asking = (async () => {
    try {
      await bind(socket);
      await ask(socket, options, (made) => (key = made));
      await sleep(betterMs, undefined, { signal });
    } finally {
      over = true;
      wake();
    }
  })();
  asking.catch(() => {});
  try {
    for (;;) {
      const next = queue.shift();
      if (next !== undefined) yield next;
      else if (over) break;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    for (const timer of waiting.values()) clearTimeout(timer);
    socket.close();
  }
  if (!signal.aborted) await asking;
}

async function bind(socket: Socket): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, () => resolve());
  });
  socket.setBroadcast(true);
}

async function ask(socket: Socket, options: SearchOptions, useKey: (key: KeyObject) => void): Promise<void> {
  const { networks, ports, random, signal, progress } = options;
  // A broadcast address comes first, because it may reach everybody at once.
  const hosts = [...new Set([...networks.map(broadcastOf), ...addressesOf(networks)])];
  const total = hosts.length;
  const rounds = total > mostInRounds ? roundsAtMs.slice(0, 1) : roundsAtMs;
  let probe = shortProbe;
  const keyed = discoveryKey().then(({ key, pem }) => {
    useKey(key);
    probe = keyProbe(pem, Math.floor(random() * 0x1_0000_0000));
  });
  const begun = performance.now();
  let asked = 0;
  for (const at of rounds) {
    await sleep(Math.max(0, begun + at - performance.now()), undefined, { signal });
    for (const host of hosts) {
      socket.send(localProbe, ports.local, host, ignore);
      for (const port of ports.discovery) socket.send(probe, port, host, ignore);
      asked += 1;
      if (asked % burst !== 0) continue;
      progress?.(
        (asked / (total * rounds.length)) * 0.9,
        `asked ${asked} of ${total * rounds.length} addresses`,
      );
      await sleep(burstGapMs, undefined, { signal });
    }
  }
  await keyed;
  // One round with the key is certain, however long it took to make.
  await sleep(listenMs, undefined, { signal });
  progress?.(1, 'done');
}

// An address where nothing lives is the usual case, and no reason to stop.
const ignore = () => {};
