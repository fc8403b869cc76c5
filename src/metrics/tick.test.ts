import { describe, expect, test } from 'vitest';
import { Bus, type Topics } from '#kernel/bus.ts';
import type { Batch, Reading } from '#kernel/reading.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { Tick, type ReadingSource } from './tick.ts';
import { beat, jump, late, latenessAt, noJitter } from './tick.rules.ts';

const start = 1_767_225_601_000;
const slot = 1_767_225_600_000;
const s = 1_000;

function house(sources: readonly ReadingSource[], kept = 0) {
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const stored: Batch[] = [];
  const offered: Batch[] = [];
  const jumps: number[] = [];
  const good: number[] = [];
  const bus = new Bus<Topics>(() => {});
  const ticks: number[] = [];
  bus.on('tick', ({ at }) => ticks.push(at));
  bus.on('clock.jumped', ({ byMs }) => jumps.push(byMs));
  const tick = new Tick({
    intervalMs: 5 * s,
    sources,
    sinks: [
      {
        name: 'broken',
        offer() {
          throw new Error('no');
        },
      },
      { name: 'working', offer: (batch) => offered.push(batch) },
    ],
    clock,
    log: new Logger({ write: (line) => lines.push(line), now: () => 0 }),
    bus,
    readings: { append: async (batch) => void stored.push(batch), count: async () => kept },
    onGoodCycle: (at) => good.push(at),
  });
  const stop = new AbortController();
  const running = tick.run(stop.signal);
  const end = () => (stop.abort(), running);
  return { clock, tick, lines, stored, offered, jumps, good, ticks, end };
}

const steady: ReadingSource = {
  name: 'steady',
  read: (at) => [{ series: 'home.presence.count_home', at, value: 3 }],
};

describe('the tick', () => {
  test('measures the running slot at once, then each multiple of the interval, with one instant for all', async () => {
    const h = house([steady]);
    await h.clock.advance(14 * s);
    expect(h.ticks).toEqual([slot, slot + 5 * s, slot + 10 * s, slot + 15 * s]);
    expect(h.stored).toEqual(h.offered);
    expect(h.stored[1]).toEqual({ at: slot + 5 * s, values: new Map([['home.presence.count_home', 3]]) });
    expect(h.good).toEqual(h.ticks);
    expect(h.tick.stats()).toMatchObject({ count: 4, missed: 0, jitter: { count: 3, maxMs: 0 } });
    await h.end();
  });

  test('does not measure again a slot that the run before it kept', async () => {
    const h = house([steady], 27);
    await h.clock.advance(5 * s);
    expect(h.ticks).toEqual([slot + 5 * s]);
    await h.end();
  });

  test('one failing source costs its own readings only, and says so once', async () => {
    let broken = true;
    const failing: ReadingSource = {
      name: 'tado',
      *read(at): Iterable<Reading> {
        yield { series: 'home.presence.alex.from_tado', at, value: 0 };
        if (broken) throw new Error('half way');
      },
    };
    const h = house([failing, steady]);
    await h.clock.advance(4 * s);
    expect(h.stored.map(({ values }) => [...values.keys()])).toEqual([
      ['home.presence.count_home'],
      ['home.presence.count_home'],
    ]);
    broken = false;
    await h.clock.advance(5 * s);
    expect([...h.stored[2]!.values.keys()]).toEqual([
      'home.presence.alex.from_tado',
      'home.presence.count_home',
    ]);
    const about = h.lines.filter((line) => line.includes('tado')).map((line) => line.split('|')[4]);
    expect(about).toEqual(['tado error: its readings are missing: half way', 'tado is measured again']);
    await h.end();
  });

  test('bad names, values that are not finite and doubles are refused and counted', async () => {
    const wild: ReadingSource = {
      name: 'wild',
      read: (at) => [
        { series: 'home.a 1 1\nhome.b', at, value: 1 },
        { series: 'home.nan', at, value: Number.NaN },
        { series: 'home.presence.count_home', at, value: 9 },
      ],
    };
    const h = house([steady, wild]);
    await h.clock.advance(0);
    expect(h.stored).toEqual([{ at: slot, values: new Map([['home.presence.count_home', 3]]) }]);
    expect(h.tick.stats().refused).toBe(3);
    expect(h.lines.filter((line) => line.includes('|wild') || line.includes('wild error'))).toHaveLength(3);
    await h.end();
  });

  test('a wall clock set forward an hour brings no flood and no gap in real time', async () => {
    const h = house([steady]);
    await h.clock.advance(5 * s);
    h.clock.jump(3600 * s);
    await h.clock.advance(20 * s);
    expect(h.ticks.slice(2).map((at) => at - slot - 3600 * s)).toEqual([10 * s, 15 * s, 20 * s, 25 * s]);
    expect(h.jumps).toEqual([3600 * s]);
    expect(h.tick.stats().missed).toBe(0);
    await h.end();
  });

  test('a wall clock set back an hour brings no stall', async () => {
    const h = house([steady]);
    await h.clock.advance(5 * s);
    h.clock.jump(-3600 * s);
    await h.clock.advance(20 * s);
    expect(h.ticks.length).toBeGreaterThanOrEqual(5);
    expect(h.ticks.at(-1)! - slot + 3600 * s).toBe(25 * s);
    expect(h.jumps).toEqual([-3600 * s]);
    await h.end();
  });
});

describe('the beat', () => {
  test('slots that passed while the process was held up are skipped, not bunched', () => {
    expect(beat(slot + 17 * s, slot, 5 * s)).toEqual({ at: slot + 15 * s, skipped: 2 });
    expect(beat(slot + 17 * s, slot + 15 * s, 5 * s)).toEqual({ waitMs: 3 * s });
  });

  test('a timer that fires a moment early waits for the rest and does not repeat the slot', () => {
    expect(beat(slot + 4_999, slot, 5 * s)).toEqual({ waitMs: 1 });
  });

  test('a step back across a boundary by less than an interval is waited out', () => {
    expect(beat(slot - 50, slot, 5 * s)).toEqual({ waitMs: 5 * s + 50 });
  });

  test('only a difference between the two clocks counts as a jump', () => {
    expect(jump({ wall: 0, monotonic: 0 }, { wall: 9 * s, monotonic: 9 * s }, s)).toBe(0);
    expect(jump({ wall: 0, monotonic: 0 }, { wall: 14 * s, monotonic: 5 * s }, s)).toBe(9 * s);
  });
});

test('lateness is kept as buckets, a maximum and percentiles', () => {
  const jitter = Array.from({ length: 100 }, (_, i) => i + 1).reduce(late, noJitter);
  expect(jitter).toMatchObject({ count: 100, maxMs: 100, lastMs: 100, sumMs: 5050 });
  expect(jitter.buckets).toEqual([1, 2, 5, 10, 20, 50, 100, 100, 100, 100, 100]);
  expect([latenessAt(jitter, 0.5), latenessAt(jitter, 0.99), latenessAt(noJitter, 0.5)]).toEqual([50, 99, 0]);
});
