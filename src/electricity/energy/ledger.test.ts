import { spawn } from 'node:child_process';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { silent } from '#platform/log.ts';
import type { Store } from '#store/index.ts';
import { stop, until } from '../../../tests/servers/process.ts';
import { kinds, Stores, type Place } from '../../../tests/servers/stores.ts';
import { Ledger } from './ledger.ts';
import { houseId, slotMs } from './model.ts';
import { electricityMigrations } from './repository.ts';

const start = Date.parse('2026-03-02T08:00:00Z');
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const stores = new Stores(start);
afterEach(() => stores.clear());
afterAll(() => stores.end());

const opened = (place: Place) => stores.open(place, { migrations: electricityMigrations });

/** A ledger in a house whose clock and zone the test sets. */
async function ledgerOf(store: Store, at = start, zone = 'Europe/London') {
  const house = { now: at, zone };
  const ledger = new Ledger({ store, log: silent, now: () => house.now, timeZone: () => house.zone });
  await ledger.load();
  /** Says every `everyMs` what the counter shows, up to and with `to`. */
  const run = (id: string, to: number, counter: (at: number) => number, everyMs = 5 * minute) => {
    for (; house.now <= to; house.now += everyMs)
      ledger.observe({ id }, house.now, { energy_wh: counter(house.now) });
    house.now -= everyMs;
  };
  return { ledger, house, run };
}

const sum = (slots: readonly { readonly wh: number }[]) => slots.reduce((all, slot) => all + slot.wh, 0);
/** 1 kW, as a counter in whole Wh. */
const kilowatt = (at: number) => Math.floor((at - start) / 3600);

