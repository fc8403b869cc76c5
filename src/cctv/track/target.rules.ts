import type { Box, Detection, Point, TrackState } from '../model.ts';
import { type Axis, axis, predict, update } from './kalman.rules.ts';
import { Standstill, type Still } from './stationary.rules.ts';

/**
 * One object as the tracker sees it. Lengths are in heights of the picture, so that a circle is a circle whatever the
 * shape of the picture; sizes are logarithms, because what comes closer grows in proportion.
 */
export interface Target {
  readonly id: number;
  readonly label: string;
  /** Foot point: the middle of the lower edge. */
  readonly x: Axis;
  readonly y: Axis;
  readonly logWidth: Axis;
  readonly logHeight: Axis;
  readonly still: Still;
  /** The last scores, at most ten. */
  readonly scores: number[];
  readonly bornAt: number;
  seenAt: number;
  hits: number;
  state: TrackState;
}

/** Seconds after which a speed that nobody sees any more has faded to a third. */
const relax = 3;
/** Measured wobble of boxes as a share of the size: place, and logarithm of width and height. */
const placeNoise = 0.08;
const widthNoise = 0.2;
const heightNoise = 0.1;
/** Spectral density of acceleration, sizes² / s³; and of the change of the logarithm of the size. */
const jerk = 0.5;
const sizeJerk = 0.01;
const startSpeed = 1;

const square = (x: number) => x * x;
const measured = ({ box }: Detection, aspect: number) => ({
  x: (box.left + box.width / 2) * aspect,
  y: box.top + box.height,
  logWidth: Math.log(box.width * aspect),
  logHeight: Math.log(box.height),
});
/** The size that distances are held against: the side of a square of the same area. */
const sizeOf = (t: Target) => Math.exp((t.logWidth.x + t.logHeight.x) / 2);

export function born(id: number, d: Detection, at: number, aspect: number): Target {
  const m = measured(d, aspect);
  const size = Math.exp((m.logWidth + m.logHeight) / 2);
  const place = square(placeNoise * size);
  return {
    id,
    label: d.label,
    x: axis(m.x, place, square(startSpeed * size)),
    y: axis(m.y, place, square(startSpeed * size)),
    logWidth: axis(m.logWidth, square(widthNoise), square(0.2)),
    logHeight: axis(m.logHeight, square(heightNoise), square(0.2)),
    still: Standstill.begin(m.x, m.y, at),
    scores: [d.score],
    bornAt: at,
    seenAt: at,
    hits: 1,
    state: 'tentative',
  };
}

/** Moves a target `dt` seconds on. */
export function advance(t: Target, dt: number): void {
  const size = square(sizeOf(t));
  predict(t.x, dt, jerk * size, relax);
  predict(t.y, dt, jerk * size, relax);
  predict(t.logWidth, dt, sizeJerk, relax);
  predict(t.logHeight, dt, sizeJerk, relax);
}

/** Takes in the detection that belongs to a target. */
export function observe(t: Target, d: Detection, at: number, aspect: number): void {
  const m = measured(d, aspect);
  const place = square(placeNoise * sizeOf(t));
  update(t.x, m.x, place);
  update(t.y, m.y, place);
  update(t.logWidth, m.logWidth, square(widthNoise));
  update(t.logHeight, m.logHeight, square(heightNoise));
  Standstill.observe(t.still, m.x, m.y, sizeOf(t), at);
  t.scores.push(d.score);
  if (t.scores.length > 10) t.scores.shift();
  t.seenAt = at;
  t.hits += 1;
}

/** How unlikely it is that a detection is this target: squared Mahalanobis distance plus the price of a wide guess. */
export function distance(t: Target, d: Detection, aspect: number): number {
  if (t.label !== d.label) return Infinity;
  const m = measured(d, aspect);
  const place = square(placeNoise * sizeOf(t));
  const sx = t.x.pxx + place;
  const sy = t.y.pxx + place;
  const sw = t.logWidth.pxx + square(widthNoise);
  const sh = t.logHeight.pxx + square(heightNoise);
  const off =
    square(m.x - t.x.x) / sx +
    square(m.y - t.y.x) / sy +
    square(m.logWidth - t.logWidth.x) / sw +
    square(m.logHeight - t.logHeight.x) / sh;
  return off + (Math.log(sx / place) + Math.log(sy / place)) / 4;
}

export function boxOf(t: Target, aspect: number): Box {
  const width = Math.exp(t.logWidth.x) / aspect;
  const height = Math.exp(t.logHeight.x);
  return { left: t.x.x / aspect - width / 2, top: t.y.x - height, width, height };
}

export const velocityOf = (t: Target, aspect: number): Point => ({ x: t.x.v / aspect, y: t.y.v });

/** The middle of a list of numbers that is not empty. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
