import { expect, test } from 'vitest';
import { houseId, slotMs, type Slot } from '../energy/model.ts';
import { tariffConfig } from './config.ts';
import { Spending } from './spending.ts';
import { buildTariff } from './tariff.rules.ts';

const dayMs = 86_400_000;
const day = (n: number) => Date.UTC(2026, 0, n);
const tariff = buildTariff(
  tariffConfig.parse({ currency: 'GBP', standing_charge: 0.6, import: { kind: 'fixed', price: 0.25 } }),
  { timeZone: 'UTC', imported: new Map(), shown: [] },
);

/** A house that was measured from the `recorded` days on, 1 kWh at each. */
function house(recorded: readonly number[]) {
  const slots = recorded.map((n): Slot => {
    return { at: day(n), wh: 1_000, exportWh: 0, how: 'counter', coveredMs: slotMs };
  });
  return new Spending({
    book: {
      slots: async (_id, from, to) => slots.filter((s) => s.at >= from && s.at < to),
      devices: async () => [houseId],
      firstAt: async () => slots[0]?.at,
    },
    tariff: () => tariff,
    carbon: () => [],
    timeZone: () => 'UTC',
    devices: () => ['kasa:1'],
  });
}

const told = async (recorded: readonly number[], from: number, to: number) =>
  (await house(recorded).days(undefined, { from: day(from), to: day(to) - 1 })).map((d) => [
    d.id,
    (d.from - day(1)) / dayMs + 1,
    d.wh,
    Number(d.standing.toFixed(2)),
  ]);

test('days before anything was recorded cost nothing; a day without records since then has its standing charge', async () => {
  expect(await told([3, 5], 1, 6)).toEqual([
    [houseId, 3, 1_000, 0.6],
    [houseId, 4, 0, 0.6],
    [houseId, 5, 1_000, 0.6],
    ['kasa:1', 3, 1_000, 0],
    ['kasa:1', 4, 0, 0],
    ['kasa:1', 5, 1_000, 0],
  ]);
  expect(await told([1, 5], 3, 5)).toContainEqual([houseId, 3, 0, 0.6]);
  expect(await told([], 1, 6)).toEqual([]);
});
