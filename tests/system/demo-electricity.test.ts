import { existsSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { appliances, type ApplianceName, type PowerAt } from '#demo/appliances.ts';
import { household } from '#demo/schedule.ts';
import type { CostBody, ElectricDeviceBody, ElectricityBody, EnergyBody } from '#electricity/body.ts';
import { lares, startLares, type LaresProcess } from '../servers/house.ts';
import { scratch, until } from '../servers/process.ts';
import { Stalls } from '../servers/stalls.ts';

const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const seed = 'system';
// The demo runs in UTC here, so the appliances of this test are those of the process.
const { power, house: wholeHouse } = appliances(household(6), { seed, offsetMs: 0 });
const together = (...names: ApplianceName[]): PowerAt => {
  return (at) => names.reduce((sum, name) => sum + power[name](at), 0);
};

/** What every series of the fleet measures. */
const expected: Readonly<Record<string, PowerAt>> = {
  'circuit.heating': power.heat_pump,
  'circuit.kitchen': together('fridge', 'freezer', 'kettle', 'washing_machine', 'dishwasher', 'oven'),
  'circuit.upstairs': together('desk', 'aquarium'),
  'glow.electricity': wholeHouse,
  'homeassistant.aquarium': power.aquarium,
  'kasa.games_console': power.console,
  'kasa.kettle': power.kettle,
  'kasa.living_room_lamp': power.lamp,
  'kasa.router': power.router,
  'kasa.strip': together('television', 'console', 'router'),
  'kasa.television': power.television,
  'kasa.washing_machine': power.washing_machine,
  meter: wholeHouse,
  'shelly.fridge': power.fridge,
  'shelly.supply': wholeHouse,
  'tasmota.desk': power.desk,
  'tuya.dishwasher': power.dishwasher,
  'tuya.freezer': power.freezer,
};

/** Wh of a profile between two instants. */
function energy(of: PowerAt, from: number, to: number): number {
  let wh = 0;
  for (let at = from; at < to; at += second) wh += of(at) / 3_600;
  return wh;
}

/** The first instant of a winter's night after which, for two minutes, the house hardly changes while the fridge cools. */
function quietInstant(): number {
  const nights = Array.from({ length: 200 }, (_, i) => Date.UTC(2026, 0, 5, 1) + i * 40 * minute);
  const found = nights.find((at) => {
    const watts = Array.from({ length: 120 }, (_, i) => wholeHouse(at + i * second));
    const steady = Math.max(...watts) / Math.min(...watts) < 1.07;
    const cools = [0, 60, 119].every((i) => power.fridge(at + i * second) > 50);
    return steady && cools;
  });
  return found!;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

class Demo {
  readonly process: LaresProcess;
  readonly dir: string;
  readonly #options;

  constructor(...args: string[]) {
    const { dir, remove } = scratch('demo');
    cleanups.push(remove);
    this.dir = dir;
    const env = { TZ: 'UTC', XDG_CACHE_HOME: path.join(dir, 'cache') };
    this.#options = { dir, env, args: ['demo', '--port', '0', '--seed', seed, '--no-cameras', ...args] };
    this.process = startLares(this.#options);
    cleanups.push(() => this.process.stop());
  }

  get cache(): string {
    return path.join(this.dir, 'cache/lares/demo');
  }

  cli(...args: string[]) {
    return lares(this.#options, ...args);
  }

  async url(): Promise<string> {
    const line = await this.process.line(/the demo house with .* is at http/);
    return /http:\/\/[\d.:]+/.exec(line)![0];
  }

  async get<T>(pathname: string): Promise<T> {
    return (await (await fetch(`${await this.url()}${pathname}`)).json()) as T;
  }

  view(): Promise<ElectricityBody> {
    return this.get<ElectricityBody>('/api/electricity');
  }

  async device(wanted: string): Promise<ElectricDeviceBody | undefined> {
    return (await this.view()).devices.find((d) => d.path === wanted);
  }

  async switch(name: string, on: boolean): Promise<number> {
    const token = readFileSync(path.join(this.cache, 'api-token'), 'utf8').trim();
    const reply = await fetch(`${await this.url()}/api/electricity/devices/${name}/switch`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ on }),
    });
    return reply.status;
  }

  /** The first picture in which every device of the fleet measures. */
  everything(): Promise<ElectricityBody> {
    return this.shows((view) => missing(view).length === 0, 'not all devices measure');
  }

  /** The first picture that is as wanted. */
  async shows(wanted: (view: ElectricityBody) => boolean, otherwise: string): Promise<ElectricityBody> {
    let view: ElectricityBody | undefined;
    await until(
      async () => wanted((view = await this.view())),
      () => `${otherwise}; silent: ${silent(view!).join(', ')}\n${this.process.lines.slice(-30).join('\n')}`,
      180_000,
    );
    return view!;
  }
}

/** Devices of the fleet that do not measure. */
function missing({ devices }: ElectricityBody): string[] {
  const measuring = devices.filter((d) => d.values['power_watts'] !== undefined).map((d) => d.path);
  return Object.keys(expected).filter((wanted) => !measuring.includes(wanted));
}

/** Devices that are not well, with their state. */
const silent = ({ devices }: ElectricityBody): string[] =>
  devices
    .filter((d) => d.state !== 'ok')
    .map((d) => `${d.path} ${d.state}`)
    .toSorted();

const watts = (device: ElectricDeviceBody | undefined) => device?.values['power_watts'] ?? Number.NaN;

/** Whether it shows what its appliances drew shortly before; `span` because displays and pulses tell of the past. */
function shows(device: ElectricDeviceBody, of: PowerAt, span: number): boolean {
  const at = Date.parse(device.measured_at ?? '');
  const instants = Array.from({ length: span / 250 + 8 }, (_, i) => of(at + second - i * 250));
  const slack = 1 + Math.max(...instants.map(Math.abs)) * 0.02;
  return watts(device) >= Math.min(...instants) - slack && watts(device) <= Math.max(...instants) + slack;
}

test('every device of every source shows what its appliance draws, the house is their sum, and a plug switches its appliance', async () => {
  const demo = new Demo('--start', new Date(quietInstant()).toISOString());
  const { devices, house } = await demo.shows(
    (view) => missing(view).length === 0 && silent(view).length === 0,
    'not all devices are well',
  );
  const paths = devices.map((d) => d.path);
  expect(paths).toEqual([...Object.keys(expected), 'glow.gas'].toSorted((a, b) => a.localeCompare(b)));
  const wrong = devices.filter((d) => d.path in expected && !shows(d, expected[d.path]!, 30 * second));
  expect(wrong.map((d) => [d.path, watts(d)])).toEqual([]);
  // The meter of the house looked at another moment than the others.
  const sums = Array.from({ length: 128 }, (_, i) => {
    const then = Date.parse(devices[0]!.measured_at!) + second - i * 250;
    return Object.values(power).reduce((total, of) => total + of(then), 0);
  });
  expect(house.power_watts).toBeGreaterThan(Math.min(...sums) * 0.98);
  expect(house.power_watts).toBeLessThan(Math.max(...sums) * 1.02);
  expect(house).toMatchObject({ basis: 'meter', currency: 'GBP', price_per_kwh: 0.1249 });

  // A week of energy and its cost are there from the first minute.
  const { days } = await demo.get<EnergyBody>('/api/electricity/energy');
  const midnight = Date.UTC(2026, 0, 5);
  const past = days.filter((d) => Date.parse(d.to) <= midnight);
  for (const day of past) {
    const wh = energy(wholeHouse, Date.parse(day.from), Date.parse(day.to));
    expect(Math.abs((day.kwh * 1_000) / wh - 1)).toBeLessThan(0.01);
  }
  expect(past.length).toBeGreaterThanOrEqual(6);
  const { days: costs } = await demo.get<CostBody>('/api/electricity/cost?device=house');
  expect(costs.length).toBeGreaterThanOrEqual(6);
  expect(Math.min(...costs.map((c) => c.total))).toBeGreaterThan(0.5);
  const simulated = await demo.get<{ events: { kind: string }[] }>('/api/events?limit=500');
  expect(simulated.events.filter((e) => e.kind === 'demo.simulated').length).toBe(1);

  // The freezer must not be switched; the fridge may, and the meters in front of it see that.
  expect(await demo.switch('tuya.freezer', false)).toBe(403);
  const kitchen = (view: ElectricityBody) => watts(view.devices.find((d) => d.path === 'circuit.kitchen'));
  const before = kitchen(await demo.shows((view) => kitchen(view) > 60, 'the kitchen draws nothing'));
  expect(await demo.switch('shelly.fridge', false)).toBe(200);
  await until(async () => watts(await demo.device('shelly.fridge')) === 0);
  await until(
    async () => kitchen(await demo.view()) < before - 60,
    () => 'the circuit does not see that its fridge is off',
    60_000,
  );
});

test('a plug that drops is down with a reason while the others go on, and comes back; a broker that drops takes its devices with it', async () => {
  const demo = new Demo('--speed', '30', '--start', '2026-01-05T07:00:00Z');
  await demo.everything();
  const list = await demo.cli('demo', 'fault', '--list');
  expect(list.code).toBe(0);
  for (const device of ['kasa.kettle', 'circuit.kitchen', 'meter', 'tasmota.desk', 'broker'])
    expect(list.out).toContain(device);

  expect(await demo.cli('demo', 'fault', 'kasa.kettle', '--drop', '12s')).toEqual({
    code: 0,
    out: 'kasa.kettle: drop for 12 s\n',
    err: '',
  });
  const down = await demo.shows(
    (view) => silent(view).join() === 'kasa.kettle down',
    'the kettle is not down alone',
  );
  const kettle = down.devices.find((d) => d.path === 'kasa.kettle');
  expect(kettle?.problem).toMatch(/connection ended|cannot be reached/);
  expect(kettle?.values).toEqual({});
  await demo.shows((view) => silent(view).length === 0, 'the kettle does not come back');
  await demo.process.line(/kasa\.kettle answers again/);

  const onBroker = ['glow.electricity', 'glow.gas', 'tasmota.desk'];
  expect((await demo.cli('demo', 'fault', 'broker', '--drop', '15s')).out).toBe('broker: drop for 15 s\n');
  await demo.shows(
    (view) =>
      silent(view)
        .map((text) => text.split(' ')[0])
        .join() === onBroker.join(),
    'the devices on the broker go on, or others do not',
  );
  await demo.shows((view) => silent(view).length === 0, 'not all come back');

  // Wrong calls say what is wrong, and strangers may not do it.
  expect(await demo.cli('demo', 'fault', 'nothing', '--drop', '1s')).toMatchObject({ code: 1, out: '' });
  expect((await demo.cli('demo', 'fault', 'kasa.kettle', '--drop', 'long')).err).toMatch(/30s, 2m or 1h/);
  expect((await demo.cli('demo', 'fault', 'kasa.kettle')).err).toMatch(/say what shall happen/);
  expect((await demo.cli('demo', 'fault', 'kasa.kettle', '--as', 'fire')).err).toMatch(/it has drop/);
  const stranger = await fetch(`${await demo.url()}/api/demo/fault`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ device: 'kasa.kettle', fault: 'drop', seconds: 1 }),
  });
  expect(stranger.status).toBe(401);
});

