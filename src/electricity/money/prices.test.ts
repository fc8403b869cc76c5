import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { MemoryState } from '../../../tests/servers/memory-store.ts';
import { until } from '../../../tests/servers/process.ts';
import { tariffConfig } from './config.ts';
import { costOf } from './cost.rules.ts';
import { Prices } from './prices.ts';
import { OctopusSim, type OctopusFault, type OctopusSimOptions } from './sim.ts';
import { priceGaps, rateAt } from './tariff.rules.ts';

const london = 'Europe/London';
const utc = (text: string) => Date.parse(text);
const [halfHour, hour] = [1_800_000, 3_600_000];
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A supplier whose price in pence is the number of the half-hour of the UTC day, minus five. */
async function supplier(start: string, options: OctopusSimOptions = {}) {
  const clock = new ManualClock(utc(start));
  const price = (at: number) => ((at / halfHour) % 48) - 5;
  const sim = await new OctopusSim({
    now: () => clock.now(),
    price,
    since: utc(start) - 3 * 24 * hour,
    ...options,
  }).listen();
  closers.push(() => sim.close());
  const state = new MemoryState();
  const lines: string[] = [];
  const make = (settings: object = {}, folder = '.', deadlineMs = 60_000) =>
    new Prices({
      settings: tariffConfig.parse({
        currency: 'GBP',
        import: { kind: 'half-hourly', url: sim.ratesUrl },
        ...settings,
      }),
      timeZone: london,
      folder,
      clock,
      state,
      random: () => 0,
      log: new Logger({ level: 'debug', write: (line) => lines.push(line) }),
      deadlineMs,
    });
  const run = (prices: Prices) => {
    const stop = new AbortController();
    const ended = prices.run(stop.signal);
    const end = () => (stop.abort(), ended);
    closers.push(end);
    return end;
  };
  return { clock, sim, state, lines, make, run, statuses: () => sim.requests.map((r) => r.status) };
}

const perKwh = (prices: Prices, at: string) => rateAt(prices.tariff()!, utc(at))?.perKwh;

test('prices come at start-up, tomorrow after four, and half-hours that are not published have none', async () => {
  const { clock, sim, make, run, statuses } = await supplier('2026-06-02T10:00Z');
  const prices = make();
  expect(prices.tariff()!.rates(0, utc('2027-01-01'))).toEqual([]);
  run(prices);
  await until(() => prices.status()[0]!.okAt !== undefined);
  expect(
    ['2026-06-02T00:00Z', '2026-06-02T21:30Z', '2026-06-02T22:00Z'].map((at) => perKwh(prices, at)),
  ).toEqual([-0.05, 0.38, undefined]);
  await clock.advance(4 * hour);
  expect(statuses()).toEqual([200]);
  await clock.advance(hour + 60_000);
  await until(() => perKwh(prices, '2026-06-03T21:30Z') === 0.38);
  expect(prices.status()).toEqual([
    {
      title: 'import prices',
      origin: sim.ratesUrl,
      okAt: utc('2026-06-02T15:00Z'),
      nextAt: utc('2026-06-03T15:00Z'),
      knownUntil: utc('2026-06-03T22:00Z'),
      problem: undefined,
      notes: [],
    },
  ]);
  await clock.advance(12 * hour);
  expect(statuses()).toEqual([200, 200]);
});

test('days of 46 and 50 half-hours are whole', async () => {
  for (const [start, slots] of [
    ['2026-03-28T18:00Z', 46],
    ['2026-10-24T18:00Z', 50],
  ] as const) {
    const { make } = await supplier(start);
    const prices = make();
    await prices.refresh(utc(start) - 24 * hour, new AbortController().signal);
    const [from, to] =
      slots === 46 ? ['2026-03-28T23:00Z', '2026-03-29T22:00Z'] : ['2026-10-24T22:00Z', '2026-10-25T23:00Z'];
    const tariff = prices.tariff()!;
    expect(tariff.rates(utc(from), utc(to)).length).toBe(slots);
    expect(priceGaps(tariff, utc(from), utc(to) + hour)).toEqual([{ from: utc(to), to: utc(to) + hour }]);
  }
});

