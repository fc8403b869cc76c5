/**
 * What `kill -9` at random moments costs: `node bench/kill-cctv.ts [--kills 200] [--seed 1] [--cameras 2]`.
 *
 * People come and go before simulated cameras while the whole house, a process that reads cameras, or the detector is
 * killed in turn. Somebody outside asks the API all the time: an event or alert that it told once is confirmed, and must
 * be in the book after every restart. Alerts are told by webhook. The last instant that can be played of each recording is
 * held against the instant of the kill.
 */
import { execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { familyOf } from '#app/cctv/tools/machine.ts';
import { webhookSink } from '#app/cctv/tools/sinks.ts';
import { startTrialHouse, trialFolder, type TrialHouse } from '#app/cctv/tools/trial-house.ts';
import { EventBook } from '#cctv/book/book.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { startAppearances } from './lib/appearances.ts';
import { percentile } from './lib/counting.ts';
import { seeded } from './lib/faults.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    cameras: { type: 'string', default: '2' },
  },
});
const kills = Number(values.kills);
const count = Number(values.cameras);
const random = seeded(Number(values.seed));
const silent = new Logger({ write: () => {} });
const ids = Array.from({ length: count }, (_, i) => `c${i}`);
/** On a busy machine a process that just began to start takes seconds to notice. */
const orphanMs = 5_000;
const lostGoalMs = 1_000;

const targets = ['house', 'lares-cameras', 'lares-detector'] as const;
type Target = (typeof targets)[number];

const { dir, remove } = trialFolder();
const sim = await startAppearances({ cameras: count, thereMs: 4_000, awayMs: 6_000 });
const webhook = await webhookSink();

const start = () =>
  startTrialHouse(dir, {
    settings: {
      cameras: ids.map((id) => ({ id, url: `rtsp://127.0.0.1:${sim.port}/${id}`, record: 'continuous' })),
      processing: { detection: { classes: ['person'] } },
      monitoring: { webhooks: [{ id: 'bench', url: webhook.url }] },
      alert_rules: [
        {
          id: 'person',
          classes: ['person'],
          cooldown: 0,
          presence: { residents_home: 'alert', arrivals: 'ignore' },
          actions: [{ type: 'webhook', to: 'bench' }],
        },
      ],
    },
    calibrated: [],
    startMs: 60_000,
    signal: new AbortController().signal,
  });

/** Ids that the API told to somebody outside. */
const confirmed = { events: new Set<string>(), alerts: new Set<string>() };
let house: TrialHouse = await start();
let watching = true;
const watch = (async () => {
  while (watching) {
    for (const kind of ['events', 'alerts'] as const)
      try {
        const body = await house.get<Record<string, { id: string }[]>>(`/api/cctv/${kind}?limit=20`);
        for (const { id } of body[kind] ?? []) confirmed[kind].add(id);
      } catch {
        // It was killed just now.
      }
    await sleep(100);
  }
})();

const result = {
  kills: { house: 0, 'lares-cameras': 0, 'lares-detector': 0 } as Record<Target, number>,
  eventsLost: new Set<string>(),
  alertsLost: new Set<string>(),
  unsound: 0,
  recovered: 0,
  orphans: 0,
  startMs: [] as number[],
  videoLostMs: [] as number[],
  /** Ages of houses and readers that were killed before their first picture was recorded. */
  noVideoYetMs: [] as number[],
};
/** When the process that records was started last. */
let bornAt = Date.now();

const openBook = () =>
  EventBook.open({ dataDir: house.dataDir, clock: systemClock, log: silent, guest: true });

/** Epoch ms up to which a file can be played by somebody else's player. */
function playableUntil(file: string, startAt: number): number | undefined {
  const probe = [
    '-v',
    'error',
    '-select_streams',
    'v',
    '-show_entries',
    'packet=pts_time,duration_time',
    '-of',
    'csv=p=0',
  ];
  let lines = '';
  try {
    lines = execFileSync('/usr/bin/ffprobe', [...probe, file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    // Killed before its first bytes.
    return undefined;
  }
  const times = lines
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number))
    .map(([pts, length]) => pts! + (length || 0));
  return times.length === 0 ? undefined : startAt + 1000 * Math.max(...times);
}

async function untilGone(pids: readonly number[]): Promise<boolean> {
  const end = performance.now() + orphanMs;
  for (;;) {
    const alive = (await Promise.all(pids.map((pid) => familyOf(pid))))
      .flat()
      .filter((p) => p.name.startsWith('lares'));
    if (alive.length === 0) return true;
    if (performance.now() > end) {
      console.log(`still there after ${orphanMs} ms: ${alive.map((p) => `${p.name} ${p.pid}`).join(', ')}`);
      return false;
    }
    await sleep(20);
  }
}

/**
 * What was written of each camera up to a kill, by the files of this life of the process that records, whether the book
 * knows them or not. A file without a whole fragment lost what there was since its first picture.
 */
