import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { EventBook } from '../book/book.ts';
import { anAlert, anEvent } from '../book/fixture.ts';
import { limitsOf, retentionConfig } from './config.ts';
import { KeepFolders } from './folders.ts';
import { emergency, kinds, overdue, type KeptFile } from './retention.rules.ts';
import { sweep, type RetentionOptions } from './retention.ts';

const now = Date.parse('2026-03-01T12:00:00Z');
const dayMs = 86_400_000;

describe('what is overdue', () => {
  const limits = limitsOf(retentionConfig.parse({})).limits;
  const file = fc.record({
    file: fc.uuid(),
    kind: fc.constantFrom(...kinds),
    at: fc.integer({ min: now - 20 * dayMs, max: now }),
    bytes: fc.integer({ min: 0, max: 1_000_000 }),
    open: fc.boolean(),
  });
  const size = (files: readonly KeptFile[]) => files.reduce((n, f) => n + f.bytes, 0);

  test('is old, or the oldest of too many, and never what is being written', () => {
    fc.assert(
      fc.property(
        fc.array(file, { maxLength: 60 }),
        fc.integer({ min: 0, max: 5_000_000 }),
        (files, bytes) => {
          const own = { ...limits, clips: { days: 14, bytes } };
          const gone = new Set(overdue(files, own, now, undefined).files);
          expect([...gone].some((f) => f.open)).toBe(false);
          const old = files.filter((f) => !f.open && now - f.at > own[f.kind].days * dayMs);
          expect(old.filter((f) => !gone.has(f))).toEqual([]);
          const clips = files.filter((f) => f.kind === 'clips' && !f.open);
          const kept = clips.filter((f) => !gone.has(f));
          expect(size(kept)).toBeLessThanOrEqual(bytes);
          const oldestKept = Math.min(...kept.map((f) => f.at));
          expect(clips.filter((f) => gone.has(f) && f.at > oldestKept)).toEqual([]);
        },
      ),
    );
  });

  test('on a nearly full disk is as much as it takes, video of nothing first', () => {
    const make = (kind: KeptFile['kind'], age: number) => ({
      file: `${kind}${age}`,
      kind,
      at: now - age,
      bytes: 100,
    });
    const files = [make('clips', 5), make('snapshots', 6), make('continuous', 1), make('continuous', 2)];
    const at = (freeBytes: number) => overdue(files, limits, now, { totalBytes: 10_000, freeBytes });
    expect(at(501).files).toEqual([]);
    expect(at(499)).toEqual({
      files: [files[0], files[3], files[2], files[1]].toSorted((a, b) => a!.at - b!.at),
      emergencyBytes: 400,
    });
    const big = { totalBytes: 3_000, freeBytes: 3_000 * (1 - emergency.from) };
    expect(overdue(files, limits, now, big).files.map((f) => f.file)).toEqual(['continuous2', 'continuous1']);
  });
});

