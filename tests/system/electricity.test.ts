import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ElectricDeviceBody, ElectricityBody } from '#electricity/body.ts';
import type { GlowSim } from '#electricity/drivers/glow/sim.ts';
import type { KasaSim } from '#electricity/drivers/kasa/sim.ts';
import type { ShellySim } from '#electricity/drivers/shelly/sim.ts';
import type { TasmotaSim } from '#electricity/drivers/tasmota/sim.ts';
import type { TuyaSim } from '#electricity/drivers/tuya/sim.ts';
import type { WhatIf } from '#electricity/money/whatif.rules.ts';
import { Appliances, deviceLogin, meterToken, type Appliance } from '../servers/appliances.ts';
import { graphiteMissing, startGraphite, type Graphite } from '../servers/graphite.ts';
import {
  lares,
  runBin,
  startLares,
  writeSettings,
  type LaresOptions,
  type LaresProcess,
} from '../servers/house.ts';
import { freePort, scratch, until } from '../servers/process.ts';
import { promtool, promtoolPath } from '../servers/prometheus.ts';
import { Stalls } from '../servers/stalls.ts';

const missing = graphiteMissing;
const bin = (name: string) => fileURLToPath(new URL(`../../bin/${name}`, import.meta.url));
const prefix = 'home.electricity.';

interface Event {
  readonly kind: string;
  readonly cause: string;
  readonly data: Record<string, unknown>;
}

