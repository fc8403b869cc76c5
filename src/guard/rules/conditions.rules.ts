import type { ToReference } from '#cctv/index.ts';
import type { Conditions } from './conditions.config.ts';
import type { AlertRule } from './config.ts';
import { anyOf, compare, short, wallOf, type Check, type Context } from './context.rules.ts';
import { plain } from './words.rules.ts';
import { clockText, within } from './wall.rules.ts';

// Slower than a stroll: what a standing person seems to move by the noise of the detector.
export const leastApproach = 0.2;
// Bodies a second in the picture, for objects whose metres are not known.
const leastDrift = 0.15;
// An object counts as there for this long after its last sight, because not every frame finds everything.
const presentMs = 3_000;
// Recognition needs some frames; who is not known after this is not known.
const recogniseMs = 3_000;

/** How far a distance is taken in favour of the alert, in metres; a place that is hardly known must not make everything near. */
const lean = (sigma: number, value: number) => (Number.isFinite(sigma) ? Math.min(sigma, value / 2) : 0);

type Distance = NonNullable<Conditions['distance_to_reference']>;

/** Whether something stands at a distance of a rule, or may stand there. */
export function near(
  { operator, value }: Distance,
  to: Pick<ToReference, 'distance' | 'sigma'> | undefined,
): boolean {
  if (to === undefined) return false;
  const towards = operator === '<' || operator === '<=' ? -1 : 1;
  return compare(to.distance + towards * lean(to.sigma, value), operator, value);
}

const referenceOf = (c: Context, name: string | undefined): ToReference | undefined =>
  name !== undefined && Object.hasOwn(c.o.references, name) ? c.o.references[name] : undefined;

const unknownPlace = (c: Context, name: string) =>
  c.o.ground === undefined
    ? `how far it is from ${name} is not known: camera ${c.o.camera} is not calibrated, or its feet are out of the picture`
    : `camera ${c.o.camera} has no reference ${name}`;

/** Where an object moves in the picture; undefined while it hardly does. */
export function drift({ o }: Pick<Context, 'o'>): 'left' | 'right' | 'up' | 'down' | undefined {
  const { x, y } = o.velocity;
  if (Math.max(Math.abs(x), Math.abs(y)) < Math.max(0.005, leastDrift * o.box.height)) return undefined;
  return Math.abs(x) >= Math.abs(y) ? (x < 0 ? 'left' : 'right') : y < 0 ? 'up' : 'down';
}

/** Whether the object is where the rule looks: in its zones and at its distance. */
export function inPlace(c: Context): boolean {
  const distance = c.rule.conditions.distance_to_reference;
  return (
    (c.rule.zones === undefined || c.zones.length > 0) &&
    (distance === undefined || near(distance, referenceOf(c, distance.reference)))
  );
}

/** Epoch ms at which the object entered a zone in which it stands; undefined outside it. */
const enteredAt = ({ o, present }: Context, zone: string): number | undefined =>
  Object.hasOwn(o.zones, zone) ? (present?.zones.get(zone) ?? o.zones[zone]) : undefined;

/** Epoch ms since when the object is where the rule looks. */
function hereSince(c: Context): number {
  const since =
    c.rule.zones === undefined ? c.o.bornAt : Math.min(c.o.at, ...c.zones.map((zone) => enteredAt(c, zone)!));
  if (c.rule.conditions.distance_to_reference === undefined) return since;
  return Math.max(since, c.told?.hereSince ?? c.o.at);
}

/** Objects of the rule that are there now: events, in no particular order. */
export function together(c: Context): string[] {
  const { rule, o, memory } = c;
  return [...(memory.present.get(o.camera) ?? [])]
    .filter(
      ([, p]) =>
        !p.furniture &&
        o.at - p.at <= presentMs &&
        rule.classes.includes(p.label) &&
        p.score >= rule.confidence_threshold &&
        (rule.zones === undefined || rule.zones.some((zone) => p.zones.has(zone))),
    )
    .map(([event]) => event);
}

const plate = (text: string) => text.replaceAll(/[\s-]+/g, '').toUpperCase();

function identified({ rule, o }: Context): boolean {
  const wanted = rule.identity!;
  const seen = wanted.kind === undefined || o.identity?.kind === wanted.kind ? o.identity : undefined;
  if (wanted.is === 'unknown')
    return seen === undefined ? o.at - o.bornAt >= recogniseMs : seen.name === undefined;
  if (seen?.name === undefined) return false;
  const names = [seen.name, seen.text ?? seen.name].map(plate);
  return wanted.names === undefined || wanted.names.some((n) => names.includes(plate(n)));
}

