import type { Box, Detection, Point, TrackState } from '../model.ts';
import { type Axis, axis, predict, update } from './kalman.rules.ts';
import { unlike } from './look.rules.ts';
import { stand, type Still, watch } from './stationary.rules.ts';
import { tuning } from './tuning.rules.ts';

/**
 * One object as the tracker sees it. Lengths are in heights of the picture, so that a circle is a circle whatever the
 * shape of the picture; sizes are logarithms, because what comes closer grows in proportion.
 */
export interface Target {
  id: number;
  /** Names it was given, with the sum of scores; the first is believed. */
  readonly labels: { name: string; weight: number }[];
  /** Foot point: the middle of the lower edge. */
  readonly x: Axis;
  readonly y: Axis;
  readonly logWidth: Axis;
  readonly logHeight: Axis;
  /** From the filtered box towards the one that was just seen: the filter is a little late at every turn. */
  lean: Lean;
  readonly still: Still;
  /** How many boxes in a row were larger than expected, in width and height alike; below 0: smaller. */
  grows: number;
  /** The first box of it, in fractions of the picture. */
  readonly birth: Box;
  /** The last scores, at most ten. */
  readonly scores: number[];
  /** Mean of its looks; empty while none is known. */
  look: number[];
  bornAt: number;
  seenAt: number;
  hits: number;
  state: TrackState;
  /** Seconds that were looked at without finding it. */
  unseen: number;
  furniture: boolean;
}

type Lean = Readonly<Record<'x' | 'y' | 'logWidth' | 'logHeight', number>>;

/** A detection in the lengths of a target. */
export interface Seen extends Lean {
  readonly detection: Detection;
  readonly height: number;
  readonly size: number;
}

/** Detectors give the classes of one row for one another. */
const kin: readonly (readonly string[])[] = [
  ['car', 'truck', 'bus'],
  ['bicycle', 'motorcycle'],
  ['cat', 'dog'],
];
const alive: ReadonlySet<string> = new Set([
  'person',
  'bird',
  'cat',
  'dog',
  'horse',
  'sheep',
  'cow',
  'elephant',
  'bear',
  'zebra',
  'giraffe',
]);
const square = (x: number) => x * x;

export const isAlive = (label: string): boolean => alive.has(label);

export const akin = (a: string, b: string): boolean =>
  a === b || kin.some((group) => group.includes(a) && group.includes(b));
export const labelOf = (t: Target): string => t.labels[0]!.name;
export const heightOf = (t: Target): number => Math.exp(t.logHeight.x);
const sizeOf = (t: Target): number => Math.exp((t.logWidth.x + t.logHeight.x) / 2);

export function see(detection: Detection, aspect: number): Seen {
  const { left, top, width, height } = detection.box;
  const logWidth = Math.log(width * aspect);
  const logHeight = Math.log(height);
  return {
    detection,
    x: (left + width / 2) * aspect,
    y: top + height,
    logWidth,
    logHeight,
    height,
    size: Math.exp((logWidth + logHeight) / 2),
  };
}

export function born(id: number, s: Seen, at: number): Target {
  const place = square(tuning.placeNoise * s.size);
  const speed = square(tuning.startSpeed * s.size);
  const { label, score, look } = s.detection;
  return {
    id,
    labels: [{ name: label, weight: score }],
    x: axis(s.x, place, speed),
    y: axis(s.y, place, speed),
    logWidth: axis(s.logWidth, square(tuning.widthNoise), square(tuning.startGrowth)),
    logHeight: axis(s.logHeight, square(tuning.heightNoise), square(tuning.startGrowth)),
    lean: upright,
    still: stand(s.x, s.y, at),
    grows: 0,
    birth: s.detection.box,
    scores: [score],
    look: look === undefined ? [] : Array.from(look),
    bornAt: at,
    seenAt: at,
    hits: 1,
    state: 'tentative',
    unseen: 0,
    furniture: false,
  };
}

const upright: Lean = { x: 0, y: 0, logWidth: 0, logHeight: 0 };

/** Steps of the filter never exceed this: what was not looked at for longer is simply unknown. */
const longestStep = 5;
const largest = { place: 3, speed: 2, logSize: 0.5, logRate: 1 };

/** Moves a target `dt` seconds on. What is `parked` stays where it is. */
export function advance(t: Target, dt: number, parked: boolean): void {
  const size = sizeOf(t);
  const step = Math.min(dt, longestStep);
  const jerk = tuning.jerk * square(size);
  t.lean = upright;
  const relax = t.unseen > 0 ? tuning.relax : tuning.relaxSeen;
  for (const a of [t.x, t.y]) {
    if (parked) a.v = 0;
    predict(a, step, jerk, relax);
    bound(a, (parked ? tuning.stillStep : largest.place) * size, largest.speed * size);
  }
  for (const a of [t.logWidth, t.logHeight]) {
    if (parked) a.v = 0;
    predict(a, step, tuning.sizeJerk, relax);
    bound(a, largest.logSize, largest.logRate);
  }
}

/** Keeps a guess from growing so wide that it takes in anything. */
function bound(a: Axis, sdOfPlace: number, sdOfSpeed: number): void {
  const shrink = Math.min(1, sdOfPlace / Math.sqrt(a.pxx));
  const slow = Math.min(1, sdOfSpeed / Math.sqrt(a.pvv));
  a.pxx *= shrink * shrink;
  a.pxv *= shrink * slow;
  a.pvv *= slow * slow;
}

/**
 * 1 when a detection is larger than expected in width and height alike, -1 when it is smaller, else 0. What is hidden
 * or shares a box changes in one of them; what comes closer in both.
 */
