import { expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { MemoryReadings } from '../../../../tests/servers/memory-store.ts';
import { Replay } from './replay.ts';
import { Ledger } from './rules.ts';

const minute = 60_000;
const series = Array.from({ length: 25 }, (_, i) => `home.s${i}`);
const values = new Map(series.map((name) => [name, 1]));

/** A backlog of 20 minutes at 5 s with a silence of an hour in its middle. */
async function backlog() {
  const readings = new MemoryReadings();
  const times = [0, 70 * minute].flatMap((from) => Array.from({ length: 120 }, (_, i) => from + i * 5_000));
  for (const at of times) await readings.append({ at, values });
  const ledger = new Ledger(0, 0, { pending: [{ from: 0, to: 80 * minute }], recent: [], through: 0 });
  return { readings, ledger, times };
}

test('the whole backlog leaves once, in order, in small chunks and at the pace', async () => {
  const { readings, ledger, times } = await backlog();
  const clock = new ManualClock();
  const replay = new Replay(5000, clock);
  const left: number[] = [];
  while (ledger.oldest !== undefined) {
    await clock.advance(replay.waitMs);
    const chunk = await replay.next(ledger, readings);
    if (chunk === undefined) continue;
    expect(chunk.ticks.length).toBeLessThanOrEqual(10);
    left.push(...chunk.ticks.map(({ at }) => at));
    await clock.advance(1);
    expect(replay.sent(chunk, chunk.ticks.length * 25, 1)).toBe(true);
    ledger.delivered(chunk.range, clock.monotonic());
  }
  expect(left).toEqual(times);
  await clock.advance(replay.waitMs);
  expect(Math.round((240 * 25) / (clock.monotonic() / 1000))).toBe(5000);
});

test('failures make the chunks smaller, so that even a very slow line gets one through', async () => {
  const { readings, ledger } = await backlog();
  const replay = new Replay(5000, new ManualClock());
  for (let i = 0; i < 10; i += 1) replay.failed(250);
  expect((await replay.next(ledger, readings))?.ticks.map(({ at }) => at)).toEqual([0]);
});

test('a slow receipt does not count, until the pace is at its lowest', async () => {
  const { readings, ledger } = await backlog();
  const replay = new Replay(5000, new ManualClock());
  const results: boolean[] = [];
  for (let i = 0; i < 10; i += 1) {
    const chunk = (await replay.next(ledger, readings))!;
    expect(chunk.range.from).toBe(0);
    results.push(replay.sent(chunk, 25, 1_500));
    if (results.at(-1) === true) break;
  }
  expect(results).toEqual([false, false, false, false, false, false, false, true]);
});

test('over a line on which every receipt is slow, each chunk counts once the pace is at its lowest', async () => {
  const { readings, ledger } = await backlog();
  const replay = new Replay(5000, new ManualClock());
  const results: boolean[] = [];
  for (let i = 0; i < 12; i += 1) {
    const chunk = (await replay.next(ledger, readings))!;
    results.push(replay.sent(chunk, 25, 1_500));
    if (results.at(-1) === true) ledger.delivered(chunk.range, 0);
  }
  expect(results).toEqual([
    ...Array.from({ length: 7 }, () => false),
    ...Array.from({ length: 5 }, () => true),
  ]);
});
