import { foot } from './box.rules.ts';
import type { EventRow, PathPoint } from './book/model.ts';
import type { Observation, Point } from './model.ts';
import { zonesNow, type PathOnGround, type Scene } from './observer.rules.ts';

interface Walked {
  readonly event: EventRow;
  readonly scene: Scene;
  readonly path: PathOnGround | undefined;
  zones: Readonly<Record<string, number>>;
  stillSince: number | undefined;
  last: { readonly at: number; readonly foot: Point } | undefined;
}

/** What is kept of the past, as far as it is needed here. */
export interface PastBook {
  /** In order of time. */
  readonly points: Iterable<PathPoint>;
  readonly eventOf: (id: string) => EventRow | undefined;
  /** As the camera is set up now; undefined for one that is gone. */
  readonly sceneOf: (camera: string) => Scene | undefined;
}

// Of what stands still a point in ten seconds is kept (book/paths.ts); it was looked at all the while.
const stillMs = 10_500;
const lookMs = 500;

/** An object whose end has not come yet. */
interface Open {
  readonly walked: Walked;
  /** Its last kept point. */
  readonly kept: PathPoint;
  seen: Observation;
}

/**
 * The observations that were made when the kept points were, at most two a second, in order of time: what zones and
 * metres would say of them as they are set up now. What stood still between two of its points was seen there twice a second.
 * Cameras that are gone have none. Instants are epoch ms.
 */
export function* pastObservations({ points, eventOf, sceneOf }: PastBook): Generator<Observation> {
  const known = new Map<string, Walked | undefined>();
  const open = new Map<string, Open>();
  for (const point of points) {
    yield* between(open, known, point.at);
    if (!known.has(point.event)) known.set(point.event, begun(eventOf(point.event), sceneOf));
    const one = known.get(point.event);
    if (one === undefined) continue;
    const seen = look(one, point);
    open.set(point.event, { walked: one, kept: point, seen });
    yield seen;
  }
  yield* between(open, known, Infinity);
}

/** What was seen before an instant of objects of which no point is kept up to then, and which of them ended. */
function* between(
  open: Map<string, Open>,
  known: Map<string, Walked | undefined>,
  until: number,
): Generator<Observation> {
  for (;;) {
    let first:
      | { readonly id: string; readonly one: Open; readonly at: number; readonly ends: boolean }
      | undefined;
    for (const [id, one] of open) {
      const next = nextOf(one);
      if (next.at < (first?.at ?? until)) first = { id, one, ...next };
    }
    if (first === undefined) return;
    const { id, one, at, ends } = first;
    if (ends) {
      open.delete(id);
      known.set(id, undefined);
      yield { ...one.seen, at, ended: true };
    } else {
      one.seen = look(one.walked, { ...one.kept, at });
      yield one.seen;
    }
  }
}

function nextOf({ walked: { event }, kept, seen }: Open): { readonly at: number; readonly ends: boolean } {
  const stood = kept.stationary ? Math.min(event.seenAt, kept.at + stillMs) : seen.at;
  if (seen.at < stood) return { at: Math.min(seen.at + lookMs, stood), ends: false };
  return { at: event.closed ? Math.max(seen.at, event.seenAt) : Infinity, ends: true };
}

function begun(event: EventRow | undefined, sceneOf: PastBook['sceneOf']): Walked | undefined {
  const scene = event && sceneOf(event.camera);
  if (event === undefined || scene === undefined) return undefined;
  const path = scene.newPath?.(event.label);
  return { event, scene, path, zones: {}, stillSince: undefined, last: undefined };
}

function look(one: Walked, point: PathPoint): Observation {
  const { event, scene, path } = one;
  const { at, box, score } = point;
  const stand = foot(box);
  const placed = path?.step(at, box);
  one.zones = zonesNow(one.zones, scene.zones, stand, at);
  one.stillSince = point.stationary ? (one.stillSince ?? at) : undefined;
  const seconds = one.last === undefined ? 0 : (at - one.last.at) / 1000;
  const velocity =
    seconds > 0
      ? { x: (stand.x - one.last!.foot.x) / seconds, y: (stand.y - one.last!.foot.y) / seconds }
      : { x: 0, y: 0 };
  one.last = { at, foot: stand };
  return {
    camera: event.camera,
    event: event.id,
    at,
    label: event.label,
    score,
    box,
    bornAt: event.at,
    velocity,
    ...(one.stillSince === undefined ? {} : { stationarySince: one.stillSince }),
    ...(point.furniture ? { furniture: true } : {}),
    ...(placed === undefined ? {} : { ground: placed.ground, speed: placed.speed }),
    references: placed === undefined ? {} : path!.references(),
    zones: one.zones,
    ...(event.identity === undefined ? {} : { identity: event.identity }),
  };
}
