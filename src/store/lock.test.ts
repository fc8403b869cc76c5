import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { LaresError } from '#kernel/errors.ts';
import { stop, until } from '../../tests/servers/process.ts';
import { lockDataDir } from './lock.ts';

let dir: string;
beforeEach(() => (dir = mkdtempSync(path.join(tmpdir(), 'lares-lock-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const refusal = () => {
  try {
    lockDataDir(dir).release();
  } catch (error) {
    return error as LaresError;
  }
  return undefined;
};

test('a second lock in the same process is refused, and granted after the release', () => {
  const lock = lockDataDir(dir);
  expect([refusal()?.code, refusal()?.message.includes(`process ${process.pid}`)]).toEqual([
    'ALREADY_RUNNING',
    true,
  ]);
  lock.release();
  expect(refusal()).toBeUndefined();
});

test('a lock of another process is refused by naming its pid, and is free once that process is killed by SIGKILL', async () => {
  const script = `import { lockDataDir } from ${JSON.stringify(path.resolve('src/store/lock.ts'))};
    lockDataDir(${JSON.stringify(dir)}); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => said.includes('held'));
    expect([refusal()?.code, refusal()?.message.includes(`process ${child.pid}`)]).toEqual([
      'ALREADY_RUNNING',
      true,
    ]);
  } finally {
    await stop(child, 'SIGKILL');
  }
  expect(refusal()).toBeUndefined();
});
