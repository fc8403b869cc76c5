import type { Command } from 'commander';
import { cameraConfig, type CameraConfig } from '#cctv/config.ts';
import type { Cause } from '#cctv/model.ts';
import { measureStream } from '#cctv/onvif/measure.ts';
import { describeRtsp } from '#cctv/onvif/rtsp-client.ts';
import { plainUrl, planOf } from '#cctv/plan.rules.ts';
import { LaresError } from '#kernel/errors.ts';
import { numberOf } from '#platform/flags.ts';
import { table } from '#platform/table.ts';
import type { cliHouse } from '../context.ts';

type House = ReturnType<typeof cliHouse>;

/** One stream that is to be tried. */
export interface Target {
  readonly camera: string;
  readonly name: string;
  /** What the stream is used for: `detect, live`; empty where the camera has one for everything. */
  readonly uses: string;
  /** With user name and password. */
  readonly url: string;
  readonly transport: 'tcp' | 'udp';
}

/** What came of it. The address is without user name and password. */
export interface Trial {
  readonly camera: string;
  readonly name: string;
  readonly uses: string;
  readonly address: string;
  readonly ok: boolean;
  readonly codec?: string;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** Seconds until enough had been seen, or until it was clear that nothing will be. */
  readonly seconds: number;
  readonly cause?: Cause;
  readonly detail?: string;
}

// More at once would make the pictures of each come slower and look like trouble of the camera.
const atOnce = 4;
const askMs = 5_000;

/** The streams of a camera, each address once. */
export function targetsOf(camera: CameraConfig): Target[] {
  const plan = planOf(camera, {
    performance: { fps_limit: 1, frame_skip: 0, cameras_per_process: 1, regions: 0 },
    labels: [],
    threshold: 0,
    record: { mode: 'off', segmentSeconds: 0, preSeconds: 0, postSeconds: 0 },
    folderOf: () => '',
  });
  const streams = Object.entries(plan.urls).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const uses = Map.groupBy(streams, ([, url]) => url);
  return [...uses].map(([url, of]) => ({
    camera: camera.id,
    name: camera.name ?? camera.id,
    uses: uses.size === 1 ? '' : of.map(([role]) => role).join(', '),
    url,
    transport: camera.transport,
  }));
}

/**
 * Connects, waits for the first picture and looks for a moment at how they come. Says of a stream that does not play
 * why, as precisely as the camera lets know. Never throws.
 */
export async function tryStream(target: Target, timeoutMs: number, signal?: AbortSignal): Promise<Trial> {
  const { url, transport } = target;
  const startedAt = performance.now();
  const end = (rest: Pick<Trial, 'ok'> & Partial<Trial>): Trial => ({
    camera: target.camera,
    name: target.name,
    uses: target.uses,
    address: plainUrl(url),
    seconds: Math.round((performance.now() - startedAt) / 100) / 10,
    ...rest,
  });
  const rtsp = /^rtsps?:/i.test(url);
  const ask = async (play: boolean) => {
    const timeout = { timeoutMs: Math.min(askMs, timeoutMs), play };
    const answer = await describeRtsp(url, signal === undefined ? timeout : { ...timeout, signal });
    return answer.ok ? undefined : answer;
  };
  const refused = rtsp ? await ask(false) : undefined;
  if (refused !== undefined) return end(refused);
  const reply = await measureStream({ url, transport, forMs: timeoutMs, keys: 1 }, signal);
  if (reply.ok) {
    const { codec, width, height, fps } = reply.measured;
    return end({ ok: true, codec, width, height, ...(fps === undefined ? {} : { fps }) });
  }
  // The camera itself knows best why it sends nothing.
  const told = rtsp && reply.cause !== 'NO_KEYFRAME' ? await ask(true) : undefined;
  return end(told ?? { ok: false, cause: reply.cause ?? 'RTSP_CONNECT', detail: reply.detail });
}

