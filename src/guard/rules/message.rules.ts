import type { ToReference } from '#cctv/index.ts';
import { drift, leastApproach, together } from './conditions.rules.ts';
import { wallOf, type Context } from './context.rules.ts';
import { parseTemplate, type Template, type Values } from './template.rules.ts';
import { clockText } from './wall.rules.ts';
import { about, kilometresAnHour, many, metres, one, plain, the } from './words.rules.ts';

/** The reference that a message speaks of: the one of the rule, or else the nearest. */
export function spokenReference({ rule, o }: Context): { name: string; to: ToReference } | undefined {
  const { distance_to_reference: distance, approaching, leaving } = rule.conditions;
  const named = distance?.reference ?? approaching ?? leaving;
  if (named !== undefined && Object.hasOwn(o.references, named))
    return { name: named, to: o.references[named]! };
  const [nearest] = Object.entries(o.references).toSorted(([, a], [, b]) => a.distance - b.distance);
  return nearest && { name: nearest[0], to: nearest[1] };
}

const towards = {
  left: 'moving to the left',
  right: 'moving to the right',
  up: 'moving up the picture',
  down: 'moving down the picture',
} as const;

function movement(c: Context, to: ToReference | undefined): string | undefined {
  if (c.o.stationarySince !== undefined) return 'standing still';
  if (to !== undefined && to.approach >= leastApproach) return 'coming closer';
  if (to !== undefined && to.approach <= -leastApproach) return 'going away';
  const direction = drift(c);
  return direction && towards[direction];
}

function object({ o }: Context, count: number | undefined): string {
  if (count !== undefined && count > 1) return many(count, o.label);
  const { identity } = o;
  if (identity?.kind === 'face' && identity.name !== undefined) return plain(identity.name);
  const plate = identity?.kind === 'plate' ? (identity.name ?? identity.text) : undefined;
  return plate === undefined ? one(o.label) : `${one(o.label)} with number plate ${plain(plate)}`;
}

function identity({ o }: Context): string | undefined {
  const { identity: seen } = o;
  if (seen === undefined) return undefined;
  if (seen.kind === 'plate') {
    const text = seen.name ?? seen.text;
    return text === undefined ? 'an unknown number plate' : `number plate ${plain(text)}`;
  }
  return seen.name === undefined ? 'an unknown face' : plain(seen.name);
}

/** What is known of an observation, in words. `cameraName` is how people call the camera. */
export function valuesOf(c: Context, cameraName: string): Values {
  const { o, rule } = c;
  const reference = spokenReference(c);
  const zone = c.zones[0] ?? Object.keys(o.zones)[0];
  const counted = rule.conditions.count === undefined ? undefined : together(c).length;
  const moving = movement(c, reference?.to);
  const who = identity(c);
  const arrives = reference?.to.arrivesIn;
  const known = (value: number | undefined): value is number => value !== undefined && Number.isFinite(value);
  return {
    object: object(c, counted),
    count: String(counted ?? Math.max(1, together(c).length)),
    camera: plain(cameraName),
    time: clockText(wallOf(c)),
    ...(reference === undefined ? {} : { reference: the(reference.name) }),
    ...(known(reference?.to.distance) ? { distance: metres(reference.to.distance) } : {}),
    ...(moving === undefined ? {} : { movement: moving }),
    ...(zone === undefined ? {} : { zone: the(zone) }),
    ...(known(o.speed) ? { speed: kilometresAnHour(o.speed) } : {}),
    ...(who === undefined ? {} : { identity: who }),
    ...(known(arrives) ? { arrives_in: about(arrives) } : {}),
  };
}

const defaults = {
  distance: parseTemplate('{object}, {distance} from {reference}, {movement}'),
  zone: parseTemplate('{object} in {zone}, {movement}'),
  camera: parseTemplate('{object} at {camera}, {movement}'),
};

/** The sentence for a rule without one of its own: as exact as what is known allows. */
export function defaultTemplate(values: Values): Template {
  return defaults[values.distance !== undefined ? 'distance' : values.zone !== undefined ? 'zone' : 'camera'];
}
