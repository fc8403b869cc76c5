import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { anAlert, anEvent } from '#cctv/book/fixture.ts';
import { calibrate } from '#cctv/ground/calibrate.ts';
import type { Replay } from '#guard/rules/replay.rules.ts';
import { Bus } from '#kernel/bus.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../../tests/servers/process.ts';
import { houseMigrations } from '../migrations.ts';

const minute = 60_000;
const now = Date.now();
const at = (minutesAgo: number) => now - minutesAgo * minute;
const log = new Logger({ level: 'error' });
const root = path.join(import.meta.dirname, '../../..');

let folder: ReturnType<typeof scratch>;
const file = (name: string) => path.join(folder.dir, name);
const lares = (...words: string[]) =>
  spawnSync(path.join(root, 'bin/lares'), ['-c', file('lares.yaml'), '--data', file('data'), ...words], {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
    cwd: folder.dir,
  });
const json = (...words: string[]) => {
  const { status, stdout, stderr } = lares(...words, '--json');
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as unknown;
};

const settings = `presence:
  people:
    - person: alex
      name: Alex
cameras:
  - id: yard
    name: Yard
    url: rtsp://192.0.2.21/stream1
    zones:
      - name: drive
        polygon: [[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]
alert_rules:
  - id: drive
    zones: [drive]
    presence: {residents_home: log}
    cooldown: 0
    actions: []
  - id: gate
    classes: [car]
    conditions:
      distance_to_reference: {reference: gate, operator: '<', value: 3}
    actions: []
  - id: fast
    classes: [dog]
    conditions:
      dwell_seconds: 3600
    actions: []
`;

/** Somebody who walks for five seconds; the foot of the box is at \`left + 0.05\`. */
async function walks(book: EventBook, id: string, startedAt: number, left: number, label = 'person') {
  const step = (seconds: number) => ({ left: left + seconds / 100, top: 0.5, width: 0.1, height: 0.3 });
  const seenAt = startedAt + 5_000;
  await book.openEvent(anEvent(id, startedAt, { label, box: step(0), seenAt: startedAt, data: {} }));
  for (let s = 0; s <= 5; s += 0.5)
    book.addPath({
      event: id,
      at: startedAt + s * 1000,
      score: 0.8,
      box: step(s),
      stationary: false,
      furniture: false,
    });
  await book.closeEvent(id, { seenAt });
}

beforeAll(async () => {
  folder = scratch('rules');
  mkdirSync(file('data'));
  writeFileSync(file('lares.yaml'), settings);
  await calibrate({
    configFolder: file('config'),
    camera: 'yard',
    now: 0,
    height: 3,
    tilt: 20,
    fov: 80,
    picture: { width: 1280, height: 720 },
    // Where the foot of a box at the middle of the lower half stands.
    references: ['gate=point:50%,80%'],
    people: [],
  });
  const book = await EventBook.open({ dataDir: file('data'), clock: systemClock, log });
  await walks(book, 'nobody-home', at(120), 0.2);
  await walks(book, 'told-before', at(180), 0.2);
  await walks(book, 'out-of-the-zone', at(240), 0.7);
  await walks(book, 'alex-home', at(60), 0.2);
  await walks(book, 'car-at-gate', at(200), 0.43, 'car');
  await walks(book, 'long-ago', at(60 * 24 * 3), 0.2);
  await book.alert(anAlert('a1', at(180) + 1_000, { rule: 'drive', event: 'told-before' }));
  await book.alert(anAlert('a2', at(240) + 1_000, { rule: 'drive', event: 'out-of-the-zone' }));
  await book.close();
  const bus = new Bus(() => {});
  const store = await openStore({
    dataDir: file('data'),
    databaseUrl: undefined,
    clock: systemClock,
    log,
    bus,
    migrations: houseMigrations,
  });
  await store.journal.append({
    at: at(90),
    kind: 'presence.arrived',
    subject: 'person:alex',
    cause: 'fusion',
    evidence: [],
    data: { from: 'away', to: 'home' },
  });
  await store.close();
});
afterAll(() => folder.remove());