test('pages are read as far back as they are needed and no further', async () => {
  const { sim, make } = await supplier('2026-06-02T10:00Z', { since: utc('2025-01-01') });
  const url = `${sim.ratesUrl}?page_size=100`;
  const prices = make({ import: { kind: 'half-hourly', url } });
  const signal = new AbortController().signal;
  await prices.refresh(utc('2026-05-29T00:00Z'), signal);
  expect(sim.requests.map((r) => r.path.split('?')[1])).toEqual([
    'page_size=100',
    'page_size=100&page=2',
    'page_size=100&page=3',
  ]);
  await prices.refresh(utc('2026-05-30T00:00Z'), signal);
  expect(sim.requests.length).toBe(3);
  expect(perKwh(prices, '2026-05-29T00:00Z')).toBe(-0.05);
  await prices.refresh(utc('2026-05-20T00:00Z'), signal);
  expect(perKwh(prices, '2026-05-20T00:00Z')).toBe(-0.05);
});

test('large pages are asked for unless the address says otherwise', async () => {
  const { sim, make } = await supplier('2026-06-02T10:00Z');
  await make().refresh(utc('2026-06-01T00:00Z'), new AbortController().signal);
  expect(sim.requests).toEqual([
    { path: new URL(`${sim.ratesUrl}?page_size=1500`).pathname + '?page_size=1500', status: 200 },
  ]);
});

test('after a restart the old prices are there at once, and an unchanged list is not sent again', async () => {
  const { clock, sim, make, run, statuses } = await supplier('2026-06-02T10:00Z');
  await make().refresh(utc('2025-01-01T00:00Z'), new AbortController().signal);
  const again = make();
  await again.load();
  expect(perKwh(again, '2026-06-02T12:00Z')).toBe(0.19);
  const end = run(again);
  await clock.advance(60_000);
  expect(statuses()).toEqual([200]);
  await end();
  await clock.advance(hour);
  const third = make();
  run(third);
  await until(() => third.status()[0]!.okAt === clock.now());
  expect(statuses()).toEqual([200, 304]);
  expect(sim.requests.length).toBe(2);
  expect(perKwh(third, '2026-06-02T12:00Z')).toBe(0.19);
});

test.each<[OctopusFault, RegExp]>([
  ['error', /standard-unit-rates\/ answered 500/],
  ['limited', /answered 429: too many requests/],
  ['gone', /answered 404; check the product and tariff codes/],
  ['hang', /did not finish within 2 s/],
  ['drop', /ECONNRESET|connection/],
  ['reset', /ECONNRESET|connection/],
  ['garbage', /standard-unit-rates\/: is a web page and no prices; check the address/],
  ['slow', /did not finish within 2 s/],
])(
  'with the server in the state "%s" the old prices stay, and new ones come afterwards',
  async (name, problem) => {
    const { clock, sim, make, run, lines } = await supplier('2026-06-02T10:00Z');
    const isLate = name === 'hang' || name === 'slow';
    const prices = make({}, '.', isLate ? 2_000 : 60_000);
    run(prices);
    await until(() => prices.status()[0]!.okAt !== undefined);
    sim.fault(name, 5.5 * hour);
    await clock.advance(5 * hour + 60_000);
    await until(() => prices.status()[0]!.problem !== undefined);
    expect(prices.status()[0]!.problem).toMatch(problem);
    expect(lines.filter((l) => l.includes('the prices known so far stay in use')).length).toBe(1);
    expect(perKwh(prices, '2026-06-02T12:00Z')).toBe(0.19);
    sim.fault(name, 0);
    await clock.advance(5 * 60_000);
    await until(() => prices.status()[0]!.problem === undefined);
    expect(perKwh(prices, '2026-06-03T12:00Z')).toBe(0.19);
  },
);

