import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { deviceMigrations } from '#devices/index.ts';
import { DeviceRepository } from '#devices/repository.ts';
import { ManualClock } from '#platform/clock.ts';
import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { silent } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { presenceConfig } from './config.ts';
import { reportCommand } from './report.ts';
import { falseDepartures, freshness, staleAddresses, troubles } from './report.rules.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).toReversed()) await clean();
});

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const now = Date.UTC(2026, 0, 31);

const transition = (person: string, kind: 'arrived' | 'left', at: number, conflict?: string) => ({
  at,
  kind: `presence.${kind}`,
  subject: `person:${person}`,
  cause: 'fusion',
  evidence: [{ at, source: 'wifi', text: kind === 'left' ? 'silent for 5 min' : 'answered ARP' }],
  data: {
    from: kind === 'left' ? 'home' : 'away',
    to: kind === 'left' ? 'away' : 'home',
    ...(conflict === undefined ? {} : { conflict }),
  },
});

test('a departure taken back within 15 minutes is probably none; a later return and another person are not it', () => {
  const events = [
    transition('alex', 'left', 0),
    transition('sam', 'arrived', minute),
    transition('alex', 'arrived', 15 * minute),
    transition('alex', 'left', hour),
    transition('alex', 'arrived', hour + 15 * minute + 1),
    transition('sam', 'arrived', 2 * hour),
  ].map((event, i) => ({ ...event, id: String(i) }));
  expect(falseDepartures(events)).toEqual([
    { person: 'alex', leftAt: 0, backAt: 15 * minute, because: 'silent for 5 min' },
  ]);
});

test('minutes without a tick are gaps, the longest first; the running minute is not missing', () => {
  const points = [0, 1, 2, 5, 6, 8].map((n) => n * minute);
  expect(freshness(points, 9 * minute + 30_000)).toEqual({
    covered: 6,
    minutes: 9,
    gaps: [
      { from: 3 * minute, to: 5 * minute },
      { from: 7 * minute, to: 8 * minute },
    ],
    newest: 8 * minute,
  });
  expect(freshness(points, 12 * minute).gaps[0]).toEqual({ from: 9 * minute, to: 12 * minute });
  expect(freshness([], now)).toEqual({ covered: 0, minutes: 0, gaps: [], newest: undefined });
});

test('the log is summed up by level, part and code, the worst and most frequent first', () => {
  const lines = [
    '2026-01-30T00:00:00.000Z|INFO|graphite|-|Successfully sent 27 metrics',
    '2026-01-30T00:00:01.000Z|WARN|wifi|TIMEOUT|wifi scan error: a',
    '2026-01-30T00:00:02.000Z|ERROR|graphite|UNREACHABLE|graphite error: 1',
    '2026-01-30T00:00:03.000Z|ERROR|graphite|UNREACHABLE|graphite error: 2|x',
    '2026-01-30T00:00:04.000Z|ERROR|tick|-|odd',
    'no log line',
  ];
  expect(troubles(lines)).toEqual([
    { level: 'ERROR', component: 'graphite', code: 'UNREACHABLE', count: 2, last: 'graphite error: 2|x' },
    { level: 'ERROR', component: 'tick', code: '-', count: 1, last: 'odd' },
    { level: 'WARN', component: 'wifi', code: 'TIMEOUT', count: 1, last: 'wifi scan error: a' },
  ]);
});

test('an address is stale after 30 days, and when it was never seen', () => {
  const people = [{ person: 'alex', wifi_macs: ['a', 'b', 'c'] }];
  const seen = new Map([
    ['a', now - 30 * day],
    ['b', now - 30 * day - 1],
  ]);
  expect(staleAddresses(people, seen, now)).toEqual([
    { person: 'alex', mac: 'b', lastSeen: now - 30 * day - 1 },
    { person: 'alex', mac: 'c', lastSeen: undefined },
  ]);
});