test('hours of a sped-up day end in the ledger as the energy of the profiles, for the house and for each device', async () => {
  const speed = 120;
  using stalls = new Stalls();
  const demo = new Demo('--speed', String(speed), '--start', '2026-01-05T16:40:00Z');
  await demo.everything();
  const from = Date.UTC(2026, 0, 5, 16, 40);
  const reach = (at: number) => demo.shows((view) => Date.parse(view.at) > at, 'time stands still');
  // The minutes that the start takes are healed from the memory of those devices that have one; only then it counts.
  const before = await reach(from + 25 * minute);
  const after = await reach(from + 3 * hour);
  // A busy machine notes a reading up to two seconds late, which are minutes of the sped-up day.
  const lateMs = (2_000 + stalls.totalMs) * speed;
  /** What was used between two readings, Wh: at least and at most, with 2 % and whole Wh left open. */
  const bounds = (of: Parameters<typeof energy>[0], first: string, last: string) => {
    const [begin, end] = [Date.parse(first), Date.parse(last)];
    return [energy(of, begin, end - lateMs) * 0.98 - 6, energy(of, begin - lateMs, end) * 1.02 + 6] as const;
  };
  const rows = after.devices.flatMap((device) => {
    const of = expected[device.path];
    const first = before.devices.find((d) => d.path === device.path)!;
    if (of === undefined) return [];
    const used = (device.energy!.today_kwh - first.energy!.today_kwh) * 1_000;
    const [least, most] = bounds(of, first.measured_at!, device.measured_at!);
    return [{ path: device.path, used, least, most }];
  });
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.filter((row) => row.used < row.least || row.used > row.most)).toEqual([]);
  const house = (after.house.energy!.today_kwh - before.house.energy!.today_kwh) * 1_000;
  const [least, most] = bounds(wholeHouse, before.at, after.at);
  expect(least).toBeGreaterThan(1_500);
  expect(house).toBeGreaterThan(least);
  expect(house).toBeLessThan(most);
});

