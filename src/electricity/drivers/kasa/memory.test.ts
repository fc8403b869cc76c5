import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import type { EnergySlot } from '../../model.ts';
import { config, protocol } from './driver.ts';
import {
  daySlots,
  energyDataSlots,
  finestOfHours,
  hourlyQuestions,
  localOf,
  monthsBetween,
} from './memory.rules.ts';
import { KasaSim, simLogin, type KasaSimOptions } from './sim.ts';
import { deviceClock, epochOfLocal, zoneOffsets } from './zones.rules.ts';

const hour = 3_600_000;
const day = 24 * hour;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const london = zoneOffsets('Europe/London')!;
const iso = (slots: readonly EnergySlot[]) =>
  slots.map((s) => `${new Date(s.from).toISOString().slice(0, 16)} ${(s.to - s.from) / hour} h ${s.wh}`);

describe('time zones', () => {
  const summer = Date.UTC(2026, 6, 1, 12);
  const winter = Date.UTC(2026, 0, 1, 12);
  test.each([
    [39, 1, 0],
    ['GB', 1, 0],
    ['EST', -5, -5],
    ['MST7MDT', -6, -7],
    [10, -6, -7],
    [18, -4, -5],
    ['US/Arizona', -7, -7],
    ['Europe/Berlin', 2, 1],
    ['Asia/Kolkata', 5.5, 5.5],
    [109, 14, 14],
  ])('%s is %s h ahead in summer and %s h in winter', (zone, inSummer, inWinter) => {
    const offsets = zoneOffsets(zone)!;
    expect([offsets(summer) / hour, offsets(winter) / hour]).toEqual([inSummer, inWinter]);
  });

  test('every index of the firmware is a zone that this computer knows', () => {
    for (let index = 0; index <= 109; index += 1)
      expect([index, typeof zoneOffsets(index)]).toEqual([index, 'function']);
  });

  test('what is no zone is undefined and never an error', () => {
    expect([110, -1, 1.5, 'Nowhere/City', '', '__proto__', 'constructor', null, {}].map(zoneOffsets)).toEqual(
      Array.from({ length: 9 }, () => undefined),
    );
  });

  test('local times are placed on the earliest instant that shows them, skipped ones on the change', () => {
    const at = (month: number, date: number, h: number, min = 0) =>
      epochOfLocal(Date.UTC(2026, month, date, h, min), london);
    expect(at(5, 1, 12)).toBe(Date.UTC(2026, 5, 1, 11));
    expect([at(2, 29, 0, 59), at(2, 29, 1), at(2, 29, 1, 30), at(2, 29, 2)]).toEqual([
      Date.UTC(2026, 2, 29, 0, 59),
      Date.UTC(2026, 2, 29, 1),
      Date.UTC(2026, 2, 29, 1),
      Date.UTC(2026, 2, 29, 1),
    ]);
    expect([at(9, 25, 0, 59), at(9, 25, 1), at(9, 25, 2)]).toEqual([
      Date.UTC(2026, 9, 24, 23, 59),
      Date.UTC(2026, 9, 25, 0),
      Date.UTC(2026, 9, 25, 2),
    ]);
  });

  test('placing a local time that an instant shows gives that instant or an earlier one that shows it too', () => {
    const zones = [
      'Europe/London',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'Pacific/Apia',
    ];
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 0, max: 40 * 365 * 96 }), (zone, quarter) => {
        const offsets = zoneOffsets(zone)!;
        const at = Date.UTC(1990, 0, 1) + quarter * 900_000;
        const back = epochOfLocal(at + offsets(at), offsets);
        expect(back).toBeLessThanOrEqual(at);
        expect(back + offsets(back)).toBe(at + offsets(at));
      }),
    );
  });

  test('without a known zone the clock of the device gives the offset, and the rest is its error', () => {
    const now = Date.UTC(2026, 6, 1, 12);
    const unknown = deviceClock(now + 2 * hour + 40_000, undefined, now);
    expect([unknown.offsetAt(now), unknown.skewMs]).toEqual([2 * hour, 40_000]);
    const known = deviceClock(now + hour + 3_000, london, now);
    expect(known.skewMs).toBe(0);
    expect(localOf(now, known)).toBe(now + hour);
  });
});

