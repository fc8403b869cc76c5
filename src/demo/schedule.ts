import { seeded, type Span } from '#devices/lan/phone-model.ts';

/** Where somebody is. Asleep means at home, with the phone on its charger. */
export type Place = 'home' | 'away' | 'asleep';

export interface Whereabouts {
  readonly place: Place;
  /** Epoch ms when they came into this state … */
  readonly since: number;
  /** … and when they will leave it. */
  readonly until: number;
}

export interface Calendar {
  /** Any text; the same seed gives the same days. */
  readonly seed: string;
  /** Local time minus UTC, ms. */
  readonly offsetMs: number;
}

/** A guest and when they are in the house. */
export interface Visit extends Span {
  readonly guest: string;
}

/** One trip out of the house as a habit: hours are local, `chance` is the probability of each such day. */
interface Outing {
  readonly days: 'school' | 'weekend' | 'any';
  readonly leave: number;
  readonly back: number;
  readonly chance: number;
}

interface Role {
  readonly wake: number;
  readonly bed: number;
  /** In order of the day; one that would overlap an earlier one starts after it. */
  readonly outings: readonly Outing[];
}

const hour = 3_600_000;
const day = 24 * hour;
// Leaving and coming back vary by this much around the habit (standard deviation of a triangular draw, hours).
const spreadHours = 0.4;
const guestEveningChance = 0.35;

/** Habits of a household. People beyond the named six take these in turn. */
const roles: readonly { readonly person: string; readonly role: Role }[] = [
  {
    person: 'alex',
    role: {
      wake: 6.6,
      bed: 22.8,
      outings: [
        { days: 'school', leave: 8, back: 17.2, chance: 0.8 },
        { days: 'any', leave: 18.6, back: 19.8, chance: 0.3 },
        { days: 'weekend', leave: 10.5, back: 12.2, chance: 0.7 },
      ],
    },
  },
  {
    person: 'sam',
    role: {
      wake: 6.8,
      bed: 23.1,
      outings: [
        { days: 'school', leave: 8.6, back: 13.4, chance: 0.9 },
        { days: 'any', leave: 15.2, back: 16.1, chance: 0.5 },
      ],
    },
  },
  {
    person: 'jo',
    role: {
      wake: 7,
      bed: 21.8,
      outings: [
        { days: 'school', leave: 7.7, back: 15.2, chance: 0.97 },
        { days: 'any', leave: 16.5, back: 18.3, chance: 0.45 },
      ],
    },
  },
  {
    person: 'kit',
    role: {
      wake: 7.1,
      bed: 20.9,
      outings: [
        { days: 'school', leave: 7.9, back: 13.6, chance: 0.97 },
        { days: 'weekend', leave: 14, back: 16.5, chance: 0.6 },
      ],
    },
  },
  {
    person: 'max',
    role: {
      wake: 8.8,
      bed: 23.6,
      outings: [
        { days: 'school', leave: 10.2, back: 16.4, chance: 0.7 },
        { days: 'any', leave: 19.3, back: 22.6, chance: 0.4 },
      ],
    },
  },
  {
    person: 'robin',
    role: {
      wake: 7.4,
      bed: 22.3,
      outings: [
        { days: 'any', leave: 10.3, back: 11.5, chance: 0.7 },
        { days: 'any', leave: 14.8, back: 15.5, chance: 0.35 },
      ],
    },
  },
];

/** `alex`, `sam`, `jo`, `kit`, `max`, `robin`, then `person7`, `person8`, … */
export function household(count: number): string[] {
  return Array.from({ length: count }, (_, i) => roles[i]?.person ?? `person${i + 1}`);
}

function roleOf(person: string): Role {
  const known = roles.find((r) => r.person === person);
  const number = Number(/\d+$/.exec(person)?.[0] ?? 0);
  return (known ?? roles[number % roles.length]!).role;
}