test('with panels the house feeds in at noon and earns with it, and the meter that sees both ways is the main one', async () => {
  const noon = Date.UTC(2026, 5, 15, 11, 30);
  const sunny = appliances(household(6), { seed, offsetMs: 0 }, { solar: true });
  const day = Array.from({ length: 60 }, (_, i) => noon + i * 24 * hour).find((at) =>
    Array.from({ length: 20 }, (_, i) => sunny.house(at + i * minute)).every((w) => w < -500),
  )!;
  const demo = new Demo('--solar', '--speed', '20', '--start', new Date(day).toISOString());
  await demo.shows(({ house }) => (house.power_watts ?? 0) < -300, 'nothing is fed in');
  await until(async () => watts(await demo.device('circuit.solar')) < -500);
  const fed = async () => (await demo.view()).house.energy?.export_today_kwh;
  await expect.poll(fed).toBeGreaterThan(1);
});

test('without electricity and cameras the demo is presence alone', async () => {
  const demo = new Demo('--no-electricity');
  expect((await demo.view()).devices).toEqual([]);
  expect(await demo.cli('demo', 'fault', '--list')).toMatchObject({ code: 0 });
  expect(demo.process.count(/simulated: /)).toBe(0);
});

test('the data of the demo is private, is gone when it ends, and a second demo of the same user does not mind the first', async () => {
  const demo = new Demo('--no-electricity');
  await demo.url();
  expect(statSync(demo.cache).mode & 0o777).toBe(0o700);
  const env = { TZ: 'UTC', XDG_CACHE_HOME: path.join(demo.dir, 'cache') };
  const second = startLares({
    dir: demo.dir,
    env,
    args: ['demo', '--port', '0', '--no-electricity', '--no-cameras'],
  });
  cleanups.push(() => second.stop());
  await second.line(/the demo house with .* is at http/);
  expect(await second.stop()).toBe(0);
  expect(existsSync(path.join(demo.cache, 'lares.db'))).toBe(true);
  expect(await demo.process.stop()).toBe(0);
  expect(existsSync(demo.cache)).toBe(false);
  expect((await demo.cli('demo', 'fault', '--list')).err).toMatch(/start one with: lares demo/);
});
