import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isClaimed, KeepFolders } from './folders.ts';

let base: string;
let folders: KeepFolders;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), 'lares-folders-'));
  folders = new KeepFolders(path.join(base, 'data', 'folders'));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const otherDisk = '/dev/shm';
const hasOther = existsSync(otherDisk) && statSync(otherDisk).dev !== statSync(tmpdir()).dev;

test.skipIf(!hasOther)(
  'a folder whose disk is not mounted is not ours, and is again when it is mounted',
  () => {
    const mount = mkdtempSync(path.join(otherDisk, 'lares-folders-'));
    const folder = path.join(mount, 'video');
    try {
      folders.claim(folder);
      renameSync(folder, `${folder}.away`);
      mkdirSync(folder);
      expect(() => folders.claim(folder)).toThrow('its disk is not mounted');
      expect(isClaimed(folder)).toBe(false);
      rmSync(folder, { recursive: true });
      renameSync(`${folder}.away`, folder);
      folders.claim(folder);
      expect(isClaimed(folder)).toBe(true);
    } finally {
      rmSync(mount, { recursive: true });
    }
  },
);

test('a folder beside the data that somebody emptied or removed is ours again', () => {
  const folder = path.join(base, 'data', 'snapshots');
  folders.claim(folder);
  rmSync(folder, { recursive: true });
  folders.claim(folder);
  expect(isClaimed(folder)).toBe(true);
});

test('old pictures can be deleted as operators do it, and the folder stays ours', () => {
  const folder = path.join(base, 'data', 'snapshots');
  folders.claim(folder);
  const old = Date.now() / 1000 - 8 * 86_400;
  utimesSync(path.join(folder, '.lares-keep'), old, old);
  folders.claim(folder);
  execFileSync('find', [folder, '-type', 'f', '-mtime', '+7', '-delete']);
  execFileSync('find', [folder, '-type', 'd', '-empty', '-delete']);
  expect(isClaimed(folder)).toBe(true);
});
