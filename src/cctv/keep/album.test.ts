import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Album } from './album.ts';
import { KeepFolders } from './folders.ts';

const at = Date.parse('2026-01-31T08:00:05Z');
let folder = '';
afterEach(() => rmSync(path.dirname(folder), { recursive: true }));

function album(keepClean = true, enabled = true) {
  const root = mkdtempSync(path.join(tmpdir(), 'lares-album-'));
  folder = path.join(root, 'snapshots');
  new KeepFolders(path.join(root, 'folders')).claim(folder);
  return new Album({ folder, timeZone: 'UTC', enabled: () => enabled, keepClean: () => keepClean });
}
const bytes = (n: number) => new Uint8Array([0xff, 0xd8, n]);
const files = () => readdirSync(path.join(folder, '2026-01-31')).toSorted();

test('a better picture of an event takes the place and the name of the one before', async () => {
  const pictures = album();
  const first = await pictures.save({ event: 'a', at, boxed: bytes(1), clean: bytes(2) });
  const second = await pictures.save({ event: 'a', at: at + 9_000, boxed: bytes(3), clean: bytes(4) });
  expect(path.relative(folder, first!)).toBe('2026-01-31/snapshot_080005.jpg');
  expect(second).toBe(first);
  expect(files()).toEqual(['clean_080005.jpg', 'snapshot_080005.jpg']);
  expect([...readFileSync(first!)]).toEqual([0xff, 0xd8, 3]);
  expect([...readFileSync(path.join(folder, '2026-01-31/clean_080005.jpg'))]).toEqual([0xff, 0xd8, 4]);
});

test('two events of one second have a picture each, and one that was removed is made again', async () => {
  const pictures = album(false);
  const one = await pictures.save({ event: 'a', at, boxed: bytes(1), clean: bytes(2) });
  await pictures.save({ event: 'b', at, boxed: undefined, clean: bytes(5) });
  expect(files()).toEqual(['snapshot_080005.jpg', 'snapshot_080005_2.jpg']);
  rmSync(path.dirname(one!), { recursive: true });
  await pictures.save({ event: 'a', at, boxed: bytes(6), clean: bytes(7) });
  expect(files()).toEqual(['snapshot_080005.jpg']);
});

test('where none are kept, none is written', async () => {
  const file = await album(true, false).save({ event: 'a', at, boxed: bytes(1), clean: bytes(2) });
  expect([file, readdirSync(folder)]).toEqual([undefined, ['.lares-keep']]);
});
