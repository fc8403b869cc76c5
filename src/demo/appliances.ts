import { seeded, type Span } from '#devices/lan/phone-model.ts';
import { awakeSpans, isWeekend, type Calendar } from './schedule.ts';
import { Timeline, type Piece } from './timeline.ts';

/** Watts at an instant, epoch ms; negative when it feeds in. */
export type PowerAt = (at: number) => number;

/** One local day as an appliance sees it. */
interface Day {
  /** Epoch ms of its midnight. */
  readonly from: number;
  readonly random: () => number;
  readonly weekend: boolean;
  /** When somebody is at home and up. */
  readonly awake: readonly Span[];
  /** Epoch ms. */
  readonly dawn: number;
  readonly dusk: number;
  /** Mean outside temperature, °C. */
  readonly outside: number;
}

interface Profile {
  /** W that it always draws. */
  readonly standby: number;
  /** What comes on top of that. */
  readonly plan: (day: Day) => readonly Piece[];
}

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const dayMs = 24 * hour;

/** Appliances as a British house has them; figures of ordinary models. */
const profiles = {
  fridge: { standby: 1.5, plan: (day) => compressor(day, 85, 0.35) },
  freezer: { standby: 1.2, plan: (day) => compressor(day, 78, 0.35) },
  kettle: { standby: 0, plan: kettle },
  washing_machine: { standby: 1.1, plan: washingMachine },
  dishwasher: { standby: 0.6, plan: dishwasher },
  oven: { standby: 2, plan: oven },
  television: { standby: 7, plan: television },
  console: { standby: 9, plan: console },
  lamp: { standby: 0.3, plan: (day) => dark(day).map((span) => ({ ...span, watts: 17 })) },
  lights: { standby: 0, plan: lights },
  desk: { standby: 4, plan: desk },
  router: { standby: 9, plan: ({ from }) => [{ from, to: from + dayMs, watts: 0.2, ripple: 0.2 }] },
  aquarium: { standby: 6, plan: aquarium },
  heat_pump: { standby: 12, plan: heatPump },
} satisfies Record<string, Profile>;

export type ApplianceName = keyof typeof profiles | 'solar';
export const applianceNames = Object.keys(profiles) as readonly (keyof typeof profiles)[];

export interface Appliances {
  /** What each would draw at an instant if nobody switches it off; `solar` is 0 without panels. */
  readonly power: Readonly<Record<ApplianceName, PowerAt>>;
  /** All of them together. */
  readonly house: PowerAt;
  /** W of gas that the hob burns. */
  readonly gas: PowerAt;
}

/** The appliances of these people. The same calendar gives the same watts at the same instants. */
export function appliances(
  people: readonly string[],
  calendar: Calendar,
  { solar = false }: { readonly solar?: boolean } = {},
): Appliances {
  const almanac = new Map<number, Omit<Day, 'random'>>();
  const dayOf = (index: number) => {
    let day = almanac.get(index);
    if (day === undefined) {
      if (almanac.size > 8) almanac.clear();
      almanac.set(index, (day = almanacOf(index, people, calendar)));
    }
    return day;
  };
  const all: [string, Profile][] = Object.entries(profiles);
  if (solar) all.push(['solar', { standby: 0, plan: panels }]);
  const powerOf = (name: string, { standby, plan }: Profile, salt: number): PowerAt => {
    const timeline = new Timeline(
      (index) => plan({ ...dayOf(index), random: seeded(`${calendar.seed}:${name}:${index}`) }),
      calendar.offsetMs,
      salt * 7919,
    );
    return (at) => standby + timeline.power(at);
  };
  const own = Object.fromEntries(
    all.map(([name, profile], salt) => [name, powerOf(name, profile, salt)] as const),
  );
  const parts = Object.values(own);
  const house = (at: number) => parts.reduce((sum, of) => sum + of(at), 0);
  const power = { solar: () => 0, ...own } as Partial<Record<ApplianceName, PowerAt>>;
  return { power: power as Appliances['power'], house, gas: powerOf('hob', { standby: 0, plan: hob }, 0) };
}

