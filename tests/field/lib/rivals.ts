import { iou } from '#cctv/box.rules.ts';
import type { Box, Detection } from '#cctv/model.ts';
import { assign } from '#cctv/track/assign.rules.ts';

/**
 * The trackers that people use, written anew from their published descriptions to be held against ours on the same
 * detections. Boxes are in pixels here, as their constants are made for pixels and frames.
 */
export interface Rival {
  step(detections: readonly Detection[]): { readonly id: number; readonly box: Box }[];
}

/** Position and speed of several independent coordinates; every step is one frame. */
class Filter {
  readonly x: Float64Array;
  readonly v: Float64Array;
  private readonly p: { xx: Float64Array; xv: Float64Array; vv: Float64Array };

  constructor(values: readonly number[], varX: readonly number[], varV: readonly number[]) {
    this.x = Float64Array.from(values);
    this.v = new Float64Array(values.length);
    this.p = {
      xx: Float64Array.from(varX),
      xv: new Float64Array(values.length),
      vv: Float64Array.from(varV),
    };
  }

  predict(qx: readonly number[], qv: readonly number[]): void {
    const { xx, xv, vv } = this.p;
    for (let i = 0; i < this.x.length; i += 1) {
      this.x[i]! += this.v[i]!;
      xx[i]! += 2 * xv[i]! + vv[i]! + qx[i]!;
      xv[i]! += vv[i]!;
      vv[i]! += qv[i]!;
    }
  }

  update(measured: readonly number[], noise: readonly number[]): void {
    const { xx, xv, vv } = this.p;
    for (const [i, m] of measured.entries()) {
      const s = xx[i]! + noise[i]!;
      const [gain, gainV] = [xx[i]! / s, xv[i]! / s];
      const off = m - this.x[i]!;
      this.x[i]! += gain * off;
      this.v[i]! += gainV * off;
      vv[i]! -= gainV * xv[i]!;
      xv[i]! *= 1 - gain;
      xx[i]! *= 1 - gain;
    }
  }
}

function pairs<T, D>(rows: readonly T[], columns: readonly D[], cost: (t: T, d: D) => number, gate: number) {
  const found = assign(
    rows.flatMap((t) => columns.map((d) => cost(t, d))),
    rows.length,
    columns.length,
    gate,
  );
  const taken = new Set(found);
  return {
    pairs: [...found].flatMap((j, i) => (j < 0 ? [] : [[rows[i]!, columns[j]!] as const])),
    rows: rows.filter((_, i) => found[i]! < 0),
    columns: columns.filter((_, j) => !taken.has(j)),
  };
}

const centreX = (b: Box) => b.left + b.width / 2;
const centreY = (b: Box) => b.top + b.height / 2;

/** SORT (Bewley et al. 2016): Kalman filter on centre, area and ratio, IoU, Hungarian. */
export function sort({ threshold = 0.5, gate = 0.3, hits = 3, age = 1 } = {}): Rival {
  interface T {
    readonly id: number;
    readonly f: Filter;
    missed: number;
    streak: number;
  }
  const measure = (b: Box) => [centreX(b), centreY(b), b.width * b.height, b.width / b.height];
  const boxOf = ({ f: { x } }: T): Box => {
    const width = Math.sqrt(Math.max(1, x[2]!) * Math.max(0.01, x[3]!));
    const height = Math.max(1, x[2]!) / width;
    return { left: x[0]! - width / 2, top: x[1]! - height / 2, width, height };
  };
  let targets: T[] = [];
  let next = 1;
  let frame = 0;
  return {
    step(all) {
      frame += 1;
      for (const t of targets) {
        t.f.predict([1, 1, 1, 1], [0.01, 0.01, 0.0001, 0]);
        if (t.missed > 0) t.streak = 0;
        t.missed += 1;
      }
      const found = pairs(
        targets,
        all.filter((d) => d.score >= threshold),
        (t, d) => 1 - iou(boxOf(t), d.box),
        1 - gate,
      );
      for (const [t, d] of found.pairs) {
        t.f.update(measure(d.box), [1, 1, 10, 10]);
        t.missed = 0;
        t.streak += 1;
      }
      for (const d of found.columns) {
        const f = new Filter(measure(d.box), [10, 10, 10, 10], [1e4, 1e4, 1e4, 0]);
        targets.push({ id: next, f, missed: 0, streak: 0 });
        next += 1;
      }
      const shown = targets.filter((t) => t.missed === 0 && (t.streak >= hits || frame <= hits));
      targets = targets.filter((t) => t.missed <= age);
      return shown.map((t) => ({ id: t.id, box: boxOf(t) }));
    },
  };
}