/** Where `person` is at `at` (epoch ms), since when, and until when. */
export function whereabouts(person: string, at: number, calendar: Calendar): Whereabouts {
  const today = Math.floor((at + calendar.offsetMs) / day);
  // Nights join the evening before to the morning after, so three days always hold the whole state.
  const states = [today - 1, today, today + 1].flatMap((d) => dayOf(person, d, calendar));
  const merged: { place: Place; from: number; to: number }[] = [];
  for (const state of states) {
    const last = merged.at(-1);
    if (last?.place === state.place) last.to = state.to;
    else merged.push({ ...state });
  }
  const now = merged.find((s) => at < s.to)!;
  return { place: now.place, since: now.from, until: now.to };
}

/** One local day, without gaps, from midnight to midnight. */
function dayOf(person: string, dayIndex: number, { seed, offsetMs }: Calendar): ({ place: Place } & Span)[] {
  const random = seeded(`${seed}:${person}:${dayIndex}`);
  const { wake, bed, outings } = roleOf(person);
  const vary = (hours: number) => hours + (random() + random() - 1) * spreadHours * Math.sqrt(6);
  const changes: { place: Place; at: number }[] = [
    { place: 'asleep', at: 0 },
    { place: 'home', at: vary(wake) },
  ];
  const weekend = isWeekend(dayIndex);
  const bedtime = Math.min(23.95, vary(bed));
  for (const outing of outings) {
    // Every draw happens on every day, so that one habit does not shift the dice of the next.
    const [goes, leave, back] = [random() < outing.chance, vary(outing.leave), vary(outing.back)];
    if (!goes || (outing.days !== 'any' && weekend !== (outing.days === 'weekend'))) continue;
    const from = Math.max(leave, changes.at(-1)!.at + 0.25);
    const to = Math.min(Math.max(back, from + 0.3), bedtime - 0.2);
    if (to > from + 0.1) changes.push({ place: 'away', at: from }, { place: 'home', at: to });
  }
  changes.push({ place: 'asleep', at: bedtime });
  const midnight = dayIndex * day - offsetMs;
  return changes.map(({ place, at }, i) => ({
    place,
    from: Math.round(midnight + at * hour),
    to: Math.round(midnight + (changes[i + 1]?.at ?? 24) * hour),
  }));
}

// Day 0 of the epoch was a Thursday.
export const isWeekend = (dayIndex: number) => (((dayIndex % 7) + 7 + 4) % 7) % 6 === 0;

/** Guests whose visit overlaps the local day of `at`: one to three, on some evenings, more often at weekends. */
export function visits(at: number, { seed, offsetMs }: Calendar): Visit[] {
  const dayIndex = Math.floor((at + offsetMs) / day);
  const random = seeded(`${seed}:guests:${dayIndex}`);
  if (random() >= guestEveningChance * (isWeekend(dayIndex) ? 1.6 : 1)) return [];
  const evening = dayIndex * day - offsetMs + (18.5 + random() * 1.5) * hour;
  return Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => {
    const from = Math.round(evening + random() * 0.3 * hour);
    return { guest: `guest${dayIndex}x${i + 1}`, from, to: Math.round(from + (1.2 + random() * 2) * hour) };
  });
}

/** Every time at home within a span, as absences cut it; the unit that phones and back-tests need. */
export function homeSpans(person: string, span: Span, calendar: Calendar): Span[] {
  const spans: { from: number; to: number }[] = [];
  for (let at = span.from; at < span.to;) {
    const { place, until } = whereabouts(person, at, calendar);
    const to = Math.min(until, span.to);
    const last = spans.at(-1);
    if (place !== 'away') {
      if (last?.to === at) last.to = to;
      else spans.push({ from: at, to });
    }
    at = until;
  }
  return spans;
}

/** Every time within a span in which somebody is at home and up, in order and apart from each other. */
export function awakeSpans(people: readonly string[], span: Span, calendar: Calendar): Span[] {
  const all: { from: number; to: number }[] = [];
  for (const person of people)
    for (let at = span.from; at < span.to;) {
      const { place, until } = whereabouts(person, at, calendar);
      const to = Math.min(until, span.to);
      if (place === 'home') all.push({ from: at, to });
      at = until;
    }
  const merged: { from: number; to: number }[] = [];
  for (const next of all.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last === undefined || next.from > last.to) merged.push({ ...next });
    else last.to = Math.max(last.to, next.to);
  }
  return merged;
}
