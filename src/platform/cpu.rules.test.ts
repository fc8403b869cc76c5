import { expect, test } from 'vitest';
import { cpuShare, noCpuWatch, watchCpu, type CpuWatch } from './cpu.rules.ts';

/** Looks every 5 s at a process that uses `share` of a core, until `untilS` seconds. */
function run(watch: CpuWatch, share: number, untilS: number): CpuWatch {
  let now = watch.samples.at(-1) ?? { at: 0, cpuSeconds: 0 };
  let next = watch;
  while (now.at < untilS * 1000) {
    now = { at: now.at + 5_000, cpuSeconds: now.cpuSeconds + 5 * share };
    next = watchCpu(next, now);
  }
  return next;
}

test('a short burst is nothing, five minutes above a tenth of a core are, and it ends', () => {
  const quiet = run(noCpuWatch, 0.02, 600);
  const burst = run(quiet, 0.5, 630);
  const busy = run(burst, 0.5, 930);
  const calm = run(busy, 0.02, 1_300);
  expect([quiet, burst, busy, calm].map((w) => w.high)).toEqual([false, false, true, false]);
  expect(cpuShare(busy)).toBeCloseTo(0.5);
  expect(busy.samples.length).toBeLessThanOrEqual(62);
});

test('nothing is said before five minutes have passed', () => {
  const young = run(noCpuWatch, 0.9, 295);
  expect([young.high, cpuShare(young)]).toEqual([false, undefined]);
});
