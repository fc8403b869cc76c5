import { expect, test } from 'vitest';
import { e2eTest } from '#app/cctv/tools/e2e.ts';
import { stressTest } from '#app/cctv/tools/stress.ts';
import { Logger } from '#platform/log.ts';

const silent = new Logger({ write: () => {} });
const never = new AbortController().signal;

test('the whole way from a picture to a voice, a mail, a webhook, the database and the page works', async () => {
  const { steps, passed } = await e2eTest(240_000, () => {}, silent, never);
  expect(steps.filter((s) => s.outcome !== 'pass')).toEqual([]);
  expect(steps.map((s) => s.step)).toEqual([
    'camera',
    'start',
    'pictures',
    'detection',
    'alert',
    'distance',
    'events.db',
    'snapshot',
    'video',
    'page',
    'e-mail',
    'speech',
    'stop',
  ]);
  expect(passed).toBe(true);
});

test('a house that cannot be proved in time fails with the step that was missing', async () => {
  const { steps, passed } = await e2eTest(4_000, () => {}, silent, never);
  expect(passed).toBe(false);
  expect(steps.find((s) => s.outcome === 'fail')?.detail).toMatch(
    /did not come within the time|did not say where it is/,
  );
});

test('many alerts of a few cameras all arrive once', async () => {
  const { gates, alerts } = await stressTest({
    // Nobody is in the picture for up to 22 s of each round.
    durationMs: 45_000,
    cameras: 2,
    alerts: 20,
    requests: 10,
    tell: () => {},
    signal: never,
  });
  expect(alerts).toBeGreaterThanOrEqual(20);
  // What depends on how busy this machine is, is for who runs the command.
  const counted = gates.filter((g) => /alerts|failed|down/.test(g.name));
  expect(counted.filter((g) => !g.kept)).toEqual([]);
  expect(counted).toHaveLength(5);
});
