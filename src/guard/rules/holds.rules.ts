import type { HoldCause } from '../model.ts';
import { allOf, anyOf, type Check, type Context } from './context.rules.ts';
import { seconds } from './conditions.rules.ts';
import { coolingKey } from './memory.rules.ts';
import { plain } from './words.rules.ts';

/** A check that does not silence a rule but turns its alert into an entry of the log with a reason. */
export interface Hold extends Check {
  readonly cause: HoldCause;
}

const names = (people: readonly string[]) => allOf(people.map((p) => plain(p)));
const homeText = (people: readonly string[]) => `${names(people)} ${people.length === 1 ? 'is' : 'are'} home`;

/**
 * Whether residents who are home make a log entry of an alert. Left to us, they do for people by day: whoever is in the
 * garden then lives here or is let in by somebody. At night residents sleep, and a rule that names the mode home was
 * written for it.
 */
function residentsSilence({ rule, o, situation }: Context): boolean {
  const said = rule.presence.residents_home;
  if (said !== undefined) return said === 'log';
  return o.label === 'person' && situation.mode === 'home' && rule.home_mode?.includes('home') !== true;
}

const someoneHome = ({ situation }: Context) => (situation.residentsHome?.length ?? 0) > 0;

/** The keys under which a rule cools down after an alert about an object that stands in these of its zones. */
const coolingKeys = ({ rule, o, zones }: Context) =>
  zones.length === 0
    ? [coolingKey(rule.id, o.camera, o.label)]
    : zones.map((zone) => coolingKey(rule.id, o.camera, o.label, zone));

/** Milliseconds since the last alert at this place, and what was held back since; undefined when there was none. */
function lastAlert(c: Context): { ago: number; held: number } | undefined {
  return coolingKeys(c)
    .flatMap((key) => c.memory.cooling.get(key) ?? [])
    .map(({ at, held }) => ({ ago: c.o.at - at, held }))
    .toSorted((a, b) => a.ago - b.ago)[0];
}

// A clock that was set back must not make a cooldown last for hours.
const cooling = (c: Context) => {
  const last = lastAlert(c);
  return last !== undefined && Math.abs(last.ago) < c.rule.cooldown * 1000;
};

/** Counts an object that the cooldown held back. */
export function countHeld(c: Context): void {
  for (const key of coolingKeys(c)) {
    const entry = c.memory.cooling.get(key);
    if (entry !== undefined) entry.held += 1;
  }
}

/** Who explains the object by having just arrived: one name or several. */
export function explainedBy({ rule, o, situation, told }: Context): string | undefined {
  if (rule.presence.arrivals === 'ignore' || o.label !== 'person') return undefined;
  if (told?.explained !== undefined) return told.explained;
  return situation.arrivedLately.length === 0 ? undefined : names(situation.arrivedLately);
}

/** What holds back an alert, in the order in which the reason is given. */
export const holdChecks: readonly Hold[] = [
  {
    gate: 'home mode',
    cause: 'mode',
    wanted: (rule) => rule.home_mode !== undefined,
    // Not to know who is home must not silence what is wanted while nobody is.
    passes: ({ rule, situation }) =>
      rule.home_mode!.includes(situation.mode) || (situation.mayBeAway && rule.home_mode!.includes('away')),
    text: ({ rule, situation: { mode, mayBeAway } }) =>
      `the house is in mode ${mode}${mayBeAway ? ', or away, for nobody can tell who is home' : ''}, wanted ${anyOf(rule.home_mode!)}`,
  },
  {
    gate: 'arrival',
    cause: 'arrival',
    wanted: (rule) => rule.presence.arrivals !== 'ignore',
    passes: (c) => explainedBy(c) === undefined,
    text: (c) => {
      const who = explainedBy(c);
      return who === undefined ? 'no resident has just arrived' : `${who} just arrived`;
    },
  },
  {
    gate: 'residents',
    cause: 'residents',
    wanted: () => true,
    passes: (c) => !(someoneHome(c) && residentsSilence(c)),
    text: (c) => {
      const people = c.situation.residentsHome;
      if (people === undefined) return 'nobody can tell who is home';
      if (people.length === 0) return 'nobody is home';
      return residentsSilence(c) ? homeText(people) : `${homeText(people)}, and the rule tells all the same`;
    },
  },
  {
    gate: 'cooldown',
    cause: 'cooldown',
    wanted: (rule) => rule.cooldown > 0,
    passes: (c) => !cooling(c),
    text: (c) => {
      const last = lastAlert(c);
      if (last === undefined) return 'no alert here before';
      const held = last.held === 0 ? '' : `, ${last.held} held since`;
      return `last alert here ${seconds(last.ago)} ago${held}, cooldown ${c.rule.cooldown} s`;
    },
  },
];

/** Whether an unknown phone makes the alert more severe. */
export const phoneRaises = ({ rule, situation }: Context) =>
  rule.presence.unknown_phone === 'raise' && situation.unknownPhones.length > 0;

export function phoneText({ situation, o }: Context): string {
  const since = Math.min(...situation.unknownPhones.map((p) => p.since));
  const many = situation.unknownPhones.length;
  return `${many === 1 ? 'an unknown phone has' : `${many} unknown phones have`} been there for ${seconds(o.at - since)}: one step more severe`;
}
