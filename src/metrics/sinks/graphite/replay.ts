import type { Batch } from '#kernel/reading.ts';
import type { Clock } from '#kernel/driver.ts';
import type { ReadingLog } from '#store/model.ts';
import { ticksIn } from './backlog.ts';
import { chunkPoints, doubtfulMs, nextPace, slowestPace, type Ledger, type Range } from './rules.ts';

/** What one connection carries of the backlog: the ticks, and the range that is done with them. */
export interface Chunk {
  readonly ticks: readonly Batch[];
  readonly range: Range;
}

// Read in one go; so many ticks at most are kept in memory.
const windowMs = 600_000;

/** Cuts the backlog into paced chunks, oldest first. Paced by the real clock: Carbon is real even in a house whose time runs faster. */
export class Replay {
  readonly #limit: number;
  readonly #clock: Clock;
  #pace: number;
  #notBefore = 0;
  #window: Chunk | undefined;

  /** `limit` is in points per second. */
  constructor(limit: number, clock: Clock) {
    this.#limit = limit;
    this.#clock = clock;
    this.#pace = limit;
  }

  /** Milliseconds until the next chunk may leave. */
  get waitMs(): number {
    return Math.max(0, this.#notBefore - this.#clock.monotonic());
  }

  pause(ms: number): void {
    this.#notBefore = this.#clock.monotonic() + ms;
  }

  /** The next chunk; undefined when the stretch that was looked at holds nothing. Throws what the store throws. */
  async next(ledger: Ledger, readings: Pick<ReadingLog, 'range'>): Promise<Chunk | undefined> {
    const oldest = ledger.oldest;
    if (this.#window === undefined && oldest !== undefined) {
      const range = { from: oldest.from, to: Math.min(oldest.to, oldest.from + windowMs) };
      const ticks = await ticksIn(readings, range);
      if (ticks.length === 0) ledger.drop(range);
      else this.#window = { ticks, range };
    }
    return this.#window && first(this.#window, Math.min(chunkPoints, this.#pace / 20));
  }

  /** Takes note of a chunk that was sent and how long its receipt took. True when it counts as delivered. */
  sent(chunk: Chunk, points: number, tookMs: number): boolean {
    const quick = tookMs <= doubtfulMs;
    const counts = quick || this.#pace <= slowestPace;
    // A line on which every receipt is slow must not be tried faster after each chunk: most would not count again.
    this.#adapt(points, tookMs, quick);
    if (!counts) return false;
    const { ticks, range } = this.#window ?? chunk;
    const left = ticks.slice(chunk.ticks.length);
    this.#window =
      left.length === 0 ? undefined : { ticks: left, range: { from: chunk.range.to, to: range.to } };
    return true;
  }

  /** The chunk got no receipt. */
  failed(points: number): void {
    this.#adapt(points, 0, false);
    this.forget();
  }

  /** What was read ahead may no longer be what is missing. */
  forget(): void {
    this.#window = undefined;
  }

  #adapt(points: number, tookMs: number, good: boolean): void {
    this.#pace = nextPace(this.#pace, this.#limit, good);
    this.pause(Math.max(0, (points / this.#pace) * 1000 - tookMs));
  }
}

/** The first ticks of about so many points; at least one tick. */
function first({ ticks, range }: Chunk, mostPoints: number): Chunk {
  let points = 0;
  const end = ticks.findIndex((batch) => (points += batch.values.size) >= mostPoints);
  const some = ticks.slice(0, end === -1 ? ticks.length : end + 1);
  const to = some.length === ticks.length ? range.to : some.at(-1)!.at + 1;
  return { ticks: some, range: { from: range.from, to } };
}
