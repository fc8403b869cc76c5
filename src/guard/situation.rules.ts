import type { PersonView, Stay } from '#presence/index.ts';
import type { GuardConfig } from './config.ts';
import type { Situation } from './model.ts';
import { modeAt, type HandMode } from './mode.rules.ts';

/** A phone on the LAN that belongs to nobody known, with the instant (epoch ms) of its first sight. */
export type UnknownPhone = Situation['unknownPhones'][number];

type Person = Pick<PersonView, 'name' | 'state' | 'since'>;

/**
 * People as the guard may believe it. While nobody listens, and after a restart, presence holds on to who was home; here
 * somebody of whom there was no proof for `believedMs`, and whom no source calls home now, is neither home nor away.
 */
export const provenPeople = (
  people: readonly Pick<PersonView, 'name' | 'state' | 'since' | 'lastSeen' | 'from'>[],
  at: number,
  believedMs: number,
): Person[] =>
  people.map(({ name, state, since, lastSeen, from }) => {
    const proven =
      from.homeassistant === 1 || from.tado === 1 || (lastSeen !== undefined && at - lastSeen < believedMs);
    return { name, since, state: state === 'home' && !proven ? 'unknown' : state };
  });

interface Facts {
  /** Epoch ms. */
  readonly at: number;
  readonly timeZone: string;
  readonly people: readonly Person[];
  readonly phones: readonly UnknownPhone[];
  readonly hand?: HandMode | undefined;
}

/** Names of those at home; undefined while it cannot be told whether anybody is. */
function residentsHome(people: readonly Person[]): string[] | undefined {
  const home = people.filter((p) => p.state === 'home').map((p) => p.name);
  const told = people.length > 0 && people.every((p) => p.state !== 'unknown');
  return home.length > 0 || told ? home : undefined;
}

/** What the house knows beside the cameras, from who is home now and since when. */
export function situationOf(settings: GuardConfig, { at, timeZone, people, phones, hand }: Facts): Situation {
  const home = residentsHome(people);
  const { mode, chosen } = modeAt(settings, { at, timeZone, residentsHome: home, hand });
  const lately = (since: number | undefined, seconds: number) =>
    since !== undefined && at >= since && at - since < seconds * 1000;
  return {
    at,
    timeZone,
    mode,
    // Without anybody in the settings presence is not used, and the mode is set by hand or by the hour.
    mayBeAway: chosen && home === undefined && people.length > 0,
    residentsHome: home,
    arrivedLately: people
      .filter((p) => p.state === 'home' && lately(p.since, settings.arrival_grace_seconds))
      .map((p) => p.name),
    unknownPhones: phones.filter((p) => lately(p.since, settings.unknown_phone_seconds)),
  };
}

/** The index of the last value that is not above `wanted`, in ascending values; -1 when all are. */
function lastUpTo(values: readonly number[], wanted: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle]! <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

interface History {
  readonly timeZone: string;
  /** Stays of everybody over the whole span, as the presence port gives them. */
  readonly stays: readonly Stay[];
  /** How messages call people, by the name in the settings. */
  readonly names: ReadonlyMap<string, string>;
  readonly phones: readonly UnknownPhone[];
  /** Modes set by hand in the order in which they were, with the instant; without a mode where it was taken back. */
  readonly hands?: readonly { readonly at: number; readonly hand: HandMode | undefined }[];
}

/** What the house knew at any instant of the past, for replays: from the journal. */
export function pastSituations(
  settings: GuardConfig,
  { timeZone, stays, names, phones, hands = [] }: History,
): (at: number) => Situation {
  const people = Map.groupBy(
    stays.toSorted((a, b) => a.from - b.from),
    (stay) => stay.person,
  );
  const timelines = [...people].map(([person, list]) => ({
    name: names.get(person) ?? person,
    list,
    starts: list.map((stay) => stay.from),
  }));
  const [grace, phone] = [settings.arrival_grace_seconds * 1000, settings.unknown_phone_seconds * 1000];
  const handed = hands.map((h) => h.at);
  // Between two of these instants and within one minute nothing changes.
  const edges = [
    ...stays.flatMap((s) => [s.from, s.from + grace, ...(s.to === undefined ? [] : [s.to])]),
    ...phones.flatMap((p) => [p.since, p.since + phone]),
    ...hands.flatMap(({ at, hand }) => [at, hand?.until ?? at]),
  ].toSorted((a, b) => a - b);
  let known: { readonly edge: number; readonly minute: number; readonly situation: Situation } | undefined;
  return (at) => {
    const edge = lastUpTo(edges, at);
    const minute = Math.floor(at / 60_000);
    if (known?.edge !== edge || known.minute !== minute) {
      const now = timelines.map(({ name, list, starts }): Person => {
        const index = lastUpTo(starts, at);
        const stay = list[index];
        const valid = stay !== undefined && (stay.to === undefined || at < stay.to);
        // Only who was away arrives; the first stay of the span began before we looked.
        const since = valid && list[index - 1]?.state === 'away' ? stay.from : undefined;
        return { name, state: valid ? stay.state : 'unknown', since };
      });
      const hand = hands[lastUpTo(handed, at)]?.hand;
      known = { edge, minute, situation: situationOf(settings, { at, timeZone, people: now, phones, hand }) };
    }
    return { ...known.situation, at };
  };
}
