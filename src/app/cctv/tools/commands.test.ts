import { Command } from 'commander';
import { XMLValidator } from 'fast-xml-parser';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import type { EventRow } from '#cctv/book/model.ts';
import { Bus } from '#kernel/bus.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { cctvTools } from '../tools.ts';
import { cliHouse } from '../../context.ts';
import { houseMigrations } from '../../migrations.ts';
import { runProgram } from '../../program.ts';
import { plotMetrics } from './plot.ts';

const silent = new Logger({ write: () => {} });
const dayMs = 86_400_000;
let dir = '';
let said = '';
const printed = () => JSON.parse(said) as Record<string, unknown>;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-tools-'));
  mkdirSync(path.join(dir, 'data'));
  said = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(dir, { recursive: true });
});

const cameras = ['front', 'yard'].map((id) => ({
  id,
  name: id.toUpperCase(),
  url: `rtsp://192.0.2.1/${id}`,
}));

/** One command line of the tools, in a house whose service is not there. */
async function run(...args: string[]): Promise<number> {
  const settings = path.join(dir, 'lares.yaml');
  writeFileSync(settings, JSON.stringify({ http: { port: 9 }, home: { time_zone: 'UTC' }, cameras }));
  return runProgram(
    (env, signal) => {
      const program = new Command('lares').option('--json');
      const options = () => ({ ...program.opts(), config: settings, data: path.join(dir, 'data') });
      cctvTools(program.command('cctv'), cliHouse(options, env, signal), { env, version: '0', options });
      return program;
    },
    ['cctv', ...args],
    { PATH: process.env['PATH'] },
    () => {},
  );
}

const event = (id: string, at: number): EventRow => ({
  id,
  at,
  camera: 'front',
  label: 'person',
  confidence: 0.7,
  box: { left: 0, top: 0, width: 0.1, height: 0.1 },
  seenAt: at,
  closed: true,
  data: {},
});

async function seed(now: number): Promise<void> {
  const dataDir = path.join(dir, 'data');
  const book = await EventBook.open({ dataDir, clock: systemClock, log: silent });
  for (let day = 0; day < 10; day += 1) {
    const at = now - day * dayMs - 60_000;
    await book.openEvent(event(`e${day}`, at));
    const common = { camera: 'front', startAt: at, endAt: at + 60_000, closed: true, bytes: 7_000_000 };
    await book.files.segment({ ...common, file: `/v/clip-${day}.mp4`, events: [`e${day}`] });
  }
  await book.close();
  const store = await openStore({
    dataDir,
    clock: systemClock,
    log: silent,
    bus: new Bus(() => {}),
    migrations: houseMigrations,
  });
  for (let minute = 0; minute < 120; minute += 1) {
    const at = now - minute * 60_000;
    const values = ['front', 'gone'].flatMap((node): [string, number][] => [
      [`home.cctv.${node}.online`, 1],
      [`home.cctv.${node}.fps`, 5],
    ]);
    await store.readings.append({ at, values: new Map(values) });
  }
  await store.close();
}

test('plot draws what is stored, also of a camera that is gone, and says so where there is nothing', async () => {
  await seed(Date.now());
  const out = path.join(dir, 'metrics.svg');
  expect(await run('plot', '--days', '1', '--out', out)).toBe(0);
  const svg = readFileSync(out, 'utf8');
  expect(XMLValidator.validate(svg)).toBe(true);
  expect([...svg.matchAll(/>(FRONT|YARD|gone|events|alerts)</g)].map((m) => m[1])).toEqual([
    'gone',
    'FRONT',
    'alerts',
    'events',
  ]);
  expect(svg.match(/nothing was stored/g)).toHaveLength(4);
  expect(svg.length).toBeGreaterThan(1_000);
});

test('plot of a house that is younger than what is asked for begins with the house', async () => {
  const now = Date.now();
  const at = (minutesAgo: number) => now - minutesAgo * 60_000;
  const values = Array.from({ length: 90 }, (_, i) => ({ at: at(90 - i), mean: 5, min: 5, max: 5 }));
  const asked: number[] = [];
  const readings = {
    series: async () => ['home.cctv.front.online'],
    chart: async (_series: string, from: number) => (asked.push(from), values.filter((v) => v.at >= from)),
  };
  const options = { readings, book: undefined, prefix: 'home.cctv', cameras: [], now, timeZone: 'UTC' };
  const { svg } = await plotMetrics({ ...options, days: 30 });
  expect([/Cameras, the last [\w ]+/.exec(svg)?.[0], asked.at(-1)]).toEqual([
    'Cameras, the last 1 h 30 min',
    at(90),
  ]);
  // Events that are older than the readings are drawn as well.
  const book = { countSince: (from: number) => ({ events: from < at(5_000) ? 9 : 1, alerts: 0 }) };
  expect((await plotMetrics({ ...options, book, days: 30 })).svg).toContain('Cameras, the last 30 days');
});

