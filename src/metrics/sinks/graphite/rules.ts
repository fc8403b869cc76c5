/** The ticks with `from <= at < to`, epoch ms. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

// Sending a delivered tick again is harmless (same instant overwrites), so close gaps are not worth a range of their own.
const slackMs = 60_000;
const mostRanges = 100;
// Deliveries within this time of each other share one entry of the replay window.
const bucketMs = 30_000;

/** Ranges in order, overlapping and neighbouring ones joined. */
export function join(ranges: readonly Range[], slack = slackMs): Range[] {
  const joined: Range[] = [];
  for (const range of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (range.to <= range.from) continue;
    if (last !== undefined && range.from - last.to <= slack)
      joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else joined.push(range);
  }
  return joined.length <= mostRanges ? joined : join(joined, Math.max(1, slack) * 2);
}

/** What remains of the ranges without `cut`. */
export function subtract(ranges: readonly Range[], cut: Range): Range[] {
  return ranges
    .flatMap(({ from, to }) => [
      { from, to: Math.min(to, cut.from) },
      { from: Math.max(from, cut.to), to },
    ])
    .filter(({ from, to }) => to > from);
}

/** What a restart of Lares needs to know; kept in the state store. */
export interface SavedLedger {
  /** Not delivered. */
  readonly pending: readonly Range[];
  /** Delivered so recently that Carbon may still hold it in memory only. */
  readonly recent: readonly Range[];
  /** Newest tick that was offered, epoch ms. */
  readonly through: number;
}

interface Delivery extends Range {
  /** Monotonic ms of the first and last delivery that this entry stands for. */
  readonly since: number;
  readonly until: number;
}

/**
 * Which ticks Carbon still has to get. `pending` shrinks only by a receipt; what was delivered within the replay
 * window comes back when Carbon restarts, because its cache dies with it.
 */
export class Ledger {
  #pending: Range[] = [];
  #recent: Delivery[] = [];
  #through: number;
  /** Offered, and neither delivered nor missed yet. */
  readonly #open = new Set<number>();
  readonly #windowMs: number;

  /** `saved` is what the run before us left; without it the replay window before `now` counts as pending. */
  constructor(windowMs: number, now: number, saved?: SavedLedger) {
    this.#windowMs = windowMs;
    this.#through = now;
    const unknown = {
      // A place in the future was left by a clock that ran ahead; it says nothing about the ticks since.
      from: saved === undefined || saved.through > now ? now - windowMs : saved.through,
      to: now + 1,
    };
    this.#pending = join([...(saved?.pending ?? []), ...(saved?.recent ?? []), unknown]);
  }

  get pending(): readonly Range[] {
    return this.#pending;
  }

  get oldest(): Range | undefined {
    return this.#pending[0];
  }

  /** A tick came into being; from now on a crash of ours makes it pending. */
  offered(at: number): void {
    this.#through = at;
    this.#open.add(at);
  }

  /** These ticks did not arrive, or nobody can say. */
  missed(range: Range): void {
    this.#close(range);
    this.#pending = join([...this.#pending, range]);
  }

  /** Carbon read these ticks at `now` (monotonic ms). */
  delivered(range: Range, now: number): void {
    this.#close(range);
    this.#pending = subtract(this.#pending, range);
    const same = this.#recent.findIndex(
      (d) => now - d.since < bucketMs && range.from - d.to <= slackMs && range.from >= d.from,
    );
    const entry = this.#recent[same];
    if (entry === undefined) this.#recent.push({ ...range, since: now, until: now });
    else this.#recent[same] = { ...entry, to: Math.max(entry.to, range.to), until: now };
  }

  /** Lets go of deliveries that Carbon has long written to disk. */
  expire(now: number): void {
    this.#recent = this.#recent.filter((d) => now - d.until <= this.#windowMs);
  }

  /** Carbon was away or restarted: what it may have held in memory is pending again. */
  reopen(now: number): void {
    this.expire(now);
    this.#pending = join([...this.#pending, ...this.#recent]).map(({ from, to }) => ({ from, to }));
  }

  /** These ticks need not be sent: there is nothing in them, or they are given up. */
  drop(range: Range): void {
    this.#close(range);
    this.#pending = subtract(this.#pending, range);
  }

  save(now: number): SavedLedger {
    this.expire(now);
    return {
      pending: join([...this.#pending, ...[...this.#open].map((at) => ({ from: at, to: at + 1 }))]),
      recent: join(this.#recent.map(({ from, to }) => ({ from, to }))),
      through: this.#through,
    };
  }

  #close({ from, to }: Range): void {
    for (const at of this.#open) if (at >= from && at < to) this.#open.delete(at);
  }
}

/** A replay chunk is small, so that a Carbon with a full cache, which drops what it has already read, loses little. */
export const chunkPoints = 250;
// Carbon stops reading when its cache is full and drops points meanwhile: a slow receipt is no proof of keeping.
export const doubtfulMs = 1_000;
/**
 * What a receipt took beyond the network's part, in ms. Carbon's system answers the connecting in one round trip
 * however busy Carbon is, and the receipt itself needs one more.
 */
export const unexplained = (tookMs: number, connectMs: number): number => Math.max(0, tookMs - 2 * connectMs);
/** At this pace a slow receipt is taken for a slow network, not for a full cache. */
export const slowestPace = 50;

/** Points per second after one replay chunk: halved by a failure or a doubtful receipt, then raised by a tenth of the limit. */
export function nextPace(pace: number, limit: number, good: boolean): number {
  return good ? Math.min(limit, pace + limit / 10) : Math.min(limit, Math.max(slowestPace, pace / 2));
}
