import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, open, openSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import { scratch } from '../../../tests/servers/process.ts';
import { Keeping } from './keep.ts';
import { houseConfig } from '../config.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function keeping(settings: object = {}) {
  const { dir: dataDir, remove } = scratch('keeping');
  closers.push(remove);
  const clock = new ManualClock(Date.parse('2026-06-15T11:00:00Z'));
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line), now: () => clock.now() });
  const book = await EventBook.open({ dataDir, clock, log });
  closers.push(() => book.close());
  const health = new Health(clock);
  const { cctv } = houseConfig.parse({ cctv: settings });
  const keep = new Keeping({ clock, log, health, dataDir, book, settings: () => cctv });
  const disk = () => health.report().components.find((c) => c.name === 'cctv.disk');
  return { dataDir, clock, lines, keep, disk };
}

test('one folder that refuses does not keep the other from being used, and is told once', async () => {
  const { keep, lines, disk } = await keeping({ snapshots: { folder: '/dev/null/lares' } });
  await keep.claim();
  await keep.claim();
  expect(disk()?.state).toBe('down');
  expect(existsSync(path.join(keep.folders.recordings, '.lares-keep'))).toBe(true);
  expect(lines.filter((line) => line.includes('/dev/null/lares'))).toHaveLength(1);
});

test('a disk that hangs holds up nobody, and is used again when it answers', async () => {
  const { clock, dataDir, disk, keep } = await keeping();
  // All threads that read files wait as they do on a share whose server is gone.
  const pipes = Array.from({ length: Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) }, (_, i) =>
    path.join(dataDir, `pipe${i}`),
  );
  execFileSync('mkfifo', pipes);
  const opened = pipes.map(
    (pipe) =>
      new Promise<void>((resolve) => {
        open(pipe, 'r', (_, fd) => {
          closeSync(fd);
          resolve();
        });
      }),
  );
  const claimed = keep.claim();
  await clock.advance(2_000);
  await claimed;
  expect(disk()).toMatchObject({
    state: 'down',
    detail: expect.stringContaining('does not answer') as string,
  });
  for (const pipe of pipes) closeSync(openSync(pipe, 'w'));
  await Promise.all(opened);
  await keep.claim();
  expect(disk()?.state).toBe('ok');
});
