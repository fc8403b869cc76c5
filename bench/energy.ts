/**
 * The energy ledger at the size of a large house: `node bench/energy.ts [--devices 40] [--days 365]`.
 * The rival is the plain way to answer the same: every slot read as a row and added up in the program.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { period, periods } from '#electricity/energy/calendar.rules.ts';
import { Ledger } from '#electricity/energy/ledger.ts';
import { slotMs } from '#electricity/energy/model.ts';
import { electricityMigrations, EnergyRepository } from '#electricity/energy/repository.ts';
import { sums, type Changes } from '#electricity/energy/slots.rules.ts';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { openStore } from '#store/index.ts';

const { values: options } = parseArgs({
  options: { devices: { type: 'string', default: '40' }, days: { type: 'string', default: '365' } },
});
const zone = 'Europe/London';
const dayMs = 86_400_000;
const ids = Array.from({ length: Number(options.devices) }, (_, i) => `kasa:${i}`);
const start = Date.parse('2026-01-01T00:00:00Z');
const end = start + Number(options.days) * dayMs;
const folder = mkdtempSync(path.join(tmpdir(), 'lares-bench-'));
const bus = new Bus((error) => {
  throw error;
});
const store = await openStore({
  dataDir: folder,
  clock: new ManualClock(start),
  log: silent,
  bus,
  migrations: electricityMigrations,
});
const rows: string[][] = [];
const say = (what: string, figure: string, rival = '') => rows.push([what, figure, rival]);
const timed = async (work: () => Promise<unknown>): Promise<number> => {
  // The median of five; the first fills the caches.
  await work();
  const times: number[] = [];
  for (let i = 0; i < 5; i += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b)[2]!;
};

let now = start;
const ledger = new Ledger({ store, log: silent, now: () => now, timeZone: () => zone });
await ledger.load();
ledger.houseOf(ids);
const rounds = 10_000;
let began = performance.now();
for (let i = 0; i < rounds; i += 1, now += 30_000)
  for (const id of ids)
    ledger.observe({ id }, now, { energy_wh: Math.floor(i * 4.17), power_watts: 500 + (i % 7) });
say(
  'observations a second',
  Math.round((rounds * ids.length) / ((performance.now() - began) / 1000)).toLocaleString('en'),
);
began = performance.now();
for (let i = 0; i < rounds; i += 1) for (const id of ids) ledger.totals(id, now);
say(
  'totals a second',
  Math.round((rounds * ids.length) / ((performance.now() - began) / 1000)).toLocaleString('en'),
);
began = performance.now();
await ledger.flush();
say(
  `first flush (${Math.round((now - start) / dayMs)} days)`,
  `${(performance.now() - began).toFixed(0)} ms`,
);
const flushes: number[] = [];
for (let i = 0; i < 20; i += 1) {
  for (let poll = 0; poll < 2; poll += 1, now += 30_000)
    for (const id of ids) ledger.observe({ id }, now, { energy_wh: 50_000 + i, power_watts: 500 });
  began = performance.now();
  await ledger.flush();
  flushes.push(performance.now() - began);
}
say('flush of one minute', `${flushes.sort((a, b) => a - b)[10]!.toFixed(1)} ms`);

// The rest of the year straight into the tables.
const repository = new EnergyRepository(store);
let { revision } = await repository.load();
for (const id of ids) {
  const changes: Changes = new Map();
  for (let at = Math.ceil(now / slotMs) * slotMs; at < end; at += slotMs)
    changes.set(at, {
      wh: (at / slotMs) % 97,
      exportWh: 0,
      coveredMs: slotMs,
      how: 'counter',
      healed: false,
    });
  revision += 1;
  await repository.write({ revision, states: new Map([[id, {}]]), slots: new Map([[id, changes]]) });
}
const id = ids[3]!;
say(
  'slots of a year of one device',
  `${(await timed(() => repository.slots(id, start, end))).toFixed(0)} ms`,
);
const year = periods('today', start, end, zone);
const plain = await timed(async () => sums(await repository.slots(id, start, end), year));
const grouped = await timed(() => repository.sums(id, year));
say('sums per day, a year of one device', `${grouped.toFixed(1)} ms`, `${(plain / grouped).toFixed(1)}x`);
const { from, to } = period('month', end - dayMs, zone);
const month = periods('today', from, to, zone);
const all = (one: (device: string) => Promise<unknown>) => async () => {
  for (const device of ids) await one(device);
};
const monthPlain = await timed(all(async (device) => sums(await repository.slots(device, from, to), month)));
const monthGrouped = await timed(all((device) => repository.sums(device, month)));
say(
  `sums per day, a month of ${ids.length} devices`,
  `${monthGrouped.toFixed(0)} ms`,
  `${(monthPlain / monthGrouped).toFixed(1)}x`,
);
const yearGrouped = await timed(all((device) => repository.sums(device, year)));
say(`sums per day, a year of ${ids.length} devices`, `${yearGrouped.toFixed(0)} ms`);
now = end;
began = performance.now();
const again = new EnergyRepository(store);
await again.load();
for (const device of ids) await again.sums(device, year);
say('running totals after a restart', `${(performance.now() - began).toFixed(0)} ms`);
say('database', `${((await store.sizeBytes()) / 2 ** 20).toFixed(0)} MiB`);
await store.close();
rmSync(folder, { recursive: true, force: true });
console.log(table(['What', 'Ours', 'Rows added up by hand take'], rows));