async function measureVideo(killedAt: number): Promise<void> {
  const book = await openBook();
  try {
    for (const id of ids) {
      const files = globSync(`recordings/${id}/**/*.mp4`, { cwd: house.dataDir })
        .map((name) => path.join(house.dataDir, name))
        .map((file) => ({ file, beganAt: statSync(file).birthtimeMs }))
        .filter(({ beganAt }) => beganAt >= bornAt)
        .toSorted((a, b) => a.beganAt - b.beganAt);
      const newest = files.at(-1);
      if (newest === undefined) {
        result.noVideoYetMs.push(killedAt - bornAt);
        continue;
      }
      const row = book.files.segments(id, bornAt, killedAt).find((r) => r.file === newest.file);
      const startAt = row?.startAt ?? newest.beganAt;
      result.videoLostMs.push(
        Math.max(0, killedAt - (playableUntil(newest.file, startAt) ?? newest.beganAt)),
      );
    }
  } finally {
    await book.close();
  }
}

async function checkBook(): Promise<void> {
  const book = await openBook();
  try {
    if (book.integrity() !== undefined) result.unsound += 1;
    for (const id of confirmed.events) if (book.event(id) === undefined) result.eventsLost.add(id);
    for (const id of [...confirmed.alerts, ...webhook.received.map((r) => r.alert.id)])
      if (book.findAlert(id) === undefined) result.alertsLost.add(id);
  } finally {
    await book.close();
  }
}

for (let i = 1; i <= kills; i += 1) {
  const target = targets[i % 2 === 0 ? 0 : i % 4 === 1 ? 1 : 2]!;
  // Some die while they start.
  await sleep(i % 5 === 0 ? random() * 1_000 : 1_000 + random() * 5_000);
  const family = await familyOf(house.pid);
  const victim = target === 'house' ? house.pid : family.find((p) => p.name === target)?.pid;
  if (victim === undefined) continue;
  const killedAt = Date.now();
  process.kill(victim, 'SIGKILL');
  result.kills[target] += 1;
  if (target === 'house') {
    if (!(await untilGone(family.map((p) => p.pid)))) result.orphans += 1;
    await measureVideo(killedAt);
    await house.close();
    const began = performance.now();
    bornAt = Date.now();
    house = await start();
    result.startMs.push(performance.now() - began);
    if (house.tail().some((line) => line.includes('BOOK_DAMAGED'))) result.recovered += 1;
    await checkBook();
  } else if (target === 'lares-cameras') {
    await untilGone([victim]);
    await measureVideo(killedAt);
    bornAt = Date.now();
  }
  if (i % 10 === 0)
    console.log(
      `${new Date().toISOString()} kill ${i}: ${confirmed.events.size} events, ${webhook.received.length} told`,
    );
}
// What waits is told now.
await sleep(8_000);
watching = false;
await watch;
await checkBook();
const book = await openBook();
const stored = book.alerts({ limit: 1000 }).rows;
const told = webhook.received.map((r) => r.alert.id);
const known = new Set([...book.files.video(0)].flatMap((page) => page.map((row) => row.file)));
const files = globSync('recordings/**/*.mp4', { cwd: house.dataDir }).map((f) => path.join(house.dataDir, f));
const perEvent = new Map<string, number>();
for (const { event, rule } of stored)
  perEvent.set(`${event} ${rule}`, (perEvent.get(`${event} ${rule}`) ?? 0) + 1);
const figures = {
  killsHouse: result.kills.house,
  killsCameras: result.kills['lares-cameras'],
  killsDetector: result.kills['lares-detector'],
  eventsConfirmed: confirmed.events.size,
  eventsLost: result.eventsLost.size,
  alerts: stored.length,
  alertsConfirmed: confirmed.alerts.size,
  alertsLost: result.alertsLost.size,
  alertsNeverTold: stored.filter((a) => !told.includes(a.id)).length,
  alertsTwiceForOneEvent: [...perEvent.values()].filter((n) => n > 1).length,
  webhookTwice: told.length - new Set(told).size,
  unsoundDatabases: result.unsound,
  recoveries: result.recovered,
  orphans: result.orphans,
  videoChecks: result.videoLostMs.length,
  videoLostP50Ms: Math.round(percentile(result.videoLostMs, 0.5)),
  videoLostMaxMs: Math.round(Math.max(0, ...result.videoLostMs)),
  videoOverOneSecond: result.videoLostMs.filter((ms) => ms > lostGoalMs).length,
  noVideoYet: result.noVideoYetMs.length,
  noVideoYetMaxMs: Math.round(Math.max(0, ...result.noVideoYetMs)),
  videoFiles: files.length,
  videoFilesNotInBook: files.filter((f) => !known.has(f)).length,
  restartP50Ms: Math.round(percentile(result.startMs, 0.5)),
  restartMaxMs: Math.round(Math.max(0, ...result.startMs)),
};
await book.close();
const stopped = await house.stop();
await house.close();
await webhook.close();
sim.close();
remove();
console.log(
  table(
    ['FIGURE', 'VALUE'],
    Object.entries({ ...figures, lastStop: stopped.code ?? 'killed' }).map(([k, v]) => [k, String(v)]),
  ),
);
console.log(JSON.stringify({ bench: 'kill-cctv', ...figures }));
