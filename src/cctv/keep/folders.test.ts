import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
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
  async () => {
    const mount = mkdtempSync(path.join(otherDisk, 'lares-folders-'));
    const folder = path.join(mount, 'video');
    try {
      await folders.claim(folder);
      renameSync(folder, `${folder}.away`);
      mkdirSync(folder);
      await expect(folders.claim(folder)).rejects.toThrow('its disk is not mounted');
      expect(await isClaimed(folder)).toBe(false);
      rmSync(folder, { recursive: true });
      renameSync(`${folder}.away`, folder);
      await folders.claim(folder);
      expect(await isClaimed(folder)).toBe(true);
    } finally {
      rmSync(mount, { recursive: true });
    }
  },
);

test('a folder beside the data that somebody emptied or removed is ours again', async () => {
  const folder = path.join(base, 'data', 'snapshots');
  await folders.claim(folder);
  rmSync(folder, { recursive: true });
  await folders.claim(folder);
  expect(await isClaimed(folder)).toBe(true);
});

test('old pictures can be deleted as operators do it, and the folder stays ours', async () => {
  const folder = path.join(base, 'data', 'snapshots');
  await folders.claim(folder);
  const old = Date.now() / 1000 - 8 * 86_400;
  utimesSync(path.join(folder, '.lares-keep'), old, old);
  await folders.claim(folder);
  execFileSync('find', [folder, '-type', 'f', '-mtime', '+7', '-delete']);
  execFileSync('find', [folder, '-type', 'd', '-empty', '-delete']);
  expect(await isClaimed(folder)).toBe(true);
});

test('a folder that nobody may write to is told with what to do', async () => {
  const folder = path.join(base, 'data', 'snapshots');
  // A file stands where the folder should be: root may write anywhere else.
  mkdirSync(path.dirname(folder), { recursive: true });
  writeFileSync(folder, '');
  await expect(folders.claim(folder)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/nothing can be written to .*snapshots: E\w+: .*; let the user/) as string,
  });
});
