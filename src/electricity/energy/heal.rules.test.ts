import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { EnergySlot } from '../model.ts';
import { heal, type Gap } from './heal.rules.ts';
import { slotMs, type Provenance, type Slot } from './model.ts';
import { eachSlot, overlay } from './slots.rules.ts';

const start = Date.parse('2026-03-02T00:00:00Z');
const hour = 3_600_000;
const day = 24 * hour;

/** Our slots: `wh(hour)` measured evenly in each hour, except in the gap, where its sum lies evenly. */
function book(gap: Gap, hours: number, wh: (hour: number) => number): Slot[] {
  const slots = Array.from({ length: hours * 4 }, (_, i) => {
    const at = start + i * slotMs;
    const inside = Math.max(0, Math.min(at + slotMs, gap.to) - Math.max(at, gap.from));
    const how: Provenance = inside === 0 ? 'counter' : gap.sum === 'unknown' ? 'missing' : 'spread';
    return {
      at,
      wh: (wh(Math.floor(i / 4)) / 4) * (1 - inside / slotMs),
      exportWh: 0,
      how,
      coveredMs: slotMs - inside,
    };
  });
  eachSlot(gap.from, gap.to, (at, part) => {
    const slot = slots[(at - start) / slotMs]!;
    slots[(at - start) / slotMs] = { ...slot, wh: slot.wh + gap.wh * part };
  });
  return slots.filter((slot) => slot.wh > 0 || slot.coveredMs > 0);
}

const hourly = (from: number, to: number, wh: (hour: number) => number): EnergySlot[] =>
  Array.from({ length: to - from }, (_, i) => ({
    from: start + (from + i) * hour,
    to: start + (from + i + 1) * hour,
    wh: wh(from + i),
  }));

const sum = (slots: readonly { readonly wh: number }[]) => slots.reduce((all, slot) => all + slot.wh, 0);
const byHour = (slots: readonly Slot[], n: number) =>
  sum(slots.filter((slot) => Math.floor((slot.at - start) / hour) === n));

const used = (n: number) => (n % 3) * 100 + 50;
const total = (from: number, to: number) => sum(hourly(from, to, used));
const gap: Gap = {
  from: start + 6 * hour,
  to: start + 12 * hour,
  wh: total(6, 12),
  exportWh: 0,
  sum: 'known',
};
const after = (healing: ReturnType<typeof heal>, own: readonly Slot[]) =>
  overlay(own, healing.changes, start, start + day);

test('hours of memory give each hour its own, and measured slots stay', () => {
  const own = book(gap, 24, used);
  const healing = heal(gap, own, hourly(4, 14, used));
  const slots = after(healing, own);
  expect([6, 7, 8, 9, 10, 11].map((n) => Math.round(byHour(slots, n)))).toEqual(
    [6, 7, 8, 9, 10, 11].map(used),
  );
  expect(slots.filter((slot) => slot.at < gap.from || slot.at >= gap.to)).toEqual(
    own.filter((slot) => slot.at < gap.from || slot.at >= gap.to),
  );
  expect([healing.wh, healing.left, healing.note]).toEqual([0, [], undefined]);
  expect(new Set(slots.map((slot) => slot.how))).toEqual(new Set(['counter', 'remembered']));
});

test('a day of memory gives what is left of it; the hours that are known finer win', () => {
  const own = book(gap, 24, used);
  const memory = [{ from: start, to: start + day, wh: total(0, 24) }, ...hourly(7, 9, used)];
  const slots = after(heal(gap, own, memory), own);
  expect([7, 8].map((n) => Math.round(byHour(slots, n)))).toEqual([7, 8].map(used));
  expect(byHour(slots, 10)).toBeCloseTo((total(6, 12) - total(7, 9)) / 4, 6);
});

