import {
  answers,
  answersDirected,
  planStay,
  type PhoneHabits,
  type Span,
  type Stay,
} from '#devices/lan/phone-model.ts';
import type { Movement } from '#kernel/bus.ts';
import type { Truth } from './schedule.codec.ts';

/** What is assumed of the house besides the phone. */
export const surroundings = {
  /** A watched door catches this share of real departures … */
  exitCaught: 0.9,
  /** … within this many ms of the departure. */
  exitWithinMs: 5_000,
  /** Exits by other people a day, at any hour. */
  otherExitsPerDay: 8,
  /** A phone stays in reach of the Wi-Fi up to this long after its owner passed the door, ms. */
  lingerMs: 30_000,
} as const;

/** One person, one phone and one door for some time; the same for all policies. */
export interface World {
  readonly truth: Truth;
  /** When the phone is in reach of the Wi-Fi. */
  readonly stays: readonly Stay[];
  readonly exits: readonly Movement[];
}

export function makeWorld(truth: Truth, habits: PhoneHabits, random: () => number): World {
  const stays = truth.home.map((span, i) => {
    const next = truth.home[i + 1]?.from ?? truth.to;
    const leaves = span.to < truth.to;
    const to = leaves ? Math.min(next, span.to + random() * surroundings.lingerMs) : span.to;
    return planStay({ from: span.from, to }, span.from > truth.from, habits, random);
  });
  const own = truth.home.filter((s) => s.to < truth.to && random() < surroundings.exitCaught);
  const exits = own.map((s) => s.to + (random() * 2 - 1) * surroundings.exitWithinMs);
  const everyMs = 86_400_000 / surroundings.otherExitsPerDay;
  const wait = () => -everyMs * Math.log(1 - random());
  for (let at = truth.from + wait(); at < truth.to; at += wait()) exits.push(at);
  return {
    truth,
    stays,
    exits: exits
      .map((at) => Math.round(at))
      .toSorted((a, b) => a - b)
      .map((at) => ({ direction: 'exit', at, source: 'door.front', confidence: 0.9 })),
  };
}

/** How a policy looks for phones. Intervals in ms. */
export interface Looking {
  readonly sweepEveryMs: number;
  /** Directed re-probes: unicast ARP and UDP 5353. */
  readonly probeEveryMs: number | undefined;
  /** Overhears the frames that phones send by themselves. */
  readonly passive: boolean;
}

/** Every instant at which the phone proves to be there, in order. A sweep asks once, by broadcast. */
export function sightings(
  world: World,
  looking: Looking,
  habits: PhoneHabits,
  random: () => number,
): number[] {
  const seen: number[] = [];
  const ask = (everyMs: number, answered: (stay: Stay, at: number) => boolean) => {
    const phase = world.truth.from + random() * everyMs;
    for (const stay of world.stays) {
      let at = phase + Math.ceil((stay.from - phase) / everyMs) * everyMs;
      for (; at < stay.to; at += everyMs) if (answered(stay, at)) seen.push(Math.round(at));
    }
  };
  ask(looking.sweepEveryMs, (stay, at) => answers(stay, at, 'broadcast', habits, random));
  if (looking.probeEveryMs !== undefined)
    ask(looking.probeEveryMs, (stay, at) => answersDirected(stay, at, habits, random));
  if (looking.passive)
    for (const { frames } of world.stays) seen.push(...frames.map((f) => Math.round(f.at)));
  return seen.toSorted((a, b) => a - b);
}

/** True when they really are home. */
export function isHome(home: readonly Span[], at: number): boolean {
  return home.some((s) => at >= s.from && at < s.to);
}
