import type { PathPoint } from './model.ts';
import { decodePath, encodePath } from './path.codec.ts';

const leastMs = 450;
const stillMs = 10_000;
// What counts as the same place for something that stands: a two-hundredth of the picture.
const sameBox = 1 / 200;
const longestChunk = 120;
const chunksAtOnce = 64;

/** Points of one event, packed; epoch milliseconds. */
export interface PathChunk {
  readonly event: string;
  readonly started: number;
  readonly ended: number;
  readonly points: Uint8Array;
}

interface Open {
  points: PathPoint[];
  dirty: boolean;
}

/** Thins points out and gathers them into chunks that grow until they are full. */
export class PathBuffer {
  readonly #open = new Map<string, Open>();
  readonly #full: PathChunk[] = [];

  add(point: PathPoint): void {
    const open = this.#open.get(point.event) ?? { points: [], dirty: false };
    this.#open.set(point.event, open);
    const last = open.points.at(-1);
    // A chunk is in order of time: when the clock was set back, another begins.
    const back = last !== undefined && point.at < last.at;
    if (last !== undefined && !back && !worthKeeping(last, point)) return;
    if (back || open.points.length >= longestChunk) {
      if (open.dirty) this.#full.push(pack(open.points));
      open.points = [];
    }
    open.points.push(point);
    open.dirty = true;
  }

  /** Every chunk that has changed since it was asked last. */
  changed(): PathChunk[] {
    const chunks = this.#full.splice(0);
    for (const open of this.#open.values()) {
      if (open.dirty) chunks.push(pack(open.points));
      open.dirty = false;
    }
    return chunks;
  }

  /** Forgets an event; its last chunk when it was not given out as it is. */
  end(event: string): PathChunk | undefined {
    const open = this.#open.get(event);
    this.#open.delete(event);
    return open?.dirty === true ? pack(open.points) : undefined;
  }
}

function worthKeeping(last: PathPoint, point: PathPoint): boolean {
  const gap = point.at - last.at;
  if (gap < leastMs) return false;
  const changed = last.stationary !== point.stationary || last.furniture !== point.furniture;
  const moved = (['left', 'top', 'width', 'height'] as const).some(
    (side) => Math.abs(last.box[side] - point.box[side]) > sameBox,
  );
  return gap >= stillMs || changed || !point.stationary || moved;
}

function pack(points: readonly PathPoint[]): PathChunk {
  const [first] = points;
  const { event, at: started } = first!;
  return { event, started, ended: points.at(-1)!.at, points: encodePath(started, points) };
}

/**
 * Merges chunks of many events into one line of time. `fetch` gives the chunks that follow `after`, ordered by start and
 * event. Memory holds the chunks that overlap one instant, not all of them.
 */
export function* readPaths(
  from: number,
  to: number,
  fetch: (after: PathChunk | undefined, limit: number) => PathChunk[],
): Generator<PathPoint> {
  let live: PathPoint[][] = [];
  let after: PathChunk | undefined;
  let more = true;
  for (;;) {
    const chunks: PathChunk[] = more ? fetch(after, chunksAtOnce) : [];
    more = chunks.length === chunksAtOnce;
    after = chunks.at(-1) ?? after;
    for (const chunk of chunks) {
      const points = decodePath(chunk.event, chunk.started, chunk.points);
      live.push(points.filter(({ at }) => at >= from && at < to).toReversed());
    }
    // Up to here nothing can come that is earlier.
    const horizon = more && after !== undefined ? after.started : Infinity;
    for (;;) {
      live = live.filter((points) => points.length > 0);
      const next = earliest(live);
      if (next === undefined || next.at(-1)!.at > horizon) break;
      yield next.pop()!;
    }
    if (!more && live.length === 0) return;
  }
}

function earliest(live: readonly PathPoint[][]): PathPoint[] | undefined {
  let best: PathPoint[] | undefined;
  for (const points of live) if (best === undefined || points.at(-1)!.at < best.at(-1)!.at) best = points;
  return best;
}
