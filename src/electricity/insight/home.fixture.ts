import type { Appliance } from './appliances.rules.ts';

const minuteMs = 60_000;
const dayMin = 1_440;

/** Numbers between 0 and 1 that are the same in each run (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Use {
  readonly appliance: Appliance;
  /** Epoch ms. */
  readonly from: number;
  readonly to: number;
}

/** Power by the minute of everything in a made-up home, W. */
export interface Home {
  /** Epoch ms of the first minute, midnight UTC. */
  readonly from: number;
  readonly house: readonly number[];
  readonly fridge: readonly number[];
  readonly freezer: readonly number[];
  readonly tv: readonly number[];
  readonly iron: readonly number[];
  readonly uses: readonly Use[];
}

export interface HomeOptions {
  readonly days: number;
  readonly seed: number;
  readonly kettleWatts?: number;
  readonly machineWatts?: number;
  readonly dishwasherWatts?: number;
}

/** A compressor: runs and pauses with noise, longer by day, with a long run after a defrost every other day. */
function compressor(
  days: number,
  random: () => number,
  watts: number,
  runMin: number,
  pauseMin: number,
): number[] {
  const power: number[] = [];
  while (power.length < days * dayMin) {
    const hour = (power.length / 60) % 24;
    const warm = 1 + 0.15 * Math.sin(((hour - 9) / 24) * 2 * Math.PI);
    const defrost = random() < 0.02 ? 2.5 : 1;
    const run = Math.round(runMin * warm * defrost * (0.8 + 0.4 * random()));
    const pause = Math.round((pauseMin / warm) * (0.8 + 0.4 * random()));
    for (let i = 0; i < run; i += 1)
      power.push(watts * (1 + 0.25 * Math.exp(-i / 3)) * (0.98 + 0.04 * random()));
    for (let i = 0; i < pause; i += 1) power.push(1 + 0.3 * random());
  }
  return power.slice(0, days * dayMin);
}

/** Adds `watts` for `minutes` from a fractional minute on, so that the first and last minute are partial. */
function add(power: number[], at: number, minutes: number, watts: number): void {
  for (let i = Math.floor(at); i < Math.min(power.length, at + minutes); i += 1) {
    const share = Math.min(i + 1, at + minutes) - Math.max(i, at);
    power[i] = (power[i] ?? 0) + watts * Math.max(0, share);
  }
}

function wash(power: number[], at: number, watts: number, random: () => number): number {
  let t = at;
  const drum = (minutes: number, low: number, high: number) => {
    for (let i = 0; i < minutes; i += 1) add(power, t + i, 1, low + (high - low) * random());
    t += minutes;
  };
  drum(6, 5, 60);
  const heat = 12 + Math.round(8 * random());
  add(power, t, heat, watts);
  drum(heat, 20, 80);
  drum(35, 50, 150);
  drum(10, 10, 280);
  drum(15, 20, 110);
  drum(5, 250, 420);
  return t;
}

function dishes(power: number[], at: number, watts: number): number {
  let t = at;
  const phase = (minutes: number, w: number) => {
    add(power, t, minutes, w);
    t += minutes;
  };
  phase(8, 65);
  phase(15, watts);
  phase(28, 70);
  phase(3, 20);
  phase(13, watts);
  return t;
}

/** A home with a fridge, a freezer, a television, cooking, and the three appliances, all with noise. */
export function makeHome({
  days,
  seed,
  kettleWatts = 2_700,
  machineWatts = 2_050,
  dishwasherWatts = 1_900,
}: HomeOptions): Home {
  const random = seeded(seed);
  const between = (low: number, high: number) => low + (high - low) * random();
  const from = Date.UTC(2026, 0, 5);
  const n = days * dayMin;
  const fridge = compressor(days, random, 75, 18, 34);
  const freezer = compressor(days, random, 95, 25, 40);
  const tv = Array.from({ length: n }, () => 0.8 + 0.1 * random());
  const iron = Array.from({ length: n }, () => 0);
  const other = Array.from({ length: n }, () => 70 + 3 * random());
  const uses: Use[] = [];
  const note = (appliance: Appliance, start: number, end: number) =>
    uses.push({ appliance, from: from + Math.floor(start) * minuteMs, to: from + Math.ceil(end) * minuteMs });
  for (let day = 0; day < days; day += 1) {
    const at = (hour: number) => day * dayMin + hour * 60;
    for (const hour of [7, 10.5, 13, 16, 20.5])
      if (random() < 0.85) {
        const start = at(hour + between(0, 1));
        const minutes = between(1.2, 4);
        add(other, start, minutes, kettleWatts * between(0.98, 1.02));
        note('kettle', start, start + minutes);
      }
    for (const hour of [8.5, 12.3, 19])
      if (random() < 0.5) add(other, at(hour + between(0, 0.6)), between(1, 3), 1_250);
    // The hob keeps its temperature by clicking on for part of each minute.
    if (random() < 0.7)
      for (let i = 0; i < 20; i += 1) add(other, at(17.6) + i + between(0, 0.3), between(0.3, 0.6), 1_800);
    for (let i = 0, start = at(19 + between(0, 1)); i < between(90, 180); i += 1)
      tv[Math.min(n - 1, Math.floor(start + i))] = 95 + 8 * random();
    if (day % 3 === 1) {
      const start = at(9 + between(0, 2));
      note('washing_machine', start, wash(other, start, machineWatts, random));
    }
    if (day % 2 === 0) {
      const start = at(21.7 + between(0, 0.2));
      note('dishwasher', start, dishes(other, start, dishwasherWatts));
    }
    if (day % 4 === 2) {
      // An iron heats for a third of each minute; its plug sees that as a power that jumps.
      const start = Math.floor(at(15 + between(0, 1)));
      const minutes = Math.round(between(12, 30));
      for (let i = 0; i < minutes; i += 1) iron[start + i] = i % 3 === 0 ? 2_000 : between(0, 900);
    }
  }
  const house = other.map((w, i) => w + (fridge[i] ?? 0) + (freezer[i] ?? 0) + (tv[i] ?? 0) + (iron[i] ?? 0));
  return { from, house, fridge, freezer, tv, iron, uses: uses.toSorted((a, b) => a.from - b.from) };
}

/** The minutes of one series of a home, `[epoch ms, W]`. */
export function minutesOf(home: Home, power: readonly number[]): [at: number, watts: number][] {
  return power.map((watts, i) => [home.from + i * minuteMs, watts]);
}