/** ByteTrack (Zhang et al. 2022): strong detections first, weak ones for what is left. */
export function byteTrack({ threshold = 0.5, gate = 0.2, buffer = 30 } = {}): Rival {
  interface T {
    readonly id: number;
    readonly f: Filter;
    active: boolean;
    lost: boolean;
    seen: number;
  }
  const measure = (b: Box) => [centreX(b), centreY(b), b.width / b.height, b.height];
  const boxOf = ({ f: { x } }: T): Box => {
    const height = Math.max(1, x[3]!);
    const width = Math.max(0.01, x[2]!) * height;
    return { left: x[0]! - width / 2, top: x[1]! - height / 2, width, height };
  };
  const square = (values: readonly number[]) => values.map((v) => v * v);
  const place = (h: number, ratio: number) => square([h / 20, h / 20, ratio, h / 20]);
  const pace = (h: number) => square([h / 160, h / 160, 1e-5, h / 160]);
  let targets: T[] = [];
  let next = 1;
  let frame = 0;
  const take = (t: T, d: Detection) => {
    t.f.update(measure(d.box), place(t.f.x[3]!, 0.1));
    t.active = true;
    t.lost = false;
    t.seen = frame;
  };
  return {
    step(all) {
      frame += 1;
      for (const t of targets) {
        if (t.lost) t.f.v[3] = 0;
        t.f.predict(place(t.f.x[3]!, 0.01), pace(t.f.x[3]!));
      }
      const strong = all.filter((d) => d.score >= threshold);
      const weak = all.filter((d) => d.score < threshold && d.score >= 0.1);
      const fused = (t: T, d: Detection) => 1 - iou(boxOf(t), d.box) * d.score;
      const first = pairs(
        targets.filter((t) => t.active),
        strong,
        fused,
        1 - gate,
      );
      for (const [t, d] of first.pairs) take(t, d);
      const second = pairs(
        first.rows.filter((t) => !t.lost),
        weak,
        (t, d) => 1 - iou(boxOf(t), d.box),
        0.5,
      );
      for (const [t, d] of second.pairs) take(t, d);
      for (const t of second.rows) t.lost = true;
      const third = pairs(
        targets.filter((t) => !t.active),
        first.columns,
        fused,
        0.7,
      );
      for (const [t, d] of third.pairs) take(t, d);
      const gone = new Set(third.rows);
      targets = targets.filter((t) => !gone.has(t) && frame - t.seen <= buffer);
      for (const d of third.columns) {
        if (d.score < threshold + 0.1) continue;
        const h = d.box.height;
        const f = new Filter(
          measure(d.box),
          square([h / 10, h / 10, 0.01, h / 10]),
          square([h / 16, h / 16, 1e-5, h / 16]),
        );
        targets.push({ id: next, f, active: frame === 1, lost: false, seen: frame });
        next += 1;
      }
      return targets.filter((t) => t.active && t.seen === frame).map((t) => ({ id: t.id, box: boxOf(t) }));
    },
  };
}

/**
 * Norfair with the distance and the constants of Frigate: foot point in widths and heights of the estimate, ratios of
 * the sizes, greedy pairs below `gate`. Boxes are reported in frames with a detection, as Frigate does.
 */
export function norfair({ threshold = 0.5, gate = 2.5, fps = 5 } = {}): Rival {
  interface T {
    id: number;
    readonly f: Filter;
    counter: number;
    waiting: boolean;
    box: Box;
    hit: boolean;
  }
  const corners = (b: Box) => [b.left, b.top, b.left + b.width, b.top + b.height];
  const boxOf = ({ f: { x } }: T): Box => ({
    left: x[0]!,
    top: x[1]!,
    width: Math.max(1, x[2]! - x[0]!),
    height: Math.max(1, x[3]! - x[1]!),
  });
  const ratio = (a: number, b: number) => Math.max(a, b) / Math.min(a, b) - 1;
  const far = (t: T, d: Detection) => {
    const e = boxOf(t);
    return Math.hypot(
      (centreX(d.box) - centreX(e)) / e.width,
      (d.box.top + d.box.height - e.top - e.height) / e.height,
      ratio(d.box.width, e.width),
      ratio(d.box.height, e.height),
    );
  };
  let targets: T[] = [];
  let next = 1;
  const greedy = (rows: readonly T[], columns: readonly Detection[]): Detection[] => {
    const all = rows.flatMap((t) => columns.map((d) => ({ t, d, cost: far(t, d) })));
    const taken = new Set<unknown>();
    for (const { t, d, cost } of all.toSorted((a, b) => a.cost - b.cost)) {
      if (cost >= gate) break;
      if (taken.has(t) || taken.has(d)) continue;
      taken.add(t).add(d);
      if (t.counter < 5 * fps) t.counter += 2;
      if (t.waiting && t.counter > Math.floor(fps / 2)) {
        t.waiting = false;
        t.id = next;
        next += 1;
      }
      t.f.update(corners(d.box), [3.4, 3.4, 3.4, 3.4]);
      t.box = d.box;
      t.hit = true;
    }
    return columns.filter((d) => !taken.has(d));
  };
  return {
    step(all) {
      targets = targets.filter((t) => t.counter >= 0);
      for (const t of targets) {
        t.counter -= 1;
        t.hit = false;
        t.f.predict([0.1, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1]);
      }
      const strong = all.filter((d) => d.score >= threshold);
      const waiting = targets.filter((t) => t.waiting);
      const rest = greedy(
        waiting,
        greedy(
          targets.filter((t) => !t.waiting),
          strong,
        ),
      );
      for (const d of rest) {
        const f = new Filter(corners(d.box), [10, 10, 10, 10], [1, 1, 1, 1]);
        targets.push({ id: 0, f, counter: 1, waiting: true, box: d.box, hit: true });
      }
      return targets.filter((t) => t.hit && !t.waiting).map(({ id, box }) => ({ id, box }));
    },
  };
}
