/**
 * Simulated cameras that show an empty drive, in which somebody walks from one frame to the next, and is gone again. They
 * run in a process of their own; the instant at which each frame was drawn is told.
 */
import { fork } from 'node:child_process';
import { liveMedia } from '#cctv/sim/media.ts';
import { RtspSim } from '#cctv/sim/rtsp.ts';
import { openScene } from '#cctv/sim/scene.ts';
import { driveway, drivewayCamera } from '#cctv/sim/scene.rules.ts';

export interface Show {
  readonly cameras: number;
  /** Somebody is there for so long, then nobody; `awayMs` of 0: always somebody. Milliseconds. */
  readonly thereMs: number;
  readonly awayMs: number;
}

const size = { width: 640, height: 360, fps: 10 } as const;
/** Seconds of the drawn walk from which an appearance begins; each a little further, so that places differ. */
const walks = [16.5, 17, 17.5, 18, 18.5, 19];

type Report =
  | { readonly kind: 'ready'; readonly port: number }
  | { readonly kind: 'drawn'; readonly camera: number; readonly at: number; readonly somebody: boolean };

/** The process of the cameras. */
async function play({ cameras: count, thereMs, awayMs }: Show): Promise<void> {
  const sim = new RtspSim();
  const stop = new AbortController();
  const scene = openScene(driveway(0, drivewayCamera(size.width, size.height)));
  const empty = scene.draw(0);
  const begin = Date.now();
  const period = thereMs + awayMs;
  for (let camera = 0; camera < count; camera += 1) {
    const draw = (at: number) => {
      const since = at - begin - (camera * period) / count;
      const phase = ((since % period) + period) % period;
      const walk = walks[Math.abs(Math.floor(since / period)) % walks.length]!;
      const somebody = phase < thereMs;
      process.send!({ kind: 'drawn', camera, at, somebody } satisfies Report);
      if (!somebody) return Buffer.from(empty);
      return scene.draw(1000 * walk + phase);
    };
    sim.add(`/c${camera}`, liveMedia({ draw, ...size, codec: 'h264', keyframeSeconds: 1 }, stop.signal));
  }
  await sim.listen();
  process.send!({ kind: 'ready', port: sim.port } satisfies Report);
}

export interface Appearances {
  readonly port: number;
  /** Instants of every frame by camera, and of each first frame with somebody. */
  readonly frames: readonly (readonly number[])[];
  readonly appearances: readonly (readonly number[])[];
  close(): void;
}

export async function startAppearances(show: Show): Promise<Appearances> {
  const { cameras: count } = show;
  const frames = Array.from({ length: count }, (): number[] => []);
  const appearances = Array.from({ length: count }, (): number[] => []);
  const before = Array.from({ length: count }, () => false);
  const child = fork(import.meta.filename, {
    env: { ...process.env, APPEARANCES: JSON.stringify(show) },
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.on('message', (report: Report) => {
      if (report.kind === 'ready') return resolve(report.port);
      const { camera, at, somebody } = report;
      frames[camera]!.push(at);
      if (somebody && !before[camera]) appearances[camera]!.push(at);
      before[camera] = somebody;
    });
    child.once('exit', (code) => reject(new Error(`the cameras ended with ${code}`)));
  });
  return { port, frames, appearances, close: () => void child.kill() };
}

if (process.env['APPEARANCES'] !== undefined) await play(JSON.parse(process.env['APPEARANCES']) as Show);
