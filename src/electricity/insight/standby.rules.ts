import { type Slot, slotMs } from '../energy/model.ts';
import { mean, quantile } from './numbers.rules.ts';

/** Mean power of one device over `ms` from `at` on (epoch ms). */
export interface PowerSample {
  readonly at: number;
  readonly ms: number;
  readonly watts: number;
}

/**
 * `standby`: it does something now and then and draws power in between. `always-on`: it draws about the same all the
 * time (router, server): not standby, but worth knowing. `cycling`: it runs by itself around the clock (fridge,
 * freezer, pump). `none`: in between it draws nothing that can be measured.
 */
export type IdleKind = 'standby' | 'always-on' | 'cycling' | 'none';

export interface Standby {
  readonly kind: IdleKind;
  /** W while idle. */
  readonly watts: number;
  /** Hours a day for which it is idle and switched on. */
  readonly hoursPerDay: number;
  readonly kwhPerYear: number;
  /** Currency units per year; absent without a price. */
  readonly costPerYear?: number;
  /** How many times what is typical of its kind; absent where nothing is known. */
  readonly timesTypical?: number;
  /** Hours that this rests on. */
  readonly hoursSeen: number;
  /** For people. */
  readonly note: string;
}

export interface StandbyOptions {
  /** Currency units per kWh. */
  readonly perKwh?: number | undefined;
  /** W that things of its kind typically draw on standby. */
  readonly typicalWatts?: number | undefined;
}

const hourMs = 3_600_000;
const leastHours = 24;
/** Below this a plug measures its own noise. */
const nothing = 0.3;
/** A load is idle up to this much above its lowest level. */
const idleBand = { times: 1.4, watts: 1.2 } as const;

/** Energy slots as power, those of which at least half is known. */
export function slotPower(slots: readonly Slot[]): PowerSample[] {
  return slots
    .filter((s) => s.how !== 'missing' && s.how !== 'spread' && s.coveredMs >= slotMs / 2)
    .map((s) => ({ at: s.at, ms: slotMs, watts: (s.wh * 3_600_000) / slotMs }));
}

/** How many times a day it starts, and on how many of the hours of the day it ever did. */
function starts(samples: readonly PowerSample[], above: number): { perDay: number; hours: number } {
  const found = samples.filter((s, i) => s.watts > above && (samples[i - 1]?.watts ?? above + 1) <= above);
  const days = samples.reduce((sum, s) => sum + s.ms, 0) / (24 * hourMs);
  return {
    perDay: found.length / Math.max(days, 1),
    hours: new Set(found.map((s) => Math.floor(s.at / hourMs) % 24)).size,
  };
}

const said: Readonly<Record<IdleKind, string>> = {
  standby: 'draws power while it does nothing',
  'always-on': 'always on at about the same power: not standby, but it costs as long as it is plugged in',
  cycling: 'runs by itself around the clock like a fridge: not standby',
  none: 'draws nothing that can be measured while it does nothing',
};

/**
 * What a device draws while it does nothing, from its power history, oldest first (a week or more is best); undefined
 * for less than 24 hours. Times at which it is switched off at the plug (no power at all) count as off, not as idle.
 */
export function standbyOf(
  samples: readonly PowerSample[],
  options: StandbyOptions = {},
): Standby | undefined {
  const hoursSeen = samples.reduce((sum, s) => sum + s.ms, 0) / hourMs;
  if (hoursSeen < leastHours) return undefined;
  const on = samples.filter((s) => s.watts >= nothing);
  const onHours = on.reduce((sum, s) => sum + s.ms, 0) / hourMs;
  const low = quantile(
    on.map((s) => s.watts),
    0.05,
  );
  const edge = Math.max(low * idleBand.times, low + idleBand.watts);
  const idle = on.filter((s) => s.watts <= edge);
  const idleHours = idle.reduce((sum, s) => sum + s.ms, 0) / hourMs;
  const level = idle.length === 0 ? 0 : mean(idle.map((s) => s.watts));
  const busiest = quantile(
    samples.map((s) => s.watts),
    0.995,
  );
  const { perDay, hours } = starts(samples, Math.max(edge, nothing));

  // One level only: either it never stops, or being on is its use, as with a lamp.
  const oneLevel = busiest <= Math.max(2 * level, level + 3);
  let kind: IdleKind = 'standby';
  if (perDay >= 8 && hours >= 20) kind = 'cycling';
  else if (oneLevel) kind = on.length > 0 && onHours >= 0.95 * hoursSeen ? 'always-on' : 'none';
  else if (idleHours < 0.02 * hoursSeen) kind = 'none';

  const hoursPerDay = kind === 'none' ? 0 : (idleHours / hoursSeen) * 24;
  const watts = kind === 'none' ? 0 : level;
  const kwhPerYear = (watts * hoursPerDay * 365) / 1000;
  return {
    kind,
    watts,
    hoursPerDay,
    kwhPerYear,
    ...(options.perKwh !== undefined && { costPerYear: kwhPerYear * options.perKwh }),
    ...(options.typicalWatts !== undefined &&
      options.typicalWatts > 0 &&
      kind === 'standby' && { timesTypical: watts / options.typicalWatts }),
    hoursSeen,
    note: said[kind],
  };
}
