import type { Anomaly, AnomalyKind } from './anomaly.rules.ts';

/** Something that stands out, from when it was told until it ends. */
export interface Episode extends Omit<Anomaly, 'kind'> {
  readonly kind: AnomalyKind | 'left-on';
  /** What its journal event is called: `electricity.anomaly`, `electricity.left-on`. */
  readonly event: 'anomaly' | 'left-on';
}

/** Episodes that have begun and not ended; `goneSince` (epoch ms) while one seems to be over. */
export type Episodes = readonly (Episode & { readonly goneSince?: number })[];

/** What comes back within this time has not ended. */
const holdMs = 1_200_000;

const keyOf = ({ kind, subject }: Pick<Episode, 'kind' | 'subject'>): string => `${kind} ${subject}`;

/**
 * Compares what stands out at `now` (epoch ms) with what did before: each episode begins once and ends once. A subject
 * that is not `heard` of keeps its episodes, because nobody knows that they are over.
 */
export function settle(
  before: Episodes,
  found: readonly Episode[],
  now: number,
  heard: (subject: string) => boolean,
): { readonly episodes: Episodes; readonly began: readonly Episode[]; readonly ended: readonly Episode[] } {
  const current = new Map(found.map((e) => [keyOf(e), e]));
  const known = new Set(before.map(keyOf));
  const gone = before
    .filter((e) => !current.has(keyOf(e)))
    .map((e) => (heard(e.subject) ? { ...e, goneSince: e.goneSince ?? now } : e));
  const over = (e: Episodes[number]) => e.goneSince !== undefined && now - e.goneSince >= holdMs;
  return {
    episodes: [...gone.filter((e) => !over(e)), ...current.values()],
    began: [...current.values()].filter((e) => !known.has(keyOf(e))),
    ended: gone.filter(over),
  };
}
