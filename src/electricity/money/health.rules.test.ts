import { expect, test } from 'vitest';
import type { FeedStatus } from './feed.ts';
import { pricesHealth } from './health.rules.ts';

const now = Date.UTC(2026, 10, 21, 12);
const hourMs = 3_600_000;
const feed = (over: Partial<FeedStatus> = {}): FeedStatus => ({
  title: 'import prices',
  origin: 'https://api.example/prices',
  okAt: now - hourMs,
  nextAt: now + hourMs,
  knownUntil: now + 10 * hourMs,
  problem: undefined,
  notes: [],
  ...over,
});

test.each<[string, readonly FeedStatus[], ReturnType<typeof pricesHealth>]>([
  ['no source of prices', [], undefined],
  [
    'prices of the next hours',
    [feed()],
    { state: 'ok', detail: 'import prices known until 2026-11-21T22:00:00.000Z' },
  ],
  [
    'prices without an end',
    [feed({ knownUntil: Infinity })],
    { state: 'ok', detail: 'import prices known from here on' },
  ],
  [
    'a source that was not asked yet',
    [feed({ okAt: undefined, knownUntil: undefined })],
    { state: 'starting', detail: 'import prices are being fetched' },
  ],
  [
    'a source that fails with prices at hand',
    [feed({ problem: 'api.example does not answer' })],
    {
      state: 'ok',
      detail:
        'import prices known until 2026-11-21T22:00:00.000Z; the last try failed: api.example does not answer',
    },
  ],
  [
    'a source that fails with nothing known beyond now',
    [feed(), feed({ title: 'export prices', knownUntil: now, problem: 'api.example does not answer' })],
    { state: 'down', detail: 'export prices: api.example does not answer' },
  ],
  [
    'a file that cannot be read any more, which only a person can mend',
    [feed({ nextAt: undefined, problem: 'cannot read agile.csv' })],
    { state: 'degraded', detail: 'import prices: cannot read agile.csv; those known until now stay in use' },
  ],
  [
    'prices that have ended',
    [feed({ nextAt: undefined, origin: 'agile.csv', knownUntil: now - hourMs })],
    { state: 'degraded', detail: 'import prices of agile.csv end at 2026-11-21T11:00:00.000Z' },
  ],
])('%s', (_title, statuses, expected) => {
  expect(pricesHealth(statuses, now)).toEqual(expected);
});
