/**
 * How many cameras a core carries: simulated cameras of 640x360 H.264, their readers and the detector, each by processor
 * time and memory. The rival is the same without a motion gate.
 * `node bench/cameras.ts [--cameras 8] [--seconds 60] [--fps 5] [--model NAME] [--models DIR] [--motion all|always|tenth]`;
 * needs ffmpeg to draw a clip.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { usualClasses } from '#cctv/detect/config.ts';
import { DetectorProcess } from '#cctv/detect/process.ts';
import { CameraFleet } from '#cctv/ingest/fleet.ts';
import type { CameraStats } from '#cctv/model.ts';
import { cameraSpec, startCameras } from '#cctv/sim/cameras.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { planFor } from '#cctv/ingest/fixture.ts';
import { usageOf, type Usage } from './lib/processes.ts';

const { values } = parseArgs({
  options: {
    cameras: { type: 'string', default: '8' },
    seconds: { type: 'string', default: '60' },
    fps: { type: 'string', default: '5' },
    model: { type: 'string', default: 'centernet' },
    models: { type: 'string' },
    motion: { type: 'string', default: 'all' },
  },
});
const cameras = Number(values.cameras);
const seconds = Number(values.seconds);
const fps = Number(values.fps);

const scratch = mkdtempSync(join(tmpdir(), 'lares-bench-'));
const stop = new AbortController();
const detector = new DetectorProcess({
  plan: { model: values.model, device: 'cpu', threads: 1, classes: usualClasses },
  folder: values.models ?? join(scratch, 'models'),
  clock: systemClock,
  log: silent,
  random: Math.random,
});
const detecting = detector.run(stop.signal);

/** A block that moves for two seconds of twenty, over a still picture with the noise of a sensor. */
function tenPercent(): string {
  const file = join(scratch, 'duty.mp4');
  const still = `testsrc2=s=640x360:r=${fps}:d=20,trim=end_frame=1,loop=${20 * fps}:1:0,setpts=N/(${fps}*TB)`;
  const scene = `${still}[still];color=white:s=50x120:r=${fps}:d=20[block]`;
  const x = "'60+if(lt(t,2),250*t,500)'";
  const graph = `${scene};[still][block]overlay=x=${x}:y=140,noise=alls=3:allf=t`;
  const codec = [
    '-c:v',
    'libx264',
    '-preset',
    'veryfast',
    '-bf',
    '0',
    '-g',
    String(2 * fps),
    '-pix_fmt',
    'yuv420p',
  ];
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'lavfi', '-i', graph, '-t', '20', ...codec, file]);
  return file;
}

interface Result {
  readonly name: string;
  readonly reader: number;
  readonly detector: number;
  readonly pss: number;
  readonly rss: number;
  readonly looked: number;
  readonly motion: number;
  readonly dropped: number;
  readonly latencyMs: number;
  readonly inferMs: number;
}

const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);
const mean = (list: readonly number[]) => (list.length === 0 ? 0 : sum(list) / list.length);

async function measure(name: string, motionGate: boolean, file: string | undefined): Promise<Result> {
  const ids = Array.from({ length: cameras }, (_, i) => `cam${i}`);
  const show =
    file === undefined ? ({ kind: 'square' } as const) : ({ kind: 'file', file, asItIs: true } as const);
  const sim = await startCameras(ids.map((id) => cameraSpec(`/${id}`, show, { fps })));
  const over = new AbortController();
  const fleet = new CameraFleet({ clock: systemClock, log: silent });
  const stats: CameraStats[] = [];
  const first = new Map<string, CameraStats>();
  const last = new Map<string, CameraStats>();
  let counting = false;
  fleet.onSignal((signal) => {
    if (signal.kind !== 'stats' || !counting) return;
    stats.push(signal.stats);
    if (!first.has(signal.camera)) first.set(signal.camera, signal.stats);
    last.set(signal.camera, signal.stats);
  });
  const done = fleet.run(over.signal);
  fleet.configure(
    ids.map((id) => planFor(id, sim.url(`/${id}`), { fps, motionGate })),
    { detector: detector.path!, timeZone: 'UTC' },
  );
  // Background, decoders and caches settle first.
  await sleep(8000);
  const readers = fleet.pids();
  const before = { readers: readers.map(usageOf), detector: usageOf(detector.pid!) };
  const startedAt = performance.now();
  counting = true;
  await sleep(seconds * 1000);
  const after = { readers: readers.map(usageOf), detector: usageOf(detector.pid!) };
  const span = (performance.now() - startedAt) / 1000;
  over.abort();
  await done;
  await sim.close();
  const used = (from: Usage, to: Usage) => ((to.cpu - from.cpu) / span / cameras) * 100;
  const dropped = sum(ids.map((id) => (last.get(id)?.dropped ?? 0) - (first.get(id)?.dropped ?? 0)));
  const looked = mean(stats.map((s) => s.fps));
  const motion = mean(stats.map((s) => s.motion));
  // What the detector would have used, had it not been too busy for some frames.
  const wanted = looked * (motionGate ? motion : 1) * seconds * cameras;
  const undone = dropped === 0 ? 1 : wanted / Math.max(1, wanted - dropped);
  const active = stats.filter((s) => s.latencyMs > 0);
  return {
    name,
    reader: sum(after.readers.map((usage, i) => used(before.readers[i]!, usage))),
    detector: used(before.detector, after.detector) * undone,
    pss: sum(after.readers.map((u) => u.pss)) / cameras,
    rss: sum(after.readers.map((u) => u.rss)) / cameras,
    looked,
    motion,
    dropped,
    latencyMs: mean(active.map((s) => s.latencyMs)),
    inferMs: mean(active.map((s) => s.inferMs)),
  };
}

const { width, height } = await detector.ready;
const results: Result[] = [];
if (values.motion !== 'tenth') results.push(await measure('every frame', false, undefined));
if (values.motion !== 'always') results.push(await measure('motion a tenth of the time', true, tenPercent()));
stop.abort();
await detecting;
rmSync(scratch, { recursive: true });

const [every] = results;
console.log(
  `${cameras} cameras of 640x360 H.264 at ${fps} frames a second, ${values.model} ${width}x${height}, ${seconds} s each\n`,
);
console.log(
  table(
    [
      'inference',
      'reader % of a core',
      'detector %',
      'cameras a core',
      'ratio',
      'PSS MiB',
      'RSS MiB',
      'judged/s',
      'motion',
      'dropped',
      'latency ms',
      'inference ms',
    ],
    results.map((r) => [
      r.name,
      r.reader.toFixed(2),
      r.detector.toFixed(2),
      (100 / (r.reader + r.detector)).toFixed(1),
      ((every!.reader + every!.detector) / (r.reader + r.detector)).toFixed(2),
      r.pss.toFixed(1),
      r.rss.toFixed(1),
      r.looked.toFixed(2),
      r.motion.toFixed(2),
      String(r.dropped),
      r.latencyMs.toFixed(1),
      r.inferMs.toFixed(1),
    ]),
  ),
);
console.log(
  '\nProcessor time and memory are for one camera; the simulated cameras run elsewhere and are not counted.',
);
