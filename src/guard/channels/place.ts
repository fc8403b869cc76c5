import type { DeliveryRow } from '#cctv/index.ts';
import type { Clock } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { State } from '#platform/health.ts';
import type { AlertChannelStats } from '#platform/stats.ts';
import type { AlertMessage } from '../model.ts';
import type { Channel, ChannelHealth, OpenChannel } from './contract.ts';
import { quantile } from './queue.rules.ts';

const checkLimitMs = 30_000;
/** Whatever is due is tried within this. */
const triedMs = 5_000;
/** Durations kept for quantiles. */
const mostDurations = 512;

/** Any registered channel. The queue hands each only actions that its own schema accepted. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyChannel = Channel<string, any>;

/** A delivery that could go now. */
export interface Ready {
  readonly row: DeliveryRow;
  readonly alert: AlertMessage;
  readonly action: unknown;
}

/** What fails together. */
export interface Lane {
  inFlight: number;
  /** What goes when there is room, one message each. */
  next: Ready[][];
  failures: number;
  /** Epoch milliseconds. */
  restUntil: number;
  /** Why it rests; empty while it works. */
  why: string;
  parked: boolean;
}

/** One channel in the queue: what it runs with, how it fares, what it did. */
export class Place {
  readonly kind: string;
  readonly channel: AnyChannel;
  open: OpenChannel<unknown> | undefined;
  /** Settings are being exchanged: nothing new is started. */
  paused = false;
  readonly lanes = new Map<string, Lane>();
  readonly inFlight = new Set<Promise<void>>();
  delivered = 0;
  failures = 0;
  givenUp = 0;
  failed = 0;
  #checked: ChannelHealth = { state: 'off', detail: 'not asked yet' };
  readonly #seconds: number[] = [];

  constructor(kind: string, channel: AnyChannel) {
    this.kind = kind;
    this.channel = channel;
  }

  lane(key: string): Lane {
    const known = this.lanes.get(key);
    if (known !== undefined) return known;
    const lane: Lane = { inFlight: 0, next: [], failures: 0, restUntil: 0, why: '', parked: false };
    this.lanes.set(key, lane);
    return lane;
  }

  /** One delivery arrived, `ms` after its alert. */
  took(ms: number): void {
    this.delivered += 1;
    this.#seconds.push(Math.max(0, ms) / 1_000);
    if (this.#seconds.length > mostDurations) this.#seconds.shift();
    this.#checked = { state: 'ok', detail: `told ${this.delivered}` };
  }

  stats(waiting: number): AlertChannelStats {
    const { kind: channel, delivered, failures, givenUp, failed } = this;
    const [p50, p95] = [quantile(this.#seconds, 0.5), quantile(this.#seconds, 0.95)];
    return {
      channel,
      waiting,
      delivered,
      failures,
      givenUp,
      failed,
      ...(p50 === undefined ? {} : { secondsP50: p50 }),
      ...(p95 === undefined ? {} : { secondsP95: p95 }),
    };
  }

  /** Asks the channel whether it would work. */
  async check(clock: Clock, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const limit = new AbortController();
    void clock.sleep(checkLimitMs, over.signal).then(() => limit.abort());
    const { open } = this;
    const before = this.#checked;
    let found = before;
    try {
      if (open !== undefined) found = await open.check(AbortSignal.any([signal, limit.signal]));
    } catch (error) {
      found = { state: 'down', detail: reason(error) };
    }
    over.abort();
    // What arrived since it was asked, and other settings, are newer than the answer.
    if (this.#checked === before && this.open === open) this.#checked = found;
    // What waited there would have been tried by now; nothing does, and the channel works: what failed is over.
    if (this.#checked.state === 'ok')
      for (const [key, lane] of this.lanes)
        if (lane.inFlight === 0 && lane.next.length === 0 && clock.now() - lane.restUntil >= triedMs)
          this.lanes.delete(key);
  }

  /** How it fares: what deliveries met weighs more than what a check found. */
  state(): { readonly state: State; readonly detail: string } {
    const lanes = [...this.lanes.values()];
    const parked = lanes.find((l) => l.parked);
    if (parked !== undefined) return { state: 'parked', detail: parked.why };
    const failing = lanes.filter((l) => l.failures > 0);
    if (failing.length === 0) return this.#checked;
    return { state: failing.length === lanes.length ? 'down' : 'degraded', detail: failing[0]!.why };
  }
}
