import type { Reading } from '#kernel/reading.ts';
import { sources, type PersonView, type PresenceView } from './model.ts';

/** Readings beyond the 4 · P + 3 that users rely on; off unless configured, so that the count stays. */
export const extras = ['guests', 'probability', 'freshness'] as const;
export type Extra = (typeof extras)[number];

export const defaultPrefix = 'home.presence';

interface Row {
  /** The path below the prefix, or below the person. */
  readonly leaf: string;
  readonly title: string;
  readonly unit: 'bool' | 'count' | 'ratio' | 'seconds';
  /** Sent only when this extra is configured. */
  readonly extra?: Extra;
}

export interface PersonMetric extends Row {
  /** Undefined where there is nothing to say yet; the reading is then left out. */
  readonly read: (person: PersonView, now: number) => number | undefined;
}

export interface HouseMetric extends Row {
  readonly read: (view: PresenceView) => number;
}

const isHome = (person: PersonView): 0 | 1 => (person.state === 'home' ? 1 : 0);
// Counted from the same values that are sent, so that the sum and the count can never differ within a tick.
const countHome = (view: PresenceView) => view.people.filter((person) => isHome(person) === 1).length;

const sourceTitles = {
  wifi: 'Wi-Fi says home',
  homeassistant: 'Home Assistant says home',
  tado: 'Tado says home',
} as const;

/** One row per reading of a person: `home.presence.<person>.<leaf>`. */
export const personMetrics: readonly PersonMetric[] = [
  { leaf: 'is_home', title: 'Is home', unit: 'bool', read: isHome },
  ...sources.map((source): PersonMetric => ({
    leaf: `from_${source}`,
    title: sourceTitles[source],
    unit: 'bool',
    read: (person) => person.from[source],
  })),
  {
    leaf: 'probability',
    title: 'Probability of being home',
    unit: 'ratio',
    extra: 'probability',
    read: (person) => Math.min(1, Math.max(0, person.probability)),
  },
  {
    leaf: 'seen_age_seconds',
    title: 'Time since the last proof of presence',
    unit: 'seconds',
    extra: 'freshness',
    read: (person, now) =>
      person.lastSeen === undefined ? undefined : Math.max(0, Math.round((now - person.lastSeen) / 1000)),
  },
];

/** One row per reading of the house: `home.presence.<leaf>`. */
export const houseMetrics: readonly HouseMetric[] = [
  { leaf: 'count_home', title: 'People at home', unit: 'count', read: countHome },
  { leaf: 'anyone_home', title: 'Anyone home', unit: 'bool', read: (view) => (countHome(view) > 0 ? 1 : 0) },
  {
    leaf: 'wifi.devices_present_count',
    title: 'Devices on the network',
    unit: 'count',
    read: (view) => view.devicesPresent,
  },
  {
    leaf: 'wifi.guest_devices_count',
    title: 'Guests',
    unit: 'count',
    extra: 'guests',
    read: (view) => view.guests,
  },
];

/** The readings of one instant, `view.at`: 4 · P + 3 of them, and the extras that are configured. */
export function presenceReadings(
  view: PresenceView,
  prefix: string = defaultPrefix,
  wanted: readonly Extra[] = [],
): Reading[] {
  const sent = (row: Row) => row.extra === undefined || wanted.includes(row.extra);
  const reading = (path: string, value: number): Reading => ({
    series: `${prefix}.${path}`,
    at: view.at,
    value,
  });
  const people = view.people.flatMap((person) =>
    personMetrics.filter(sent).flatMap((row) => {
      const value = row.read(person, view.at);
      return value === undefined ? [] : [reading(`${person.person}.${row.leaf}`, value)];
    }),
  );
  return [...people, ...houseMetrics.filter(sent).map((row) => reading(row.leaf, row.read(view)))];
}
