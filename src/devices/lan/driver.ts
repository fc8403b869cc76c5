import { defineDriver, type Context, type Driver } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { wifiConfig, type WifiConfig } from '../config.ts';
import type { LanScanner, LanSighting, Mac, SweepResult, Target } from '../model.ts';
import { chooseScanner, type OpenScanner } from './choose.ts';
import { contains, parseIpv4, parseNetwork, type Network } from './codec/ipv4.ts';
import { lookupName, type LookupName } from './names.ts';

/** What the driver tells: somebody was seen, a whole network was asked, or a device's name was learnt. */
export type LanSignal =
  | { readonly kind: 'sighting'; readonly sighting: LanSighting }
  | { readonly kind: 'sweep'; readonly result: SweepResult }
  | { readonly kind: 'named'; readonly mac: Mac; readonly hostname: string; readonly source: 'mdns' | 'dns' };

export interface LanParts {
  /** Devices of people: they are asked directly between sweeps. Read before each round. */
  readonly tracked?: () => readonly Target[];
  /** Absent in a simulated house: its devices name themselves. */
  readonly lookupName?: LookupName | undefined;
}

/** A device that has been silent for longer than this many probe intervals is asked three times as often … */
const suspiciousIntervals = 2.5;
/** … for this long; then it has left. */
const suspectForMs = 15 * 60_000;
/** A name is looked up again after this long. */
const nameAgainMs = { found: 6 * 3_600_000, none: 3_600_000 } as const;
const lookupsAtOnce = 2;
const probeLimitMs = 30_000;
const remembered = 8_192;
// A sighting that lies further in the future is from before the clock was set back.
const aheadMs = 1_000;

/**
 * Watches the LAN: listens all the time where it may, asks every address each scan interval, and asks the devices of
 * people directly in between. `openScanner` decides how: raw, by the kernel, or simulated.
 */
export function makeLanDriver(
  openScanner: OpenScanner,
  parts: LanParts = {},
): Driver<'lan', WifiConfig, LanSignal> {
  return defineDriver({
    kind: 'lan',
    title: 'Wi-Fi and LAN scan',
    config: wifiConfig,
    example: { networks: ['192.0.2.0/24'] },
    // The longest scan interval that the configuration allows is 300 s.
    traits: { cadence: { everyMs: 120_000 }, needs: ['network'] },
    async run(config: WifiConfig, context: Context<LanSignal>) {
      const scanner = await openScanner({
        mode: config.mode,
        networks: config.networks,
        interface: config.interface,
        maxFramesPerSecond: config.max_frames_per_second,
        retries: config.retries,
        log: context.log,
      }).catch((error: unknown) => {
        throw scanError(error);
      });
      try {
        await new Watch(config, context, scanner, parts).run();
      } finally {
        await scanner.close();
      }
    },
  });
}

export const lanDriver = makeLanDriver(chooseScanner, { lookupName });

/** Operators search the log for `wifi … error`. */
function scanError(error: unknown): LaresError {
  const code = error instanceof LaresError ? error.code : 'INTERNAL';
  return new LaresError(code, `wifi scan error: ${reason(error)}`, { cause: error });
}

class Watch {
  readonly #config: WifiConfig;
  readonly #context: Context<LanSignal>;
  readonly #scanner: LanScanner;
  readonly #parts: LanParts;
  readonly #networks: readonly Network[];
  readonly #lastSeen = new Map<Mac, number>();
  readonly #nameDue = new Map<Mac, number>();
  /** What each failing network complained of, so that it is said once. */
  readonly #troubles = new Map<string, string>();
  #listenAgain = new AbortController();
  readonly #nameless: Target[] = [];
  #lookups = 0;

  constructor(config: WifiConfig, context: Context<LanSignal>, scanner: LanScanner, parts: LanParts) {
    this.#config = config;
    this.#context = context;
    this.#scanner = scanner;
    this.#parts = parts;
    this.#networks = config.networks.map(parseNetwork);
  }

  /** Runs until the context's signal aborts or one of the parts fails for good. */
  async run(): Promise<void> {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#context.signal, stop.signal]);
    const loops = [this.#sweeps(signal), this.#probes(signal)];
    if (this.#config.listen && this.#scanner.listen !== undefined) loops.push(this.#listens(signal));
    try {
      await Promise.all(loops);
    } catch (error) {
      if (!this.#context.signal.aborted) throw scanError(error);
    } finally {
      stop.abort();
      await Promise.allSettled(loops);
    }
  }

  async #sweeps(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const everyMs = this.#config.scan_interval_seconds * 1000;
    while (!signal.aborted) {
      const started = clock.monotonic();
      const failures: unknown[] = [];
      for (const network of this.#networks) {
        try {
          await this.#sweep(network, signal);
        } catch (error) {
          if (signal.aborted) return;
          failures.push(error);
          this.#complain(network.cidr, reason(error));
        }
      }
      if (failures.length > 0 && failures.length === this.#networks.length) throw failures[0];
      await clock.sleep(Math.max(1_000, everyMs - (clock.monotonic() - started)), signal);
    }
  }

  async #sweep(network: Network, signal: AbortSignal): Promise<void> {
    const perSecond = this.#config.max_frames_per_second ?? 500;
    const limitMs = 60_000 + (2 ** (32 - network.prefix) * 5_000) / perSecond;
    const result = await this.#within(limitMs, `the sweep of ${network.cidr}`, signal, (s) =>
      this.#scanner.sweep(network.cidr, s),
    );
    if (signal.aborted) return;
    const failedBefore = this.#troubles.delete(network.cidr);
    // A listener that began without this network begins anew.
    if (failedBefore) this.#listenAgain.abort();
    for (const sighting of result.found) this.#note(sighting);
    this.#context.emit({ kind: 'sweep', result });
    const devices = new Set(result.found.map((s) => s.mac)).size;
    if (devices === 0) this.#complain(`${network.cidr} empty`, this.#whyNobody(result));
    else this.#troubles.delete(`${network.cidr} empty`);
    this.#context.alive(
      devices === 0
        ? this.#whyNobody(result)
        : `${devices} devices in ${network.cidr} in ${result.tookMs} ms by ${this.#scanner.method} scan (${this.#scanner.why})`,
    );
  }

