import { slotMs, type Provenance } from './model.ts';
import type { Register } from './register.rules.ts';

export type Channel = 'import' | 'export';

/** Energy between two instants. `wh` and `exportWh` are Wh, never negative. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly wh: number;
  readonly exportWh: number;
  readonly how: Provenance;
  /** False where the time was accounted for by earlier pieces already and only the amount is new. */
  readonly covers: boolean;
}

/** A stretch within one slot, with what the power says about it, Wh; without power a whole stretch in one. */
export interface Segment {
  readonly from: number;
  readonly to: number;
  readonly import: number;
  readonly export: number;
}

/** Wh under the straight line from `p0` to `p1` W, drawn and fed apart, split where slots end. Empty when no time passed. */
export function integrate(from: number, to: number, p0: number, p1: number): readonly Segment[] {
  const segments: Segment[] = [];
  const slope = to > from ? (p1 - p0) / (to - from) : 0;
  for (let a = from; a < to;) {
    const b = Math.min(to, (Math.floor(a / slotMs) + 1) * slotMs);
    const [pa, pb] = [p0 + slope * (a - from), p0 + slope * (b - from)];
    const hours = (b - a) / 3_600_000;
    segments.push({ from: a, to: b, import: above(pa, pb) * hours, export: above(-pa, -pb) * hours });
    a = b;
  }
  return segments;
}

/** Mean of the part above zero of a straight line from `a` to `b`. */
function above(a: number, b: number): number {
  if (a >= 0 && b >= 0) return (a + b) / 2;
  if (a <= 0 && b <= 0) return 0;
  const top = Math.max(a, b);
  return (top * top) / (2 * Math.abs(a - b));
}

export const total = (profile: readonly Segment[] | undefined, channel: Channel): number => {
  let sum = 0;
  for (const segment of profile ?? []) sum += segment[channel];
  return sum;
};

// Two days of quarter hours; older ones grow together, so that a counter that never moves costs little.
const longestShape = 192;

export function grow(
  shape: Register['shape'],
  profile: readonly Segment[] | undefined,
  channel: Channel,
): Register['shape'] {
  if (profile === undefined || total(profile, channel) === 0) return shape;
  const grown = [...shape];
  for (const segment of profile) {
    const wh = segment[channel];
    if (wh === 0) continue;
    const start = Math.floor(segment.from / slotMs) * slotMs;
    const last = grown.at(-1);
    if (last?.[0] === start) grown[grown.length - 1] = [start, last[1] + wh];
    else grown.push([start, wh]);
  }
  if (grown.length > longestShape) {
    const [first, second] = grown.splice(0, 2);
    grown.unshift([second![0], first![1] + second![1]]);
  }
  return grown;
}

export const sum = (shape: Register['shape']): number => {
  let wh = 0;
  for (const [, part] of shape) wh += part;
  return wh;
};

/** The new stretch, shaped by power where there is some. */
export function fresh(
  from: number,
  to: number,
  profile: readonly Segment[] | undefined,
  wh: number,
  exportWh: number,
  how: Provenance,
): readonly Piece[] {
  if (profile === undefined || profile.length <= 1)
    return from === to && wh === 0 && exportWh === 0 ? [] : [{ from, to, wh, exportWh, how, covers: true }];
  const drawn = total(profile, 'import');
  const fed = total(profile, 'export');
  return profile.map((segment) => {
    const time = (segment.to - segment.from) / (to - from);
    return {
      from: segment.from,
      to: segment.to,
      wh: wh * (drawn > 0 ? segment.import / drawn : time),
      exportWh: exportWh * (fed > 0 ? segment.export / fed : time),
      how,
      covers: true,
    };
  });
}
