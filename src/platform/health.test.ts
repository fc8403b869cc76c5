import { expect, test } from 'vitest';
import { Health, type State } from './health.ts';

test.each<[State[], string]>([
  [[], 'ok'],
  [['ok', 'off'], 'ok'],
  [['ok', 'starting'], 'ok'],
  [['ok', 'down'], 'degraded'],
  [['degraded', 'ok'], 'degraded'],
  [['down', 'parked'], 'down'],
])('components %j make the house %s', (states, status) => {
  const health = new Health({ now: () => 0 });
  for (const [n, state] of states.entries()) health.set(`c${n}`, state);
  expect(health.report().status).toBe(status);
});

test('a component remembers since when it is in its state and when it last worked', () => {
  let now = 1;
  const health = new Health({ now: () => now });
  health.set('ha', 'ok');
  now = 2;
  health.set('ha', 'down', 'refused');
  now = 3;
  health.set('ha', 'down', 'timeout');
  expect(health.report().components).toEqual([
    { name: 'ha', state: 'down', detail: 'timeout', since: 2, lastOk: 1 },
  ]);
});
