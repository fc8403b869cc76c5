import type { FeedStatus } from './feed.ts';

interface PricesHealth {
  readonly state: 'starting' | 'ok' | 'degraded' | 'down';
  readonly detail: string;
}

const worst = ['down', 'degraded', 'starting', 'ok'] as const;

/** How it stands with the prices at `now` (epoch ms): the worst of their sources; undefined where there is none. */
export function pricesHealth(statuses: readonly FeedStatus[], now: number): PricesHealth | undefined {
  const all = statuses.map((status) => healthOf(status, now));
  const state = worst.find((each) => all.some((h) => h.state === each));
  if (state === undefined) return undefined;
  const telling = all.filter((h) => h.state === state);
  return { state, detail: telling.map((h) => h.detail).join('; ') };
}

function healthOf({ title, origin, nextAt, knownUntil, problem }: FeedStatus, now: number): PricesHealth {
  const ahead = knownUntil !== undefined && knownUntil > now;
  if (problem !== undefined && !ahead) return { state: 'down', detail: `${title}: ${problem}` };
  // A file does not come back by itself; a server is asked again.
  if (problem !== undefined && nextAt === undefined)
    return { state: 'degraded', detail: `${title}: ${problem}; those known until now stay in use` };
  if (knownUntil === undefined) return { state: 'starting', detail: `${title} are being fetched` };
  if (!ahead)
    return {
      state: 'degraded',
      detail: `${title} of ${origin} end at ${new Date(knownUntil).toISOString()}`,
    };
  const until =
    knownUntil === Number.POSITIVE_INFINITY ? 'from here on' : `until ${new Date(knownUntil).toISOString()}`;
  const trouble = problem === undefined ? '' : `; the last try failed: ${problem}`;
  return { state: 'ok', detail: `${title} known ${until}${trouble}` };
}
