import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Bus, type Movement } from '#kernel/bus.ts';
import type { NewEvent } from '#kernel/event.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { EventBook } from './book/book.ts';
import { cameraConfig } from './config.ts';
import type { Signal } from './ingest/messages.ts';
import type { Box, Observation, Track } from './model.ts';
import { CctvService } from './service.ts';

const start = Date.parse('2026-01-31T08:00:00Z');
const closers: (() => unknown)[] = [];
afterEach(() => {
  lives = 0;
  for (const close of closers.splice(0).toReversed()) close();
});

const door = {
  name: 'door',
  door: 'outside',
  polygon: [
    [0.4, 0.2],
    [0.6, 0.2],
    [0.6, 0.45],
    [0.4, 0.45],
  ],
};
const front = cameraConfig.parse({ id: 'front', url: 'rtsp://viewer:hunter2@192.0.2.20/s', zones: [door] });
const box = (x: number, y: number): Box => ({ left: x - 0.05, top: y - 0.2, width: 0.1, height: 0.2 });

/** Events of a second life have other ids. */
let lives = 0;
async function house(folder = mkdtempSync(path.join(tmpdir(), 'lares-cctv-'))) {
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line), now: () => clock.now() });
  const book = await EventBook.open({ dataDir: folder, clock, log });
  const bus = new Bus(() => {});
  const movements: Movement[] = [];
  bus.on('movement', (m) => movements.push(m));
  const journal: NewEvent[] = [];
  const marks: [string, boolean][] = [];
  let next = lives;
  lives += 100;
  const service = new CctvService({
    clock,
    log,
    bus,
    journal: {
      append: async (event) => {
        journal.push(event);
        return { ...event, id: String(journal.length) };
      },
    },
    book,
    pictures: { save: async ({ event }) => `snapshots/${event}.jpg` },
    newId: () => `event-${(next += 1)}`,
    groundOf: () => undefined,
    usualRecording: () => 'events',
    mark: (_camera, event, open) => marks.push([event, open]),
  });
  service.configure([front]);
  const seen: Observation[] = [];
  service.onObserved((o) => seen.push(o));
  const live = () => service.take({ kind: 'state', camera: 'front', at: clock.now(), state: 'live' });
  /** One frame `ms` after the start. */
  const frame = (ms: number, tracks: readonly Partial<Track>[], ended: readonly number[] = []) => {
    const at = start + ms;
    const all = tracks.map((t): Track => ({
      id: 1,
      label: 'person',
      score: 0.8,
      box: box(0.5, 0.8),
      velocity: { x: 0, y: 0 },
      bornAt: at,
      hits: 3,
      state: 'confirmed',
      ...t,
      seenAt: at,
    }));
    const signal: Signal = {
      kind: 'tracks',
      camera: 'front',
      at,
      width: 640,
      height: 360,
      tracks: all,
      ended,
      inferMs: 7,
    };
    service.take(signal);
  };
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, clock, lines, book, movements, journal, marks, service, seen, live, frame };
}

test('an object is in the book from the moment it is believed, and its end is its last sight', async () => {
  const { book, frame, live, marks, seen } = await house();
  live();
  frame(0, [{}]);
  expect(book.events().rows).toMatchObject([{ id: 'event-1', at: start, label: 'person', closed: false }]);
  frame(1_500, [{ score: 0.9 }]);
  frame(9_000, [], [1]);
  expect(book.events().rows).toMatchObject([{ closed: true, seenAt: start + 1_500, confidence: 0.9 }]);
  expect(marks).toEqual([
    ['event-1', true],
    ['event-1', false],
  ]);
  expect(seen.map((o) => o.ended === true)).toEqual([false, false, true]);
});

test('after a crash the same object goes on in the same event, and who is gone ended when last seen', async () => {
  const first = await house();
  first.live();
  first.frame(0, [{}, { id: 2, box: box(0.2, 0.9) }]);
  first.frame(1_500, [{}, { id: 2, box: box(0.2, 0.9) }]);
  first.book.flush();
  const { book, clock, frame, live, marks, service } = await house(first.folder);
  live();
  frame(4_000, [{ id: 7 }]);
  // Who records was started anew, too.
  expect(marks).toEqual([['event-1', true]]);
  await clock.advance(60_000);
  service.tidy();
  expect(book.events({ order: 'asc' }).rows.map((e) => [e.id, e.closed, e.seenAt - start])).toEqual([
    ['event-1', false, 1_500],
    ['event-2', true, 1_500],
  ]);
});

test('a camera that is lost is one line with the word reconnect and its cause, however many tries follow', async () => {
  const { clock, journal, lines, live, service } = await house();
  live();
  const down = { kind: 'state', camera: 'front', state: 'down', cause: 'RTSP_STALLED' } as const;
  const detail = 'no packet for 2 s';
  service.take({ ...down, at: clock.now(), detail, lost: true });
  const asks = { cause: 'RTSP_GARBAGE', detail: 'this is not RTSP; is this the right port?' } as const;
  service.take({ ...down, ...asks, at: clock.now() });
  expect(lines.at(-1)).toMatch(
    /\|camera front error: this is not RTSP; is this the right port\? it is tried again$/,
  );
  for (let i = 0; i < 5; i += 1) {
    service.take({ kind: 'state', camera: 'front', at: clock.now(), state: 'connecting' });
    service.take({ ...down, at: clock.now(), detail });
  }
  live();
  const told = lines.filter((line) => line.includes('reconnect'));
  expect(told).toEqual([
    '2026-01-31T08:00:00.000Z|ERROR|lares|RTSP_STALLED|camera front error: no packet for 2 s; reconnect follows',
  ]);
  expect(journal.map((e) => e.kind)).toEqual(['camera.lost', 'camera.back']);
  expect(service.cameras()[0]).toMatchObject({ state: 'live', address: 'rtsp://192.0.2.20/s' });
  expect(lines.join()).not.toContain('hunter2');
});

