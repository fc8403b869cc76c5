import type { HouseEvent } from '#kernel/event.ts';

/** Journal kinds that become events of Graphite, with the tag and the words for each. */
export const annotated = {
  'presence.arrived': { tag: 'arrived', words: 'came home' },
  'presence.left': { tag: 'left', words: 'left' },
} as const;
type Kind = keyof typeof annotated;

export const annotatedKinds = Object.keys(annotated) as readonly Kind[];

const isAnnotated = (kind: string): kind is Kind => kind in annotated;

/**
 * The body of `POST /events/` of graphite-web 1.1: `when` in epoch seconds, tags as a list.
 * Undefined for events that are not shown there.
 */
export function toGraphiteEvent(event: HouseEvent): object | undefined {
  if (!isAnnotated(event.kind)) return undefined;
  const { tag, words } = annotated[event.kind];
  const person = event.subject.replace(/^person:/, '');
  return {
    what: `${person} ${words}`,
    tags: ['presence', tag, person],
    when: Math.floor(event.at / 1000),
    data: event.evidence.map((e) => e.text).join('; '),
  };
}
