import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LaresError, reason } from '#kernel/errors.ts';
import type { LanScanner, LanSighting, SweepResult, Target } from '../model.ts';
import { encloses, formatIpv4, parseNetwork, type Network } from './codec/ipv4.ts';
import { parseIpNeigh, parseProcArp, type Neighbour } from './codec/neighbours.ts';
import { portFor, targetsOf, type Port } from './interfaces.ts';

export interface KernelOptions {
  readonly networks: readonly string[];
  readonly interface?: string | undefined;
  /** Undefined: 1,000. The kernel repeats each question twice, a second apart, whatever we set. */
  readonly maxFramesPerSecond?: number | undefined;
  readonly why: string;
  /** `proc` reads /proc/net/arp, which is what is left without the program ip. Found out when not given. */
  readonly table?: 'ip' | 'proc' | undefined;
}

/** The port of multicast DNS: the one that gets through to phones in suspend. */
const nudgePort = 5353;
const defaultPerSecond = 1_000;
// Datagrams that wait for an address count against the socket's send buffer, which holds 256 of them.
const addressesPerSocket = 200;
// The neighbour table of the whole kernel holds 1,024 entries (gc_thresh3) and is swept from 512 on.
const sliceSize = 510;
const widestPrefix = 20;

/** The kernel asks three times, a second apart, and then gives up; we make it begin once more. */
const giveUpMs = 2_900;
const sweepMs = 3_350;
/** A stale entry is verified by the kernel 5 s after its first use, with three questions of one second each. */
const verifyMs = 8_600;
/** Time that a REACHABLE entry may be old where the table does not say (base_reachable_time 30 s, at most ×1.5). */
const oldestReachableMs = 45_000;

const ipProgram = ['/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip', '/bin/ip'].find((path) => existsSync(path));
const run = promisify(execFile);

/** The neighbour table of one interface by address. Throws UNREACHABLE when it cannot be read. */
async function neighbours(port: Port, program: string | undefined): Promise<Map<string, Neighbour>> {
  try {
    const show = ['-4', '-j', '-s', 'neigh', 'show', 'dev', port.name];
    const entries =
      program === undefined
        ? parseProcArp(await readFile('/proc/net/arp', 'latin1'))
        : parseIpNeigh((await run(program, show, { maxBuffer: 8e6 })).stdout, port.name);
    if (entries === undefined) throw new Error('ip printed no JSON; it needs iproute2 4.14 or newer');
    return new Map(entries.filter((n) => n.device === port.name).map((n) => [n.ip, n]));
  } catch (error) {
    throw new LaresError('UNREACHABLE', `cannot read the kernel's neighbour table: ${reason(error)}`, {
      cause: error,
    });
  }
}

/** Makes the kernel ask for each address, by one byte to a port that needs no answer. */
async function nudge(
  addresses: readonly string[],
  port: Port,
  perSecond: number,
  signal: AbortSignal,
): Promise<void> {
  const started = performance.now();
  for (let from = 0; from < addresses.length && !signal.aborted; from += addressesPerSocket) {
    const socket = createSocket('udp4');
    let refusal: Error | undefined;
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.bind(0, formatIpv4(port.address), resolve));
    for (const [i, address] of addresses.slice(from, from + addressesPerSocket).entries()) {
      const due = ((from + i) * 1000) / perSecond - (performance.now() - started);
      if (due > 2) await wait(due);
      if (signal.aborted) break;
      socket.send(Buffer.of(0), nudgePort, address, (error) => {
        // A host that was unreachable before says so here; only a missing route is ours to report.
        if ((error as NodeJS.ErrnoException | null)?.code === 'ENETUNREACH') refusal ??= error ?? undefined;
      });
    }
    await wait(1);
    socket.close();
    if (refusal !== undefined)
      throw new LaresError(
        'UNREACHABLE',
        `there is no route through interface ${port.name}: ${refusal.message}`,
      );
  }
}

/** True while the kernel may still change its mind about an entry. */
function undecided(entry: Neighbour | undefined, waitedMs: number): boolean {
  if (entry === undefined || entry.state === 'incomplete' || entry.state === 'failed')
    return waitedMs < sweepMs;
  return entry.state !== 'permanent' && waitedMs < verifyMs;
}

/**
 * Finds devices without any privilege: a datagram to each address makes the kernel resolve it by ARP, and its
 * neighbour table says who answered. Only REACHABLE proves life; a sighting carries the instant of the proof.
 */
class KernelScanner implements LanScanner {
  readonly method = 'kernel' as const;
  readonly why: string;
  readonly #options: KernelOptions;
  readonly #program: string | undefined;

  constructor(options: KernelOptions) {
    this.#options = options;
    this.why = options.why;
    this.#program = options.table === 'proc' ? undefined : ipProgram;
  }