const short = ({ alerts }: Replay) => alerts.map((a) => [a.change, a.rule, a.event, a.why]);

test('a replay says which alerts the rules of now would give, which vanish and why, and whom presence holds back', () => {
  const replayed = json('cctv', 'rules', 'try', '--days', '1') as Replay;
  expect(short(replayed)).toEqual([
    ['vanished', 'drive', 'out-of-the-zone', expect.stringMatching(/drive/)],
    ['appeared', 'gate', 'car-at-gate', undefined],
    ['same', 'drive', 'told-before', undefined],
    ['appeared', 'drive', 'nobody-home', undefined],
  ]);
  expect(replayed.rules).toEqual([
    { rule: 'drive', would: 2, did: 2, same: 1, appeared: 1, vanished: 1, held: { residents: 1 } },
    { rule: 'gate', would: 1, did: 0, same: 0, appeared: 1, vanished: 0, held: {} },
    { rule: 'fast', would: 0, did: 0, same: 0, appeared: 0, vanished: 0, held: {} },
  ]);
  expect(replayed.objects).toBe(5);
  expect(replayed.alerts[1]?.message).toMatch(/gate/);
});

test('more days show what was before, and one rule shows only itself', () => {
  const replayed = json('cctv', 'rules', 'try', '--days', '7', '--rule', 'drive') as Replay;
  expect(short(replayed)[0]).toEqual(['appeared', 'drive', 'long-ago', undefined]);
  expect(replayed.rules.map((r) => r.rule)).toEqual(['drive']);
});

test('rules of another file are tried on the same past, with the metres of this house', () => {
  const wider = settings.replace(
    '[[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]',
    '[[0, 0], [1, 0], [1, 1], [0, 1]]',
  );
  writeFileSync(file('wider.yaml'), wider);
  const replayed = json(
    'cctv',
    'rules',
    'try',
    '--days',
    '1',
    '--config-file',
    file('wider.yaml'),
    '--rule',
    'drive',
  );
  expect(short(replayed as Replay)).toEqual([
    ['same', 'drive', 'out-of-the-zone', undefined],
    ['same', 'drive', 'told-before', undefined],
    ['appeared', 'drive', 'nobody-home', undefined],
  ]);
});

test('the text of a replay and the list of rules are for people', () => {
  const tried = lares('cctv', 'rules', 'try', '--days', '1');
  expect(tried.stdout).toMatch(/^5 objects of 1 day, \d+ sights\n/);
  expect(tried.stdout).toMatch(/^drive +2 +2 +1 +1 +1 +1 residents$/m);
  const listed = lares('cctv', 'rules', 'list');
  expect([listed.status, listed.stdout.split('\n')[1]?.replaceAll(/ +/g, ' ')]).toEqual([
    0,
    'drive person all drive always warning',
  ]);
});

test.each([
  [['cctv', 'rules', 'try', '--rule', 'gaet'], 1, 'there is no rule gaet; there are drive, gate, fast'],
  [['cctv', 'rules', 'try', '--days', '0'], 2, '--days "0": expected a number from 1 to 400'],
  [['cctv', 'rules', 'try', '--config-file', 'none.yaml'], 2, 'cannot read none.yaml'],
])('%j ends with %i', (words, code, message) => {
  const { status, stderr } = lares(...words);
  expect([status, stderr]).toEqual([code, expect.stringContaining(message)]);
});

test('an analysis counts alerts and what people said of them', () => {
  expect(json('cctv', 'analyze', '--days', '30')).toMatchObject({
    alerts: 2,
    false: 0,
    rules: [{ name: 'drive', alerts: 2, false: 0 }],
    cameras: [{ name: 'yard', alerts: 2, false: 0 }],
  });
  expect(lares('cctv', 'analyze').stdout).toMatch(/^2 alerts in 30 days, 0 marked false \(0 %\)\n/);
});
