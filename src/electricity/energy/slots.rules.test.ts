import fc from 'fast-check';
import { expect, test } from 'vitest';
import { slotMs } from './model.ts';
import type { Piece } from './profile.rules.ts';
import { add, overlay, sane, shrink, sums, type Changes } from './slots.rules.ts';

const start = Date.parse('2026-03-02T00:00:00Z');
const minute = 60_000;
const piece = (from: number, to: number, more: Partial<Piece> = {}): Piece => ({
  from: start + from * minute,
  to: start + to * minute,
  wh: to - from,
  exportWh: 0,
  how: 'counter',
  covers: true,
  ...more,
});
const slotsOf = (...pieces: readonly Piece[]) => {
  const changes: Changes = new Map();
  for (const one of pieces) add(changes, one);
  return overlay([], changes, start - slotMs, start + 1e9);
};

test('a piece is shared among its slots by time; what is late adds energy but no time; the worst way is kept', () => {
  expect(
    slotsOf(piece(10, 20), piece(20, 30, { how: 'integrated' }), piece(0, 15, { covers: false })),
  ).toEqual([
    { at: start, wh: 20, exportWh: 0, how: 'counter', coveredMs: 5 * minute },
    { at: start + slotMs, wh: 15, exportWh: 0, how: 'integrated', coveredMs: slotMs },
  ]);
});

test('slots in which nothing is known are absent, those known in part say so', () => {
  const missing = piece(10, 50, { wh: 0, how: 'missing' });
  expect(
    slotsOf(piece(0, 10), missing, piece(50, 60)).map((slot) => [slot.at, slot.how, slot.coveredMs]),
  ).toEqual([
    [start, 'missing', 10 * minute],
    [start + 3 * slotMs, 'missing', 10 * minute],
  ]);
});

test('an amount without duration lies in its slot', () => {
  expect(slotsOf(piece(20, 20, { wh: 7, covers: false }))).toMatchObject([{ at: start + slotMs, wh: 7 }]);
});

test('a running day is not missing what has not come yet', () => {
  const slots = slotsOf(piece(0, 60));
  const today = [{ from: start, to: start + 96 * slotMs }];
  expect(sums(slots, today, start + 61 * minute)).toMatchObject([{ wh: 60, how: 'counter' }]);
  expect(sums(slots, today)).toMatchObject([{ wh: 60, how: 'missing', coveredMs: 4 * slotMs }]);
});

test('whatever is merged or shrunk, the sum stays', () => {
  const any = fc.record({
    from: fc.integer({ min: 0, max: 3000 }),
    length: fc.integer({ min: 0, max: 500 }),
  });
  fc.assert(
    fc.property(fc.array(any), fc.integer({ min: 1, max: 50 }), (parts, most) => {
      const changes: Changes = new Map();
      for (const { from, length } of parts) add(changes, piece(from, from + length));
      const before = [...changes.values()].reduce((all, change) => all + change.wh, 0);
      expect(before).toBeCloseTo(
        parts.reduce((all, part) => all + part.length, 0),
        6,
      );
      shrink(changes, most);
      expect(changes.size).toBeLessThanOrEqual(most);
      expect([...changes.values()].reduce((all, change) => all + change.wh, 0)).toBeCloseTo(before, 6);
    }),
  );
});

test('memory that no device can mean is left out', () => {
  const good = { from: start, to: start + slotMs, wh: 10 };
  const bad = [
    { ...good, wh: NaN },
    { ...good, wh: -1 },
    { ...good, to: start },
    { ...good, to: Infinity },
    { ...good, from: -5 },
    { ...good, wh: 1e9 },
    { ...good, exportWh: -1 },
  ];
  expect(sane([good, ...bad], 25_000)).toEqual([good]);
});
