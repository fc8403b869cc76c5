import { tuning } from './tuning.rules.ts';

/** Where a thing stands: the mean of its foot point since it last moved, and whether it ever did. */
export interface Still {
  x: number;
  y: number;
  /** Epoch ms since when it has not left that place. */
  since: number;
  hits: number;
  /** Where it was first seen. */
  readonly birthX: number;
  readonly birthY: number;
  moved: boolean;
  /** How many foot points in a row lay elsewhere; one alone is an error of the detector. */
  away: number;
}

export const stand = (x: number, y: number, at: number): Still => ({
  x,
  y,
  since: at,
  hits: 1,
  birthX: x,
  birthY: y,
  moved: false,
  away: 0,
});

/** Takes in a foot point of an object of that height. */
export function watch(s: Still, x: number, y: number, height: number, at: number): void {
  if (Math.hypot(x - s.x, y - s.y) > tuning.stillStep * height) {
    s.away += 1;
    if (s.away < 2) return;
    s.moved ||= Math.hypot(x - s.birthX, y - s.birthY) > tuning.movedStep * height;
    Object.assign(s, { x, y, since: at, hits: 1, away: 0 });
    return;
  }
  s.away = 0;
  s.hits = Math.min(s.hits + 1, 50);
  s.x += (x - s.x) / s.hits;
  s.y += (y - s.y) / s.hits;
}

/** Epoch ms since when it stands; undefined while it moves or only just stopped. */
export const stationarySince = (s: Still, seenAt: number): number | undefined =>
  seenAt - s.since >= tuning.stillSeconds * 1000 ? s.since : undefined;

/** It stood long enough to be expected at that place again. */
export const isParked = (s: Still, seenAt: number): boolean =>
  seenAt - s.since >= tuning.parkedSeconds * 1000;
