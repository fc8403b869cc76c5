import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { reason } from '#kernel/errors.ts';

/** True when the tests run as root, as they do in CI; servers then run as their package's own user. */
export const isRoot = process.getuid?.() === 0;

const given = new Set<number>();

/**
 * A TCP port of loopback that nobody uses at this moment. It lies below those that the kernel gives to connections
 * (from 32768 on), or one of them could take it before the server of the test does, or while that is away.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(11_000, 32_000);
    if (given.has(port)) continue;
    given.add(port);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A folder of its own for one server, owned by `user` when we may give it away. */
export function scratch(name: string, user?: string): { dir: string; remove: () => void } {
  const dir = mkdtempSync(path.join(tmpdir(), `lares-${name}-`));
  if (isRoot && user !== undefined) chownSync(dir, uid(user), gid(user));
  return { dir, remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 10 }) };
}

const id = (flag: string, user: string) =>
  Number(execFileSync('id', [flag, user], { encoding: 'utf8' }).trim());
export const uid = (user: string): number => id('-u', user);
export const gid = (user: string): number => id('-g', user);

/** Debian's programs must see Debian's python3 first, not one that a version manager put before it. */
export const systemPath = '/usr/sbin:/usr/bin:/sbin:/bin';

/** Starts a program, as `user` when we are root. Its output is kept for the error message when it does not come up. */
export function launch(
  command: string,
  args: readonly string[],
  options: { user?: string | undefined; env?: Record<string, string>; cwd?: string } = {},
): { child: ChildProcess; output: () => string } {
  let output = '';
  const as = isRoot && options.user !== undefined ? { uid: uid(options.user), gid: gid(options.user) } : {};
  const child = spawn(command, args, {
    ...as,
    // A checkout that is private to root (`mktemp -d`) is no place for another user to stand in; Python refuses to start there.
    cwd: options.cwd ?? ('uid' in as ? '/' : undefined),
    env: { PATH: systemPath, LANG: 'C.UTF-8', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const keep = (chunk: Buffer) => (output = (output + chunk.toString()).slice(-20_000));
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.on('error', (error) => (output += String(error)));
  return { child, output: () => output };
}

/** Resolves once something listens on the port; rejects with `why()` after `timeoutMs`. */
export async function untilListening(port: number, why: () => string, timeoutMs = 30_000): Promise<void> {
  await until(
    () => canConnect(port),
    () => `nothing listens on ${port}: ${why()}`,
    timeoutMs,
  );
}

export function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve((socket.destroy(), true)));
    socket.once('error', () => resolve(false));
  });
}

/**
 * Polls until the condition holds. The only way that tests wait: no bare sleeps. A question that fails, as of a server
 * that is just starting, is asked again.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  why: () => string = () => 'condition never held',
  timeoutMs = 30_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    let error: unknown;
    try {
      if (await condition()) return;
    } catch (cause) {
      error = cause;
    }
    if (performance.now() > end)
      throw new Error(`after ${timeoutMs} ms: ${why()}${error === undefined ? '' : `; ${reason(error)}`}`, {
        cause: error,
      });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Ends a child and waits for it: SIGTERM, and SIGKILL after `hardMs`, which is long where its farewell matters. */
export async function stop(
  child: ChildProcess,
  signal: NodeJS.Signals = 'SIGTERM',
  hardMs = 5_000,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const hard = setTimeout(() => child.kill('SIGKILL'), hardMs);
  await ended;
  clearTimeout(hard);
}

/** The first of these programs that is installed; undefined when none is, so that a test can say what to install. */
export function installed(...programs: string[]): string | undefined {
  return programs.find((program) => existsSync(program));
}
