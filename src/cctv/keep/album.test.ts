import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Album } from './album.ts';
import { KeepFolders } from './folders.ts';

const at = Date.parse('2026-01-31T08:00:05Z');
let folder = '';
afterEach(() => rmSync(path.dirname(folder), { recursive: true }));

async function album(keepClean = true, enabled = true) {
  const root = mkdtempSync(path.join(tmpdir(), 'lares-album-'));
  folder = path.join(root, 'snapshots');
  await new KeepFolders(path.join(root, 'folders')).claim(folder);
  return new Album({ folder, timeZone: 'UTC', enabled: () => enabled, keepClean: () => keepClean });
}
const bytes = (n: number) => new Uint8Array([0xff, 0xd8, n]);
const files = () => readdirSync(path.join(folder, '2026-01-31')).toSorted();

test('a better picture of an event takes the place and the name of the one before', async () => {
  const pictures = await album();
  const first = await pictures.save({ event: 'a', at, boxed: bytes(1), clean: bytes(2) });
  const second = await pictures.save({ event: 'a', at: at + 9_000, boxed: bytes(3), clean: bytes(4) });
  expect(path.relative(folder, first!)).toBe('2026-01-31/snapshot_080005.jpg');
  expect(second).toBe(first);
  expect(files()).toEqual(['clean_080005.jpg', 'snapshot_080005.jpg']);
  expect([...readFileSync(first!)]).toEqual([0xff, 0xd8, 3]);
  expect([...readFileSync(path.join(folder, '2026-01-31/clean_080005.jpg'))]).toEqual([0xff, 0xd8, 4]);
});

test('two events of one second have a picture each, and one that was removed is made again', async () => {
  const pictures = await album(false);
  const one = await pictures.save({ event: 'a', at, boxed: bytes(1), clean: bytes(2) });
  await pictures.save({ event: 'b', at, boxed: undefined, clean: bytes(5) });
  expect(files()).toEqual(['snapshot_080005.jpg', 'snapshot_080005_2.jpg']);
  rmSync(path.dirname(one!), { recursive: true });
  await pictures.save({ event: 'a', at, boxed: bytes(6), clean: bytes(7) });
  expect(files()).toEqual(['snapshot_080005.jpg']);
});

test('where none are kept, none is written', async () => {
  const file = await (await album(true, false)).save({ event: 'a', at, boxed: bytes(1), clean: bytes(2) });
  expect([file, readdirSync(folder)]).toEqual([undefined, ['.lares-keep']]);
});

test('pictures of one event that come at once are one file, and the newest stays', async () => {
  const pictures = await album(false);
  const saved = await Promise.all(
    [1, 2, 3, 4].map((n) => pictures.save({ event: 'a', at: at + n, boxed: bytes(n), clean: bytes(0) })),
  );
  expect(files()).toEqual(['snapshot_080005.jpg']);
  const file = path.join(folder, '2026-01-31/snapshot_080005.jpg');
  // The first was being written when the others came; of those only the newest is.
  expect(saved).toEqual([file, undefined, undefined, file]);
  expect([...readFileSync(file)]).toEqual([0xff, 0xd8, 4]);
});

test('pictures of a disk that does not keep up are refused, not gathered', async () => {
  const pictures = await album(false);
  const all = await Promise.allSettled(
    Array.from({ length: 60 }, (_, n) =>
      pictures.save({ event: `e${n}`, at, boxed: bytes(n), clean: bytes(0) }),
    ),
  );
  const refused = all.filter((one) => one.status === 'rejected').map((one) => String(one.reason));
  expect(refused).toHaveLength(9);
  expect(new Set(refused)).toEqual(new Set([expect.stringContaining('too slow for snapshots')]));
  expect(files()).toHaveLength(51);
});

test('a disk that refuses a better picture keeps the one before, and nothing half-written', async () => {
  const pictures = await album(false);
  const code = `
    import { Album } from ${JSON.stringify(path.resolve('src/cctv/keep/album.ts'))};
    const album = new Album({ folder: ${JSON.stringify(folder)}, timeZone: 'UTC', enabled: () => true, keepClean: () => false });
    const save = (size) => album.save({ event: 'a', at: ${at}, boxed: new Uint8Array(size), clean: new Uint8Array(1) });
    await save(10);
    console.log(await save(90_000).catch((error) => error.code + ' ' + error.message));`;
  // The system refuses files of more than 40 kB, as a full disk does.
  const said = execFileSync(
    'bash',
    ['-c', 'ulimit -Sf 40; exec "$0" --input-type=module -e "$1"', process.execPath, code],
    { encoding: 'utf8' },
  );
  expect(said).toMatch(
    /^STORE_UNAVAILABLE a snapshot cannot be written to .*2026-01-31: EFBIG.*free some space/,
  );
  expect(files()).toEqual(['snapshot_080005.jpg']);
  expect(readFileSync(path.join(folder, '2026-01-31/snapshot_080005.jpg'))).toHaveLength(10);
  expect(await pictures.save({ event: 'b', at, boxed: bytes(1), clean: bytes(2) })).toContain('_2.jpg');
});
