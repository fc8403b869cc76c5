import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import { isSeries, type Batch, type Reading, type Sink } from '#kernel/reading.ts';
import type { TickStats } from '#platform/stats.ts';
import type { ReadingLog } from '#store/model.ts';
import { beat, jump, late, latenessAt, noJitter, type Jitter } from './tick.rules.ts';

/** One area that is measured at every tick. Must answer at once from memory; it is never awaited. */
export interface ReadingSource {
  readonly name: string;
  read(at: number): Iterable<Reading>;
}

export interface TickOptions {
  readonly intervalMs: number;
  readonly sources: readonly ReadingSource[];
  readonly sinks: readonly Sink[];
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Pick<Bus, 'emit'>;
  readonly readings: Pick<ReadingLog, 'append' | 'count'>;
  /** Called after each cycle that yielded readings, with its instant: feeds the watchdog. */
  readonly onGoodCycle?: (at: number) => void;
}

/** The figures of `/metrics`, and some more. */
export interface BeatStats extends TickStats {
  /** Readings refused for a bad name, a value that is not finite, or a name taken by another source. */
  readonly refused: number;
  readonly sourceFailures: number;
  readonly jitter: Jitter;
  /** Time that collecting and handing over took, in ms. */
  readonly lastTookMs: number;
  /** Readings in the last tick. */
  readonly lastCount: number;
}

// Names from a misbehaving source must not fill the memory.
const rememberedRefusals = 1_000;

/** The heart beat of the house: all readings of one slot share one instant, are kept, and go to every sink. */
export class Tick {
  readonly #o: TickOptions;
  readonly #failing = new Set<string>();
  readonly #refusedNames = new Set<string>();
  #jitter = noJitter;
  #counts = { count: 0, missed: 0, refused: 0, sourceFailures: 0 };
  #last: { at: number | undefined; tookMs: number; readings: number } = {
    at: undefined,
    tookMs: 0,
    readings: 0,
  };

  constructor(options: TickOptions) {
    this.#o = options;
  }

  stats(): BeatStats {
    return {
      ...this.#counts,
      intervalSeconds: this.#o.intervalMs / 1000,
      jitter: this.#jitter,
      jitterP50Ms: latenessAt(this.#jitter, 0.5),
      jitterP99Ms: latenessAt(this.#jitter, 0.99),
      jitterMaxMs: this.#jitter.maxMs,
      lastAt: this.#last.at,
      lastTookMs: this.#last.tookMs,
      lastCount: this.#last.readings,
    };
  }

  /** Beats until the signal aborts. The slot that is running at the start is measured at once, unless it is kept already. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#o;
    const slot = Math.floor(clock.now() / intervalMs) * intervalMs;
    let lastAt: number = slot;
    if ((await this.#kept(slot)) === 0 && !signal.aborted) this.#cycle(slot, false);
    let jumped = false;
    let before = { wall: clock.now(), monotonic: clock.monotonic() };
    while (!signal.aborted) {
      const next = beat(clock.now(), lastAt, intervalMs);
      if ('waitMs' in next) await clock.sleep(next.waitMs, signal);
      const after = { wall: clock.now(), monotonic: clock.monotonic() };
      const byMs = jump(before, after);
      before = after;
      if (byMs !== 0) {
        jumped = true;
        this.#o.log.warn(`the wall clock moved by ${Math.round(byMs / 1000)} s; ticks go on at the new time`);
        this.#o.bus.emit('clock.jumped', { byMs });
      }
      if ('waitMs' in next) continue;
      // Slots that a set clock jumped over never existed.
      if (!jumped) this.#counts.missed += next.skipped;
      jumped = false;
      lastAt = next.at;
      this.#cycle(next.at, true);
    }
  }

  async #kept(slot: number): Promise<number> {
    try {
      return await this.#o.readings.count(slot, slot + this.#o.intervalMs);
    } catch {
      return 0;
    }
  }

  #cycle(at: number, measured: boolean): void {
    const { clock, sinks, readings, bus } = this.#o;
    const startedAt = clock.monotonic();
    const lateMs = Math.max(0, clock.now() - at);
    const values = this.#collect(at);
    const batch: Batch = { at, values };
    if (values.size > 0) {
      // Kept first: the store is the spool that a sink falls back on when its own send fails.
      void readings.append(batch).catch((error) => this.#o.log.error(`store error: ${reason(error)}`));
      for (const sink of sinks) this.#hand(sink, batch);
      bus.emit('tick', batch);
      this.#tellWatchdog(at);
    }
    this.#counts.count += 1;
    if (measured) this.#jitter = late(this.#jitter, lateMs);
    this.#last = { at, tookMs: clock.monotonic() - startedAt, readings: values.size };
  }

  #tellWatchdog(at: number): void {
    try {
      this.#o.onGoodCycle?.(at);
    } catch (error) {
      this.#o.log.error(`watchdog error: ${reason(error)}`, { error });
    }
  }

  #hand(sink: Sink, batch: Batch): void {
    try {
      sink.offer(batch);
    } catch (error) {
      this.#o.log.error(`${sink.name} error: ${reason(error)}`, { error });
    }
  }

  #collect(at: number): Map<string, number> {
    const values = new Map<string, number>();
    for (const source of this.#o.sources) {
      try {
        // All or nothing: half an area would break its invariants, such as a count that equals its parts.
        const readings = Array.from(source.read(at));
        for (const { series, value } of readings) this.#take(values, source.name, series, value);
        if (this.#failing.delete(source.name)) this.#o.log.info(`${source.name} is measured again`);
      } catch (error) {
        this.#counts.sourceFailures += 1;
        if (this.#failing.has(source.name)) continue;
        this.#failing.add(source.name);
        this.#o.log.error(`${source.name} error: its readings are missing: ${reason(error)}`, { error });
      }
    }
    return values;
  }

  #take(values: Map<string, number>, source: string, series: string, value: number): void {
    const why = !isSeries(series)
      ? 'its name is not a normalised path'
      : !Number.isFinite(value)
        ? `its value is ${value}`
        : values.has(series)
          ? 'another source already reports it'
          : undefined;
    if (why === undefined) {
      values.set(series, value);
      return;
    }
    this.#counts.refused += 1;
    if (this.#refusedNames.has(series) || this.#refusedNames.size >= rememberedRefusals) return;
    this.#refusedNames.add(series);
    this.#o.log.warn(`${source} error: reading ${series.slice(0, 120)} is refused: ${why}`);
  }
}