describe('the sweep', () => {
  let base: string;
  let book: EventBook;
  let lines: string[];
  let options: RetentionOptions;
  beforeEach(async () => {
    base = mkdtempSync(path.join(tmpdir(), 'lares-keep-'));
    lines = [];
    const log = new Logger({ write: (line) => lines.push(line), now: () => 0 });
    const folders = new KeepFolders(path.join(base, 'keep-folders'));
    const [snapshots, recordings] = ['snapshots', 'recordings'].map((name) => path.join(base, name)) as [
      string,
      string,
    ];
    await folders.claim(snapshots);
    await folders.claim(recordings);
    book = await EventBook.open({ dataDir: base, clock: new ManualClock(now), log });
    options = {
      snapshots,
      recordings,
      ...limitsOf(retentionConfig.parse({})),
      book,
      log,
      disk: () => Promise.resolve({ totalBytes: 1e12, freeBytes: 5e11 }),
    };
  });
  afterEach(async () => {
    await book.close();
    rmSync(base, { recursive: true, force: true });
  });

  function write(name: string, at: number, bytes = 10): string {
    const file = path.join(base, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, Buffer.alloc(bytes));
    utimesSync(file, at / 1000, at / 1000);
    return file;
  }
  const segment = (file: string, startAt: number, closed = true, events: string[] = []) =>
    book.files.segment({ camera: 'yard', file, startAt, endAt: startAt + 60_000, bytes: 10, closed, events });

  test('lets snapshots go after a week, with their folders, and the book knows', async () => {
    const old = write('snapshots/2026-02-20/snapshot_120000.jpg', now - 8 * dayMs);
    const oldClean = write('snapshots/2026-02-20/clean_120000.jpg', now - 8 * dayMs);
    const young = write('snapshots/2026-02-27/snapshot_120000.jpg', now - 2 * dayMs);
    await book.openEvent(anEvent('e1', now - 8 * dayMs, { snapshot: old }));
    await book.openEvent(anEvent('e2', now - 2 * dayMs, { snapshot: young }));
    expect(await sweep(options, now)).toEqual({
      files: 2,
      bytes: 20,
      emergencyBytes: 0,
      missing: 0,
      rows: 0,
      kept: { recordings: 0, snapshots: 10 },
    });
    expect([old, oldClean, young].map((file) => existsSync(file))).toEqual([false, false, true]);
    expect(readdirSync(options.snapshots)).toEqual(['.lares-keep', '2026-02-27']);
    expect(book.event('e1')).toMatchObject({ snapshot: old, snapshotGone: true });
    expect(book.event('e2')).toMatchObject({ snapshotGone: false });
  });

  test('keeps video of events longer than video of nothing, also the file in which the time before began', async () => {
    const names = ['a', 'b', 'c', 'd'].map((_, i) =>
      write(`recordings/yard/2026-02-24/1${i}0000.mp4`, now - 5 * dayMs),
    );
    const began = now - 5 * dayMs;
    await segment(names[0]!, began);
    await segment(names[1]!, began + 60_000);
    await segment(names[2]!, began + 120_000, true, ['e1']);
    await segment(names[3]!, began + 600_000);
    await book.openEvent(anEvent('e1', began + 125_000));
    await sweep(options, now);
    expect(names.map((file) => existsSync(file))).toEqual([false, true, true, false]);
    expect(book.files.segments('yard', 0, now).map(({ file }) => file)).toEqual([names[1], names[2]]);
  });

  test('spares the file that is being written', async () => {
    const growing = write('recordings/yard/2026-02-01/120000.mp4', now - 1_000);
    await segment(growing, now - 20 * dayMs, false);
    await sweep(options, now);
    expect(existsSync(growing)).toBe(true);
  });

  test('bears that others delete, and flags it', async () => {
    await book.openEvent(
      anEvent('e1', now, { snapshot: path.join(options.snapshots, '2026-03-01/snapshot_1.jpg') }),
    );
    await segment(path.join(options.recordings, 'yard/2026-03-01/gone.mp4'), now);
    expect(await sweep(options, now)).toMatchObject({ missing: 2, files: 0 });
    expect(book.event('e1')?.snapshotGone).toBe(true);
    expect(book.counts().segments).toBe(0);
    expect(await sweep(options, now)).toMatchObject({ missing: 0 });
  });

  test('says nothing of pictures whose disk is not mounted', async () => {
    const file = write('snapshots/2026-02-20/snapshot_120000.jpg', now - 8 * dayMs);
    await book.openEvent(anEvent('e1', now, { snapshot: file }));
    renameSync(options.snapshots, `${options.snapshots}.away`);
    mkdirSync(options.snapshots);
    await sweep(options, now);
    expect(book.event('e1')?.snapshotGone).toBe(false);
    expect(existsSync(path.join(`${options.snapshots}.away`, '2026-02-20/snapshot_120000.jpg'))).toBe(true);
  });

  test('follows no link and touches nothing that is not ours', async () => {
    const precious = write('precious/2026-01-01/snapshot_120000.jpg', now - 50 * dayMs);
    symlinkSync(path.join(base, 'precious/2026-01-01'), path.join(options.snapshots, '2026-01-01'));
    mkdirSync(path.join(options.snapshots, '2026-01-02'));
    symlinkSync(precious, path.join(options.snapshots, '2026-01-02/snapshot_120000.jpg'));
    symlinkSync(path.join(base, 'precious'), path.join(options.recordings, 'yard'));
    const notes = write('snapshots/2026-01-03/notes.txt', now - 50 * dayMs);
    const keep = write('snapshots/holiday/snapshot_120000.jpg', now - 50 * dayMs);
    expect(await sweep(options, now)).toMatchObject({ files: 0 });
    expect([precious, notes, keep].map((file) => existsSync(file))).toEqual([true, true, true]);
  });

  test('makes room on a nearly full disk, and says so', async () => {
    const files = [1, 2, 3].map((i) =>
      write(`recordings/yard/2026-03-01/0${i}0000.mp4`, now - 10_000_000 + i, 100),
    );
    for (const [i, file] of files.entries()) await segment(file, now - 10_000_000 + i);
    const disk = () => Promise.resolve({ totalBytes: 3_000, freeBytes: 100 });
    expect(await sweep({ ...options, disk }, now)).toMatchObject({ files: 2, emergencyBytes: 200 });
    expect(files.map((file) => existsSync(file))).toEqual([false, false, true]);
    expect(lines.some((line) => line.includes('nearly full'))).toBe(true);
  });

  const otherDisk = '/dev/shm';
  test.skipIf(!existsSync(otherDisk) || statSync(otherDisk).dev === statSync(tmpdir()).dev)(
    'takes from a disk that is nearly full and from no other',
    async () => {
      const mount = mkdtempSync(path.join(otherDisk, 'lares-keep-'));
      try {
        const recordings = path.join(mount, 'video');
        await new KeepFolders(path.join(base, 'keep-folders')).claim(recordings);
        const picture = write('snapshots/2026-03-01/snapshot_120000.jpg', now - 1_000_000, 100);
        const video = path.join(recordings, 'yard/2026-03-01/120000.mp4');
        mkdirSync(path.dirname(video), { recursive: true });
        writeFileSync(video, Buffer.alloc(100));
        utimesSync(video, now / 1000 - 1_000, now / 1000 - 1_000);
        const full = (folder: string) => (asked: string) =>
          Promise.resolve({ totalBytes: 10_000, freeBytes: asked === folder ? 0 : 9_000 });
        await sweep({ ...options, recordings, disk: full(options.snapshots) }, now);
        expect([existsSync(picture), existsSync(video)]).toEqual([false, true]);
        await sweep({ ...options, recordings, disk: full(recordings) }, now);
        expect(existsSync(video)).toBe(false);
      } finally {
        rmSync(mount, { recursive: true });
      }
    },
  );

  test('knows pictures and video again that were brought to another disk', async () => {
    const video = write('recordings/yard/2026-02-24/100000.mp4', now - 5 * dayMs);
    const picture = write('snapshots/2026-02-27/snapshot_120000.jpg', now - 2 * dayMs);
    await segment(video, now - 5 * dayMs, true, ['e1']);
    await book.openEvent(anEvent('e1', now - 2 * dayMs, { snapshot: picture }));
    await book.alert(anAlert('a1', now, { event: 'e1', snapshot: picture }));
    // As `rsync -a` does it: what is copied stays where it was, too.
    const [snapshots, recordings] = ['disk/pictures', 'disk/video'].map((name) => path.join(base, name)) as [
      string,
      string,
    ];
    cpSync(options.recordings, recordings, { recursive: true, preserveTimestamps: true });
    cpSync(options.snapshots, snapshots, { recursive: true, preserveTimestamps: true });
    expect(await sweep({ ...options, snapshots, recordings }, now)).toMatchObject({ files: 0, missing: 0 });
    expect(book.files.segments('yard', 0, now)).toMatchObject([
      { file: path.join(recordings, 'yard/2026-02-24/100000.mp4'), events: ['e1'] },
    ]);
    const there = path.join(snapshots, '2026-02-27/snapshot_120000.jpg');
    expect(book.event('e1')).toMatchObject({ snapshot: there, snapshotGone: false });
    expect(book.findAlert('a1')?.snapshot).toBe(there);
  });

  test('looks at as many pictures and files as there are, in portions', async () => {
    const count = 4_321;
    const db = new DatabaseSync(path.join(base, 'events.db'));
    const numbers = `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count})`;
    db.prepare(
      `insert into events (id, timestamp, camera, label, confidence, box, last_seen, closed, snapshot)
       ${numbers} select 'e' || i, ?, 'yard', 'person', 0.5, '[]', ?, 1, ? || printf('%06d', i) || '.jpg' from n`,
    ).run(now / 1000, now / 1000, path.join(options.snapshots, '2026-03-01/snapshot_'));
    db.prepare(
      `insert into segments (file, camera, started, ended, bytes, closed)
       ${numbers} select ? || printf('%06d', i) || '.mp4', 'yard', ?, ?, 1, 1 from n`,
    ).run(path.join(options.recordings, 'yard/2026-03-01/'), now / 1000, now / 1000);
    db.close();
    expect([...book.files.pictures()].flat()).toHaveLength(count);
    expect(await sweep(options, now)).toMatchObject({ missing: 2 * count });
    expect([...book.files.pictures()].flat()).toEqual([]);
    expect([...book.files.video(0)].flat()).toEqual([]);
  });
});
