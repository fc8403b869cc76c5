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

/**
 * The observations that were made when the kept points were, at most two a second, in order of time: what zones and
 * metres would say of them as they are set up now. Cameras that are gone have none. Instants are epoch ms.
 */
export function* pastObservations({ points, eventOf, sceneOf }: PastBook): Generator<Observation> {
  const known = new Map<string, Walked | undefined>();
  const open = new Map<string, { readonly event: EventRow; readonly seen: Observation }>();
  for (const point of points) {
    for (const [id, { event, seen }] of open) {
      if (!event.closed || event.seenAt >= point.at) continue;
      open.delete(id);
      known.set(id, undefined);
      yield { ...seen, at: Math.max(seen.at, event.seenAt), ended: true };
    }
    if (!known.has(point.event)) known.set(point.event, begun(eventOf(point.event), sceneOf));
    const one = known.get(point.event);
    if (one === undefined) continue;
    const seen = look(one, point);
    open.set(point.event, { event: one.event, seen });
    yield seen;
  }
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