/** A house in which alex was away for half of each of the last two days, once only seemingly. */
async function seeded() {
  const { dir, remove } = scratch('report');
  const clock = new ManualClock(now);
  const open = () =>
    openStore({
      dataDir: dir,
      clock,
      log: silent,
      bus: new Bus(() => {}),
      migrations: [...deviceMigrations],
    });
  const store = await open();
  for (const event of [
    transition('alex', 'arrived', now - 2 * day),
    transition('alex', 'left', now - 2 * day + 12 * hour),
    transition('alex', 'arrived', now - day, 'Home Assistant says away'),
    transition('alex', 'left', now - day + 6 * hour),
    transition('alex', 'arrived', now - day + 6 * hour + 10 * minute),
    transition('alex', 'left', now - 12 * hour),
  ])
    await store.journal.append(event);
  for (const ago of [50, 40, 30, 3, 2, 1])
    await store.readings.append({
      at: now - ago * minute,
      values: new Map([['home.presence.count_home', 1]]),
    });
  await new DeviceRepository(store).save([
    {
      mac: '02:00:5e:10:00:01',
      ip: '192.0.2.10',
      network: '192.0.2.0/24',
      hostname: 'alex-phone',
      dhcpFingerprint: undefined,
      dhcpVendorClass: undefined,
      ipv6Suffix: undefined,
      firstSeen: now - 60 * day,
      lastSeen: now - 40 * day,
      lastVia: 'arp-reply',
    },
  ]);
  await store.close();
  cleanups.push(remove);
  const log = path.join(dir, 'lares.log');
  writeFileSync(
    log,
    [
      '2025-11-01T00:00:00.000Z|ERROR|graphite|-|long ago',
      '2026-01-30T00:00:00.000Z|ERROR|graphite|UNREACHABLE|graphite error: 192.0.2.123:2003 refuses connections',
    ].join('\n'),
  );
  return { open, log };
}

async function report(words: readonly string[], homeassistant?: { url: string; token: string }) {
  const { open, log } = await seeded();
  const printed: { data: unknown; text: string }[] = [];
  const program = new Command();
  reportCommand(program, {
    config: async () => ({
      home: { time_zone: 'UTC' },
      presence: presenceConfig.parse({
        people: [{ person: 'alex', wifi_macs: ['02:00:5e:10:00:01'] }, { person: 'sam' }],
      }),
      ...(homeassistant && { homeassistant: { ...homeassistant, verify_tls: true } }),
    }),
    configFile: () => 'lares.yaml',
    dataDir: () => '.',
    store: open,
    get: async () => ({}),
    log: silent,
    env: {},
    print: (data, human) => printed.push({ data, text: human() }),
    progress: () => {},
    signal: new AbortController().signal,
  });
  await program.parseAsync(['report', ...words, '--log', log, '--to', new Date(now).toISOString()], {
    from: 'user',
  });
  return printed[0]!;
}

test('the weekly report shows errors, freshness, occupancy and departures taken back', async () => {
  const { text } = await report(['weekly']);
  expect(text).toBe(
    [
      '2026-01-24 00:00:00 to 2026-01-31 00:00:00',
      '',
      'Errors and warnings',
      '  LEVEL  TIMES  PART      CODE         LAST',
      '  ERROR  1      graphite  UNREACHABLE  graphite error: 192.0.2.123:2003 refuses connections',
      '',
      'Freshness',
      '  6 of 50 minutes have a tick (12.0 %); the newest is of 2026-01-30 23:59:00',
      '  gap of 26 min 0 s from 2026-01-30 23:31:00',
      '  gap of 9 min 0 s from 2026-01-30 23:11:00',
      '  gap of 9 min 0 s from 2026-01-30 23:21:00',
      '',
      'Occupancy',
      '  WHO   HOME    AWAY    UNKNOWN  CAME  LEFT  CONFLICTS',
      '  alex  14.2 %  85.8 %  0.0 %    3     3     1',
      '  sam   0.0 %   0.0 %   100.0 %  0     0     0',
      '',
      'Departures taken back within 15 minutes (probably none at all)',
      '  alex  2026-01-30 06:00:00, back after 10 min 0 s: silent for 5 min',
    ].join('\n'),
  );
});

test('the monthly report also shows stale addresses and what Home Assistant says to the token', async () => {
  const sim = await new HomeAssistantSim({ token: 'right-token', now: () => now }).listen();
  cleanups.push(() => sim.close());
  const good = await report(['monthly'], { url: sim.url, token: 'right-token' });
  expect(good.text).toContain(
    'Addresses not seen for 30 days\n  alex  02:00:5e:10:00:01  not seen since 2025-12-22 00:00:00',
  );
  expect(good.text).toContain('Home Assistant says to the token\n  API running.');
  const bad = await report(['monthly'], { url: sim.url, token: 'wrong-token' });
  expect((bad.data as { homeassistant_token: string }).homeassistant_token).toMatch(/401|token/);
  expect(bad.text).not.toContain('wrong-token');
});

test('another span is a wrong call', async () => {
  await expect(report(['daily'])).rejects.toMatchObject({ code: 'USAGE' });
});
