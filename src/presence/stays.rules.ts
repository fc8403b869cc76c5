import type { HouseEvent } from '#kernel/event.ts';
import type { PersonState, PersonView } from './model.ts';

/** A stretch of time during which a person's state did not change. */
export interface Stay {
  readonly person: string;
  readonly state: PersonState;
  /** Epoch ms. */
  readonly from: number;
  /** Epoch ms; undefined while it lasts. */
  readonly to: number | undefined;
}

const states: readonly unknown[] = ['home', 'away', 'unknown'] satisfies PersonState[];
const isState = (value: unknown): value is PersonState => states.includes(value);

/**
 * The stays of one person within `from`..`to` (epoch ms), from transitions of that span, oldest first, each
 * carrying the state before and after it in `data.from` and `data.to`. Time before the first transition has
 * that transition's earlier state; without any transition it has the earlier state of `next`, the first transition
 * after the span, or else the state of `person` now, back to when it began. The last stay is still going on unless `person`
 * has changed since.
 */
export function staysOf(
  person: Pick<PersonView, 'person' | 'state' | 'since'>,
  transitions: readonly HouseEvent[],
  from: number,
  to: number,
  next?: HouseEvent,
): Stay[] {
  const marks = transitions.filter((e) => isState(e.data.to) && e.at >= from && e.at < to);
  const first = marks[0] ?? next;
  const start = first === undefined ? Math.max(from, person.since ?? from) : from;
  const before = first === undefined ? person.state : isState(first.data.from) ? first.data.from : 'unknown';
  const ended = person.since !== undefined && person.since >= to;
  const starts = [
    { at: start, state: before },
    ...marks.map((e) => ({ at: e.at, state: e.data.to as PersonState })),
  ];
  return starts.flatMap(({ at, state }, i) => {
    const end = starts[i + 1]?.at ?? (ended ? to : undefined);
    return at >= to || end === at ? [] : [{ person: person.person, state, from: at, to: end }];
  });
}
