import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { graphiteMissing } from '../servers/graphite.ts';
import { lares, writeSettings, type LaresProcess } from '../servers/house.ts';
import { alive, childrenOf, startLab, type Lab } from '../servers/lab.ts';
import { canMakeLan } from '../servers/lan.ts';
import { postgresMissing, startPostgres } from '../servers/postgres.ts';
import { until } from '../servers/process.ts';
import { serviceManagerMissing, startServiceManager } from '../servers/service-manager.ts';
import type { DetailedHealthBody } from '#http/contract.ts';
import { Stalls } from '../servers/stalls.ts';
import { measured, slots } from '../../bench/lib/house.ts';

const missing =
  graphiteMissing ?? serviceManagerMissing ?? (canMakeLan ? undefined : 'root and network namespaces');
const needs = missing === undefined ? '' : ` (needs ${missing})`;

describe.skipIf(missing !== undefined)(`the life of the service${needs}`, () => {
  let lab: Lab;
  let stalls: Stalls;
  beforeAll(async () => {
    lab = await startLab();
  });
  beforeEach(() => void (stalls = new Stalls()));
  afterEach(async () => {
    stalls[Symbol.dispose]();
    await lab.killAll();
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const stopsInTime = async (house: LaresProcess) => {
    // What takes longer than 4.8 s ends with code 1.
    const stopped = house.line(/\|stopped$/).then(() => [performance.now(), stalls.totalMs] as const);
    const code = await house.stop();
    const ended = performance.now();
    const [at, stood] = await stopped;
    // Once everything is closed nothing, such as a forgotten timer, may keep the process until the hard stop.
    return { code, lingers: ended - at - (stalls.totalMs - stood) > 2_000 };
  };
  /** Until Graphite shows every one of these instants of a series, epoch ms. */
  const arrived = async (series: string, ticks: readonly number[]) => {
    const present = async () =>
      (await lab.graphite.points(series, ticks[0] ?? 0, ticks.at(-1) ?? 0)).get(series) ?? new Map();
    let lacking: number[] = [];
    await until(
      async () => {
        const points = await present();
        return (lacking = ticks.filter((at) => !points.has(at / 1000))).length === 0;
      },
      () => `${lacking.length} of ${ticks.length} ticks are missing in Graphite`,
    );
    return (await present()) as Map<number, number>;
  };

  test('systemd hears of the first cycle, of each good beat and of the end; a second service is refused', async () => {
    const dir = lab.dir();
    await using systemd = await startServiceManager(path.join(dir, 'notify.sock'));
    const env = { NOTIFY_SOCKET: path.join(dir, 'notify.sock'), WATCHDOG_USEC: '600000' };
    const house = lab.run({ dir, env });
    await until(() => systemd.heard.includes('READY=1'));
    const sent = await house.line(/Successfully sent/);
    expect(Date.parse(sent.split('|')[0]!)).toBeLessThanOrEqual(systemd.firstAt('READY=1'));
    const pings = () => systemd.heard.filter((line) => line === 'WATCHDOG=1').length;
    await until(() => pings() > 3);

    const second = await lares({ dir }, 'run');
    expect(second.code).toBe(1);
    expect(second.err).toContain(`another Lares (process ${house.pid}) uses the data directory ${dir}/data`);

    house.child.kill('SIGHUP');
    await until(() => systemd.heard.some((line) => /^RELOADING=1\|MONOTONIC_USEC=\d+$/.test(line)));
    expect(await stopsInTime(house)).toEqual({ code: 0, lingers: false });
    await until(() => systemd.heard.at(-1) === 'STOPPING=1');
  });

  test('a stop while Carbon is away loses nothing and leaves no process; a restart sends nobody away', async () => {
    const dir = lab.dir();
    const first = lab.run({ dir });
    await first.line(/Detected alex at home/);
    await lab.shows('alex.is_home', 1);
    await lab.graphite.kill();
    await first.line(/graphite.*error/);
    let children: number[] = [];
    await until(() => (children = childrenOf(first.pid)).length === 1);
    const from = Date.now();
    expect(await stopsInTime(first)).toEqual({ code: 0, lingers: false });
    await until(() => !children.some(alive));

    await lab.graphite.startCarbon();
    const second = lab.run({ dir });
    await second.line(/graphite replay finished|Successfully sent/);
    await until(() => second.count(/Successfully sent/) >= 6);
    expect(await stopsInTime(second)).toEqual({ code: 0, lingers: false });
    const { ticks, transitions } = await measured(path.join(dir, 'data'));
    const shown = await arrived('home.presence.alex.is_home', ticks);
    expect([...shown].filter(([at, value]) => at * 1000 > from && value !== 1)).toEqual([]);
    expect(transitions.map(({ kind, subject }) => `${subject} ${kind}`).toSorted()).toEqual([
      'person:alex presence.arrived',
      'person:sam presence.arrived',
    ]);
    expect(second.count(/Detected|left home|is away/)).toBe(0);
  });

  test('edited settings apply without missing a tick; what needs a restart is said; a mistake changes nothing', async () => {
    const dir = lab.dir();
    const file = path.join(dir, 'lares.yaml');
    const house = lab.run({ dir });
    await house.line(/Detected sam at home/);
    const settings = JSON.parse(readFileSync(file, 'utf8')) as {
      metrics: object;
      presence: { people: object[] };
    };
    settings.presence.people.push({ person: 'jo', homeassistant_entity: 'person.jo' });
    lab.homeAssistant.setState('person.jo', 'home');
    writeSettings(dir, settings);
    await house.line(/\|config: settings applied: presence\.people\[jo\]: none -> .*lares\.yaml\)/);
    await until(async () => {
      const { events } = await house.get<{ events: { data: object }[] }>('/api/events?kinds=config.changed');
      return (events[0]?.data as { count?: number } | undefined)?.count === 1;
    });
    await house.line(/Detected jo at home/);
    await lab.shows('jo.is_home', 1);
    await house.line(/Successfully sent 15 metrics/);

    writeSettings(dir, { ...settings, metrics: { interval_seconds: 2 } });
    await house.line(/config: settings that need a restart: metrics\.interval_seconds: 1 -> 2/);

    writeFileSync(file, 'presence: [this is not\n  a mapping');
    await house.line(/config error: .*the old settings stay in force/);
    const sent = house.count(/Successfully sent 15 metrics/);
    await until(() => house.count(/Successfully sent 15 metrics/) > sent + 1);
    writeSettings(dir, settings);
    house.child.kill('SIGHUP');
    await until(() => house.count(/Successfully sent 15 metrics/) > sent + 3);

    expect(await house.stop()).toBe(0);
    const { ticks } = await measured(path.join(dir, 'data'));
    expect(slots(ticks, 1_000).length - ticks.length).toBeLessThanOrEqual(stalls.beats(1_000));
    await arrived('home.presence.sam.is_home', ticks);
  });

  test.skipIf(postgresMissing !== undefined)(
    'with PostgreSQL in place of SQLite a phone arrives, history is told and a restart forgets nobody',
    async () => {
      const postgres = await startPostgres();
      try {
        const url = await postgres.create('house');
        const options = { dir: lab.dir(), env: { DATABASE_URL: url } };
        const first = lab.run(options);
        await first.line(/Detected alex at home/);
        await lab.shows('alex.is_home', 1);
        let health = await first.get<DetailedHealthBody>('/health/detailed');
        await until(
          async () => (health = await first.get('/health/detailed')).status === 'ok',
          () => JSON.stringify(health.components),
        );
        expect(health.store.kind).toBe('postgres');
        expect(await stopsInTime(first)).toEqual({ code: 0, lingers: false });
        const second = lab.run(options);
        await until(() => second.count(/Successfully sent/) >= 3);
        expect(second.count(/Detected|left home|is away/)).toBe(0);
        const history = await lares(options, 'presence', 'history', 'alex');
        expect(history.code).toBe(0);
        expect(history.out).toMatch(/alex +arrived/);
        expect(await stopsInTime(second)).toEqual({ code: 0, lingers: false });
        const password = new URL(url).password;
        expect([...first.lines, ...second.lines].filter((line) => line.includes(password))).toEqual([]);
      } finally {
        await postgres.remove();
      }
    },
  );
});