test('a reply in many small segments is one reply', async () => {
  const { sim, make } = await supplier('2026-06-02T10:00Z');
  sim.fault('split', hour);
  const prices = make();
  await prices.refresh(utc('2026-06-01T00:00Z'), new AbortController().signal);
  expect(perKwh(prices, '2026-06-02T12:00Z')).toBe(0.19);
});

test('a source that hangs delays no other', async () => {
  const { clock, sim, make, run } = await supplier('2026-06-02T10:00Z');
  const dead = await new OctopusSim({ now: () => clock.now() }).listen();
  closers.push(() => dead.close());
  dead.fault('hang', 100 * hour);
  const prices = make({
    export: { kind: 'half-hourly', url: dead.ratesUrl },
    carbon: { url: sim.carbonUrl },
  });
  run(prices);
  await until(() => prices.status().filter((s) => s.okAt !== undefined).length === 2);
  expect(perKwh(prices, '2026-06-02T12:00Z')).toBe(0.19);
  expect(prices.tariff()!.exportRates!(0, utc('2027-01-01'))).toEqual([]);
});

test('half-hours that the supplier leaves out stay without a price and cost nothing that is made up', async () => {
  const { make } = await supplier('2026-06-02T10:00Z', {
    price: (at) => (at === utc('2026-06-01T12:00Z') ? undefined : 20),
  });
  const prices = make();
  await prices.refresh(utc('2026-06-01T00:00Z'), new AbortController().signal);
  const slots = ['11:45', '12:00', '12:15', '12:30'].map((t) => ({
    at: utc(`2026-06-01T${t}Z`),
    wh: 100,
    exportWh: 0,
    how: 'counter' as const,
    coveredMs: 900_000,
  }));
  const day = { from: utc('2026-05-31T23:00Z'), to: utc('2026-06-01T23:00Z') };
  expect(costOf(slots, prices.tariff()!, day, london)).toMatchObject({ total: 0.04, unpricedWh: 200 });
});

test('carbon intensity: measured for the past, forecast for what comes', async () => {
  const { clock, sim, make, run } = await supplier('2026-06-02T10:00Z', { carbon: () => 200 });
  const prices = make({ carbon: { url: sim.carbonUrl } });
  run(prices);
  await until(() => prices.carbon().length > 0);
  const at = (t: string) => prices.carbon().find((c) => c.from === utc(t))?.gramsPerKwh;
  expect([at('2026-06-02T09:30Z'), at('2026-06-02T10:00Z'), at('2026-06-04T09:30Z')]).toEqual([
    203, 200, 200,
  ]);
  await clock.advance(6 * hour);
  await until(() => at('2026-06-02T10:00Z') === 203);
  expect(at('2026-05-24T10:00Z')).toBe(203);
});

test('a next page on another host is refused', async () => {
  const { sim, make } = await supplier('2026-06-02T10:00Z', { since: utc('2025-01-01') });
  const foreign = sim.ratesUrl.replace('127.0.0.1', 'localhost');
  const prices = make({ import: { kind: 'half-hourly', url: `${sim.ratesUrl}?page_size=10` } });
  const request = prices.refresh(utc('2026-05-29T00:00Z'), new AbortController().signal);
  await expect(request).resolves.toBe(undefined);
  // The simulator builds `next` from its own address, which is another origin than the name we used.
  const other = make({ import: { kind: 'half-hourly', url: `${foreign}?page_size=10` } });
  await expect(other.refresh(utc('2026-05-29T00:00Z'), new AbortController().signal)).rejects.toMatchObject({
    code: 'BAD_REPLY',
    message: expect.stringMatching(/names a next page that is not on http:\/\/localhost/),
  });
});

test('a daily refresh rewrites the months that changed and no other', async () => {
  const { clock, state, make, run } = await supplier('2026-06-02T10:00Z', { since: utc('2026-01-01') });
  const written: string[] = [];
  const set = state.set.bind(state);
  state.set = (key, value) => (written.push(key), set(key, value));
  run(make());
  const months = () => written.splice(0).map((key) => key.split('.').slice(3).join('.'));
  await until(() => written.length === 7);
  expect(months()).toEqual(['2026-01', '2026-02', '2026-03', '2026-04', '2026-05', '2026-06', '']);
  await clock.advance(5 * hour + 60_000);
  await until(() => written.length === 2);
  expect(months()).toEqual(['2026-06', '']);
});

