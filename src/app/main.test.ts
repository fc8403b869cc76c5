import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { scratch } from '../../tests/servers/process.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

const root = path.join(import.meta.dirname, '../..');

function lares(words: readonly string[], node: readonly string[] = []) {
  const { dir, remove } = scratch('main');
  cleanups.push(remove);
  return spawnSync(process.execPath, [...node, path.join(root, 'src/app/main.ts'), ...words], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LARES_DATA: dir },
    timeout: 15_000,
  });
}

test('a mistake that nobody caught is logged as an exception with its stack, and ends the process for systemd', () => {
  const planted = 'setTimeout(() => Promise.reject(new Error("planted")), 300)';
  const { status, stderr } = lares(['demo', '--port', '0'], ['--import', `data:text/javascript,${planted}`]);
  expect(status).toBe(70);
  expect(stderr).toMatch(/^\S+\|FATAL\|lares\|INTERNAL\|uncaught exception: Error: planted\n +at /m);
});

test.each([
  [['--version'], 0],
  [['presence', '--help'], 0],
  [['presence', '--bogus'], 2],
  [['no-such-command'], 2],
  [['presence', 'discover'], 2],
  [['presence', 'report', 'daily'], 2],
  [['maintenance', 'done', 'nothing'], 1],
  [['maintenance'], 0],
])('lares %j exits with %i', (words, code) => {
  const { status, stdout, stderr } = lares(words);
  expect([status, stdout + stderr]).toEqual([code, expect.stringMatching(/\S/)]);
});