describe.skipIf(missing !== undefined)(
  `electricity as a process${missing === undefined ? '' : ` (needs ${missing})`}`,
  () => {
    const life = new AsyncDisposableStack();
    const stalls = life.use(new Stalls());
    const appliances = life.use(new Appliances({ net: 61, pollSeconds: 1, timeoutSeconds: 10 }));
    let graphite: Graphite;
    let options: LaresOptions;
    let house: LaresProcess;
    let settings: (electricity?: object, change?: object) => object;
    let lamp: Appliance<KasaSim>;
    let washer: Appliance<TuyaSim>;
    let fridge: Appliance<ShellySim>;
    let heater: Appliance<TasmotaSim>;
    let glow: Appliance<GlowSim>;
    let unnamed: Appliance<KasaSim>;

    beforeAll(async () => {
      await appliances.start();
      graphite = await startGraphite();
      life.defer(() => graphite.stop());
      lamp = await appliances.kasa('Living room lamp', 40);
      await appliances.kasa('Kettle', 2_000, { model: 'P110' });
      unnamed = await appliances.kasa('Hallway', 15, { announced: false, model: 'KP115' });
      washer = await appliances.tuya('Washing machine', 400, { version: '3.4' });
      fridge = await appliances.shelly('Fridge', 80);
      await appliances.bus(['Kitchen', 'Heat pump'], 1_500);
      // Many pulses a second, so that the meter of the house says something in every slot.
      const meter = appliances.pulse('meter', 7_200, { everyMs: 1_000 });
      const { dir, remove } = scratch('electricity');
      life.defer(remove);
      mkdirSync(`${dir}/data`, { mode: 0o700 });
      const [port, brokerPort] = [await freePort(), await freePort()];
      const broker = { url: `mqtt://127.0.0.1:${brokerPort}` };
      const greenhouse = appliances.pulse('Greenhouse', 3_600, {
        everyMs: 1_000,
        url: undefined as never,
        broker: { ...broker, ...deviceLogin },
      });
      settings = (electricity = {}, change = {}) => ({
        home: { time_zone: 'Europe/London' },
        http: { port },
        metrics: { interval_seconds: 5 },
        graphite: { host: '127.0.0.1', port: graphite.port },
        broker: { port: brokerPort, users: [{ name: deviceLogin.username, password: deviceLogin.password }] },
        electricity: appliances.settings({
          devices: [{ device: 'Fridge', control: false }],
          tariff: { currency: 'GBP', import: { kind: 'fixed', price: 0.25 }, standing_charge: 0.6 },
          ...electricity,
        }),
        ...change,
      });
      options = { dir };
      writeSettings(dir, settings());
      house = startLares(options);
      life.defer(async () => void (await house.stop('SIGKILL')));
      await house.url();
      heater = await appliances.tasmota(broker, 'Heater', 1_000);
      glow = await appliances.glow(broker, 7_000, 1_000);
      await meter.sim.listen();
      await greenhouse.sim.listen();
    });
    afterAll(() => life.disposeAsync());

    const cli = (...args: string[]) => lares(options, 'electricity', ...args);
    const json = async <T>(...args: string[]): Promise<T> => {
      const ran = await lares(options, '--json', 'electricity', ...args);
      expect(ran).toMatchObject({ code: 0, err: '' });
      return JSON.parse(ran.out) as T;
    };
    const now = () => house.get<ElectricityBody>('/api/electricity');
    const device = async (wanted: string) => (await now()).devices.find((d) => d.path === wanted);
    const measured = (wanted: string) =>
      until(
        async () => (await device(wanted))?.state === 'ok',
        () => `${wanted} is not measured:\n${house.lines.slice(-30).join('\n')}`,
      );
    /** Instants and values of a series in Graphite, oldest first. */
    const points = async (series: string) => {
      const found = await graphite.points(prefix + series, Date.now() - 300_000, Date.now());
      return [...(found.get(prefix + series) ?? [])].toSorted(([a], [b]) => a - b);
    };
    const newest = async (series: string) => (await points(series)).at(-1)?.[1];
    const arrives = (series: string) =>
      until(
        async () => (await points(series)).length > 0,
        () => `${series} never arrived; there are:\n${graphite.files().join('\n')}`,
        30_000,
      );

    test('every source arrives in Graphite under the names that dashboards ask for', async () => {
      for (const { path: wanted } of appliances.all) await measured(wanted);
      const expected = {
        'kasa.living_room_lamp.power_watts': 40,
        'kasa.living_room_lamp.voltage_volts': 230,
        'kasa.living_room_lamp.current_amps': 40 / 230,
        'kasa.living_room_lamp.is_on': 1,
        'kasa.kettle.power_watts': 2_000,
        'kasa.hallway.power_watts': 15,
        'tuya.washing_machine.power_watts': 400,
        'tuya.washing_machine.is_on': 1,
        'shelly.fridge.power_watts': 80,
        'circuit.kitchen.power_watts': 1_500,
        'circuit.heat_pump.power_watts': 1_500,
        'tasmota.heater.power_watts': 1_000,
        'glow.electricity.power_watts': 7_000,
        'meter.greenhouse.power_kw': 3.6,
        'meter.power_kw': 7.2,
        'house.power_watts': 7_200,
        // The plugs together draw more than the circuits together.
        'house.unexplained_watts': 7_200 - (2_000 + 40 + 15 + 400 + 80 + 1_000),
        'house.price_per_kwh': 0.25,
      };
      for (const series of Object.keys(expected)) await arrives(series);
      await arrives('house.energy_today_kwh');
      await arrives('house.cost_today');
      for (const [series, value] of Object.entries(expected)) {
        const tolerance = series.startsWith('meter') || series.startsWith('house') ? 0.02 : 0.005;
        let last: number | undefined;
        // What is made of several devices is right once all of them are there.
        await until(
          async () => Math.abs(((last = await newest(series)) ?? Number.NaN) / value - 1) < tolerance,
          () => `${series} is ${last}, not ${value}`,
        );
      }
      const named = graphite.files().filter((file) => file.startsWith('home/electricity/'));
      const sources = new Set(named.map((file) => file.split('/')[2]));
      expect(sources).toEqual(
        new Set(['kasa', 'tuya', 'shelly', 'circuit', 'tasmota', 'glow', 'meter', 'house']),
      );
      expect(house.lines.filter((line) => /\berror\b/.test(line))).toEqual([]);
    });

    test('the meter of the house is in Graphite every 5 s, without a gap', async () => {
      let instants: number[] = [];
      // On the way from Carbon's memory into its file a point is visible in neither for a moment.
      await until(
        async () => {
          instants = (await points('meter.power_kw')).map(([at]) => at);
          const slots = (instants.at(-1)! - instants[0]!) / 5 + 1;
          return instants.length >= 4 && slots - instants.length <= stalls.beats(5_000);
        },
        () => `the meter is there at ${instants.join(', ')}`,
        60_000,
      );
      expect(instants.filter((at) => at % 5 !== 0)).toEqual([]);
    });

    test('the commands tell devices, history, energy, cost, standby, prices and discoveries', async () => {
      const listed = await json<ElectricityBody>('devices');
      expect(listed.devices.map((d) => d.path)).toEqual(
        expect.arrayContaining(appliances.all.map((a) => a.path)),
      );
      expect(listed.house).toMatchObject({ basis: 'meter', currency: 'GBP', price_per_kwh: 0.25 });
      const ofTuya = await json<ElectricityBody>('devices', '--source', 'tuya');
      expect(ofTuya.devices.map((d) => d.path)).toEqual([washer.path]);
      const shown = await json<ElectricDeviceBody & { events: Event[] }>('show', 'living room lamp');
      expect(shown).toMatchObject({ path: lamp.path, state: 'ok', model: 'KP115(UK)', control: 'allowed' });
      expect(shown.events.map((e) => e.kind)).toEqual(['electricity.discovered']);

      const history = await json<{ series: string; points: { mean: number }[] }>('history', 'kettle');
      expect(history.series).toBe('kasa.kettle.power_watts');
      expect(history.points.at(-1)?.mean).toBeCloseTo(2_000, -1);
      const volts = await json<typeof history>(
        'history',
        'Kettle',
        '--quantity',
        'voltage_volts',
        '--days',
        '1',
      );
      expect(volts.series).toBe('kasa.kettle.voltage_volts');

      // Money is added up every minute; this waits for the first.
      await until(
        async () => ((await now()).house.energy?.today_kwh ?? 0) > 0,
        () => 'the house counts no energy',
        90_000,
      );
      const energy = await json<{ path: string; days: { kwh: number }[] }>('energy');
      expect(energy.path).toBe('house');
      expect(energy.days.at(-1)!.kwh).toBeGreaterThan(0);
      const cost = () => json<{ currency: string; days: { path: string; standing: number }[] }>('cost');
      await until(async () => (await cost()).days.some((d) => d.path === 'house'), undefined, 90_000);
      expect((await cost()).currency).toBe('GBP');
      expect((await cost()).days.find((d) => d.path === 'house')?.standing).toBe(0.6);
      const standby = await json<{ standby: unknown[]; base_load: unknown }>('standby');
      expect(Object.keys(standby)).toEqual(['standby', 'base_load']);
      expect(await json('insight')).toMatchObject({ anomalies: [] });
      const cheapest = await json<{ price_per_kwh: number; currency: string }>('cheapest', '90');
      expect(cheapest).toMatchObject({ price_per_kwh: 0.25, currency: 'GBP' });

      const text = await cli('devices');
      expect(text.out).toMatch(/^kasa\.living_room_lamp +Living room lamp +on +40(\.0)? W/m);
      await expect
        .poll(async () => (await cli('devices')).out)
        .toMatch(/^The house draws 7\d{3} W by the meter, 3\d{3} W of it unexplained/m);
      expect((await cli('history', 'kettle')).out).toMatch(/^kasa\.kettle\.power_watts\n.*[▁-█]/);
    });

    test('switching is read back from the device and stands in the journal with actor and cause', async () => {
      const off = await cli('off', 'living room lamp', '--why', 'bedtime');
      expect(off).toEqual({ code: 0, out: 'kasa.living_room_lamp is off\n', err: '' });
      expect(lamp.sim.meters[0]?.on).toBe(false);
      expect((await device(lamp.path))?.values['is_on']).toBe(0);
      const { events } = await json<{ events: Event[] }>('show', lamp.path);
      expect(events[0]).toMatchObject({
        kind: 'electricity.switched',
        cause: 'user:cli',
        data: { path: lamp.path, wanted: false, why: 'bedtime', is_on: false, was_on: true },
      });
      for (const each of [washer, heater]) {
        expect(await cli('off', each.path)).toMatchObject({ code: 0, err: '' });
        expect((await device(each.path))?.values['is_on']).toBe(0);
        expect(await cli('on', each.path)).toMatchObject({ code: 0, err: '' });
      }
      expect(heater.sim.isOn()).toBe(true);
      await until(async () => (await newest('kasa.living_room_lamp.is_on')) === 0);
      expect(await cli('on', lamp.path)).toMatchObject({ code: 0 });
    });

    test('a button that somebody presses is in the journal as its own doing', async () => {
      const before = lamp.sim.meters[0]!;
      before.on = false;
      await until(async () => (await device(lamp.path))?.values['is_on'] === 0);
      // The journal is written after the picture.
      const newestEvent = async () => (await json<{ events: Event[] }>('show', lamp.path)).events[0];
      await expect.poll(newestEvent).toMatchObject({ kind: 'electricity.turned-off', cause: 'device' });
      before.on = true;
      await until(async () => (await device(lamp.path))?.values['is_on'] === 1);
    });

    test('errors say what to do, and their exit codes tell usage from failure', async () => {
      const unknown = await cli('off', 'toaster');
      expect(unknown.code).toBe(1);
      expect(unknown.err).toMatch(/no device is called "toaster"; known: .*kasa\.living_room_lamp/);
      const forbidden = await cli('off', 'Fridge');
      expect(forbidden.code).toBe(1);
      expect(forbidden.err).toMatch(/shelly\.fridge must not be switched: its settings say control: false/);
      expect(fridge.sim.isOn()).toBe(true);
      const { events } = await json<{ events: Event[] }>('show', 'Fridge');
      expect(events[0]).toMatchObject({ kind: 'electricity.switch-refused', cause: 'user:cli' });
      const impossible = await cli('on', 'Kitchen');
      expect(impossible.err).toMatch(/circuit\.kitchen cannot be switched: it has no switch/);
      expect(impossible.code).toBe(2);
      expect(await cli('history', '--days', 'ten')).toMatchObject({ code: 2 });
      expect(await cli('energy', '--from', 'yesterday')).toMatchObject({ code: 2 });
      expect(await cli('discover', '--source', 'zigbee')).toMatchObject({ code: 2 });
      expect(await cli('discover', '--source', 'kasa', '-n', 'home')).toMatchObject({ code: 2 });
      expect(await cli('whoops')).toMatchObject({ code: 2 });
      expect((await cli('history', 'toaster')).err).toMatch(/known: /);
    });

    test('discover finds what is in the named networks, also under the original name of the command', async () => {
      type Found = { host: string; name: string; model: string; metered: boolean }[];
      let found: Found = [];
      // A search ends after a second: devices that a busy machine plays may answer later.
      await until(
        async () => (found = await json<Found>('discover', '--source', 'kasa')).length >= 3,
        () => JSON.stringify(found),
      );
      expect(found.find((f) => f.host === unnamed.sim.host)).toMatchObject({
        name: 'Hallway',
        model: expect.stringContaining('KP115') as unknown,
        metered: true,
      });
      expect(found).toHaveLength(3);
      const search = () => runBin(bin('kasa_to_graphite'), ['--discover'], options);
      let original = await search();
      await until(
        async () => /^3 found/m.test(original.out) || /^3 found/m.test((original = await search()).out),
        () => original.out + original.err,
      );
      expect(original.code).toBe(0);
      expect(original.out).toMatch(/^kasa +127\.61\.0\.\d+ +Hallway +KP115/m);
    });

    test('once asks every device, sends, and ends with 0 beside the service, also as the original commands', async () => {
      const once = await cli('once');
      expect(once.out).toMatch(/Successfully sent \d+ metrics/);
      expect(once.code).toBe(0);
      for (const name of ['kasa_to_graphite', 'tuya_to_graphite', 'esp32_receiver', 'mqtt_to_graphite']) {
        const ran = await runBin(bin(name), ['--once'], options);
        expect(ran.out, name).toMatch(/Successfully sent [1-9]\d* metrics/);
        expect(ran.code, name).toBe(0);
      }
    });

    test('whoever switches over HTTP shows the token; the stream tells what changed', async () => {
      const url = await house.url();
      const stop = new AbortController();
      const stream = await fetch(`${url}/api/stream`, { signal: stop.signal });
      let heard = '';
      void (async () => {
        const decoder = new TextDecoder();
        for await (const chunk of stream.body!) heard += decoder.decode(chunk as Uint8Array);
      })().catch(() => {});
      const bodies = () =>
        [...heard.matchAll(/^event: electricity\ndata: (.*)$/gm)].map(
          (m) => JSON.parse(m[1]!) as ElectricityBody,
        );
      await until(() => bodies().length > 0);
      const path_ = `${url}/api/electricity/devices/kasa.living_room_lamp/switch`;
      const post = (headers: Record<string, string>) =>
        fetch(path_, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ on: false }),
        });
      expect((await post({})).status).toBe(401);
      expect((await post({ authorization: 'Bearer wrong' })).status).toBe(401);
      expect(lamp.sim.meters[0]?.on).toBe(true);
      const token = readFileSync(path.join(options.dir, 'data', 'api-token'), 'utf8').trim();
      expect((await post({ authorization: `Bearer ${token}` })).status).toBe(200);
      await until(
        () =>
          bodies()
            .at(-1)
            ?.devices.find((d) => d.path === lamp.path)?.values['is_on'] === 0,
      );
      stop.abort();
      expect(await cli('on', lamp.path)).toMatchObject({ code: 0 });
    });

    test.skipIf(promtoolPath === undefined)('Prometheus finds nothing to complain about', async () => {
      const scraped = await (await fetch(`${await house.url()}/metrics`)).text();
      expect(scraped).toContain('lares_electricity');
      expect(promtool(['check', 'metrics'], scraped)).toEqual({ code: 0, output: '' });
    });

    test('a new device, another name and another tariff apply without a restart', async () => {
      const added = await appliances.tuya('Dishwasher', 900, { version: '3.5' });
      writeSettings(
        options.dir,
        settings({
          devices: [
            { device: 'Fridge', control: false },
            { device: lamp.name, name: 'Reading lamp' },
          ],
          tariff: { currency: 'GBP', import: { kind: 'fixed', price: 0.5 }, standing_charge: 0.6 },
        }),
      );
      await house.line(/settings applied: .*electricity/);
      await measured(added.path);
      await until(async () => (await device('kasa.reading_lamp'))?.state === 'ok');
      await until(async () => (await device(lamp.path)) === undefined);
      await until(async () => (await now()).house.price_per_kwh === 0.5);
      await arrives('kasa.reading_lamp.power_watts');
      writeSettings(options.dir, settings());
      await until(async () => (await device(lamp.path))?.state === 'ok');
    });

    test('a restart keeps names and energy, and invents none', async () => {
      const before = await now();
      expect(await house.stop()).toBe(0);
      const away = await cli('devices');
      expect(away.code).toBe(1);
      expect(away.err).toMatch(
        /Lares does not answer at http:\/\/127\.0\.0\.1:\d+.*start it with: lares run/,
      );
      house = startLares(options);
      for (const { path: wanted } of appliances.all) await measured(wanted);
      const after = await now();
      expect(after.devices.map((d) => [d.id, d.path])).toEqual(before.devices.map((d) => [d.id, d.path]));
      for (const { path: wanted, load } of appliances.all) {
        const total = (body: ElectricityBody) =>
          body.devices.find((d) => d.path === wanted)?.energy?.total_kwh ?? 0;
        const passedH = (Date.parse(after.at) - Date.parse(before.at)) / 3.6e6;
        const used = total(after) - total(before);
        expect(used, wanted).toBeGreaterThanOrEqual(0);
        // One Wh for counters that show whole ones, and what the last poll before could not know.
        expect(used, wanted).toBeLessThanOrEqual((load.watts * (passedH + 10 / 3600)) / 1000 + 0.001);
      }
      expect(glow.sim.kwh.import).toBeGreaterThan(0);
    });

    test('what-if compares a tariff file with what the house pays', async () => {
      const file = path.join(options.dir, 'night.yaml');
      writeFileSync(file, 'name: Half\ncurrency: GBP\nimport: { kind: fixed, price: 0.125 }\n');
      const { totalWh, tariffs } = await json<WhatIf>('what-if', file);
      expect(totalWh).toBeGreaterThan(0);
      const [present, half] = tariffs;
      expect(half?.name).toBe('Half');
      expect(present?.total.import).toBeCloseTo((totalWh / 1000) * 0.25, 9);
      expect(half?.total.import).toBeCloseTo((totalWh / 1000) * 0.125, 9);
      writeFileSync(file, 'name: Half\ncurrency: GBP\nimport: { kind: fixed, prise: 0.125 }\n');
      const wrong = await cli('what-if', file);
      expect(wrong.code).toBe(2);
      expect(wrong.err).toMatch(/night\.yaml:3:.*pri[sc]e/);
    });

    test('once ends with 1 and names Carbon when nothing arrives', async () => {
      const { dir, remove } = scratch('electricity-once');
      const port = await freePort();
      writeSettings(dir, settings({}, { http: { port: 0 }, graphite: { host: '127.0.0.1', port } }));
      const ran = await lares({ dir }, 'electricity', 'once');
      remove();
      expect(ran.code).toBe(1);
      expect(ran.err).toMatch(`Carbon at 127.0.0.1:${port} has not confirmed anything`);
    });

    test('no token, key or password is in the log', () => {
      for (const secret of [meterToken, deviceLogin.password, 'a-key-of-tuya-16', 'simulated'])
        expect(house.lines.filter((line) => line.includes(secret))).toEqual([]);
    });
  },
);