  async sweep(text: string, signal: AbortSignal): Promise<SweepResult> {
    const started = performance.now();
    const network = parseNetwork(text);
    const port = this.#port(network);
    const addresses = targetsOf(network, port.address).map(formatIpv4);
    const found: LanSighting[] = [];
    for (let from = 0; from < addresses.length && !signal.aborted; from += sliceSize)
      found.push(...(await this.#ask(addresses.slice(from, from + sliceSize), port, network, signal)));
    const tookMs = Math.round(performance.now() - started);
    return { network: network.cidr, at: Date.now(), probed: addresses.length, tookMs, found };
  }

  async probe(text: string, targets: readonly Target[], signal: AbortSignal): Promise<LanSighting[]> {
    const network = parseNetwork(text);
    const wanted = new Map(targets.map((t) => [t.ip, t.mac]));
    const sightings = await this.#ask([...wanted.keys()], this.#port(network), network, signal);
    return sightings.filter((s) => wanted.get(s.ip ?? '') === s.mac);
  }

  async close(): Promise<void> {}

  async #ask(
    addresses: readonly string[],
    port: Port,
    network: Network,
    signal: AbortSignal,
  ): Promise<LanSighting[]> {
    const perSecond = this.#options.maxFramesPerSecond ?? defaultPerSecond;
    const before = await neighbours(port, this.#program);
    // Whoever was there before is asked first: the kernel then has the most time to verify it.
    const ordered = addresses.toSorted((a, b) => Number(before.has(b)) - Number(before.has(a)));
    const started = performance.now();
    await nudge(ordered, port, perSecond, signal);
    const again = new Set<string>();
    const proved = new Map<string, LanSighting>();
    for (;;) {
      const table = await neighbours(port, this.#program);
      const waited = performance.now() - started;
      for (const ip of addresses) {
        const sighting = proofOf(table.get(ip), network);
        if (sighting !== undefined) proved.set(ip, sighting);
      }
      if (signal.aborted || addresses.every((ip) => proved.has(ip) || !undecided(table.get(ip), waited))) {
        const survivors = this.#program === undefined ? addresses : [];
        return [
          ...proved.values(),
          ...survivors.flatMap((ip) => likely(table.get(ip), before.get(ip), network)),
        ];
      }
      const failed = ordered.filter((ip) => table.get(ip)?.state === 'failed' && !again.has(ip));
      if (waited > giveUpMs && waited < sweepMs && failed.length > 0) {
        for (const ip of failed) again.add(ip);
        await nudge(failed, port, perSecond, signal);
      }
      await wait(waited < giveUpMs - 300 || waited > sweepMs ? 250 : 60);
    }
  }

  #port(network: Network): Port {
    if (network.prefix < widestPrefix)
      throw new LaresError(
        'CONFIG_INVALID',
        `${network.cidr} is too large for the kernel's neighbour table; without CAP_NET_RAW name networks of /${widestPrefix} or smaller`,
      );
    const port = portFor(network, this.#options.interface);
    // Beyond the link, datagrams would go to the router and further, which nobody has asked for.
    if (!encloses(port.link, network))
      throw new LaresError(
        'CONFIG_INVALID',
        `${network.cidr} is wider than ${port.link.cidr}, the network of interface ${port.name}; name ${port.link.cidr}`,
      );
    return port;
  }
}

/** REACHABLE is the proof of an exchange; STALE, DELAY and PROBE are only memory. */
function proofOf(entry: Neighbour | undefined, network: Network): LanSighting | undefined {
  if (entry?.state !== 'reachable') return undefined;
  return sightingOf(entry, Date.now() - (entry.confirmedAgoS ?? 0) * 1000, network);
}

/** From /proc/net/arp alone: an entry that survived the kernel's verification is alive, though nobody knows since when. */
function likely(
  entry: Neighbour | undefined,
  before: Neighbour | undefined,
  network: Network,
): LanSighting[] {
  if (entry?.state !== 'unknown') return [];
  const at = before?.state === 'unknown' ? Date.now() - oldestReachableMs : Date.now();
  return [sightingOf(entry, at, network)].filter((sighting) => sighting !== undefined);
}

function sightingOf(entry: Neighbour, at: number, network: Network): LanSighting | undefined {
  if (entry.mac === undefined) return undefined;
  return { mac: entry.mac, ip: entry.ip, at, via: 'neighbour', network: network.cidr };
}

/** Throws UNREACHABLE, naming the interface, when none of the networks can be reached. */
export async function openKernelScanner(options: KernelOptions): Promise<LanScanner> {
  const troubles: unknown[] = [];
  for (const network of options.networks) {
    try {
      portFor(parseNetwork(network), options.interface);
    } catch (error) {
      troubles.push(error);
    }
  }
  if (troubles.length > 0 && troubles.length === options.networks.length) throw troubles[0];
  return new KernelScanner(options);
}

/** What the kernel method lacks on this machine, as part of a sentence; empty when nothing. */
export const kernelCaveat: string =
  ipProgram === undefined
    ? '; without the program ip (package iproute2) it takes longer to notice that a device has left'
    : '';
