import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { calibrate } from '#cctv/ground/calibrate.ts';
import { drivewayCamera } from '#cctv/sim/scene.rules.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { familyOf } from './machine.ts';

/** A house of its own in a folder of its own, as a process like the service is. Gone without a trace when it is closed. */
export interface TrialHouse {
  readonly pid: number;
  /** Settings, calibrations and, in `data`, the databases. */
  readonly dir: string;
  readonly dataDir: string;
  readonly url: string;
  readonly startedInMs: number;
  /** The last lines of its log. */
  readonly tail: () => readonly string[];
  /** `GET` as JSON. Throws BAD_REPLY for anything but 200. */
  get<T>(pathname: string): Promise<T>;
  /** Ends it as systemd would. The code it ended with, and the processes of it that are still there. */
  stop(): Promise<{ readonly code: number | null; readonly ms: number; readonly left: readonly string[] }>;
  /** Kills what is left and removes the folder. */
  close(): Promise<void>;
}

export interface TrialOptions {
  /** As in lares.yaml. `http.port` is any free one. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Cameras that look at the drawn drive, 640x360: they get its calibration with the reference `drive`. */
  readonly calibrated: readonly string[];
  /** Variables of its environment beside the usual ones. */
  readonly env?: Readonly<Record<string, string>>;
  readonly startMs: number;
  readonly signal: AbortSignal;
}

const program = fileURLToPath(new URL('../../../../bin/lares', import.meta.url));
// Passwords of the real house are no business of this one.
const passed = ['PATH', 'LANG', 'TZ', 'TMPDIR', 'NODE_COMPILE_CACHE'] as const;
const keptLines = 40;
const getMs = 5_000;
const stopMs = 8_000;
/** A place on the drawn drive that somebody walks over with their feet in sight; metres. */
export const place = { name: 'drive', x: 0.3, y: 7 } as const;

/** Ends us in order, so that what is reaped at the exit is reaped. */
const end = () => process.exit(143);

/** A folder for a trial, and how to get rid of it: at the latest when this process ends, unless it is killed. */
export function trialFolder(): { readonly dir: string; readonly remove: () => void } {
  const dir = mkdtempSync(path.join(tmpdir(), 'lares-trial-'));
  const clear = () => rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  process.once('exit', clear);
  process.once('SIGTERM', end);
  process.once('SIGHUP', end);
  const remove = () => {
    process.off('exit', clear);
    process.off('SIGTERM', end);
    process.off('SIGHUP', end);
    clear();
  };
  return { dir, remove };
}

async function calibrateDrive(dir: string, camera: string): Promise<void> {
  const { height, tilt, fov, width, pixels } = drivewayCamera();
  await calibrate({
    configFolder: path.join(dir, 'config'),
    camera,
    now: Date.now(),
    height,
    tilt,
    // Degrees from left to right of a picture that shows `fov` from top to bottom.
    fov: (2 * Math.atan((Math.tan((fov * Math.PI) / 360) * width) / pixels) * 180) / Math.PI,
    picture: { width, height: pixels },
    references: [`${place.name}=point:${place.x},${place.y}`],
    people: [],
  });
}

/** Starts it in `dir` and waits until it answers. Throws TIMEOUT or INTERNAL with the end of its log. */
export async function startTrialHouse(dir: string, options: TrialOptions): Promise<TrialHouse> {
  const { settings, calibrated, env = {}, startMs, signal } = options;
  const dataDir = path.join(dir, 'data');
  mkdirSync(dataDir, { recursive: true });
  for (const camera of calibrated) await calibrateDrive(dir, camera);
  const file = path.join(dir, 'lares.yaml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify({ http: { port: 0 }, ...settings }, undefined, 2), { mode: 0o600 });
  const usual = passed.flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  );
  const startedAt = performance.now();
  const child = spawn(program, ['run'], {
    cwd: dir,
    env: { ...Object.fromEntries(usual), HOME: dir, LARES_CONFIG: file, LARES_DATA: dataDir, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const found = Promise.withResolvers<string>();
  const hear = (line: string) => {
    lines.push(line);
    if (lines.length > keptLines) lines.shift();
    const url = /Lares is at (http:\/\/\S+)/.exec(line)?.[1];
    if (url !== undefined) found.resolve(url);
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on('line', hear);
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  const failed = (why: string) =>
    new LaresError('INTERNAL', `${why}: ${lines.slice(-3).join(' / ') || 'no word'}`);
  child.once('error', (error) => found.reject(failed(`the house did not start (${reason(error)})`)));
  void ended.then((code) => found.reject(failed(`the house ended with code ${code}`)));
  const reap = () => void child.kill('SIGKILL');
  process.once('exit', reap);
  const over = new AbortController();
  const late = systemClock.sleep(startMs, AbortSignal.any([signal, over.signal]));
  void late.then(() => found.reject(failed('the house did not say where it is')));
  const close = async () => {
    reap();
    await ended;
    process.off('exit', reap);
  };
  try {
    const url = await found.promise;
    over.abort();
    const pid = child.pid!;
    return {
      pid,
      dir,
      dataDir,
      url,
      startedInMs: performance.now() - startedAt,
      tail: () => lines,
      get: <T>(pathname: string) => getJson<T>(`${url}${pathname}`, signal),
      stop: async () => {
        const family = await familyOf(pid);
        const stoppedAt = performance.now();
        child.kill('SIGTERM');
        const given = new AbortController();
        const code = await Promise.race([ended, systemClock.sleep(stopMs, given.signal).then(() => null)]);
        given.abort();
        const ms = performance.now() - stoppedAt;
        // A process that ends with its parent needs a moment to be gone.
        await systemClock.sleep(200);
        const left = (await Promise.all(family.map((p) => stillThere(p.pid, p.name)))).flat();
        return { code, ms, left };
      },
      close,
    };
  } catch (error) {
    over.abort();
    await close();
    throw error;
  }
}

async function stillThere(pid: number, name: string): Promise<string[]> {
  const [process] = await familyOf(pid);
  return process?.name === name ? [`${name} (${pid})`] : [];
}

async function getJson<T>(url: string, signal: AbortSignal): Promise<T> {
  const reply = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(getMs)]) });
  if (!reply.ok) throw new LaresError('BAD_REPLY', `${url} answered ${reply.status}`);
  return (await reply.json()) as T;
}