function growth(t: Target, s: Seen): -1 | 0 | 1 {
  const high = s.logHeight - t.logHeight.x;
  const wide = s.logWidth - t.logWidth.x;
  if (Math.abs(high) < tuning.growStep || wide * high < (high * high) / 2) return 0;
  return high > 0 ? 1 : -1;
}

/**
 * What a detection says of a target when parts of the object are hidden or two objects share a box: of the upper and
 * the lower edge the one is trusted that fits, the other is placed by the known height.
 */
function reading(t: Target, s: Seen): { y: number; sizeNoise: number } {
  const height = heightOf(t);
  const share = s.height / height;
  // At the edge of the picture an object shows more or less of itself each time: nothing is hidden there.
  const atEdge = s.y > 0.99 || s.y - s.height < 0.01;
  if (
    atEdge ||
    growth(t, s) * t.grows >= tuning.growTimes - 1 ||
    t.hits < tuning.steadyHits ||
    Math.abs(share - 1) <= tuning.cutShare
  )
    return { y: s.y, sizeNoise: 1 };
  const top = s.y - s.height;
  const byTop = Math.abs(top - (t.y.x - height)) < Math.abs(s.y - t.y.x);
  return { y: byTop ? top + height : s.y, sizeNoise: tuning.cutSizeNoise };
}

/** Takes in the detection that belongs to a target. */
export function observe(t: Target, s: Seen, at: number, strong: boolean): void {
  const { y, sizeNoise } = reading(t, s);
  const place = square(tuning.placeNoise * sizeOf(t));
  const grows = growth(t, s);
  t.grows = grows * t.grows > 0 ? t.grows + grows : grows;
  // So often in a row it is no wobble: how fast it grows is not known any more.
  if (Math.abs(t.grows) >= tuning.growTimes)
    for (const a of [t.logWidth, t.logHeight]) a.pvv = Math.max(a.pvv, square(tuning.growAgain));
  update(t.x, s.x, place);
  update(t.y, y, place);
  update(t.logWidth, s.logWidth, square(tuning.widthNoise));
  update(t.logHeight, s.logHeight, square(tuning.heightNoise) * sizeNoise);
  t.lean = {
    x: tuning.lean * (s.x - t.x.x),
    y: tuning.lean * (y - t.y.x),
    logWidth: tuning.lean * (s.logWidth - t.logWidth.x),
    logHeight: (tuning.lean * (s.logHeight - t.logHeight.x)) / sizeNoise,
  };
  watch(t.still, s.x, y, heightOf(t), at);
  const { label, score, look } = s.detection;
  name(t, label, score);
  if (strong || !t.still.moved) t.scores.push(score);
  if (t.scores.length > 10) t.scores.shift();
  t.seenAt = at;
  t.unseen = 0;
  t.hits += 1;
  if (look === undefined) return;
  const rate = Math.max(tuning.lookRate, 1 / t.hits);
  t.look =
    t.look.length === look.length ? t.look.map((old, i) => old + rate * (look[i]! - old)) : Array.from(look);
}

function name(t: Target, label: string, score: number): void {
  const known = t.labels.find((l) => l.name === label);
  if (known === undefined) t.labels.push({ name: label, weight: score });
  else known.weight += score;
  // Old names fade, so that a few hundred frames of the right one correct a bad start.
  for (const l of t.labels) l.weight *= 0.99;
  t.labels.sort((a, b) => b.weight - a.weight);
}

/**
 * How unlikely it is that a detection is this target: squared Mahalanobis distance of place and size, plus the price
 * of a wide guess, plus that of unlike colours. Infinity for another kind of thing.
 */
export function distance(t: Target, s: Seen): number {
  const { label, look } = s.detection;
  if (!akin(labelOf(t), label)) return Infinity;
  const { y, sizeNoise } = reading(t, s);
  const place = square(tuning.placeNoise * sizeOf(t));
  const varX = t.x.pxx + place;
  const varY = t.y.pxx + place;
  const off =
    square(s.x - t.x.x) / varX +
    square(y - t.y.x) / varY +
    square(s.logWidth - t.logWidth.x) / (t.logWidth.pxx + square(tuning.widthNoise)) +
    square(s.logHeight - t.logHeight.x) / (t.logHeight.pxx + square(tuning.heightNoise) * sizeNoise);
  const wide = tuning.widthPrice * Math.log((varX / place) * (varY / place));
  // The same colours lower the price by this at most: what is further off need not be looked at.
  const hopeless = off + wide > tuning.gate + tuning.lookWeight * tuning.lookFree;
  const colours =
    hopeless || look === undefined || t.look.length === 0
      ? 0
      : Math.min(tuning.lookCap, tuning.lookWeight * (unlike(t.look, look) - tuning.lookFree));
  return off + wide + colours + (label === labelOf(t) ? 0 : tuning.kinPrice);
}

export function boxOf(t: Target, aspect: number): Box {
  const width = Math.exp(t.logWidth.x + t.lean.logWidth) / aspect;
  const height = Math.exp(t.logHeight.x + t.lean.logHeight);
  return {
    left: (t.x.x + t.lean.x) / aspect - width / 2,
    top: t.y.x + t.lean.y - height,
    width,
    height,
  };
}

export const velocityOf = (t: Target, aspect: number): Point => ({ x: t.x.v / aspect, y: t.y.v });

/** A target that was just believed turns out to be one that was lost: it goes on under the old name. */
export function revive(t: Target, lost: Target): void {
  t.id = lost.id;
  t.bornAt = lost.bornAt;
  t.hits += lost.hits;
  t.still.moved ||= lost.still.moved;
  if (lost.look.length > 0) t.look = lost.look;
}

/** The middle of a list of numbers that is not empty. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
