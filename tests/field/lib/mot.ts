import { assign } from '#cctv/track/assign.rules.ts';
import { iou } from '#cctv/box.rules.ts';
import type { Box } from '#cctv/model.ts';

/** One box of one object in one frame; boxes of truth and tracker in the same unit, whichever it is. */
export interface Sight {
  readonly frame: number;
  readonly id: number;
  readonly box: Box;
}

export interface MotScore {
  /** Boxes of the truth, and of the tracker. */
  readonly truths: number;
  readonly found: number;
  readonly falsePositives: number;
  readonly misses: number;
  /** How often an object changed its id. */
  readonly switches: number;
  /** Boxes that agree when each true path has one found path for its whole life. */
  readonly sameId: number;
  /** 1 is perfect; below 0 when there are more errors than truths. Undefined without truth. */
  readonly mota: number | undefined;
  readonly idf1: number | undefined;
}

const leastOverlap = 0.5;

/**
 * CLEAR MOT (Bernardin and Stiefelhagen 2008) as the MOTChallenge development kit counts it: a pair of the last frame
 * stays while it overlaps by half, the rest is paired with the least sum of 1 - IoU; a switch is counted when an object
 * that was also there in the frame before gets another id than it had last. IDF1 is that of Ristani et al. 2016.
 */
export function score(truth: readonly Sight[], found: readonly Sight[]): MotScore {
  const truths = byFrame(truth);
  const theirs = byFrame(found);
  const frames = [...new Set([...truths.keys(), ...theirs.keys()])].toSorted((a, b) => a - b);
  let misses = 0;
  let falsePositives = 0;
  let switches = 0;
  let before: ReadonlyMap<number, number> = new Map();
  const lastId = new Map<number, number>();
  const together = new Map<string, number>();
  for (const frame of frames) {
    const real = truths.get(frame) ?? [];
    const guess = theirs.get(frame) ?? [];
    for (const a of real)
      for (const b of guess)
        if (iou(a.box, b.box) >= leastOverlap)
          together.set(`${a.id} ${b.id}`, (together.get(`${a.id} ${b.id}`) ?? 0) + 1);
    const pairs = pairsOf(real, guess, before);
    const existed = new Set((truths.get(frame - 1) ?? []).map(({ id }) => id));
    for (const [id, hit] of pairs) {
      const last = lastId.get(id);
      if (last !== undefined && last !== hit && existed.has(id)) switches += 1;
      lastId.set(id, hit);
    }
    misses += real.length - pairs.size;
    falsePositives += guess.length - pairs.size;
    before = pairs;
  }
  const sameId = sameIdOf(truth, found, together);
  return {
    truths: truth.length,
    found: found.length,
    falsePositives,
    misses,
    switches,
    sameId,
    mota: truth.length === 0 ? undefined : 1 - (misses + falsePositives + switches) / truth.length,
    idf1: truth.length === 0 ? undefined : (2 * sameId) / (truth.length + found.length),
  };
}

function byFrame(sights: readonly Sight[]): Map<number, Sight[]> {
  return Map.groupBy(sights, ({ frame }) => frame);
}

/** Found id by true id for one frame. */
function pairsOf(
  real: readonly Sight[],
  guess: readonly Sight[],
  before: ReadonlyMap<number, number>,
): Map<number, number> {
  const pairs = new Map<number, number>();
  const taken = new Set<number>();
  for (const a of real) {
    const id = before.get(a.id);
    const b = id === undefined ? undefined : guess.find((g) => g.id === id);
    if (b === undefined || iou(a.box, b.box) < leastOverlap) continue;
    pairs.set(a.id, b.id);
    taken.add(b.id);
  }
  const rows = real.filter((a) => !pairs.has(a.id));
  const columns = guess.filter((b) => !taken.has(b.id));
  const cost = rows.flatMap((a) =>
    columns.map((b) => {
      const overlap = iou(a.box, b.box);
      return overlap >= leastOverlap ? 1 - overlap : Infinity;
    }),
  );
  // The gate is far above any cost: as many pairs as can be, then the closest.
  for (const [i, j] of assign(cost, rows.length, columns.length, 1_000).entries())
    if (j >= 0) pairs.set(rows[i]!.id, columns[j]!.id);
  return pairs;
}

function sameIdOf(
  truth: readonly Sight[],
  found: readonly Sight[],
  together: ReadonlyMap<string, number>,
): number {
  const rows = [...new Set(truth.map(({ id }) => id))];
  const columns = [...new Set(found.map(({ id }) => id))];
  const frames = rows.flatMap((a) => columns.map((b) => together.get(`${a} ${b}`) ?? 0));
  const pairs = assign(
    frames.map((n) => -n),
    rows.length,
    columns.length,
    0,
  );
  return pairs.reduce((sum, j, i) => sum + (j < 0 ? 0 : frames[i * columns.length + j]!), 0);
}

/** Rows `frame,id,left,top,width,height,score,…` of the MOTChallenge; rows without six numbers are passed over. */
export function parseMot(text: string): (Sight & { readonly score: number })[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [frame, id, left, top, width, height, confidence = 1] = line
      .split(',')
      .map((cell) => (cell.trim() === '' ? Number.NaN : Number(cell)));
    if ([frame, id, left, top, width, height].some((n) => n === undefined || !Number.isFinite(n))) return [];
    const box = { left: left!, top: top!, width: width!, height: height! };
    return [{ frame: frame!, id: id!, box, score: confidence }];
  });
}