describe('statistics', () => {
  const clock = { offsetAt: london, skewMs: 0 };

  test('a day is as long as the calendar makes it', () => {
    const reply = { day_list: [29, 30].map((d) => ({ year: 2026, month: 3, day: d, energy_wh: 1 })) };
    expect(iso(daySlots(reply, { year: 2026, month: 3 }, clock))).toEqual([
      '2026-03-29T00:00 23 h 1',
      '2026-03-29T23:00 24 h 1',
    ]);
    const autumn = { day_list: [{ year: 2026, month: 10, day: 25, energy: 0.5 }] };
    expect(iso(daySlots(autumn, { year: 2026, month: 10 }, clock))).toEqual(['2026-10-24T23:00 25 h 500']);
  });

  test('entries of another month, of no day, or without a plausible amount are left out', () => {
    const list = [
      { day: 0 },
      { day: 32, energy_wh: 1 },
      { day: 1, month: 2, energy_wh: 1 },
      { day: 1, energy_wh: -1 },
      { day: 1.5, energy_wh: 1 },
      7,
      null,
    ];
    expect(daySlots({ day_list: list }, { year: 2026, month: 3 }, clock)).toEqual([]);
  });

  test('months over the turn of a year, at most fourteen', () => {
    expect(monthsBetween(Date.UTC(2026, 10, 30), Date.UTC(2027, 0, 1, 0, 1), clock)).toEqual([
      { year: 2026, month: 11 },
      { year: 2026, month: 12 },
      { year: 2027, month: 1 },
    ]);
    expect(monthsBetween(0, Date.UTC(2026, 0, 1, 1), clock)).toHaveLength(14);
  });

  test('hours are asked for in whole days, eight at a time', () => {
    const questions = hourlyQuestions(Date.UTC(2026, 0, 1, 5), Date.UTC(2026, 0, 10, 5), clock);
    const seconds = (month: number, d: number) => Date.UTC(2026, month, d) / 1000;
    expect(questions).toEqual([
      { start_timestamp: seconds(0, 1), end_timestamp: seconds(0, 9) - 1, interval: 60 },
      { start_timestamp: seconds(0, 9), end_timestamp: seconds(0, 11) - 1, interval: 60 },
    ]);
  });

  test('an hour that is skipped has no slot, one that comes twice has one of two hours', () => {
    const ask = (month: number, date: number) => {
      const at = Date.UTC(2026, month, date) / 1000;
      const question = { start_timestamp: at, end_timestamp: at + 4 * 3_600 - 1, interval: 60 as const };
      return iso(energyDataSlots({ data: [1, 2, 3, 4], start_timestamp: at, interval: 60 }, question, clock));
    };
    expect(ask(2, 29)).toEqual([
      '2026-03-29T00:00 1 h 1',
      '2026-03-29T01:00 1 h 3',
      '2026-03-29T02:00 1 h 4',
    ]);
    expect(ask(9, 25)).toEqual([
      '2026-10-24T23:00 1 h 1',
      '2026-10-25T00:00 2 h 2',
      '2026-10-25T02:00 1 h 3',
      '2026-10-25T03:00 1 h 4',
    ]);
  });

  test('a day that has energy while all its hours say zero is told by the day', () => {
    const hours = [0, 1, 24, 25].map((h) => ({ from: h * hour, to: (h + 1) * hour, wh: h < 24 ? 0 : h }));
    const days = [0, 1].map((d) => ({ from: d * day, to: (d + 1) * day, wh: 100 }));
    expect(finestOfHours(hours, days, { from: 0, to: 2 * day, now: 3 * day })).toEqual([
      days[0],
      hours[2],
      hours[3],
    ]);
  });

  test('slots never overlap, never reach into the future, and lie in the order of time', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 400 });
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 0, max: 365 }),
        fc.integer({ min: -2_000_000, max: 2_000_000 }),
        (data, date, skewMs) => {
          const at = Date.UTC(2026, 0, 1 + date) / 1000;
          const shown = { offsetAt: london, skewMs };
          const now = at * 1000 + 5 * day;
          const question = { start_timestamp: at, end_timestamp: at, interval: 60 as const };
          const slots = finestOfHours(energyDataSlots({ data }, question, shown), [], {
            from: 0,
            to: now,
            now,
          });
          for (const [i, slot] of slots.entries()) {
            expect(slot.to).toBeLessThanOrEqual(now);
            expect(slot.from).toBeLessThan(slot.to);
            expect(slot.from).toBeGreaterThanOrEqual(slots[i - 1]?.to ?? 0);
          }
        },
      ),
    );
  });
});

/** What the device behind a simulator remembers of a span. */
async function recall(
  options: KasaSimOptions & { now: () => number },
  span: { from: number; to?: number; skewMs?: number },
) {
  const sim = await new KasaSim(options).listen();
  closers.push(() => sim.close());
  sim.skewMs = span.skewMs ?? 0;
  const ports = { local: sim.way === 'xor' ? sim.port : 1, http: sim.way === 'xor' ? 1 : sim.port };
  const clock = new ManualClock(options.now());
  const station = protocol.open(
    { host: sim.host },
    config.parse({ timeout_seconds: 60, ...simLogin, ports }),
    {
      clock,
      log: silent,
      random: () => 0.5,
    },
  );
  closers.push(() => station.close());
  const { answers } = await station.poll(AbortSignal.timeout(60_000));
  const signal = AbortSignal.timeout(60_000);
  return (await answers
    .at(-1)!
    .remembers!.energy(span.from, span.to ?? options.now(), signal)) as EnergySlot[];
}

