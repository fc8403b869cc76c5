import { randomUUID } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import {
  contains,
  encloses,
  formatIpv4,
  hostsOf,
  networkOf,
  parseIpv4,
  widestPrefix,
  type Network,
} from '#devices/lan/codec/ipv4.ts';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { probeMatchesOf, probeMessage } from './soap.ts';
import { sameHost } from './device.ts';

export interface FoundCamera {
  readonly address: string;
  readonly name?: string;
  readonly hardware?: string;
  /** Addresses of its ONVIF device service, on itself only; empty for one found by its ports. */
  readonly xaddrs: readonly string[];
  /** Those of the asked TCP ports that accept a connection. */
  readonly ports: readonly number[];
}

export interface DiscoverOptions {
  /** CIDR. Nothing outside of them is ever asked, and no answer from outside counts. */
  readonly networks: readonly string[];
  /** Also try these TCP ports of every host. Default: none. */
  readonly ports?: readonly number[];
  /** Milliseconds to wait for answers after the last question. Default 2000. */
  readonly waitMs?: number;
  /** Questions a second. Default 400. */
  readonly perSecond?: number;
  readonly signal?: AbortSignal;
}

/** The TCP ports that tell of a camera. A host that only has web pages is none. */
export const cameraPorts: readonly number[] = [554, 8554];

// WS-Discovery 1.1, 3.1.1.
const discoveryPort = 3702;
const discoveryGroup = '239.255.255.250';
const connectMs = 700;
const atOnce = 64;

/**
 * Asks every host of the named networks by WS-Discovery, and the group of an interface that lies in one of them.
 * Throws CONFIG_INVALID for a network that is too wide to be asked address by address.
 */
export async function discoverCameras(options: DiscoverOptions): Promise<FoundCamera[]> {
  const networks = options.networks.map(networkOf);
  const wide = networks.find(({ prefix }) => prefix < widestPrefix);
  if (wide !== undefined)
    throw new LaresError(
      'CONFIG_INVALID',
      `${wide.cidr} is too wide to be searched; name networks of /${widestPrefix} or smaller`,
    );
  const addresses = [...new Set(networks.flatMap(hostsOf))].map(formatIpv4);
  const [answered, open] = await Promise.all([
    askAll(networks, addresses, options),
    tryPorts(addresses, options.ports ?? [], options.signal),
  ]);
  const found = new Map<string, FoundCamera>(answered);
  for (const [address, ports] of open)
    found.set(address, { ...(found.get(address) ?? { address, xaddrs: [] }), ports });
  return [...found.values()].toSorted((a, b) => (parseIpv4(a.address) ?? 0) - (parseIpv4(b.address) ?? 0));
}

async function askAll(
  networks: readonly Network[],
  addresses: readonly string[],
  options: DiscoverOptions,
): Promise<Map<string, FoundCamera>> {
  const { signal, perSecond = 400, waitMs = 2000 } = options;
  const id = randomUUID();
  const message = probeMessage(id);
  const found = new Map<string, FoundCamera>();
  const hear = (text: string, address: string) => {
    const from = parseIpv4(address);
    if (from === undefined || !networks.some((network) => contains(network, from))) return;
    for (const match of probeMatchesOf(text, id)) {
      const own = `http://${address}/`;
      const xaddrs = match.xaddrs.filter((xaddr) => sameHost(xaddr, own) !== undefined);
      found.set(address, { address, ports: [], ...match, xaddrs });
    }
  };
  const sockets = [await openSocket('0.0.0.0', hear)];
  const [unicast] = sockets;
  try {
    for (const own of interfacesIn(networks)) {
      const socket = await openSocket(own, hear);
      sockets.push(socket);
      socket.setMulticastInterface(own);
      socket.setMulticastTTL(1);
      socket.send(message, discoveryPort, discoveryGroup);
    }
    const burst = Math.max(1, Math.floor(perSecond / 50));
    for (let start = 0; start < addresses.length; start += burst) {
      if (signal?.aborted === true) break;
      for (const address of addresses.slice(start, start + burst))
        unicast?.send(message, discoveryPort, address);
      await systemClock.sleep((burst * 1000) / perSecond, signal);
    }
    await systemClock.sleep(waitMs, signal);
  } finally {
    for (const socket of sockets) socket.close();
  }
  return found;
}

function openSocket(own: string, hear: (text: string, address: string) => void): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, { address }) => hear(bytes.toString('utf8'), address));
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, own, () => {
      socket.removeListener('error', reject);
      // A host that is not there answers with ICMP; that is no failure of the search.
      socket.on('error', () => undefined);
      resolve(socket);
    });
  });
}

/**
 * Our own addresses on interfaces whose whole network lies in the named ones: a question to a group reaches every host
 * there, and those beyond the named part must not be asked.
 */
export function interfacesIn(networks: readonly Network[], interfaces = networkInterfaces()): string[] {
  return Object.values(interfaces).flatMap((addresses) =>
    (addresses ?? []).flatMap(({ family, internal, address, cidr }) => {
      if (family !== 'IPv4' || internal || cidr === null) return [];
      const own = networkOf(cidr);
      return networks.some((named) => encloses(named, own)) ? [address] : [];
    }),
  );
}

async function tryPorts(
  addresses: readonly string[],
  ports: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Map<string, number[]>> {
  const open = new Map<string, number[]>();
  const queue = addresses.flatMap((address) => ports.map((port) => ({ address, port })));
  const work = async () => {
    for (let next = queue.shift(); next !== undefined && signal?.aborted !== true; next = queue.shift()) {
      if (!(await accepts(next.address, next.port))) continue;
      const known = open.get(next.address) ?? [];
      open.set(
        next.address,
        [...known, next.port].toSorted((a, b) => a - b),
      );
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, queue.length) }, work));
  return open;
}

function accepts(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const done = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => done(false), connectMs);
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
