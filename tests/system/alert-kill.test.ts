import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { scratch, until } from '../servers/process.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const perLife = 8;
const lives = 12;

test('over kills at any moment every alert that was written down arrives, and a receiver that heeds the key sees none twice', async () => {
  const { dir, remove } = scratch('alert-kill');
  closers.push(remove);
  const arrived: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      arrived.push(String(request.headers['idempotency-key']));
      // Now and then the answer comes late, so that a kill falls between the arrival and the mark.
      setTimeout(() => response.end(), arrived.length % 3 === 0 ? 30 : 0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const child = path.join(import.meta.dirname, '../servers/alert-child.ts');
  const written = new Set<string>();

  /** One life of the house; it is killed once `over` holds, if it has not ended by then. */
  const live = async (first: number, count: number, over: () => boolean) => {
    const house = spawn(process.execPath, [child, dir, url, String(first), String(count)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let gone = false;
    const ended = new Promise<void>((resolve) => house.once('close', () => ((gone = true), resolve())));
    let text = '';
    house.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      for (const id of text.split('\n').slice(0, -1)) written.add(id);
    });
    await until(
      () => gone || over(),
      () => `${written.size} written, ${arrived.length} arrived`,
      120_000,
    );
    house.kill('SIGKILL');
    await ended;
  };

  for (let n = 0; n < lives; n += 1) {
    const before = written.size;
    const atLeast = 1 + ((n * 5) % perLife);
    await live(n * perLife, perLife, () => written.size >= before + atLeast);
  }
  await live(0, 0, () => false);
  expect([...written].filter((id) => !arrived.includes(id))).toEqual([]);
  expect(written.size).toBeGreaterThanOrEqual(lives);
  const book = await EventBook.open({ dataDir: dir, clock: systemClock, log: silent });
  closers.push(() => book.close());
  expect(book.waiting()).toBe(0);
  // Nothing arrived that was not an alert of the book, and every one of them is there once by its key.
  const known = book.alerts({ limit: 1_000 }).rows.map((row) => row.id);
  expect([...new Set(arrived)].toSorted()).toEqual(known.toSorted());
  const again = arrived.length - new Set(arrived).size;
  expect(again).toBeLessThan(arrived.length / 2);
});