describe.each(kinds)('on %s', (kind) => {
  test('what was counted is the same before and after it is written, and after a restart', async () => {
    const place = await stores.place(kind);
    const { store } = await opened(place);
    const { ledger, run, house } = await ledgerOf(store);
    run('kasa:1', start + 2 * hour, kilowatt);
    const before = await ledger.slots('kasa:1', start, start + day);
    expect(before).toHaveLength(8);
    expect(await ledger.firstAt('kasa:1')).toBe(start);
    expect(await ledger.firstAt('kasa:none')).toBeUndefined();
    expect(before[3]).toEqual({
      at: start + 3 * slotMs,
      wh: 250,
      exportWh: 0,
      how: 'counter',
      coveredMs: slotMs,
    });
    await ledger.flush();
    expect(await ledger.slots('kasa:1', start, start + day)).toEqual(before);
    run('kasa:1', start + 3 * hour, kilowatt);
    await ledger.flush();
    await store.close();

    const again = await ledgerOf((await opened(place)).store, house.now + minute);
    expect(await again.ledger.firstAt('kasa:1')).toBe(start);
    expect(sum(await again.ledger.slots('kasa:1', start, start + day))).toBeCloseTo(3000, 6);
    expect(again.ledger.totals('kasa:1', again.house.now)).toMatchObject({
      todayWh: expect.closeTo(3000, 6) as number,
      yearWh: expect.closeTo(3000, 6) as number,
      totalWh: expect.closeTo(3000, 6) as number,
    });
    run('kasa:1', house.now, kilowatt);
    expect(await again.ledger.devices()).toEqual(['kasa:1']);
  });

  test('what came after the last flush before a crash is recovered from the counter, once', async () => {
    const place = await stores.place(kind);
    const { store } = await opened(place);
    const first = await ledgerOf(store);
    first.run('kasa:1', start + hour, kilowatt);
    await first.ledger.flush();
    first.run('kasa:1', start + hour + 10 * minute, kilowatt);
    // No flush: the process dies here.
    const second = await ledgerOf(store, start + hour + 15 * minute);
    second.run('kasa:1', start + 2 * hour, kilowatt);
    await second.ledger.flush();
    expect(sum(await second.ledger.slots('kasa:1', start, start + day))).toBeCloseTo(2000, 6);
    expect(second.ledger.totals('kasa:1', second.house.now)!.totalWh).toBeCloseTo(2000, 6);
  });

  test.each([
    ['Europe/London', '2026-03-29', 23],
    ['Europe/London', '2026-10-25', 25],
    ['America/New_York', '2026-03-08', 23],
    ['America/New_York', '2026-11-01', 25],
    ['Asia/Kathmandu', '2026-03-29', 24],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
  ])(
    'in %s the days around %s are right, and their sum is the difference of the counter',
    async (zone, date, hours) => {
      const { store } = await opened(await stores.place(kind));
      const from = Date.parse(`${date}T00:00:00Z`) - 2 * day;
      const { ledger, house } = await ledgerOf(store, from, zone);
      const counter = (at: number) => Math.floor((at - from) / 3600 / 10) * 10;
      for (; house.now <= from + 4 * day - 2 * hour; house.now += 10 * minute) {
        ledger.observe({ id: 'a' }, house.now, { energy_wh: counter(house.now), power_watts: 1000 });
        if (house.now % (6 * hour) === 0) await ledger.flush();
      }
      house.now -= 10 * minute;
      const days = await ledger.days('a', from, house.now);
      const one = days.find(
        (each) => new Date((each.from + each.to) / 2).toLocaleDateString('sv', { timeZone: zone }) === date,
      )!;
      expect((one.to - one.from) / hour).toBe(hours);
      expect(Math.abs(one.wh - hours * 1000)).toBeLessThanOrEqual(10);
      expect(Math.abs(sum(days) - counter(house.now))).toBeLessThan(1e-6);
      expect(ledger.totals('a', house.now)!.todayWh).toBeCloseTo(days.at(-1)!.wh, 6);
      // The same from the database alone.
      const again = await ledgerOf(store, house.now, zone);
      await ledger.flush();
      expect(
        (await again.ledger.days('a', from, house.now)).map((each) => Math.round(each.wh * 1e6)),
      ).toEqual(days.map((each) => Math.round(each.wh * 1e6)));
    },
  );

  test('a gap is healed from the memory of the device: the hours are right, the sum stays', async () => {
    const place = await stores.place(kind);
    const { store } = await opened(place);
    const { ledger, house, run } = await ledgerOf(store);
    ledger.houseOf(['a']);
    run('a', start + 2 * hour, kilowatt);
    await ledger.flush();
    const back = start + 8 * hour + 10 * minute;
    // Away from 10:00; one kettle of an hour at 12:00.
    house.now = back;
    const then = (at: number) => 2000 + 600 + Math.floor(Math.max(0, at - back) / 3600);
    run('a', start + 10 * hour, then);
    await ledger.flush();
    expect(ledger.gaps('a')).toEqual([{ from: start, to: start + 10 * hour }]);
    const spread = await ledger.slots('a', start + 2 * hour, back);
    expect(new Set(spread.slice(0, -1).map((slot) => slot.how))).toEqual(new Set(['spread']));

    const hours = Array.from({ length: 10 }, (_, i) => ({
      from: start + i * hour,
      to: start + (i + 1) * hour,
      wh: i < 2 ? 1000 : i === 4 ? 600 : i === 8 ? 833 : i === 9 ? 1000 : 0,
    }));
    await ledger.remember('a', hours);
    const healed = await ledger.slots('a', start, back);
    expect(ledger.gaps('a')).toEqual([]);
    const at = (n: number) => sum(healed.filter((slot) => Math.floor((slot.at - start) / hour) === n));
    expect(at(4)).toBeGreaterThan(595);
    expect([at(2), at(3), at(5), at(6), at(7)]).toEqual([0, 0, 0, 0, 0]);
    expect(healed[9]).toMatchObject({ how: 'remembered', coveredMs: slotMs });
    expect(healed[7]).toMatchObject({ how: 'counter', wh: 250 });
    expect(ledger.totals('a', house.now)).toMatchObject({
      totalWh: then(house.now),
      todayWh: expect.closeTo(then(house.now), 6) as number,
    });
    await ledger.flush();
    const stored = await (await ledgerOf(store, house.now)).ledger.slots('a', start, back);
    expect(stored.map(({ at: from, how }) => [from, how])).toEqual(
      healed.map(({ at: from, how }) => [from, how]),
    );
    expect(sum(stored)).toBeCloseTo(sum(healed), 6);
    const whole = await ledger.slots(houseId, start, back);
    expect(whole.map((slot) => slot.how)).toEqual(healed.map((slot) => slot.how));
  });
});

