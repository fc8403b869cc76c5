import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AlertBody, SuppressedBody } from '#cctv/body.ts';
import { startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { mainsHabits, simulatedScanner, type SimulatedDevice } from '#devices/lan/sim.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { houseConfig } from '../../src/app/config.ts';
import { startHouse, type House } from '../../src/app/house.ts';
import { bookRows, cameraFolder, drive, whole } from '../servers/camera-house.ts';
import { lares, writeSettings } from '../servers/house.ts';
import { freePort, until } from '../servers/process.ts';

const network = '192.0.2.0/24';
const alexPhone = '02:00:5e:10:00:01';
const router = '3c:a6:2f:10:00:01';
const strangerPhone = '02:00:5e:10:00:99';

/** Who is on the LAN since when; who is not there is out of reach. */
const here = new Map<string, number>();

const device = (name: string, mac: string, ip: string): SimulatedDevice => ({
  name,
  mac,
  ip,
  habits: mainsHabits,
  presence: (at) => {
    const since = here.get(mac);
    const present = since !== undefined && at >= since;
    // The future is not known: it is looked at again in a second.
    return { here: present, since: since ?? 0, until: at + 1_000 };
  },
});

const life = new AsyncDisposableStack();
const lines: string[] = [];
let dir: string;
let port: number;
let house: House;
const sims: SimulatedCameras[] = [];
const cameras: object[] = [];

// Longer than this process, which is the house as well, may stand still.
let graceSeconds = 12;

const settings = () => ({
  http: { port },
  home: { time_zone: 'UTC' },
  metrics: { interval_seconds: 1 },
  wifi: { networks: [network], scan_interval_seconds: 5, probe_interval_seconds: 2 },
  presence: {
    policy: 'fixed',
    offline_grace_seconds: graceSeconds,
    people: [{ person: 'alex', wifi_macs: [alexPhone] }],
  },
  guard: { arrival_grace_seconds: 0 },
  cctv: { recording: { mode: 'off' } },
  processing: { detection: { classes: ['person'] } },
  cameras,
  alert_rules: [
    { id: 'person', cooldown: 0, severity: 'info', presence: { residents_home: 'log' }, actions: [] },
  ],
});

/** The same walk begins before one more camera. */
async function walkPast(id: string, zones: object[] = []): Promise<void> {
  const sim = await startCameras([drive(`/${id}`, 5)]);
  sims.push(sim);
  // Others see nothing from now on, so that each walk is one camera's.
  cameras.splice(0, cameras.length, { id, url: sim.url(`/${id}`), zones });
  writeSettings(dir, settings());
  house.configure(houseConfig.parse(settings()));
}

beforeAll(async () => {
  const folder = await cameraFolder();
  ({ dir } = folder);
  life.defer(folder.remove);
  life.defer(async () => void (await Promise.all(sims.map((sim) => sim.close()))));
  port = await freePort();
  here.set(alexPhone, 0).set(router, 0);
  writeSettings(dir, settings());
  const stop = new AbortController();
  house = await startHouse({
    config: houseConfig.parse(settings()),
    dataDir: `${dir}/data`,
    folder: dir,
    version: '0',
    clock: systemClock,
    log: new Logger({ write: (line) => void lines.push(line) }),
    openScanner: async () =>
      simulatedScanner({
        network,
        devices: [
          device('router', router, '192.0.2.1'),
          device('alex-phone', alexPhone, '192.0.2.10'),
          device('stranger-phone', strangerPhone, '192.0.2.99'),
        ],
        clock: systemClock,
        seed: 'cameras',
      }),
    simulated: true,
    signal: stop.signal,
  });
  life.defer(async () => {
    stop.abort();
    await house.stopped;
  });
});
afterAll(() => life.disposeAsync());

const get = async <T>(where: string) => (await (await fetch(`${house.url}${where}`)).json()) as T;
const alertsOf = async (camera: string) =>
  (await get<{ alerts: AlertBody[] }>(`/api/cctv/alerts?camera=${camera}`)).alerts;
const tail = () => lines.slice(-15).join('\n');
const isAlex = (state: string) =>
  until(
    async () => (await get<{ people: { state: string }[] }>('/api/presence')).people[0]?.state === state,
    tail,
    120_000,
  );

test('while alex is home a walk is written down with its reason and nobody is told', async () => {
  await isAlex('home');
  await walkPast('first');
  const held = () =>
    bookRows<{ rule: string; reason: string }>(
      dir,
      `select rule, reason from suppressed where camera = 'first'`,
    );
  await until(() => held().length > 0, tail, 120_000);
  expect(held()[0]).toEqual({ rule: 'person', reason: expect.stringMatching(/alex is home/i) as string });
  expect(await alertsOf('first')).toEqual([]);
  const { suppressed } = await get<{ suppressed: SuppressedBody[] }>('/api/cctv/suppressed?camera=first');
  expect(suppressed.at(-1)).toMatchObject({ rule: 'person', reason: held()[0]!.reason });
  await until(() => lines.some((line) => /\|INFO\|alerts\|ALERT_HELD\|held back: alex is home /i.test(line)));
});

test('while alex is away the same walk alerts', async () => {
  here.delete(alexPhone);
  await isAlex('away');
  await walkPast('second');
  await until(async () => (await alertsOf('second')).length > 0, tail, 120_000);
  expect((await alertsOf('second')).at(-1)).toMatchObject({ severity: 'info', rule: 'person' });
  expect(bookRows(dir, `select * from suppressed where camera = 'second'`)).toEqual([]);
});

test('with an unknown phone about the same walk is more severe, and says why', async () => {
  here.set(strangerPhone, Date.now());
  // Phones of nobody are counted once a minute.
  const known = async () =>
    (await get<{ devices: { mac: string }[] }>('/api/presence/devices')).devices.some(
      ({ mac }) => mac === strangerPhone,
    );
  await until(known, tail);
  let alert: AlertBody | undefined;
  await until(
    async () => {
      if ((await alertsOf('third')).length === 0) await walkPast('third');
      await until(async () => (await alertsOf('third')).length > 0, tail, 120_000);
      [alert] = await alertsOf('third');
      return alert?.severity === 'warning';
    },
    tail,
    240_000,
  );
  expect(JSON.stringify(alert!.why)).toMatch(/an unknown phone has been there/);
});

test('who comes out of a door of the home is evidence of an exit', async () => {
  here.set(alexPhone, Date.now());
  await isAlex('home');
  // Silence of less than half a minute speaks of no exit.
  graceSeconds = 32;
  await walkPast('door', [{ name: 'front_door', polygon: whole, door: 'outside' }]);
  const left = () => lines.some((line) => line.endsWith('camera door: somebody left by front_door'));
  await until(left, tail, 120_000);
  here.delete(alexPhone);
  await isAlex('away');
  const why = await lares({ dir }, 'presence', 'why', 'alex');
  expect(why).toMatchObject({ code: 0, err: '' });
  expect(why.out).toMatch(/camera\.door +away +\d+\.\d +somebody left through a watched door/);
});
