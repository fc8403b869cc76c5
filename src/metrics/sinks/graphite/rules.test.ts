import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { join, Ledger, nextPace, subtract, unexplained, type Range } from './rules.ts';

const minute = 60_000;
const tick = (at: number): Range => ({ from: at, to: at + 1 });

describe('ranges', () => {
  const ranges = fc.array(
    fc.record({ from: fc.integer({ min: 0, max: 500 }), length: fc.integer({ min: 0, max: 50 }) }),
  );
  const covers = (list: readonly Range[], at: number) => list.some(({ from, to }) => at >= from && at < to);

  test('joining without slack keeps exactly the same instants, in order and apart', () => {
    fc.assert(
      fc.property(ranges, (list) => {
        const given = list.map(({ from, length }) => ({ from, to: from + length }));
        const joined = join(given, 0);
        for (let at = 0; at < 560; at += 1) expect(covers(joined, at)).toBe(covers(given, at));
        for (const [i, range] of joined.slice(1).entries()) expect(range.from).toBeGreaterThan(joined[i]!.to);
      }),
    );
  });

  test('subtracting takes away exactly the cut', () => {
    fc.assert(
      fc.property(ranges, fc.nat(500), fc.nat(100), (list, from, length) => {
        const given = join(
          list.map((r) => ({ from: r.from, to: r.from + r.length })),
          0,
        );
        const cut = { from, to: from + length };
        const left = subtract(given, cut);
        for (let at = 0; at < 560; at += 1)
          expect(covers(left, at)).toBe(covers(given, at) && !covers([cut], at));
      }),
    );
  });

  test('however the line flaps, at most 100 ranges are remembered and none is forgotten', () => {
    const missed = Array.from({ length: 5000 }, (_, i) => tick(i * 5 * minute));
    const joined = join(missed);
    expect(joined.length).toBeLessThanOrEqual(100);
    for (const { from } of missed) expect(covers(joined, from)).toBe(true);
  });
});

describe('the ledger', () => {
  const now = 1_000 * minute;

  test('begins with the replay window when nothing is known', () => {
    expect(new Ledger(10 * minute, now).pending).toEqual([{ from: now - 10 * minute, to: now + 1 }]);
  });

  test('brings back what was delivered within the window when Carbon restarts, and not more', () => {
    const ledger = new Ledger(10 * minute, now);
    ledger.drop({ from: 0, to: now + 1 });
    ledger.delivered({ from: now - 90 * minute, to: now - 80 * minute }, 0);
    ledger.delivered({ from: now - 60 * minute, to: now - 50 * minute }, 9 * minute);
    ledger.delivered(tick(now), 9 * minute);
    expect(ledger.pending).toEqual([]);
    ledger.reopen(11 * minute);
    expect(ledger.pending).toEqual([{ from: now - 60 * minute, to: now - 50 * minute }, tick(now)]);
  });

  test('a crash at any moment leaves nothing undelivered out of the next run', () => {
    const action = fc.constantFrom('deliver', 'miss', 'wait', 'save', 'reopen');
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const ledger = new Ledger(10 * minute, now);
        ledger.drop({ from: 0, to: now + 1 });
        let saved = ledger.save(0);
        const undelivered = new Set<number>();
        let [at, savedAt] = [now, now];
        for (const act of actions) {
          at += 5_000;
          const monotonic = at - now;
          ledger.offered(at);
          undelivered.add(at);
          if (act === 'deliver') {
            ledger.delivered(tick(at), monotonic);
            undelivered.delete(at);
          }
          if (act === 'miss') ledger.missed(tick(at));
          if (act === 'reopen') ledger.reopen(monotonic);
          if (act === 'save') [saved, savedAt] = [ledger.save(monotonic), at];
        }
        const next = new Ledger(10 * minute, at + minute, JSON.parse(JSON.stringify(saved)));
        const covered = (t: number) => next.pending.some(({ from, to }) => t >= from && t < to);
        for (const t of undelivered) expect(covered(t)).toBe(true);
        for (let t = savedAt + 5_000; t <= at; t += 5_000) expect(covered(t)).toBe(true);
      }),
    );
  });

  test('a wall clock that was set back does not hide what came after the last save', () => {
    const saved = { pending: [], recent: [], through: now + 60 * minute };
    expect(new Ledger(10 * minute, now, saved).pending).toEqual([{ from: now - 10 * minute, to: now + 1 }]);
  });
});

test('a far Carbon is not taken for a slow one', () => {
  expect([unexplained(1_210, 600), unexplained(1_210, 5), unexplained(900, 600)]).toEqual([10, 1_200, 0]);
});

test('the pace halves on trouble, recovers in steps and stays within its limits', () => {
  const paces = [false, false, true, true].reduce(
    (list, good) => [...list, nextPace(list.at(-1)!, 5000, good)],
    [5000],
  );
  expect(paces).toEqual([5000, 2500, 1250, 1750, 2250]);
  expect(nextPace(60, 5000, false)).toBe(50);
  expect(nextPace(4900, 5000, true)).toBe(5000);
});
