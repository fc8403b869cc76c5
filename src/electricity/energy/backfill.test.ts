import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { Stores } from '../../../tests/servers/stores.ts';
import { electricityConfig } from '../config.ts';
import type { Station } from '../driver.ts';
import * as kasa from '../drivers/kasa/driver.ts';
import { KasaSim, simLogin } from '../drivers/kasa/sim.ts';
import * as shelly from '../drivers/shelly/driver.ts';
import { ShellySim } from '../drivers/shelly/sim.ts';
import { Healing } from '../healing.ts';
import { ElectricityService } from '../service.ts';
import { Ledger } from './ledger.ts';
import { electricityMigrations } from './repository.ts';

const tick = 30_000;
const minute = 2 * tick;
const hour = 60 * minute;
const quarter = 15 * minute;
const day = 24 * hour;
const monday = Date.parse('2026-01-12T00:00:00Z');
const stores = new Stores(monday);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
  await stores.clear();
});
afterAll(() => stores.end());

/** W, another one in every quarter of an hour: a fridge, and things that are switched on and off. */
const power = (at: number) => {
  const n = Math.floor(at / quarter);
  return 60 + (n % 3 === 0 ? 90 : 0) + (n % 7 === 2 ? 1800 : 0) + (n % 11 < 4 ? 400 : 0);
};
const truth = (from: number, to: number) => {
  let wh = 0;
  for (let at = from; at < to; at += tick) wh += (power(at) * tick) / hour;
  return wh;
};

type Open = (clock: ManualClock) => Promise<Station>;

const context = (clock: ManualClock) => ({ clock, log: silent, random: () => 0.5 });
const plug =
  (model: 'HS110' | 'P110'): Open =>
  async (clock) => {
    const now = () => clock.now();
    const sim = await new KasaSim({ model, now, since: clock.now() - 3 * day, power }).listen();
    closers.push(() => sim.close());
    const ports = { local: sim.way === 'xor' ? sim.port : 1, http: sim.way === 'xor' ? 1 : sim.port };
    const settings = kasa.config.parse({ ...simLogin, ports });
    return kasa.protocol.open({ host: sim.host }, settings, context(clock));
  };
const meter: Open = async (clock) => {
  const sim = await new ShellySim({ model: 'pro-3em', now: () => clock.now(), power }).listen();
  closers.push(() => sim.close());
  const settings = shelly.config.parse({ devices: [{ host: sim.host }] });
  return shelly.protocol.open(shelly.protocol.configured(settings)[0]!, settings, context(clock));
};

/** `before` ms of polls, six without a collector, half an hour of polls; then what is known of each device. */
async function outage(open: Open, from: number, before = 4 * hour) {
  const clock = new ManualClock(from - before);
  const place = await stores.place('sqlite');
  const { store } = await stores.open(place, { migrations: electricityMigrations });
  const station = await open(clock);
  closers.push(() => station.close());
  const asked: string[] = [];

  /** A collector that lives for `ms`: polls every half minute, and every minute does what the house does. */
  const collect = async (ms: number) => {
    const ledger = new Ledger({
      store,
      log: silent,
      now: () => clock.now(),
      timeZone: () => 'Europe/London',
    });
    await ledger.load();
    const money = {
      currency: () => undefined,
      priceAt: () => undefined,
      carbonAt: () => undefined,
      costToday: () => undefined,
    };
    const parts = { clock, log: silent, bus: new Bus(() => {}), store, ledger, money };
    const service = new ElectricityService(electricityConfig.parse({}), {
      ...parts,
      baseLoadWatts: () => undefined,
    });
    await service.start();
    const healing = new Healing({
      clock,
      log: silent,
      ledger,
      rememberers: () =>
        service.rememberers().map(({ id, remembers }) => ({
          id,
          remembers: {
            energy: (...span) => {
              asked.push(id);
              return remembers.energy(...span);
            },
          },
        })),
    });
    const end = clock.now() + ms;
    for (let turn = 0; clock.now() < end; turn += 1) {
      const { answers } = await station.poll(AbortSignal.timeout(60_000));
      for (const { values, at = clock.now(), ...announcement } of answers) {
        service.take('test', { kind: 'device', ...announcement });
        service.take('test', { kind: 'measured', id: announcement.device.id, at, values });
      }
      if (turn % 2 === 1) {
        await ledger.flush();
        await healing.pass(new AbortController().signal);
      }
      await clock.advance(tick);
    }
    await ledger.flush();
    await service.stop();
    return { ledger, ids: service.view().devices.map(({ device }) => device.id) };
  };

  await collect(before);
  await clock.advance(from + 6 * hour - clock.now());
  const { ledger, ids } = await collect(30 * minute);
  const heard = clock.now() - tick;
  const sum = async (id: string, begin: number, end: number) => {
    const slots = await ledger.slots(id, begin, end);
    return slots.reduce((wh, slot) => wh + slot.wh, 0);
  };
  /** The part of the stretches of `ms` in the outage whose energy is within 5 % or 3 Wh of the truth; of the worst device. */
  const share = async (ms: number) => {
    const shares: number[] = [];
    for (const id of ids) {
      let [right, all] = [0, 0];
      for (let at = Math.floor(from / ms) * ms; at < from + 6 * hour; at += ms) {
        const real = truth(at, Math.min(at + ms, heard));
        all += 1;
        if (Math.abs((await sum(id, at, at + ms)) - real) <= Math.max(3, 0.05 * real)) right += 1;
      }
      shares.push(right / all);
    }
    return Math.min(...shares);
  };
  /** What is missing on each day of what was used from the first reading to the last one, Wh. */
  const errors = async () => {
    const off: number[] = [];
    for (let at = monday; at < heard; at += day) {
      const real = truth(Math.max(at, from - before), Math.min(at + day, heard));
      off.push(real - (await sum(ids[0]!, at, at + day)));
    }
    return off;
  };
  const hows = async () => new Set((await ledger.slots(ids[0]!, from, from + 6 * hour)).map((s) => s.how));
  return { share, errors, hows, asked };
}

// Of 5 kWh and more: memories in whole Wh, and a counter that begins anew at midnight.
const allowedWh = 20;
const starts = [
  ['in the morning', monday + 9 * hour + 10 * minute],
  ['on the hour', monday + 12 * hour],
  ['over midnight', monday + 21 * hour + 37 * minute],
] as const;

describe.each(starts)('six hours without a collector, %s', (_, from) => {
  test.each([
    ['by the hour from a Tapo plug', plug('P110'), hour],
    ['by the quarter of an hour from the minutes of a Shelly meter', meter, quarter],
  ] as const)('are rebuilt %s, at the right time', async (_how, open, ms) => {
    const { share, errors, hows, asked } = await outage(open, from);
    expect(await share(ms)).toBeGreaterThanOrEqual(0.95);
    for (const off of await errors()) expect(Math.abs(off)).toBeLessThan(allowedWh);
    expect(await hows()).toEqual(new Set(['remembered']));
    // Once for each device, and never again when nothing is open.
    expect(asked).toEqual([...new Set(asked)]);
  });

  test('are right on each day from a Kasa plug, which remembers days and no hours', async () => {
    const { errors, hows } = await outage(plug('HS110'), from, from - monday);
    for (const off of await errors()) expect(Math.abs(off)).toBeLessThan(allowedWh);
    expect(await hows()).toEqual(new Set(['remembered']));
  });
});