test('memory that comes before the reading that closes its gap waits for it', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house, run } = await ledgerOf(store);
  run('a', start + hour, kilowatt);
  house.now = start + 4 * hour;
  await ledger.remember('a', [
    { from: start + hour, to: start + 2 * hour, wh: 0 },
    { from: start + 2 * hour, to: start + 3 * hour, wh: 400 },
    { from: start + 3 * hour, to: start + 4 * hour, wh: 0 },
  ]);
  await ledger.flush();
  expect(ledger.totals('a', house.now)!.totalWh).toBeCloseTo(1000, 6);
  ledger.observe({ id: 'a' }, house.now, { energy_wh: 1400 });
  await ledger.flush();
  expect(sum(await ledger.slots('a', start + 2 * hour, start + 3 * hour))).toBeCloseTo(400, 6);
  expect(ledger.gaps('a')).toEqual([]);
});

test('a gap that nobody fills is asked for during a day, and filled by what comes later all the same', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house, run } = await ledgerOf(store);
  run('a', start + hour, kilowatt);
  house.now += 4 * hour;
  run('a', house.now + hour, kilowatt);
  expect(ledger.gaps('a')).toHaveLength(1);
  house.now += day;
  expect(ledger.gaps('a')).toEqual([]);
  await ledger.remember('a', [
    { from: start + hour, to: start + 2 * hour, wh: 4000 },
    { from: start + 2 * hour, to: start + 5 * hour, wh: 0 },
  ]);
  expect(sum(await ledger.slots('a', start + hour, start + 2 * hour))).toBeCloseTo(4000, 6);
});

test('a device that only remembers is known by its memory, and nothing of it counts twice', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house } = await ledgerOf(store, start + 4 * hour);
  const halves = Array.from({ length: 8 }, (_, i) => ({
    from: start + i * 30 * minute,
    to: start + (i + 1) * 30 * minute,
    wh: 100 + i,
  }));
  await ledger.remember('cloud', halves.slice(0, 5));
  await ledger.remember('cloud', halves);
  await ledger.remember('cloud', halves);
  await ledger.flush();
  expect(ledger.totals('cloud', house.now)!.totalWh).toBeCloseTo(sum(halves), 6);
  const slots = await ledger.slots('cloud', start, house.now);
  expect(slots[15]).toEqual({
    at: start + 15 * slotMs,
    wh: 53.5,
    exportWh: 0,
    how: 'remembered',
    coveredMs: slotMs,
  });
});

test('the house is the sum of its members as they were at each time, without gas', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house } = await ledgerOf(store);
  const say = () => {
    const energy_wh = kilowatt(house.now);
    ledger.observe({ id: 'a' }, house.now, { energy_wh });
    ledger.observe({ id: 'b' }, house.now, { energy_wh });
    ledger.observe({ id: 'meter' }, house.now, { energy_wh: 3 * energy_wh, export_wh: energy_wh });
    ledger.observe({ id: 'gas', medium: 'gas' }, house.now, { energy_wh });
    house.now += 5 * minute;
  };
  ledger.houseOf(['a', 'b', 'gas']);
  for (let i = 0; i <= 12; i += 1) say();
  ledger.houseOf(['meter']);
  for (let i = 0; i < 12; i += 1) say();
  await ledger.flush();
  expect(sum(await ledger.slots(houseId, start, start + hour))).toBeCloseTo(2000, 6);
  expect(sum(await ledger.slots(houseId, start + hour, start + day))).toBeCloseTo(3000, 6);
  expect(ledger.totals(houseId, house.now)).toMatchObject({
    totalWh: expect.closeTo(5000, 6) as number,
    todayWh: expect.closeTo(5000, 6) as number,
    totalExportWh: expect.closeTo(1000, 6) as number,
  });
  const again = await ledgerOf(store, house.now);
  expect(again.ledger.totals(houseId, house.now)).toEqual(ledger.totals(houseId, house.now));
});

