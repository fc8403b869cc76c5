import type { NewEvent } from '#kernel/event.ts';
import type { Belief } from './belief.rules.ts';
import type { Judgement } from './fusion.model.ts';

/** What the log and the journal say of somebody whose state changed; `now` in epoch ms. */
export function transition(
  before: Belief,
  after: Belief,
  { evidence, probability, conflict, lastSeen }: Judgement,
  now: number,
): { readonly line: string; readonly event: NewEvent } {
  const { person, state } = after;
  const silentS = lastSeen === undefined ? '?' : Math.round((now - lastSeen) / 1000);
  const [kind, line] =
    state === 'home'
      ? ([
          'presence.arrived',
          `Detected ${person} at home (source=${evidence[0]?.source ?? 'unknown'})`,
        ] as const)
      : before.state === 'home'
        ? (['presence.left', `${person} left home after ${silentS} s of silence`] as const)
        : (['presence.away', `${person} is away`] as const);
  const data = {
    from: before.state,
    to: state,
    probability: Number(probability.toFixed(4)),
    ...(conflict === undefined ? {} : { conflict }),
    ...(lastSeen === undefined ? {} : { last_seen: lastSeen }),
  };
  return {
    line,
    event: { at: now, kind, subject: `person:${person}`, cause: 'fusion', evidence, data },
  };
}
