import type { HouseEvent } from '#kernel/event.ts';
import type { PersonState } from './model.ts';
import type { Stay } from './stays.rules.ts';

/** A departure that was taken back so soon that it was probably none. */
export interface FalseDeparture {
  readonly person: string;
  /** Epoch ms. */
  readonly leftAt: number;
  readonly backAt: number;
  /** What the departure rested on. */
  readonly because: string;
}

/** Who is away for less than this was probably at home all the time. */
export const falseDepartureMs = 15 * 60_000;

/** Departures followed by an arrival of the same person within 15 minutes. `transitions` are oldest first. */
export function falseDepartures(transitions: readonly HouseEvent[]): FalseDeparture[] {
  const leftLast = new Map<string, HouseEvent>();
  return transitions.flatMap((event) => {
    const left = leftLast.get(event.subject);
    leftLast.delete(event.subject);
    if (event.kind === 'presence.left') leftLast.set(event.subject, event);
    if (event.kind !== 'presence.arrived' || left === undefined) return [];
    if (event.at - left.at > falseDepartureMs) return [];
    const person = event.subject.replace(/^person:/, '');
    const because = left.evidence.map((e) => e.text).join('; ');
    return [{ person, leftAt: left.at, backAt: event.at, because }];
  });
}

/** How one person spent the time of a report. */
export interface Occupancy {
  readonly person: string;
  readonly homeMs: number;
  readonly awayMs: number;
  /** Time of which nothing is known. */
  readonly unknownMs: number;
  readonly arrivals: number;
  readonly departures: number;
  /** Transitions at which two sources contradicted each other. */
  readonly conflicts: number;
}

/** Adds up the stays of one person within `from`..`to` (epoch ms). */
export function occupancy(
  person: string,
  stays: readonly Stay[],
  transitions: readonly HouseEvent[],
  from: number,
  to: number,
): Occupancy {
  const own = transitions.filter((event) => event.subject === `person:${person}`);
  const count = (kind: string) => own.filter((event) => event.kind === kind).length;
  const time = (state: PersonState) =>
    stays
      .filter((stay) => stay.person === person && stay.state === state)
      .reduce((ms, stay) => ms + Math.max(0, Math.min(stay.to ?? to, to) - Math.max(stay.from, from)), 0);
  const [homeMs, awayMs] = [time('home'), time('away')];
  return {
    person,
    homeMs,
    awayMs,
    unknownMs: to - from - homeMs - awayMs,
    arrivals: count('presence.arrived'),
    departures: count('presence.left'),
    conflicts: own.filter((event) => event.data['conflict'] !== undefined).length,
  };
}

/** How complete the metrics of a span are. */
export interface Freshness {
  /** Minutes with at least one tick, of `minutes` since the first one. */
  readonly covered: number;
  readonly minutes: number;
  /** The longest stretches without a tick, longest first: epoch ms. */
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  /** Epoch ms of the newest minute with a tick. */
  readonly newest: number | undefined;
}

const minuteMs = 60_000;
const mostGaps = 5;

/** Judges which minutes before `to` have a tick; `points` are the minutes that have one (epoch ms), oldest first. */
export function freshness(points: readonly number[], to: number): Freshness {
  const first = points[0];
  if (first === undefined) return { covered: 0, minutes: 0, gaps: [], newest: undefined };
  // The minute that is running is not missing yet.
  const ends = [...points, Math.floor(to / minuteMs) * minuteMs];
  const gaps = ends.flatMap((at, i) => {
    const before = ends[i - 1];
    return before !== undefined && at - before > minuteMs ? [{ from: before + minuteMs, to: at }] : [];
  });
  const missing = gaps.reduce((ms, gap) => ms + gap.to - gap.from, 0);
  const covered = points.length;
  return {
    covered,
    minutes: covered + Math.round(missing / minuteMs),
    gaps: gaps.toSorted((a, b) => b.to - b.from - (a.to - a.from)).slice(0, mostGaps),
    newest: points.at(-1),
  };
}

/** Lines of one kind in the log. */
export interface LogTrouble {
  readonly level: 'WARN' | 'ERROR' | 'FATAL';
  readonly component: string;
  readonly code: string;
  readonly count: number;
  /** The newest such line's message. */
  readonly last: string;
}

const logLine = /^\S+\|(WARN|ERROR|FATAL)\|([^|]*)\|([^|]*)\|(.*)$/;

/** Sums up the troubles among log lines (`time|LEVEL|component|CODE|message`), the worst level and the most frequent first. */
export function troubles(lines: Iterable<string>): LogTrouble[] {
  const found = new Map<string, LogTrouble>();
  for (const line of lines) {
    const [, level, component = '', code = '', last = ''] = logLine.exec(line) ?? [];
    if (level !== 'WARN' && level !== 'ERROR' && level !== 'FATAL') continue;
    const key = `${level}|${component}|${code}`;
    found.set(key, { level, component, code, count: (found.get(key)?.count ?? 0) + 1, last });
  }
  const rank = { FATAL: 0, ERROR: 1, WARN: 2 } as const;
  return [...found.values()].toSorted((a, b) => rank[a.level] - rank[b.level] || b.count - a.count);
}

/** A configured address that has not been seen for a long time. */
export interface StaleAddress {
  readonly person: string;
  readonly mac: string;
  /** Epoch ms; undefined when it was never seen. */
  readonly lastSeen: number | undefined;
}

export const staleMs = 30 * 86_400_000;

/** Configured addresses unseen for 30 days at `now` (epoch ms): an old phone, or one that uses another address now. */
export function staleAddresses(
  people: readonly { readonly person: string; readonly wifi_macs: readonly string[] }[],
  lastSeen: ReadonlyMap<string, number>,
  now: number,
): StaleAddress[] {
  return people.flatMap(({ person, wifi_macs }) =>
    wifi_macs
      .map((mac) => ({ person, mac, lastSeen: lastSeen.get(mac) }))
      .filter((address) => address.lastSeen === undefined || now - address.lastSeen > staleMs),
  );
}
