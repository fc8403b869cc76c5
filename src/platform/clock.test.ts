import { expect, test } from 'vitest';
import { ManualClock, scaledClock, systemClock } from './clock.ts';

test('sleepers of a manual clock wake at their own instants, in order', async () => {
  const clock = new ManualClock(100);
  const woken: [string, number][] = [];
  void clock.sleep(20).then(() => woken.push(['b', clock.now()]));
  void clock.sleep(10).then(async () => {
    woken.push(['a', clock.now()]);
    await clock.sleep(5);
    woken.push(['c', clock.now()]);
  });
  await clock.advance(30);
  expect(woken).toEqual([
    ['a', 110],
    ['c', 115],
    ['b', 120],
  ]);
  clock.jump(-50);
  expect([clock.now(), clock.monotonic()]).toEqual([80, 30]);
});

test.each([
  ['system', systemClock],
  ['scaled', scaledClock(60)],
  ['manual', new ManualClock()],
])('a sleep of the %s clock ends early and quietly when its signal aborts', async (_, clock) => {
  const stop = new AbortController();
  const slept = clock.sleep(3_600_000, stop.signal);
  stop.abort();
  await slept;
  await clock.sleep(3_600_000, stop.signal);
});

test('a scaled clock runs faster than the real one', async () => {
  const clock = scaledClock(1_000, 0);
  await clock.sleep(20_000);
  expect(clock.now()).toBeGreaterThanOrEqual(19_000);
  expect(clock.monotonic()).toBeGreaterThanOrEqual(19_000);
});