test('a state store that cannot be written costs nothing but a warning', async () => {
  const { state, make, lines } = await supplier('2026-06-02T10:00Z');
  state.set = () => Promise.reject(new LaresError('STORE_UNAVAILABLE', 'the disk is full'));
  const prices = make();
  await prices.refresh(utc('2026-06-01T00:00Z'), new AbortController().signal);
  expect(perKwh(prices, '2026-06-02T12:00Z')).toBe(0.19);
  expect(
    lines.filter((l) => l.includes('import prices: cannot keep the prices: the disk is full')).length,
  ).toBe(1);
});

async function folder(): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'lares-prices-'));
  closers.push(() => rm(made, { recursive: true }));
  return made;
}

test('a file is read again when it changes, and a mistake in it keeps the prices that were right', async () => {
  const { clock, make, run } = await supplier('2026-06-02T10:00Z');
  const dir = await folder();
  const file = path.join(dir, 'prices.csv');
  let written = 0;
  const write = async (price: string) => {
    await writeFile(file, `from,to,price\n2026-06-02 00:00,2026-06-03 00:00,${price}\n`);
    written += 10;
    await utimes(file, written, written);
  };
  await write('0.25');
  const prices = make({ import: { kind: 'half-hourly', file: 'prices.csv' } }, dir);
  run(prices);
  await until(() => perKwh(prices, '2026-06-02T12:00Z') === 0.25);
  await write('0.30');
  await clock.advance(60_000);
  await until(() => perKwh(prices, '2026-06-02T12:00Z') === 0.3);
  await write('cheap');
  await clock.advance(60_000);
  await until(() => prices.status()[0]!.problem !== undefined);
  expect(prices.status()[0]!.problem).toBe(
    'prices.csv:2: expected a price, found "cheap"; write a number like 0.2469 and no currency sign',
  );
  expect(perKwh(prices, '2026-06-02T12:00Z')).toBe(0.3);
  const none = make({ import: { kind: 'half-hourly', file: 'none.csv' } }, dir);
  await expect(none.load()).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('the price of the meter is kept when it changes, across restarts, and one meter is believed', async () => {
  const { make } = await supplier('2026-06-02T10:00Z');
  const settings = { import: { kind: 'meter' } };
  const prices = make(settings);
  const show = (at: string, unit_price: number, device = 'glow:a') =>
    prices.meterShows(device, utc(at), { unit_price, standing_charge: 0.5 });
  await show('2026-06-01T10:00Z', 0.25);
  await show('2026-06-01T11:00Z', 0.25);
  await show('2026-06-01T12:00Z', 0);
  await show('2026-06-01T12:30Z', 9, 'glow:b');
  await show('2026-06-01T13:00Z', 0.27);
  await show('2026-06-01T12:00Z', 0.99);
  const again = make(settings);
  await again.load();
  expect(again.tariff()!.rates(utc('2026-06-01T09:00Z'), utc('2026-06-01T14:00Z'))).toEqual([
    { from: utc('2026-06-01T10:00Z'), to: utc('2026-06-01T13:00Z'), perKwh: 0.25 },
    { from: utc('2026-06-01T13:00Z'), to: utc('2026-06-01T14:00Z'), perKwh: 0.27 },
  ]);
  expect(again.tariff()!.standingPerDay).toBe(0.5);
});

test('without settings nothing has a price and nobody is asked', async () => {
  const { clock, state } = await supplier('2026-06-02T10:00Z');
  const prices = new Prices({
    settings: undefined,
    timeZone: london,
    folder: '.',
    clock,
    state,
    random: () => 0,
    log: new Logger({ level: 'debug', write: () => undefined }),
  });
  await prices.load();
  await prices.run(new AbortController().signal);
  expect([prices.tariff(), prices.carbon(), prices.status()]).toEqual([undefined, [], []]);
});
