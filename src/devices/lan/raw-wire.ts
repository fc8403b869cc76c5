import { LaresError } from '#kernel/errors.ts';
import type { LanSighting, Mac, Target } from '../model.ts';
import { buildArp } from './codec/arp.ts';
import { hear, type Heard } from './codec/hear.ts';
import { parseIpv4, parseNetwork } from './codec/ipv4.ts';
import { targetsOf } from './interfaces.ts';
import { openPacketSocket, type PacketSocket } from './packet-socket.ts';
import type { Found, Place } from './raw-protocol.ts';
import { SweepPlan, type LossEstimate } from './sweep.rules.ts';

/** How long a silent device still gets questions of its own in each sweep. */
const recentMs = 10 * 60_000;
/** The same device is reported at most this often, unless it says something new. */
const repeatMs = 2_000;
// A pause of this process must not turn into a burst of frames.
const longestBurstMs = 25;
const probeTriesMs = [0, 130, 260] as const;
const probeTailMs = 400;
const remembered = 8_192;

type Listener = (heard: Heard, at: number) => void;

/** One interface of this process: a socket, who asks on it, and who was seen there lately. */
export class Wire {
  readonly #place: Place;
  readonly #socket: PacketSocket;
  readonly #listeners = new Set<Listener>();
  readonly #seen = new Map<number, { mac: Mac; at: number }>();
  readonly #stop = new AbortController();
  #loss: LossEstimate = { asked: 0, lost: 0 };
  #failed: Error | undefined;
  /** Rejects when the interface fails. */
  readonly failure: Promise<never>;

  constructor(place: Place) {
    this.#place = place;
    this.#socket = openPacketSocket(place.interface);
    const ear = { mac: place.mac, networks: [parseNetwork(place.network)] };
    const received = this.#socket.receive((frame) => {
      const heard = hear(frame, ear);
      if (heard !== undefined) this.#heard(heard);
    }, this.#stop.signal);
    this.failure = received.then(() => {
      throw new LaresError('UNREACHABLE', `interface ${place.interface} was closed`);
    });
    this.failure.catch((error: Error) => (this.#failed = error));
  }

  close(): void {
    this.#stop.abort();
  }

  /** Asks every address of the network. Throws UNREACHABLE when the interface fails meanwhile. */
  async sweep(framesPerSecond: number, retries: number, signal: AbortSignal): Promise<Found> {
    const started = performance.now();
    const found = new Map<number, LanSighting>();
    const recent = Date.now() - recentMs;
    const known = new Map([...this.#seen].filter(([, s]) => s.at >= recent).map(([ip, s]) => [ip, s.mac]));
    const addresses = targetsOf(this.#place.network, this.#place.address);
    const plan = new SweepPlan(addresses, known, { retries, random: Math.random, loss: this.#loss });
    const listening = this.#listen((heard, at) => {
      const ip = parseIpv4(heard.ip ?? '');
      if (ip === undefined || (heard.via !== 'arp-reply' && heard.via !== 'arp-heard')) return;
      if (plan.answered(ip, performance.now())) found.set(ip, { ...heard, at });
    });
    try {
      const pace = new Pace(framesPerSecond);
      for (;;) {
        if (signal.aborted) break;
        const next = plan.next(performance.now());
        if (next === undefined) break;
        if ('waitUntil' in next) await this.#pause(Math.min(20, next.waitUntil - performance.now()));
        else {
          await this.#until(() => pace.allows());
          await this.#send(next.ask.ip, next.ask.to);
        }
      }
      this.#loss = plan.loss(performance.now());
    } finally {
      listening();
    }
    return {
      probed: addresses.length,
      tookMs: Math.round(performance.now() - started),
      found: [...found.values()],
    };
  }

  /** Asks known devices directly, up to three times, the last time by broadcast too. */
  async probe(targets: readonly Target[], framesPerSecond: number, signal: AbortSignal): Promise<Found> {
    const started = performance.now();
    const open = new Map(
      targets.flatMap((t) => (parseIpv4(t.ip) === undefined ? [] : [[t.ip, t.mac] as const])),
    );
    const found: LanSighting[] = [];
    const listening = this.#listen((heard, at) => {
      if (heard.ip === undefined || open.get(heard.ip) !== heard.mac) return;
      open.delete(heard.ip);
      found.push({ ...heard, at });
    });
    try {
      const pace = new Pace(framesPerSecond);
      for (const [tried, due] of probeTriesMs.entries()) {
        await this.#until(() => open.size === 0 || signal.aborted || performance.now() - started >= due);
        for (const [ip, mac] of open) {
          if (signal.aborted) break;
          await this.#until(() => pace.allows());
          await this.#send(parseIpv4(ip) ?? 0, mac);
          if (tried === probeTriesMs.length - 1) await this.#send(parseIpv4(ip) ?? 0, undefined);
        }
      }
      const asked = performance.now();
      const tail = probeTailMs - (probeTriesMs.at(-1) ?? 0);
      await this.#until(() => open.size === 0 || signal.aborted || performance.now() - asked >= tail);
    } finally {
      listening();
    }
    return { probed: targets.length, tookMs: Math.round(performance.now() - started), found };
  }

  /** Reports everybody who is heard, each at most every two seconds; returns the end of it. */
  overhear(report: (sighting: LanSighting) => void): () => void {
    const reported = new Map<Mac, { at: number; said: string }>();
    return this.#listen((heard, at) => {
      const said = `${heard.ip ?? ''}|${heard.hostname ?? ''}|${heard.dhcpFingerprint ?? ''}|${heard.ipv6Suffix ?? ''}`;
      const before = reported.get(heard.mac);
      const now = performance.now();
      if (before !== undefined && now - before.at < repeatMs && (said === before.said || said === '|||'))
        return;
      if (reported.size > remembered) reported.clear();
      reported.set(heard.mac, { at: now, said });
      report({ ...heard, at });
    });
  }

  #heard(heard: Heard): void {
    const at = Date.now();
    const ip = parseIpv4(heard.ip ?? '');
    if (ip !== undefined) {
      if (this.#seen.size > remembered) this.#seen.clear();
      this.#seen.set(ip, { mac: heard.mac, at });
    }
    for (const listener of this.#listeners) listener(heard, at);
  }

  #listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async #send(ip: number, to: Mac | undefined): Promise<void> {
    const { mac, address } = this.#place;
    const frame = buildArp(
      { op: 'request', senderMac: mac, senderIp: address, targetMac: '00:00:00:00:00:00', targetIp: ip },
      to,
    );
    await this.#until(() => this.#socket.send(frame));
  }

  /** Waits for the condition without keeping the processor busy; an interface that fails ends the wait. */
  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#pause(2);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, Math.max(1, ms)));
    if (this.#failed !== undefined) throw this.#failed;
  }
}

/** Lets frames pass at a steady rate. */
class Pace {
  readonly #perMs: number;
  #credit = 1;
  #last = performance.now();

  constructor(perSecond: number) {
    this.#perMs = perSecond / 1000;
  }

  allows(): boolean {
    const now = performance.now();
    const most = Math.max(1, longestBurstMs * this.#perMs);
    this.#credit = Math.min(most, this.#credit + (now - this.#last) * this.#perMs);
    this.#last = now;
    if (this.#credit < 1) return false;
    this.#credit -= 1;
    return true;
  }
}