function identityText({ rule, o }: Context): string {
  const wanted = rule.identity!;
  const who = wanted.names === undefined ? wanted.is : anyOf(wanted.names);
  const seen = o.identity;
  const found =
    seen === undefined
      ? 'nobody recognised so far'
      : `${seen.kind} ${seen.name === undefined ? `not known${seen.text === undefined ? '' : ` (${plain(seen.text)})`}` : plain(seen.name)}`;
  return `${found}, wanted ${who}`;
}

const metresPerSecond = { 'm/s': 1, 'km/h': 1 / 3.6 } as const;

const approachText = (c: Context, name: string) => {
  const to = referenceOf(c, name);
  if (to === undefined) return unknownPlace(c, name);
  const how =
    Math.abs(to.approach) < leastApproach
      ? 'keeps its distance to'
      : to.approach > 0
        ? 'approaches'
        : 'leaves';
  return `${how} ${name} (${short(to.approach)} m/s)`;
};

/** What must hold for a rule to have anything to say, cheapest first. */
export const conditionChecks: readonly Check[] = [
  {
    gate: 'enabled',
    wanted: (rule) => !rule.enabled,
    passes: () => false,
    text: () => 'the rule is switched off',
  },
  {
    gate: 'camera',
    wanted: (rule) => rule.cameras !== undefined,
    passes: ({ rule, o }) => rule.cameras!.includes(o.camera),
    text: ({ rule, o }) => `${o.camera}, wanted ${anyOf(rule.cameras!)}`,
  },
  {
    gate: 'class',
    wanted: () => true,
    passes: ({ rule, o }) => rule.classes.includes(o.label),
    text: ({ rule, o }) => `${o.label}, wanted ${anyOf(rule.classes)}`,
  },
  {
    gate: 'in sight',
    wanted: () => true,
    passes: ({ o }) => o.ended !== true,
    text: ({ o }) => (o.ended === true ? 'it is gone' : 'it is there'),
  },
  {
    gate: 'confidence',
    wanted: () => true,
    passes: ({ rule, o }) => compare(o.score, '>=', rule.confidence_threshold),
    text: ({ rule, o }) => `${o.score.toFixed(2)}, wanted at least ${rule.confidence_threshold.toFixed(2)}`,
  },
  {
    gate: 'not a fixture',
    wanted: () => true,
    passes: ({ rule, o, present }) =>
      o.furniture !== true || (rule.conditions.stationary === true && present?.moved === true),
    text: ({ o }) =>
      o.furniture === true ? 'it has stood there all along' : 'it is no fixture of the place',
  },
  {
    gate: 'schedule',
    wanted: (rule) => rule.schedule !== undefined,
    passes: (c) => {
      const wall = wallOf(c);
      return c.rule.schedule!.some((hours) => within(hours, wall));
    },
    text: (c) => {
      const wall = wallOf(c);
      const hours = c.rule.schedule!.map(
        ({ days, from, to }) => `${days === undefined ? '' : `${days.join(' ')} `}${from} to ${to}`,
      );
      return `${wall.day} ${clockText(wall)}, wanted ${anyOf(hours)}`;
    },
  },
  {
    gate: 'zone',
    wanted: (rule) => rule.zones !== undefined,
    passes: ({ zones }) => zones.length > 0,
    text: ({ rule, o }) => {
      const there = Object.keys(o.zones);
      return `${there.length === 0 ? 'in no zone' : `in ${there.join(', ')}`}, wanted ${anyOf(rule.zones!)}`;
    },
  },
  {
    gate: 'distance',
    wanted: (rule) => rule.conditions.distance_to_reference !== undefined,
    passes: (c) => {
      const wanted = c.rule.conditions.distance_to_reference!;
      return near(wanted, referenceOf(c, wanted.reference));
    },
    text: (c) => {
      const { reference, operator, value } = c.rule.conditions.distance_to_reference!;
      const to = referenceOf(c, reference);
      if (to === undefined) return unknownPlace(c, reference);
      return `${short(to.distance)} m ± ${short(to.sigma)} from ${reference}, wanted ${operator} ${value} m`;
    },
  },
  {
    gate: 'approaching',
    wanted: (rule) => rule.conditions.approaching !== undefined,
    passes: (c) => (referenceOf(c, c.rule.conditions.approaching)?.approach ?? 0) >= leastApproach,
    text: (c) => `${approachText(c, c.rule.conditions.approaching!)}, wanted approaching`,
  },
  {
    gate: 'leaving',
    wanted: (rule) => rule.conditions.leaving !== undefined,
    passes: (c) => (referenceOf(c, c.rule.conditions.leaving)?.approach ?? 0) <= -leastApproach,
    text: (c) => `${approachText(c, c.rule.conditions.leaving!)}, wanted leaving`,
  },
  {
    gate: 'direction',
    wanted: (rule) => rule.conditions.direction !== undefined,
    passes: (c) => drift(c) === c.rule.conditions.direction,
    text: (c) => `moves ${drift(c) ?? 'hardly'}, wanted ${c.rule.conditions.direction!}`,
  },
  {
    gate: 'crossing',
    wanted: (rule) => rule.conditions.crossing !== undefined,
    passes: (c) => {
      const { from, to } = c.rule.conditions.crossing!;
      const entered = enteredAt(c, to);
      const before = enteredAt(c, from) ?? c.present?.visited.get(from);
      return entered !== undefined && before !== undefined && before < entered;
    },
    text: ({ rule, o, present }) => {
      const { from, to } = rule.conditions.crossing!;
      const there = Object.hasOwn(o.zones, to);
      return `${there ? `in ${to}` : `not in ${to}`}, ${present?.visited.has(from) === true ? 'was' : 'was not'} in ${from}, wanted ${from} to ${to}`;
    },
  },
  {
    gate: 'speed',
    wanted: (rule) => rule.conditions.speed !== undefined,
    passes: ({ rule, o }) => {
      const { operator, value, unit } = rule.conditions.speed!;
      return o.speed !== undefined && compare(o.speed, operator, value * metresPerSecond[unit]);
    },
    text: ({ rule, o }) => {
      const { operator, value, unit } = rule.conditions.speed!;
      const found =
        o.speed === undefined
          ? `its speed is not known (is camera ${o.camera} calibrated?)`
          : `${short(o.speed / metresPerSecond[unit])} ${unit}`;
      return `${found}, wanted ${operator} ${value} ${unit}`;
    },
  },
  {
    gate: 'stationary',
    wanted: (rule) => rule.conditions.stationary !== undefined,
    passes: ({ rule, o }) => (o.stationarySince !== undefined) === rule.conditions.stationary,
    text: ({ rule, o }) =>
      `${o.stationarySince === undefined ? 'moves' : `stands still since ${seconds(o.at - o.stationarySince)}`}, wanted ${rule.conditions.stationary === true ? 'standing still' : 'moving'}`,
  },
  {
    gate: 'dwell',
    wanted: (rule) => rule.conditions.dwell_seconds !== undefined,
    passes: (c) =>
      inPlace(c) && compare(c.o.at - hereSince(c), '>=', c.rule.conditions.dwell_seconds! * 1000),
    text: (c) =>
      `${inPlace(c) ? `there since ${seconds(c.o.at - hereSince(c))}` : 'not there'}, wanted ${c.rule.conditions.dwell_seconds!} s`,
  },
  {
    gate: 'count',
    wanted: (rule) => rule.conditions.count !== undefined,
    passes: (c) => {
      const { operator, value } = c.rule.conditions.count!;
      return compare(together(c).length, operator, value);
    },
    text: (c) => {
      const { operator, value } = c.rule.conditions.count!;
      return `${together(c).length} at the same time, wanted ${operator} ${value}`;
    },
  },
  {
    gate: 'identity',
    wanted: (rule) => rule.identity !== undefined,
    passes: identified,
    text: identityText,
  },
  {
    gate: 'news',
    wanted: () => true,
    passes: ({ told }) => told?.alertedAt === undefined,
    text: ({ told, o }) =>
      told?.alertedAt === undefined
        ? 'not told of before'
        : `this object was told of ${seconds(o.at - told.alertedAt)} ago`,
  },
];

/** `12 s`, `3 min` */
export function seconds(ms: number): string {
  const s = Math.max(0, ms / 1000);
  if (s < 120) return `${Math.round(s)} s`;
  return s < 7_200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}

/** True for the rule and the observations it is about at all, before anything is remembered of them. */
export const concerns = (rule: AlertRule, camera: string, label: string) =>
  rule.enabled &&
  rule.classes.includes(label) &&
  (rule.cameras === undefined || rule.cameras.includes(camera));