  #whyNobody(result: SweepResult): string {
    const where = this.#config.interface === undefined ? '' : ` on ${this.#config.interface}`;
    return `nobody in ${result.network} answered ${result.probed} questions${where}, not even a router (${this.#scanner.method} scan): check that the network is the one of your devices (ip -4 addr, ip route), that Wi-Fi client isolation is off, and that the process may scan (${this.#scanner.why})`;
  }

  async #probes(signal: AbortSignal): Promise<void> {
    const { clock } = this.#context;
    const everyMs = this.#config.probe_interval_seconds * 1000;
    while (!signal.aborted) {
      const now = clock.now();
      const silence = ({ mac }: Target) => now - (this.#seenAt(mac) ?? Number.NEGATIVE_INFINITY);
      const targets = this.#parts.tracked?.() ?? [];
      for (const network of this.#networks) {
        const here = targets.filter((t) => contains(network, parseIpv4(t.ip) ?? 0));
        const due = here.filter((target) => silence(target) >= everyMs);
        if (due.length > 0 && !this.#troubles.has(network.cidr)) await this.#probe(network, due, signal);
      }
      const suspicious = targets.some((t) => {
        const silentMs = silence(t);
        return silentMs >= everyMs * suspiciousIntervals && silentMs < suspectForMs;
      });
      await clock.sleep(suspicious ? everyMs / 3 : everyMs, signal);
    }
  }

  async #probe(network: Network, targets: readonly Target[], signal: AbortSignal): Promise<void> {
    const seen = await this.#within(probeLimitMs, `asking devices in ${network.cidr}`, signal, (s) =>
      this.#scanner.probe(network.cidr, targets, s),
    ).catch((error: unknown) => {
      if (signal.aborted) return [];
      // The next sweep decides whether the network is lost.
      this.#complain(network.cidr, reason(error));
      return [];
    });
    for (const sighting of seen) this.#see(sighting);
  }

  async #listens(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#listenAgain = new AbortController();
      const round = AbortSignal.any([signal, this.#listenAgain.signal]);
      await this.#scanner.listen?.(this.#config.networks, (sighting) => this.#see(sighting), round);
      if (!round.aborted) throw new LaresError('UNREACHABLE', 'the listener ended by itself');
    }
  }

  #see(sighting: LanSighting): void {
    this.#note(sighting);
    this.#context.emit({ kind: 'sighting', sighting });
  }

  #note(sighting: LanSighting): void {
    if (this.#lastSeen.size > remembered) this.#lastSeen.clear();
    this.#lastSeen.set(sighting.mac, Math.max(sighting.at, this.#seenAt(sighting.mac) ?? 0));
    if (sighting.hostname === undefined) this.#wonder(sighting);
    else this.#nameDue.set(sighting.mac, this.#context.clock.monotonic() + nameAgainMs.found);
  }

  #seenAt(mac: Mac): number | undefined {
    const at = this.#lastSeen.get(mac);
    return at !== undefined && at <= this.#context.clock.now() + aheadMs ? at : undefined;
  }

  /** Puts a device in the queue of those whose name is looked up, once in a while. */
  #wonder({ mac, ip }: LanSighting): void {
    const { clock } = this.#context;
    const due = this.#nameDue.get(mac) ?? Number.NEGATIVE_INFINITY;
    if (!this.#config.resolve_names || this.#parts.lookupName === undefined || clock.monotonic() < due)
      return;
    if (ip === undefined || !this.#networks.some((network) => contains(network, parseIpv4(ip) ?? 0))) return;
    if (this.#nameDue.size > remembered) this.#nameDue.clear();
    this.#nameDue.set(mac, clock.monotonic() + nameAgainMs.none);
    this.#nameless.push({ mac, ip });
    void this.#name(this.#parts.lookupName);
  }

  async #name(lookup: LookupName): Promise<void> {
    const { clock, signal } = this.#context;
    if (this.#lookups >= lookupsAtOnce) return;
    this.#lookups += 1;
    for (let next = this.#nameless.shift(); next !== undefined; next = this.#nameless.shift()) {
      const found = signal.aborted ? undefined : await lookup(next.ip, signal);
      if (found === undefined || signal.aborted) continue;
      this.#nameDue.set(next.mac, clock.monotonic() + nameAgainMs.found);
      this.#context.emit({ kind: 'named', mac: next.mac, ...found });
    }
    this.#lookups -= 1;
  }

  #complain(key: string, text: string): void {
    if (this.#troubles.get(key) === text) return;
    this.#troubles.set(key, text);
    this.#context.log.warn(`wifi scan error: ${text}`);
  }

  /** Ends work that hangs. Throws TIMEOUT. */
  async #within<T>(
    limitMs: number,
    what: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const over = new AbortController();
    const late = this.#context.clock.sleep(limitMs, AbortSignal.any([signal, over.signal])).then(() => {
      if (over.signal.aborted) return new Promise<never>(() => {});
      throw new LaresError(
        'TIMEOUT',
        signal.aborted ? 'stopped' : `timeout: ${what} took longer than ${Math.round(limitMs / 1000)} s`,
      );
    });
    try {
      return await Promise.race([work(AbortSignal.any([signal, over.signal])), late]);
    } finally {
      over.abort();
      late.catch(() => {});
    }
  }
}
