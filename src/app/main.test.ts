import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { canConnect, freePort, scratch, stop, until } from '../../tests/servers/process.ts';

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
    env: { PATH: process.env['PATH'], LARES_DATA: dir, XDG_CACHE_HOME: dir },
    timeout: 100_000,
  });
}

test('a mistake that nobody caught is logged as an exception with its stack, and ends the process for systemd', () => {
  const planted = 'setTimeout(() => Promise.reject(new Error("planted")), 300)';
  const { status, stderr } = lares(['demo', '--port', '0'], ['--import', `data:text/javascript,${planted}`]);
  expect(status).toBe(70);
  expect(stderr).toMatch(/^\S+\|FATAL\|lares\|INTERNAL\|uncaught exception: Error: planted\n +at /m);
});

test('why the house did not start this time stands in the log files too', () => {
  const { dir, remove } = scratch('main');
  cleanups.push(remove);
  const logs = path.join(dir, 'data/logs');
  mkdirSync(logs, { recursive: true });
  writeFileSync(path.join(dir, 'lares.yaml'), 'cameras: [{ id: gate, url: nonsense }]\n');
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, 'src/app/main.ts'), 'run'], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], LARES_DATA: path.join(dir, 'data'), XDG_CACHE_HOME: dir },
    timeout: 100_000,
  });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/lares\.yaml:1:\d+ cameras\[0\]\.url: /)]);
  const errors = readFileSync(path.join(logs, 'errors.log'), 'utf8');
  expect(errors).toMatch(/^\S+\|ERROR\|lares\|CONFIG_INVALID\|cannot start: lares\.yaml:1:/);
});

/** Starts the demo house with this as its standard output; `answers` tells whether it lives. */
async function demoInto(stdout: number | 'pipe') {
  const { dir, remove } = scratch('main');
  cleanups.push(remove);
  const port = await freePort();
  const child = spawn(process.execPath, [path.join(root, 'src/app/main.ts'), 'demo', '--port', `${port}`], {
    cwd: dir,
    env: { PATH: process.env['PATH'], LARES_DATA: dir, XDG_CACHE_HOME: dir },
    stdio: ['ignore', stdout, 'pipe'],
  });
  cleanups.push(() => child.kill('SIGKILL'));
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return {
    child,
    said: () => said,
    answers: () =>
      until(
        () => canConnect(port),
        () => said,
        100_000,
      ),
  };
}

test('a reader of the log that goes away does not stop the house', async () => {
  const { child, said, answers } = await demoInto('pipe');
  await new Promise((resolve) => child.stdout!.once('data', resolve));
  child.stdout!.destroy();
  await answers();
  // Its farewell meets the closed pipe, if nothing else did.
  await stop(child, 'SIGTERM', 60_000);
  expect([child.exitCode, said()]).toEqual([0, '']);
});

test('a log file on a full disk does not stop the house', async () => {
  const full = openSync('/dev/full', 'w');
  cleanups.push(() => closeSync(full));
  const { child, said, answers } = await demoInto(full);
  await answers();
  await stop(child, 'SIGTERM', 60_000);
  expect([child.exitCode, said()]).toEqual([0, '']);
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

test.each([
  [['presence', 'discover'], 2, 'USAGE', /no network is named/],
  [['maintenance', 'done', 'nothing'], 1, 'NOT_FOUND', /nothing/],
  [['presence', '--bogus'], 2, 'USAGE', /^unknown option '--bogus'/],
  [['electricity', 'cheapest', 'abc'], 2, 'USAGE', /abc/],
])('lares %j --json says on standard output too why it exits with %i', (words, code, error, message) => {
  const { status, stdout, stderr } = lares([...words, '--json']);
  expect([status, JSON.parse(stdout), stderr]).toEqual([
    code,
    { error: { code: error, message: expect.stringMatching(message) } },
    expect.stringMatching(message.source.replace('^', '')),
  ]);
});

test('what a command printed as JSON before it failed stays the only document', async () => {
  const { dir, remove } = scratch('main');
  cleanups.push(remove);
  const health = { status: 'down', version: '0', attention: ['everything'] };
  const server = createServer((_request, response) => response.writeHead(503).end(JSON.stringify(health)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  const file = path.join(dir, 'lares.yaml');
  writeFileSync(file, `http:\n  port: ${(server.address() as AddressInfo).port}\n`);
  const child = spawn(
    process.execPath,
    [path.join(root, 'src/app/main.ts'), '-c', file, 'status', '--json'],
    {
      cwd: dir,
      env: { PATH: process.env['PATH'], LARES_DATA: dir },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const [code] = await once(child, 'close');
  expect([code, JSON.parse(out), err]).toEqual([1, health, 'lares: nothing works; see: lares doctor\n']);
});
