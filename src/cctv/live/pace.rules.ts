import { ticks } from '../keep/mp4/boxes.codec.ts';

/** Where one picture stands on the line of time that a browser plays, in ticks. */
export interface Slot {
  readonly time: number;
  readonly duration: number;
}

/** Carried from picture to picture. */
export interface Pace {
  /** Where the next picture begins. */
  readonly edge: number;
  /** True time of the last picture, and what is taken off true times. */
  readonly last: number;
  readonly shift: number;
  /** Usual distance of two pictures. */
  readonly usual: number;
}

const firstUsual = ticks / 15;
const shortest = ticks / 120;
const longest = ticks / 2;
const leap = 2 * ticks;

const clamp = (value: number, low: number, high: number) => Math.min(high, Math.max(low, value));

/**
 * Gives a picture its place at once, before its successor is known, without a hole and without an overlap: a browser
 * throws away everything up to the next keyframe at either. Each duration also mends what the one before had wrong, so
 * that the line follows the true times (ticks) within a picture; a pause is not played but left out.
 */
export function nextSlot(pace: Pace | undefined, time: number): { slot: Slot; pace: Pace } {
  if (pace === undefined) {
    const slot = { time: 0, duration: firstUsual };
    return { slot, pace: { edge: firstUsual, last: time, shift: time, usual: firstUsual } };
  }
  const step = time - pace.last;
  const usual = Math.round(
    clamp(pace.usual + (clamp(step, shortest, longest) - pace.usual) / 8, shortest, longest),
  );
  const drift = time - pace.shift - pace.edge;
  const lost = Math.abs(drift) > leap;
  const shift = lost ? time - pace.edge : pace.shift;
  const duration = Math.round(clamp(usual + (lost ? 0 : drift), usual / 2, usual * 2));
  return {
    slot: { time: pace.edge, duration },
    pace: { edge: pace.edge + duration, last: time, shift, usual },
  };
}
