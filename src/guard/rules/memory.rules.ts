import * as z from 'zod';
import type { AlertRow, Observation } from '#cctv/index.ts';
import type { HoldCause } from '../model.ts';

/** An object that a camera sees at the moment. */
export interface Present {
  label: string;
  score: number;
  /** Epoch ms of its last observation. */
  at: number;
  /** It is a thing of the place at the moment, and it was seen as something else before. */
  furniture: boolean;
  moved: boolean;
  /** Zones in which it stands and since when, and each in which it ever stood with the last instant there. */
  zones: ReadonlyMap<string, number>;
  visited: Map<string, number>;
}

/** What one rule remembers of one object. */
export interface Told {
  /** Epoch ms of the last change, for forgetting. */
  at: number;
  alertedAt?: number;
  /** Since when it is out of the place of the rule, after an alert. */
  leftAt?: number;
  /** Since when, and last when, it was at the place of the rule. */
  hereSince?: number;
  hereAt?: number;
  heldBy?: HoldCause;
  /** Who arrived when this object first counted. */
  explained?: string;
}

/** The last alert at a place, and how many objects were held back since. */
export interface Cooling {
  at: number;
  held: number;
}

/**
 * What rules remember from one observation to the next. Changed in place by evaluate(); bounded. It can be saved and restored;
 * what was told is also in the book, from which recall() rebuilds it after a crash.
 */
export interface Memory {
  /** By camera and event. */
  readonly present: Map<string, Map<string, Present>>;
  /** By rule and event. */
  readonly told: Map<string, Told>;
  /** By rule, camera, class and zone. */
  readonly cooling: Map<string, Cooling>;
  /** What was noted last: every rule asks for it. */
  noted?: { readonly o: Observation; readonly present: Present | undefined };
}

// Objects are told to have ended; one whose end was missed is forgotten after this.
const goneMs = 600_000;
// Objects that are there are touched with every sight; this long after the last one they do not come back.
const keptMs = 3_600_000;
const mostPresent = 500;
const mostTold = 10_000;
const mostCooling = 5_000;

export const newMemory = (): Memory => ({ present: new Map(), told: new Map(), cooling: new Map() });

// No id contains a new line, so no two keys can run into each other.
export const toldKey = (rule: string, event: string) => `${rule}\n${event}`;
export const coolingKey = (rule: string, camera: string, label: string, zone = '') =>
  `${rule}\n${camera}\n${label}\n${zone}`;

/** Keeps a map within its bound by forgetting what changed longest ago, a tenth at once. */
function bound(map: Map<string, { at: number }>, most: number): void {
  if (map.size <= most) return;
  const oldest = [...map].toSorted(([, a], [, b]) => a.at - b.at);
  for (const [name] of oldest.slice(0, map.size - Math.floor(most * 0.9))) map.delete(name);
}

/** Takes note of an observation, whatever rules say of it; noting it twice changes nothing. */
export function note(memory: Memory, o: Observation): Present | undefined {
  if (memory.noted?.o !== o) memory.noted = { o, present: noteNew(memory, o) };
  return memory.noted.present;
}

function noteNew(memory: Memory, o: Observation): Present | undefined {
  let objects = memory.present.get(o.camera);
  if (o.ended === true) {
    objects?.delete(o.event);
    return undefined;
  }
  if (objects === undefined) memory.present.set(o.camera, (objects = new Map<string, Present>()));
  let one = objects.get(o.event);
  if (one === undefined) {
    one = {
      label: o.label,
      score: 0,
      at: o.at,
      furniture: false,
      moved: false,
      zones: new Map(),
      visited: new Map(),
    };
    for (const [event, { at }] of objects) if (o.at - at > goneMs) objects.delete(event);
    objects.set(o.event, one);
    bound(objects, mostPresent);
  }
  one.label = o.label;
  one.score = o.score;
  one.at = o.at;
  one.furniture = o.furniture === true;
  one.moved ||= o.furniture !== true;
  // Found again after an outage it is said to have entered anew; where it was at its last sight, it has been since then.
  const { zones } = one;
  one.zones = new Map(
    Object.entries(o.zones).map(([zone, since]) => [zone, Math.min(since, zones.get(zone) ?? since)]),
  );
  for (const zone of one.zones.keys()) one.visited.set(zone, o.at);
  return one;
}

