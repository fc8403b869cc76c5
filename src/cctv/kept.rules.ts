import type { EventTouch, PathPoint } from './book/model.ts';
import type { Observation } from './model.ts';
import type { SeenObject } from './view.model.ts';

/** What of an observed object went into the book already. */
export interface Kept {
  seen: Observation;
  best: number;
  touchedAt: number;
  pathAt: number;
  /** Nearest approach by reference in metres, zones entered, top speed. */
  readonly facts: { nearest: Record<string, number>; zones: string[]; topSpeed: number };
}

/** The first sight of an object. */
export const newKept = (seen: Observation): Kept => ({
  seen,
  best: seen.score,
  touchedAt: seen.at,
  pathAt: Number.NEGATIVE_INFINITY,
  facts: { nearest: {}, zones: [], topSpeed: 0 },
});

/** What the book is told of it from time to time. */
export const touchOf = ({ seen, best, facts }: Kept): EventTouch => ({
  seenAt: seen.at,
  confidence: best,
  box: seen.box,
  data: facts,
  ...(seen.identity === undefined ? {} : { identity: seen.identity }),
});

/** Takes one more sight of it. */
export function learn(kept: Kept, seen: Observation): void {
  kept.seen = seen;
  kept.best = Math.max(kept.best, seen.score);
  const { facts } = kept;
  for (const [name, { distance }] of Object.entries(seen.references))
    facts.nearest[name] = Math.min(
      Object.hasOwn(facts.nearest, name) ? facts.nearest[name]! : Number.POSITIVE_INFINITY,
      Math.round(distance * 100) / 100,
    );
  for (const zone of Object.keys(seen.zones)) if (!facts.zones.includes(zone)) facts.zones.push(zone);
  facts.topSpeed = Math.max(facts.topSpeed, Math.round((seen.speed ?? 0) * 100) / 100);
}

export const pathPoint = (seen: Observation): PathPoint => ({
  event: seen.event,
  at: seen.at,
  score: seen.score,
  box: seen.box,
  stationary: seen.stationarySince !== undefined,
  furniture: seen.furniture === true,
  ...(seen.ground === undefined
    ? {}
    : { ground: { x: seen.ground.x, y: seen.ground.y, sigma: seen.ground.sigma } }),
});

export function toSeen(seen: Observation): SeenObject {
  return {
    event: seen.event,
    label: seen.label,
    score: seen.score,
    box: seen.box,
    since: seen.bornAt,
    stationary: seen.stationarySince !== undefined,
    distances: Object.fromEntries(
      Object.entries(seen.references).map(([name, r]) => [name, { metres: r.distance, sigma: r.sigma }]),
    ),
    zones: Object.keys(seen.zones),
    ...(seen.speed === undefined ? {} : { speed: seen.speed }),
    ...(seen.identity === undefined ? {} : { identity: seen.identity }),
  };
}