describe('what happened while nobody asked', () => {
  const now = Date.UTC(2026, 10, 21, 9, 30);
  const evening = (at: number) => (new Date(at).getUTCHours() >= 18 ? 1_000 : 0);
  const common = { now: () => now, since: now - 200 * day, power: evening };

  test('a Kasa plug tells it by days of its own zone; today ends now', async () => {
    const slots = await recall({ ...common, model: 'KP115', zone: 39 }, { from: now - 2 * day });
    expect(iso(slots)).toEqual(['2026-11-19T00:00 24 h 6000', '2026-11-20T00:00 24 h 6000']);
    expect(
      await recall({ ...common, power: () => 100, model: 'HS110', zone: 39 }, { from: now - day }),
    ).toEqual([
      { from: Date.UTC(2026, 10, 20), to: Date.UTC(2026, 10, 21), wh: 2_400 },
      { from: Date.UTC(2026, 10, 21), to: now, wh: 950 },
    ]);
  });

  test.each<[KasaSimOptions['model'], KasaSimOptions['way'], number | string]>([
    ['HS300', undefined, 18],
    ['KL110', undefined, 18],
    ['HS110', 'klap2', 'Nowhere/City'],
  ])('a %s (%s, zone %s) places its days by its own clock', async (model, way, zone) => {
    // Unknown to us: the simulator then runs on UTC.
    const offset = zone === 18 ? 5 * hour : 0;
    const slots = await recall(
      { ...common, power: () => 100, model, way, zone: zone === 18 ? 18 : 200 },
      { from: now - day },
    );
    const last = slots.at(-1)!;
    expect([(last.from - offset) % day, last.to]).toEqual([0, now]);
  });

  test('a clock that is wrong by 40 minutes moves the days by as much', async () => {
    const slots = await recall(
      { ...common, model: 'KP115', zone: 39, power: () => 60 },
      { from: now - day, skewMs: 40 * 60_000 },
    );
    expect(iso(slots)).toEqual(['2026-11-19T23:20 24 h 1440', `2026-11-20T23:20 ${10 + 1 / 6} h 610`]);
  });

  test.each<[KasaSimOptions['model'], KasaSimOptions['way']]>([
    ['P110', undefined],
    ['P304M', undefined],
    ['KP125M', 'aes'],
  ])('a %s (%s) tells it by the hour, at the right instants', async (model, way) => {
    const from = Date.UTC(2026, 9, 24, 12);
    const to = Date.UTC(2026, 9, 26, 12);
    const at = {
      ...common,
      now: () => Date.UTC(2026, 9, 30),
      since: Date.UTC(2026, 8, 1),
      model,
      way,
      zone: 'GB',
    };
    const slots = await recall(at, { from, to });
    // 48 hours with one that came twice: 47 slots.
    expect([slots.length, slots[0]?.from, slots.at(-1)?.to]).toEqual([47, from, to]);
    expect(slots.filter((s) => s.wh > 0).map((s) => new Date(s.from).toISOString().slice(8, 13))).toEqual(
      ['24', '25'].flatMap((d) => [18, 19, 20, 21, 22, 23].map((h) => `${d}T${h}`)),
    );
    expect(slots.reduce((all, s) => all + s.wh, 0)).toBe(12_000);
  });

  test('spans of more than eight days take several questions, and half a year comes by days', async () => {
    const weeks = await recall({ ...common, model: 'P110' }, { from: now - 20 * day });
    expect(weeks.reduce((all, s) => all + s.wh, 0)).toBe(20 * 6_000);
    expect(weeks).toHaveLength(20 * 24 + 1);
    const months = await recall({ ...common, model: 'P110' }, { from: now - 150 * day });
    expect(months.every((s) => s.to - s.from > 20 * hour || s.to === now)).toBe(true);
    expect(months).toHaveLength(151);
  });

  test('after six hours without a collector all of the energy is found again, at its hours', async () => {
    const from = now - 6 * hour;
    const slots = await recall(
      { ...common, power: (at) => 50 + new Date(at).getUTCHours(), model: 'KP125M' },
      { from },
    );
    const inside = slots.filter((s) => s.from >= from);
    for (const slot of inside.slice(0, -1)) expect(slot.wh).toBe(50 + new Date(slot.from).getUTCHours());
    expect(inside.length).toBe(6);
  });
});
