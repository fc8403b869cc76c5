import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planReads } from './plan.rules.ts';
import type { Register } from './template.model.ts';
import { types, type ValueType } from './value.codec.ts';
import { loadTemplate } from './templates.ts';
import { wantedRegisters } from './answer.rules.ts';

const register = (at: number, type: ValueType = 'float32', fn: 3 | 4 = 4): Register => ({
  at,
  fn,
  type,
  order: 'ABCD',
  quantity: `q${fn}_${at}`,
  factor: 1,
  missing: [],
});
const shape = (blocks: ReturnType<typeof planReads>) => blocks.map((b) => [b.start, b.count]);

test('neighbours become one request, and a wide gap begins a new one', () => {
  const wanted = [0x48, 0x4a, 0, 6, 0x0c, 0x46].map((at) => register(at));
  expect(shape(planReads(wanted, { maxBlock: 60, maxGap: 12 }))).toEqual([
    [0, 14],
    [0x46, 6],
  ]);
  expect(shape(planReads(wanted, { maxBlock: 60, maxGap: 0 }))).toEqual([
    [0, 2],
    [6, 2],
    [0x0c, 2],
    [0x46, 6],
  ]);
  expect(shape(planReads(wanted, { maxBlock: 4, maxGap: 12 }))).toHaveLength(5);
});

test('input and holding registers never share a request', () => {
  expect(planReads([register(0), register(2, 'uint16', 3)], { maxBlock: 60, maxGap: 12 })).toHaveLength(2);
});

test('an SDM630 takes four requests with its single phases and three without', () => {
  const { registers, maxBlock, maxGap } = loadTemplate('sdm630');
  const plan = (split: ('l1' | 'l2')[]) =>
    planReads(wantedRegisters(registers, true, split), { maxBlock, maxGap });
  expect(shape(plan([]))).toEqual([
    [0, 18],
    [0x34, 24],
    [0xe0, 2],
  ]);
  expect(plan(['l1'])).toHaveLength(4);
});

test('whatever is wanted is read once, within the limits', () => {
  const wanted = fc.uniqueArray(
    fc.record({
      at: fc.integer({ min: 0, max: 400 }),
      type: fc.constantFrom(...(Object.keys(types) as ValueType[])),
      fn: fc.constantFrom<3 | 4>(3, 4),
    }),
    { selector: (r) => `${r.fn} ${r.at}`, maxLength: 60 },
  );
  fc.assert(
    fc.property(wanted, fc.integer({ min: 4, max: 125 }), fc.nat(40), (rows, maxBlock, maxGap) => {
      const registers = rows.map((r) => register(r.at, r.type, r.fn));
      const blocks = planReads(registers, { maxBlock, maxGap });
      const read = blocks.flatMap((b) => b.registers.map((r) => r.quantity));
      expect(read.toSorted()).toEqual(registers.map((r) => r.quantity).toSorted());
      for (const { fn, start, count, registers: inside } of blocks) {
        expect(count).toBeLessThanOrEqual(maxBlock);
        for (const r of inside) {
          expect(r.fn).toBe(fn);
          expect(r.at).toBeGreaterThanOrEqual(start);
          expect(r.at + types[r.type]).toBeLessThanOrEqual(start + count);
        }
      }
    }),
  );
});