test('memory of a part leaves the rest of the sum spread over the rest of the gap, which stays open', () => {
  const own = book(gap, 24, used);
  const healing = heal(gap, own, hourly(6, 9, used));
  const slots = after(healing, own);
  expect(byHour(slots, 7)).toBeCloseTo(used(7), 6);
  expect(byHour(slots, 11)).toBeCloseTo(total(9, 12) / 3, 6);
  expect(healing.left).toEqual([
    {
      from: start + 9 * hour,
      to: gap.to,
      wh: expect.closeTo(total(9, 12), 6) as number,
      exportWh: 0,
      sum: 'known',
    },
  ]);
  expect(slots.at(-49)!.how).toBe('spread');
});

test('rounding is scaled to the counter; gross disagreement is ignored and said', () => {
  const own = book(gap, 24, used);
  const rounded = heal(
    gap,
    own,
    hourly(6, 12, (n) => used(n) + 4),
  );
  expect(sum(after(rounded, own))).toBeCloseTo(sum(own), 6);
  const wrong = heal(
    gap,
    own,
    hourly(6, 12, (n) => used(n) * 10),
  );
  expect(wrong).toMatchObject({
    left: [gap],
    wh: 0,
    note: expect.stringContaining('its counter says') as string,
  });
  expect(wrong.changes.size).toBe(0);
});

test('memory of a device whose clock is some hours off is ignored', () => {
  const own = book(gap, 24, used);
  const shifted = heal(
    gap,
    own,
    hourly(2, 16, (n) => used(n - 2)),
  );
  expect(shifted.note).toContain('clock may be off');
});

test('where the counter began anew in the gap, or there is none, the virtual counter gets what was lost', () => {
  const least: Gap = { ...gap, wh: 100, sum: 'least' };
  const own = book(least, 24, used);
  const healing = heal(least, own, hourly(6, 12, used));
  expect(healing.wh).toBeCloseTo(total(6, 12) - 100, 6);
  expect(byHour(after(healing, own), 8)).toBeCloseTo(used(8), 6);
  const unknown: Gap = { ...gap, wh: 0, sum: 'unknown' };
  const blank = book(unknown, 24, used);
  const filled = heal(unknown, blank, hourly(6, 9, used));
  expect(filled.wh).toBeCloseTo(total(6, 9), 6);
  expect(filled.left).toEqual([{ ...unknown, from: start + 9 * hour }]);
  expect(after(filled, blank).some((slot) => slot.at >= start + 9 * hour && slot.at < gap.to)).toBe(false);
});

test('whatever is remembered, nothing gets negative, what was measured stays, and the books balance', () => {
  const minutes = (least: number, most: number) => fc.integer({ min: least, max: most });
  const story = fc.record({
    from: minutes(1, 600),
    length: minutes(1, 700),
    wh: fc.integer({ min: 0, max: 5000 }),
    kind: fc.constantFrom('known', 'least', 'unknown'),
    memory: fc.array(
      fc.record({ from: minutes(0, 1300), length: minutes(1, 1440), wh: fc.integer({ min: 0, max: 3000 }) }),
      { maxLength: 12 },
    ),
  });
  fc.assert(
    fc.property(story, ({ from, length, wh, kind, memory }) => {
      const one: Gap = {
        from: start + from * 60_000,
        to: start + (from + length) * 60_000,
        wh: kind === 'unknown' ? 0 : wh,
        exportWh: 0,
        sum: kind as Gap['sum'],
      };
      const own = book(one, 24, used);
      const told = memory.map((slot) => ({
        from: start + slot.from * 60_000,
        to: start + (slot.from + slot.length) * 60_000,
        wh: slot.wh,
      }));
      const healing = heal(one, own, told);
      const slots = after(healing, own);
      expect(sum(slots)).toBeCloseTo(sum(own) + healing.wh, 4);
      expect(healing.wh).toBeGreaterThanOrEqual(-1e-6);
      expect(kind === 'known' ? healing.wh : 0).toBe(0);
      const inside = (slot: Slot) => slot.at < one.to && slot.at + slotMs > one.from;
      expect(slots.filter((slot) => !inside(slot))).toEqual(own.filter((slot) => !inside(slot)));
      for (const slot of slots) expect(slot.coveredMs).toBeLessThanOrEqual(slotMs);
      expect(sum(healing.left)).toBeLessThanOrEqual(one.wh + healing.wh + 1e-6);
    }),
    { numRuns: 400 },
  );
});