/** Tries several streams, a few at a time; the results stand in the order of the streams. */
export async function tryStreams(
  targets: readonly Target[],
  timeoutMs: number,
  signal: AbortSignal,
  told: (text: string) => void = () => {},
): Promise<Trial[]> {
  const trials: Trial[] = [];
  const queue = targets.map((target, index) => ({ target, index }));
  const work = async () => {
    for (let next = queue.shift(); next !== undefined && !signal.aborted; next = queue.shift()) {
      told(`connecting to ${next.target.camera} at ${plainUrl(next.target.url)}`);
      trials[next.index] = await tryStream(next.target, timeoutMs, signal);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, targets.length) }, work));
  signal.throwIfAborted();
  return trials;
}

/** One row a stream. */
export function trialsText(trials: readonly Trial[]): string {
  if (trials.length === 0) return 'No camera is switched on.';
  return table(
    ['CAMERA', 'NAME', 'STREAM', 'RESULT', 'CODEC', 'SIZE', 'FPS', 'TOOK', 'WHY'],
    trials.map((t) => [
      t.camera,
      t.name,
      t.uses,
      t.ok ? 'ok' : (t.cause ?? 'failed'),
      t.codec ?? '',
      t.width === undefined ? '' : `${t.width}x${t.height}`,
      t.fps === undefined ? '' : t.fps.toFixed(1),
      `${t.seconds.toFixed(1)} s`,
      t.detail ?? '',
    ]),
  );
}

interface TryOptions {
  readonly camera?: string[];
  readonly url?: string;
  readonly quiet?: boolean;
  readonly timeout: string;
}

const collected = (value: string, before: readonly string[] = []) => [...before, value];

/** `lares cctv test`, the original's `test_cameras`. */
export function tryCommand(cctv: Command, house: House): void {
  cctv
    .command('test')
    .description('connect to every camera that is on, and say what comes or why nothing does')
    .option('--camera <id>', 'only this one, also when it is off; may be given again', collected)
    .option('--url <address>', 'an address instead of the cameras of the settings')
    .option('--quiet', 'print nothing while all is well')
    .option('--timeout <seconds>', 'how long to wait for a picture', '10')
    .action(async ({ camera, url, quiet = false, timeout }: TryOptions) => {
      const timeoutMs = Number(numberOf('--timeout', timeout, { most: 120 })) * 1000;
      const targets = url === undefined ? await chosen(house, camera) : [addressed(url)];
      const trials = await tryStreams(targets, timeoutMs, house.signal, (text) => {
        if (!quiet) house.progress(text);
      });
      const failed = trials.filter((trial) => !trial.ok);
      if (!quiet || failed.length > 0) {
        const shown = quiet ? failed : trials;
        house.print(shown, () => trialsText(shown));
      }
      const names = [...new Set(failed.map((t) => t.camera))];
      if (names.length > 0)
        throw new LaresError(
          'UNREACHABLE',
          failed.length === 1
            ? `${names[0]} does not work: ${failed[0]!.detail ?? 'no picture came'}`
            : `${names.length} of ${new Set(trials.map((t) => t.camera)).size} do not work: ${names.join(', ')}`,
        );
    });
}

async function chosen(house: House, ids: readonly string[] | undefined): Promise<Target[]> {
  const { cameras } = await house.config();
  for (const id of ids ?? [])
    if (!cameras.some((c) => c.id === id))
      throw new LaresError(
        'NOT_FOUND',
        `there is no camera ${id}; ${cameras.length === 0 ? 'add one with: lares cctv add' : `there are ${cameras.map((c) => c.id).join(', ')}`}`,
      );
  const wanted =
    ids === undefined ? cameras.filter((c) => c.enabled) : cameras.filter((c) => ids.includes(c.id));
  return wanted.flatMap(targetsOf);
}

function addressed(url: string): Target {
  const found = cameraConfig.shape.url.safeParse(url);
  if (!found.success) throw new LaresError('USAGE', `--url: ${found.error.issues[0]!.message}`);
  return { camera: plainUrl(url), name: '', uses: '', url, transport: 'tcp' };
}
