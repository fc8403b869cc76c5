import { fork } from 'node:child_process';
import { LaresError } from '#kernel/errors.ts';
import type { CameraSpec, SimOrder, SimSignal } from './cameras.model.ts';
import type { Cut, Faults, PathCounts } from './rtsp.model.ts';

/** Simulated cameras that run in a process of their own. */
export interface SimulatedCameras {
  /** URL of a path, with the credentials that it asks for. */
  readonly url: (path: string) => string;
  readonly fault: (path: string, faults: Partial<Faults>) => void;
  readonly heal: (path: string) => void;
  readonly cut: (path: string, how?: Cut) => void;
  /** Shows on `path` from now on what `by` shows. */
  readonly replace: (path: string, by: string) => void;
  readonly counts: (path: string) => Promise<PathCounts>;
  /** Of the process, for measurements. */
  readonly pid: number;
  readonly close: () => Promise<void>;
}

export interface StartOptions {
  /** Default: any free one. */
  readonly port?: number;
  readonly signal?: AbortSignal;
}

/** A camera specification with the usual values: 640x360, 10 frames a second, a keyframe each second. */
export function cameraSpec(
  path: string,
  show: CameraSpec['show'],
  rest: Partial<CameraSpec> = {},
): CameraSpec {
  return { path, show, codec: 'h264', width: 640, height: 360, fps: 10, keyframeSeconds: 1, ...rest };
}

/**
 * Starts the cameras on 127.0.0.1 and waits until they can be asked. Ends with `close` or the signal.
 * Throws UNREACHABLE when the process does not come up or a file cannot be read.
 */
export async function startCameras(
  cameras: readonly CameraSpec[],
  options: StartOptions = {},
): Promise<SimulatedCameras> {
  const child = fork(new URL('cameras.child.ts', import.meta.url), { serialization: 'advanced' });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const waiting = new Map<number, (counts: PathCounts) => void>();
  let requests = 0;
  const send = (order: SimOrder) => {
    if (child.connected) child.send(order);
  };
  const close = async () => {
    send({ kind: 'stop' });
    const kill = setTimeout(() => child.kill('SIGKILL'), 3000);
    await gone;
    clearTimeout(kill);
  };
  const urls = await new Promise<Readonly<Record<string, string>>>((resolve, reject) => {
    child.on('message', (signal: SimSignal) => {
      if (signal.kind === 'started') resolve(signal.urls);
      else if (signal.kind === 'failed')
        reject(new LaresError('UNREACHABLE', `simulated cameras: ${signal.message}`));
      else waiting.get(signal.request)?.(signal.counts);
    });
    void gone.then(() => reject(new LaresError('UNREACHABLE', 'the process of the simulated cameras ended')));
    send({ kind: 'start', cameras, port: options.port ?? 0 });
  }).catch(async (error: unknown) => {
    await close();
    throw error;
  });
  options.signal?.addEventListener('abort', () => void close(), { once: true });
  return {
    url(path) {
      const url = urls[path];
      if (url === undefined) throw new RangeError(`no simulated camera at ${path}`);
      return url;
    },
    fault: (path, faults) => send({ kind: 'fault', path, faults }),
    heal: (path) => send({ kind: 'heal', path }),
    cut: (path, how = 'fin') => send({ kind: 'cut', path, how }),
    replace: (path, by) => send({ kind: 'replace', path, by }),
    async counts(path) {
      requests += 1;
      const request = requests;
      const answer = new Promise<PathCounts>((resolve) => waiting.set(request, resolve));
      send({ kind: 'counts', path, request });
      const counts = await Promise.race([answer, gone]);
      waiting.delete(request);
      if (counts === undefined)
        throw new LaresError('UNREACHABLE', 'the process of the simulated cameras ended');
      return counts;
    },
    pid: child.pid ?? 0,
    close,
  };
}