test('who comes out of the door is told to presence, with the event that proves it', async () => {
  const { frame, journal, live, movements } = await house();
  live();
  frame(0, [{ box: box(0.5, 0.3) }]);
  expect(movements).toEqual([
    { direction: 'exit', at: start, source: 'camera.front', confidence: 0.8, ref: 'event-1' },
  ]);
  expect(journal.map((e) => [e.kind, e.data['zone']])).toEqual([['camera.passage', 'door']]);
});

const off = { ...front, enabled: false };
test.each([
  ['is switched off', [off]],
  ['leaves the settings', []],
])('a camera that was lost and then %s ends its events when they were last seen', async (_, settings) => {
  const { book, clock, frame, live, service, seen } = await house();
  live();
  frame(0, [{}]);
  service.take({ kind: 'state', camera: 'front', at: clock.now(), state: 'down', cause: 'RTSP_STALLED' });
  service.configure(settings);
  expect(book.events().rows.map((e) => [e.id, e.closed, e.seenAt])).toEqual([['event-1', true, start]]);
  expect(seen.at(-1)).toMatchObject({ event: 'event-1', ended: true });
});

test('so do events of before a crash whose camera is switched off', async () => {
  const first = await house();
  first.live();
  first.frame(0, [{}]);
  const { book, service } = await house(first.folder);
  service.configure([off]);
  expect(book.events().rows.map((e) => [e.id, e.closed])).toEqual([['event-1', true]]);
});

test('a camera that is switched off and on again begins as one of which nothing is known', async () => {
  const { clock, live, service } = await house();
  live();
  service.take({ kind: 'state', camera: 'front', at: start, state: 'down', cause: 'RTSP_STALLED' });
  await clock.advance(5_000);
  service.configure([off]);
  expect(service.cameras()[0]).toMatchObject({ state: 'off', since: start + 5_000 });
  service.configure([front]);
  expect(service.cameras()[0]).toMatchObject({ state: 'connecting' });
  expect(service.cameras()[0]?.cause).toBeUndefined();
});

test('a camera that nobody needs stays off when other settings change', async () => {
  const { clock, service } = await house();
  service.take({ kind: 'state', camera: 'front', at: start, state: 'off', detail: 'nobody watches it' });
  const since = clock.now();
  await clock.advance(5_000);
  service.configure([{ ...front, name: 'Front gate' }]);
  expect(service.cameras()[0]).toMatchObject({ state: 'off', since, name: 'Front gate' });
});

test('a clock that is set back an hour stops neither last sights nor paths', async () => {
  const { book, frame, live } = await house();
  live();
  frame(0, [{}]);
  frame(1_000 - 3_600_000, [{ box: box(0.3, 0.8) }]);
  frame(2_000 - 3_600_000, [{ box: box(0.4, 0.8) }]);
  const hour = [...book.paths(start - 3_600_000, start - 3_000_000)];
  expect(hour.map((p) => p.at - start + 3_600_000)).toEqual([1_000, 2_000]);
});

test('a camera may have any name that settings allow', async () => {
  const { service } = await house();
  service.configure([cameraConfig.parse({ id: 'constructor', url: 'rtsp://192.0.2.20/s' })]);
  const at = start;
  const track = {
    id: 1,
    label: 'person',
    score: 0.8,
    box: box(0.5, 0.8),
    velocity: { x: 0, y: 0 },
    bornAt: at,
  };
  const seen: Track = { ...track, seenAt: at, hits: 3, state: 'confirmed' };
  const size = { width: 640, height: 360, inferMs: 7 };
  service.take({ kind: 'tracks', camera: 'constructor', at, tracks: [seen], ended: [], ...size });
  expect(service.places()).toEqual({ constructor: [] });
});

test('a camera that leaves the settings ends its events, and its late signals are passed over', async () => {
  const { book, frame, live, service } = await house();
  live();
  frame(0, [{}]);
  service.configure([]);
  frame(500, [{}]);
  expect(book.events().rows.map((e) => [e.id, e.closed])).toEqual([['event-1', true]]);
  expect(service.cameras()).toEqual([]);
});

test('a picture of a track belongs to its event', async () => {
  const { book, frame, live, service } = await house();
  live();
  frame(0, [{}]);
  const told: string[] = [];
  service.onSnapshot((event, file) => told.push(`${event} ${file}`));
  const clean = new Uint8Array([1]);
  service.take({ kind: 'picture', camera: 'front', at: start, track: 1, clean });
  service.take({ kind: 'picture', camera: 'front', at: start, track: 99, clean });
  await expect.poll(() => told).toEqual(['event-1 snapshots/event-1.jpg']);
  expect(book.event('event-1')?.snapshot).toBe('snapshots/event-1.jpg');
});