test('today begins at local midnight, and never with a negative amount when counters of the day begin anew there', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const midnight = Date.parse('2026-06-10T23:00:00Z');
  const { ledger, house } = await ledgerOf(store, midnight - 2 * hour);
  const today = (at: number) =>
    Math.floor((at < midnight ? at - midnight + 23 * hour : at - midnight) / 3600);
  for (; house.now < midnight + 2 * hour; house.now += 30_000)
    ledger.observe({ id: 'tapo' }, house.now, { energy_wh: today(house.now), power_watts: 1000 });
  const totals = ledger.totals('tapo', house.now)!;
  expect(Math.abs(totals.todayWh - 1992)).toBeLessThan(10);
  expect(Math.abs(totals.totalWh - 3992)).toBeLessThan(10);
  house.now = midnight + day + minute;
  expect(ledger.totals('tapo', house.now)).toMatchObject({ todayWh: 0, totalWh: totals.totalWh });
});

test('after the clock of the house ran ahead and was set right, the day is right again', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house, run } = await ledgerOf(store);
  run('a', start + hour, kilowatt);
  house.now += 40 * day;
  ledger.observe({ id: 'a' }, house.now, { energy_wh: 1010 });
  await ledger.flush();
  house.now = start + hour + minute;
  for (let i = 0; i < 10; i += 1) {
    ledger.observe({ id: 'a' }, house.now, { energy_wh: 1010 + i });
    house.now += minute;
  }
  await ledger.flush();
  const totals = ledger.totals('a', house.now)!;
  expect(totals.totalWh).toBeCloseTo(1019, 6);
  expect(totals.todayWh).toBeGreaterThan(1008);
  expect(totals.todayWh).toBeLessThanOrEqual(1019.000001);
});

test('a device whose clock was set back goes on counting', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house } = await ledgerOf(store);
  for (let i = 0; i < 120; i += 1) {
    const at = i < 10 ? house.now : i * 1000;
    ledger.observe({ id: 'a' }, at, { power_watts: 600 });
    house.now += 30_000;
  }
  // An hour, less the minutes after which its clock is no longer believed.
  expect(ledger.totals('a', house.now)!.totalWh).toBeGreaterThan(520);
  expect(ledger.totals('a', house.now)!.totalWh).toBeLessThanOrEqual(600);
});

test('while the database is locked everything goes on in memory, and is written once when it can be', async () => {
  const place = await stores.place('sqlite');
  const { store } = await opened(place);
  const { ledger, house, run } = await ledgerOf(store);
  run('a', start + hour, kilowatt);
  const other = new DatabaseSync(path.join(place.dataDir, 'lares.db'));
  other.exec('begin immediate');
  await ledger.flush();
  run('a', start + 2 * hour, kilowatt);
  expect(ledger.totals('a', house.now)!.todayWh).toBeCloseTo(2000, 6);
  expect(sum(await ledger.slots('a', start, start + day))).toBeCloseTo(2000, 6);
  other.exec('rollback');
  other.close();
  await ledger.flush();
  await ledger.flush();
  const again = await ledgerOf(store, house.now);
  expect(sum(await again.ledger.slots('a', start, start + day))).toBeCloseTo(2000, 6);
});