/** Looks at the two entries that were looked at longest ago: what nobody saw for an hour goes. */
function sweep(told: Map<string, Told>, at: number): void {
  for (const [name, one] of told.entries().take(2)) {
    told.delete(name);
    if (at - one.at <= keptMs) told.set(name, one);
  }
}

/** What a rule remembers of an object, made if it is new. */
export function toldOf(memory: Memory, rule: string, event: string, at: number): Told {
  const name = toldKey(rule, event);
  let told = memory.told.get(name);
  if (told === undefined) {
    told = { at };
    sweep(memory.told, at);
    memory.told.set(name, told);
    bound(memory.told, mostTold);
  }
  told.at = at;
  return told;
}

/** Remembers that a rule alerted about an object at the given zones (none for a rule without zones). */
export function remember(
  memory: Memory,
  alert: Pick<AlertRow, 'at' | 'rule' | 'camera' | 'event' | 'label'> & { zones: readonly string[] },
): void {
  const told = toldOf(memory, alert.rule, alert.event, alert.at);
  told.alertedAt = Math.max(alert.at, told.alertedAt ?? alert.at);
  delete told.heldBy;
  for (const zone of alert.zones.length === 0 ? [''] : alert.zones) {
    const name = coolingKey(alert.rule, alert.camera, alert.label, zone);
    const at = Math.max(alert.at, memory.cooling.get(name)?.at ?? alert.at);
    memory.cooling.set(name, { at, held: 0 });
  }
  bound(memory.cooling, mostCooling);
}

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((v) => typeof v === 'string') : [];

/** Rebuilds from rows of the book what was told, so that a restart tells nothing twice. */
export function recall(memory: Memory, rows: Iterable<AlertRow>): void {
  for (const row of rows) {
    remember(memory, { ...row, zones: strings(row.why['zones']) });
    for (const event of strings(row.why['events']))
      remember(memory, { ...row, event, zones: strings(row.why['zones']) });
  }
}

const instant = z.number();
const savedMemory = z.object({
  version: z.literal(1),
  at: instant,
  present: z.array(
    z.tuple([
      z.string(),
      z.array(
        z.tuple([
          z.string(),
          z.object({
            label: z.string(),
            score: z.number(),
            at: instant,
            furniture: z.boolean(),
            moved: z.boolean(),
            zones: z.array(z.tuple([z.string(), instant])),
            visited: z.array(z.tuple([z.string(), instant])),
          }),
        ]),
      ),
    ]),
  ),
  told: z.array(
    z.tuple([
      z.string(),
      z.object({
        at: instant,
        alertedAt: instant.exactOptional(),
        leftAt: instant.exactOptional(),
        hereSince: instant.exactOptional(),
        hereAt: instant.exactOptional(),
        heldBy: z.enum(['mode', 'residents', 'arrival', 'cooldown']).exactOptional(),
        explained: z.string().exactOptional(),
      }),
    ]),
  ),
  cooling: z.array(z.tuple([z.string(), z.object({ at: instant, held: z.number() })])),
});

/** A memory as JSON can carry it. */
export type SavedMemory = z.infer<typeof savedMemory>;

/** `at`: epoch ms. */
export function saveMemory(memory: Memory, at: number): SavedMemory {
  return {
    version: 1,
    at,
    present: [...memory.present].map(([camera, objects]) => [
      camera,
      [...objects].map(([event, o]) => [event, { ...o, zones: [...o.zones], visited: [...o.visited] }]),
    ]),
    told: [...memory.told].map(([name, told]) => [name, { ...told }]),
    cooling: [...memory.cooling].map(([name, cooling]) => [name, { ...cooling }]),
  };
}

/** The memory that was saved and when; an empty one of never when it is not readable. */
export function restoreMemory(saved: unknown): { memory: Memory; at: number } {
  const { data } = savedMemory.safeParse(saved);
  if (data === undefined) return { memory: newMemory(), at: Number.NEGATIVE_INFINITY };
  const memory: Memory = {
    present: new Map(
      data.present.map(([camera, objects]) => [
        camera,
        new Map(
          objects.map(([event, o]) => [
            event,
            { ...o, zones: new Map(o.zones), visited: new Map(o.visited) },
          ]),
        ),
      ]),
    ),
    told: new Map(data.told),
    cooling: new Map(data.cooling),
  };
  return { memory, at: data.at };
}
