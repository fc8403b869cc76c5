import { electricityTargets } from './electricity-targets.ts';
import { defaultPrefix, houseMetrics, personMetrics } from '#presence/index.ts';

const personLeaves = new Set(personMetrics.map((row) => row.leaf));
const houseLeaves = new Set(houseMetrics.map((row) => row.leaf));

/** Path of a reading of people; `who` is a person, a glob or a variable. Throws when the table has no such row. */
export function ofPerson(who: string, leaf: string): string {
  const known = leaf === 'from_*' || personLeaves.has(leaf);
  if (!known) throw new RangeError(`no reading ${leaf} of a person`);
  return `${defaultPrefix}.${who}.${leaf}`;
}

/** Path of a reading of the house. Throws when the table has no such row. */
export function ofHouse(leaf: string): string {
  if (!houseLeaves.has(leaf)) throw new RangeError(`no reading ${leaf} of the house`);
  return `${defaultPrefix}.${leaf}`;
}

// A wide span merges points; the mean of 0 and 1 would be neither, so the larger one stays.
const steps = (path: string) => `consolidateBy(${path}, 'max')`;

const change = (path: string) => `derivative(keepLastValue(${steps(path)}))`;

/** Every Graphite expression of the dashboard and the alerts, by what it shows. */
export const targets = {
  people: `expand(${ofPerson('*', 'is_home')})`,
  home: `aliasByNode(${steps(ofPerson('$person', 'is_home'))}, 2)`,
  sources: `aliasByNode(${steps(ofPerson('$person', 'from_*'))}, 2, 3)`,
  count: `alias(${steps(ofHouse('count_home'))}, 'people at home')`,
  anyone: `alias(${steps(ofHouse('anyone_home'))}, 'anyone home')`,
  devices: `alias(${steps(ofHouse('wifi.devices_present_count'))}, 'devices')`,
  share: `aliasByNode(summarize(${ofPerson('$person', 'is_home')}, '1d', 'avg'), 2)`,
  power: electricityTargets.house,
  arrivals: `aliasSub(removeBelowValue(${change(ofPerson('$person', 'is_home'))}, 1), '.*presence\\.([^.]+)\\.is_home.*', '\\1 came home')`,
  departures: `aliasSub(removeAboveValue(${change(ofPerson('$person', 'is_home'))}, -1), '.*presence\\.([^.]+)\\.is_home.*', '\\1 left')`,
  mismatch:
    `sumSeries(absolute(diffSeries(sumSeries(${ofPerson('*', 'is_home')}), ${ofHouse('count_home')})), ` +
    `absolute(diffSeries(maxSeries(${ofPerson('*', 'is_home')}), ${ofHouse('anyone_home')})))`,
} as const;
