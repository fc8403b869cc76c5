import type { HouseEvent } from '#kernel/event.ts';

interface Annotation {
  /** Beside the area, for Grafana to choose by. */
  readonly tag: string;
  /** What happened, to whom. */
  readonly words: (event: HouseEvent) => string;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const nameOf = ({ subject, data }: HouseEvent) =>
  text(data['name']) || subject.slice(subject.indexOf(':') + 1);
const said = (event: HouseEvent) => text(event.data['text']) || nameOf(event);

/** Journal kinds that become events of Graphite. */
export const annotated: Readonly<Record<string, Annotation>> = {
  'presence.arrived': { tag: 'arrived', words: (e) => `${nameOf(e)} came home` },
  'presence.left': { tag: 'left', words: (e) => `${nameOf(e)} left` },
  'electricity.switched': {
    tag: 'switched',
    words: (e) => `${nameOf(e)} switched ${e.data['is_on'] === true ? 'on' : 'off'}`,
  },
  'electricity.appliance': { tag: 'appliance', words: (e) => `${nameOf(e).replaceAll('_', ' ')} ran` },
  'electricity.anomaly': { tag: 'anomaly', words: said },
  'electricity.left-on': { tag: 'left-on', words: said },
};

export const annotatedKinds: readonly string[] = Object.keys(annotated);

/**
 * The body of `POST /events/` of graphite-web 1.1: `when` in epoch seconds, tags as a list.
 * Undefined for events that are not shown there.
 */
export function toGraphiteEvent(event: HouseEvent): object | undefined {
  const annotation = annotated[event.kind];
  if (annotation === undefined) return undefined;
  const [area = ''] = event.kind.split('.');
  return {
    what: annotation.words(event),
    tags: [area, annotation.tag, event.subject.slice(event.subject.indexOf(':') + 1)],
    when: Math.floor(event.at / 1000),
    data: event.evidence.map((e) => e.text).join('; '),
  };
}