test('a write whose answer was lost is not made twice', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const transaction = store.db.transaction.bind(store.db);
  let lost = 0;
  const losing = {
    db: {
      withTables: () =>
        new Proxy(store.db, {
          get: (db, name) => {
            if (name !== 'transaction')
              return (Reflect.get(db, name) as (...args: unknown[]) => unknown).bind(db);
            return () => ({
              execute: async (work: never) => {
                const result: unknown = await transaction().execute(work);
                lost += 1;
                if (lost === 1) throw new Error('the connection broke after the commit');
                return result;
              },
            });
          },
        }),
    },
  } as unknown as Store;
  const second = await ledgerOf(losing);
  for (; second.house.now <= start + hour; second.house.now += 5 * minute)
    second.ledger.observe({ id: 'b' }, second.house.now, { energy_wh: kilowatt(second.house.now) });
  await second.ledger.flush();
  second.ledger.observe({ id: 'b' }, second.house.now, { energy_wh: kilowatt(second.house.now) });
  await second.ledger.flush();
  expect(lost).toBe(3);
  const again = await ledgerOf(store, second.house.now + hour);
  expect(sum(await again.ledger.slots('b', start, start + day))).toBeCloseTo(kilowatt(second.house.now), 6);
});

test('a process that is killed at any moment leaves counters and slots that agree', async () => {
  const place = await stores.place('sqlite');
  await (await opened(place)).store.close();
  const script = `
    import { writeSync } from 'node:fs';
    import { openStore } from ${JSON.stringify(path.resolve('src/store/index.ts'))};
    import { systemClock } from ${JSON.stringify(path.resolve('src/platform/clock.ts'))};
    import { silent } from ${JSON.stringify(path.resolve('src/platform/log.ts'))};
    import { Ledger } from ${JSON.stringify(path.resolve('src/electricity/energy/ledger.ts'))};
    import { electricityMigrations } from ${JSON.stringify(path.resolve('src/electricity/energy/repository.ts'))};
    const store = await openStore({ ...${JSON.stringify(place)}, clock: systemClock, log: silent, bus: { emit() {} }, migrations: electricityMigrations });
    let now = await store.state.get('now') ?? ${start};
    const ledger = new Ledger({ store, log: silent, now: () => now, timeZone: () => 'UTC' });
    await ledger.load();
    for (;;) {
      for (let i = 0; i < 5; i += 1, now += 30_000)
        for (const id of ['a', 'b', 'c']) ledger.observe({ id }, now, { energy_wh: (now - ${start}) / 3600 });
      await store.state.set('now', now);
      await ledger.flush();
      writeSync(1, now + '\\n');
    }`;
  for (const lifeMs of [60, 15, 110]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('\n'));
    await new Promise((resolve) => setTimeout(resolve, lifeMs));
    await stop(child, 'SIGKILL');
  }
  const { store } = await opened(place);
  const now = (await store.state.get<number>('now'))!;
  const { ledger } = await ledgerOf(store, now);
  for (const id of ['a', 'b', 'c']) {
    ledger.observe({ id }, now, { energy_wh: (now - start) / 3600 });
    expect(sum(await ledger.slots(id, start, now + day))).toBeCloseTo((now - start) / 3600, 5);
    expect(ledger.totals(id, now)!.totalWh).toBeCloseTo((now - start) / 3600, 5);
  }
});

test('what is older than the retention goes, a day in an hour at most', async () => {
  const { store } = await opened(await stores.place('sqlite'));
  const { ledger, house, run } = await ledgerOf(store);
  run('a', start + 3 * day, kilowatt, 10 * minute);
  await ledger.flush();
  house.now = start + 12 * 366 * day;
  const left = async () => (await ledger.slots('a', start, start + 3 * day)).length;
  expect(await left()).toBe(288);
  await ledger.flush();
  expect(await left()).toBe(192);
  await ledger.flush();
  expect(await left()).toBe(192);
});