function almanacOf(index: number, people: readonly string[], calendar: Calendar): Omit<Day, 'random'> {
  const from = index * dayMs - calendar.offsetMs;
  const random = seeded(`${calendar.seed}:weather:${index}`);
  // Since the winter solstice, as an angle.
  const season = (2 * Math.PI * (index - 355)) / 365.2425;
  return {
    from,
    weekend: isWeekend(index),
    awake: awakeSpans(people, { from, to: from + dayMs }, calendar),
    dawn: from + Math.round((6.3 + 1.8 * Math.cos(season)) * hour),
    dusk: from + Math.round((18.3 - 2.5 * Math.cos(season)) * hour),
    // January lags the solstice by about a month.
    outside: 10.5 - 6 * Math.cos(season - 0.5) + (random() + random() - 1) * 5,
  };
}

/** Cools for a share of each three quarters of an hour, with the spike of a starting motor. */
function compressor({ from, random }: Day, watts: number, share: number): Piece[] {
  const cycle = 45 * minute;
  return Array.from({ length: dayMs / cycle }, (_, i) => {
    const runs = Math.round(cycle * share * (0.85 + random() * 0.3));
    const start = from + i * cycle + Math.round(random() * (cycle - runs));
    return [
      { from: start, to: start + runs, watts },
      { from: start, to: start + 1.5 * second, watts: watts * 6 },
    ];
  }).flat();
}

function kettle({ awake, random }: Day): Piece[] {
  const times = Array.from({ length: 4 + Math.floor(random() * 4) }, () => [
    anyTime(awake, 5 * minute, random()),
    Math.round((2 + 2 * random()) * minute),
    2_750 + random() * 100,
  ]) as [number | undefined, number, number][];
  const boils = times
    .flatMap(([from, ms, watts]) => (from === undefined ? [] : [{ from, to: from + ms, watts }]))
    .toSorted((a, b) => a.from - b.from);
  return boils.filter((boil, i) => i === 0 || boil.from - boils[i - 1]!.from > 10 * minute);
}

function washingMachine({ from, awake, weekend, random }: Day): Piece[] {
  const [chance, when] = [random(), random()];
  const daytime = within(awake, from + 8 * hour, from + 18 * hour);
  const start = anyTime(daytime, 10 * minute, when);
  if (start === undefined || chance > (weekend ? 0.75 : 0.45)) return [];
  return program(start, [
    [4, 110, 60],
    [13 + random() * 4, 2_080, 40],
    [32, 150, 110],
    [5, 2_060, 40],
    [14, 140, 100],
    [18, 110, 80],
    [3, 220, 90],
    [7, 430, 110],
    [2, 90, 40],
  ]);
}

function dishwasher({ from, awake, random }: Day): Piece[] {
  const [chance, when] = [random(), random()];
  const start = anyTime(within(awake, from + 19 * hour, from + 21.3 * hour), 5 * minute, when);
  if (start === undefined || chance > 0.8) return [];
  return program(start, [
    [9, 55, 15],
    [13 + random() * 3, 1_960, 20],
    [28, 70, 20],
    [11 + random() * 3, 1_950, 20],
    [22, 8, 0],
  ]);
}

function oven({ from, awake, weekend, random }: Day): Piece[] {
  const [chance, when] = [random(), random()];
  const start = anyTime(within(awake, from + 16.8 * hour, from + 18.8 * hour), 20 * minute, when);
  if (start === undefined || chance > (weekend ? 0.65 : 0.45)) return [];
  const cycles = 8 + Math.floor(random() * 6);
  // Heats up, then the thermostat clicks.
  return program(start, [
    [9, 2_350, 0],
    ...Array.from({ length: cycles }, () => [[2.4, 45, 0] as const, [1.3, 2_330, 0] as const]).flat(),
  ]);
}

function hob({ from, awake, random }: Day): Piece[] {
  const start = anyTime(within(awake, from + 16.5 * hour, from + 19.5 * hour), 40 * minute, random());
  return start === undefined ? [] : program(start, [[15 + random() * 25, 2_600, 0]]);
}

function television({ from, awake, weekend, random }: Day): Piece[] {
  const evening = within(awake, from + (18.2 + random()) * hour, from + (22 + random() * 1.2) * hour);
  const morning = within(awake, from + 9 * hour, from + (10 + random()) * hour);
  return [...(weekend ? morning : []), ...evening].map((span) => ({ ...span, watts: 88, ripple: 24 }));
}

