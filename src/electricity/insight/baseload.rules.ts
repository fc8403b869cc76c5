import type { Slot } from '../energy/model.ts';
import { mean, median, quantile } from './numbers.rules.ts';
import { slotPower } from './standby.rules.ts';

/** Local hours in which people sleep and next to nothing is switched: 1:00 to 5:00. */
const night = { from: 1, to: 5 } as const;
/** Quarter hours of a night that make it count. */
const leastSlots = 8;

/** The base load of one night. */
export interface Night {
  /** Epoch ms of its first quarter hour. */
  readonly at: number;
  readonly watts: number;
}

export interface BaseLoad {
  /** W that the house draws when nobody uses anything. */
  readonly watts: number;
  readonly kwhPerYear: number;
  /** Nights that it rests on. */
  readonly nights: number;
  /** What the known devices draw in the same quarter hours, largest first. */
  readonly explained: readonly { readonly id: string; readonly watts: number }[];
  /** W that no known device explains. */
  readonly unexplainedWatts: number;
}

const hourMs = 3_600_000;

const isNight = (at: number, offsetOf: (at: number) => number) => {
  const hour = Math.floor((at + offsetOf(at)) / hourMs) % 24;
  return hour >= night.from && hour < night.to;
};

/** Quarter hours by night. `offsetOf` gives ms that local time is ahead of UTC. */
function nightly(slots: readonly Slot[], offsetOf: (at: number) => number): Map<number, [number, number][]> {
  const nights = new Map<number, [number, number][]>();
  for (const { at, watts } of slotPower(slots)) {
    if (!isNight(at, offsetOf)) continue;
    const day = Math.floor((at + offsetOf(at)) / (24 * hourMs));
    const list = nights.get(day) ?? [];
    nights.set(day, [...list, [at, watts]]);
  }
  return new Map([...nights].filter(([, list]) => list.length >= leastSlots));
}

/** The base load of each night: what the quietest quarter hours of it draw. Fridges run in some and pause in others. */
export function nightLoads(slots: readonly Slot[], offsetOf: (at: number) => number): Night[] {
  return [...nightly(slots, offsetOf).values()]
    .map((list) => ({
      at: list[0]?.[0] ?? 0,
      watts: quantile(
        list.map(([, w]) => w),
        0.05,
      ),
    }))
    .toSorted((a, b) => a.at - b.at);
}

/**
 * What the house draws when nobody uses anything: the 5th percentile of the quarter hours of each night, the middle of
 * the nights given. `devices` are slots of the known devices over the same time. Undefined without a whole night.
 */
export function baseLoad(
  house: readonly Slot[],
  devices: ReadonlyMap<string, readonly Slot[]>,
  offsetOf: (at: number) => number,
): BaseLoad | undefined {
  const nights = nightly(house, offsetOf);
  if (nights.size === 0) return undefined;
  const watts = median(nightLoads(house, offsetOf).map((n) => n.watts));
  // The quietest quarter of each night: the single lowest slot says little about what a device does there.
  const quiet = new Set(
    [...nights.values()].flatMap((list) => {
      const edge = quantile(
        list.map(([, w]) => w),
        0.25,
      );
      return list.filter(([, w]) => w <= edge).map(([at]) => at);
    }),
  );
  const explained = [...devices]
    .flatMap(([id, slots]) => {
      const power = slotPower(slots.filter((s) => quiet.has(s.at))).map((s) => s.watts);
      return power.length === 0 ? [] : [{ id, watts: mean(power) }];
    })
    .filter((d) => d.watts >= 0.1)
    .toSorted((a, b) => b.watts - a.watts);
  const known = explained.reduce((sum, d) => sum + d.watts, 0);
  return {
    watts,
    kwhPerYear: (watts * 8_760) / 1000,
    nights: nights.size,
    explained,
    unexplainedWatts: Math.max(0, watts - known),
  };
}