test('plot of a house that never ran is a picture all the same', async () => {
  const out = path.join(dir, 'metrics.svg');
  expect(await run('--json', 'plot', '--days', '1', '--out', out)).toBe(0);
  expect(printed()).toMatchObject({ file: out, points: 0, cameras: ['FRONT', 'YARD'] });
  expect(XMLValidator.validate(readFileSync(out, 'utf8'))).toBe(true);
});

test('capacity tells the pace of video and what retention makes of it', async () => {
  await seed(Date.now());
  expect(await run('--json', 'capacity', '--seconds', '1')).toBe(0);
  const { running, kept, disks, months } = printed() as {
    running: boolean;
    kept: { kind: string; bytes: number; bytesPerDay: number; days: number }[];
    disks: { folder: string; fullInDays?: number }[];
    months: { events: number }[];
  };
  expect(running).toBe(false);
  expect(kept[0]).toEqual({ kind: 'clips', bytes: 70_000_000, bytesPerDay: 7_000_000, days: 14 });
  expect(disks.map((d) => [d.folder, d.fullInDays])).toEqual([[path.join(dir, 'data'), undefined]]);
  expect(months.reduce((sum, m) => sum + m.events, 0)).toBe(10);
});

test('monitor watches the process that holds the data directory, as long as it is told, and writes each row', async () => {
  const service = spawn('sleep', ['60'], { argv0: 'lares' });
  const csv = path.join(dir, 'use.csv');
  writeFileSync(path.join(dir, 'data', 'lock.pid'), `${service.pid}\n`);
  const code = await run('--json', 'monitor', '--duration', '4', '--interval', '1', '--csv', csv);
  service.kill();
  const { pid, rows, seconds } = printed() as {
    pid: number;
    rows: { rssBytes: { core: number } }[];
    seconds: number;
  };
  expect([code, pid]).toEqual([0, service.pid]);
  expect(seconds).toBeGreaterThanOrEqual(4);
  // Fewer than four where the machine itself stood still.
  expect(rows.length).toBeGreaterThanOrEqual(2);
  expect(rows.length).toBeLessThanOrEqual(4);
  expect(rows[1]!.rssBytes.core).toBeGreaterThan(100_000);
  const lines = readFileSync(csv, 'utf8').trim().split('\n');
  expect(lines).toHaveLength(rows.length + 1);
  expect(new Set(lines.map((l) => l.split(',').length)).size).toBe(1);
});

test('monitor takes no other program for the service, though a number that was left behind is its', async () => {
  writeFileSync(path.join(dir, 'data', 'lock.pid'), '1\n');
  expect(await run('monitor', '--duration', '1')).toBe(0);
  expect(said).toMatch(/^time,core_cpu_percent,.*\n20.*\n\nNo service runs on this data directory/);
});

test('benchmark measures every stage on a drawn clip', async () => {
  expect(await run('--json', 'benchmark', '--seconds', '1')).toBe(0);
  const { stages, capabilities, used } = printed() as {
    stages: { stage: string; cpuMs: number }[];
    capabilities: { on: string; allMotion: number }[];
    used: string;
  };
  const names = new Set(stages.map((s) => s.stage));
  expect([...names].toSorted()).toEqual([
    'decode',
    'end-to-end',
    'gate',
    'inference',
    'jpeg',
    'scale',
    'tracker',
  ]);
  expect(stages.every((s) => s.cpuMs >= 0)).toBe(true);
  expect(used).toBe('centernet 512x288');
  expect(capabilities.map((c) => c.on)).toEqual([
    'centernet 512x288',
    'centernet 416x256',
    'centernet 320x192',
  ]);
});

test('a camera that is not in the settings is named with those that are', async () => {
  await expect(run('benchmark', '--camera', 'attic')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'there is no camera attic; there are front, yard',
  });
});

test.each([
  ['monitor', '--duration', '0'],
  ['plot', '--days', 'many'],
  ['stress', '--cameras', '1000'],
  ['e2e', '--duration', '-1'],
])('%s %s %s is refused as a wrong call', async (...args) => {
  await expect(run(...args)).rejects.toMatchObject({ code: 'USAGE' });
});