function console({ from, awake, random }: Day): Piece[] {
  const [chance, when] = [random(), random()];
  const start = anyTime(within(awake, from + 16 * hour, from + 21 * hour), 30 * minute, when);
  if (start === undefined || chance > 0.55) return [];
  return program(start, [[45 + random() * 75, 128, 30]]);
}

function lights(day: Day): Piece[] {
  const watts = 60 + day.random() * 50;
  return dark(day).map((span) => ({ ...span, watts }));
}

function desk({ from, awake, weekend, random }: Day): Piece[] {
  if (weekend) return [];
  const lunch = from + (12.2 + random()) * hour;
  const spans = [
    ...within(awake, from + (8.7 + random() * 0.6) * hour, lunch),
    ...within(awake, lunch + 40 * minute, from + (16.6 + random()) * hour),
  ];
  return spans.map((span) => ({ ...span, watts: 92, ripple: 34 }));
}

function aquarium({ from, random }: Day): Piece[] {
  const cycle = 20 * minute;
  const heating = Array.from({ length: dayMs / cycle }, (_, i) => {
    const start = from + i * cycle;
    return { from: start, to: start + Math.round(cycle * (0.15 + random() * 0.15)), watts: 100 };
  });
  return [...heating, { from: from + 10 * hour, to: from + 20 * hour, watts: 14 }];
}

/** Keeps the house warm in runs whose length follows the weather, and heats water after lunch. */
function heatPump({ from, outside, random }: Day): Piece[] {
  const slot = 40 * minute;
  const heating = Array.from({ length: dayMs / slot }, (_, i): Piece => {
    const [hourOfDay, vary] = [(i * slot) / hour, random()];
    const now = outside + 3 * Math.cos((2 * Math.PI * (hourOfDay - 15)) / 24);
    const night = hourOfDay < 5 || hourOfDay >= 22;
    const need = Math.max(0, 15 - now) * (night ? 22 : 38);
    const watts = Math.min(1_800, Math.max(750, need * 1.4));
    const runs = Math.min(1, need / watts) * (0.9 + 0.2 * vary);
    const start = from + i * slot;
    return { from: start, to: start + Math.round(Math.min(1, runs) * slot), watts, ripple: 25 };
  });
  const water = from + Math.round((13 + random()) * hour);
  return [
    ...heating,
    { from: water, to: water + Math.round((25 + random() * 15) * minute), watts: 1_600, ripple: 20 },
  ];
}

const peakWatts = 3_300;

/** A roof under clouds that come and go. */
function panels({ dawn, dusk, random }: Day): Piece[] {
  const clear = 0.25 + random() * 0.75;
  const step = 5 * minute;
  return Array.from({ length: Math.floor((dusk - dawn) / step) }, (_, i) => {
    const from = dawn + i * step;
    const height = Math.sin((Math.PI * (i + 0.5) * step) / (dusk - dawn));
    const watts = -peakWatts * height ** 1.3 * clear * (0.75 + 0.25 * random());
    return { from, to: from + step, watts, ripple: watts * 0.04 };
  });
}

/** Phases of a run one after the other: minutes, W, swing. */
function program(start: number, phases: readonly (readonly [number, number, number])[]): Piece[] {
  let at = start;
  return phases.map(([minutes, watts, ripple]) => {
    const from = at;
    at += Math.round(minutes * minute);
    return { from, to: at, watts, ripple };
  });
}

/** The parts of the spans between two instants. */
function within(spans: readonly Span[], from: number, to: number): Span[] {
  return spans
    .map((span) => ({ from: Math.max(span.from, Math.round(from)), to: Math.min(span.to, Math.round(to)) }))
    .filter((span) => span.to > span.from);
}

/** When somebody is up and it is dark. */
function dark({ from, awake, dawn, dusk }: Day): Span[] {
  return [...within(awake, from, dawn), ...within(awake, dusk, from + dayMs)];
}

/** An instant within the spans after which the span lasts for `room` ms; all are equally likely by `draw` (0 to 1). */
function anyTime(spans: readonly Span[], room: number, draw: number): number | undefined {
  const wide = spans.filter((span) => span.to - span.from > room);
  let rest = draw * wide.reduce((sum, span) => sum + span.to - span.from - room, 0);
  for (const span of wide) {
    const length = span.to - span.from - room;
    if (rest < length) return Math.round(span.from + rest);
    rest -= length;
  }
  return undefined;
}
