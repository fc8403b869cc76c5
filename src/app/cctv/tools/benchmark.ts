import { availableParallelism } from 'node:os';
import type { Frame as Picture } from 'node-av/lib';
import { LaresError } from '#kernel/errors.ts';
import { loadDetector } from '#cctv/detect/detector.ts';
import { listModels } from '#cctv/detect/install.ts';
import type { Detector } from '#cctv/detect/model.ts';
import { prepareModel, type WantedModel } from '#cctv/detect/prepare.ts';
import { knownCard } from '#cctv/detect/registry.ts';
import { FrameDecoder } from '#cctv/ingest/decode.ts';
import { JpegWriter } from '#cctv/ingest/jpeg.ts';
import { colourOf, Letterbox } from '#cctv/ingest/letterbox.ts';
import type { Detection } from '#cctv/model.ts';
import { MotionGate } from '#cctv/motion/gate.rules.ts';
import { SceneWatch } from '#cctv/motion/scene.rules.ts';
import { Tracker } from '#cctv/track/tracker.rules.ts';
import { table } from '#platform/table.ts';
import type { BenchClip } from './bench-clip.ts';
import {
  capabilities,
  diagnose,
  type Capability,
  type Cost,
  type Stage,
  type StageName,
} from './benchmark.rules.ts';

export interface BenchmarkOptions {
  /** The clip of which the pipeline is measured; of `others` only decoding and writing pictures. */
  readonly clip: BenchClip;
  readonly others: readonly BenchClip[];
  readonly models: readonly WantedModel[];
  readonly modelsFolder: string;
  readonly device: string;
  readonly threads: number;
  /** Milliseconds for all measurements together; the making of models not counted. */
  readonly ms: number;
  readonly progress: (text: string) => void;
  readonly warn: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Benchmarked {
  readonly cores: number;
  readonly stages: readonly Stage[];
  readonly capabilities: readonly Capability[];
  readonly diagnosis: readonly string[];
  /** The model and size that the settings name, as `on` of its stage says it. */
  readonly used: string;
  readonly camera?: {
    readonly fps: number;
    readonly width: number;
    readonly height: number;
    readonly codec: string;
  };
}

const gray = { width: 160, height: 90 };
const whole = { left: 0, top: 0, width: 1, height: 1 };
const lookMs = 200;
const warmUps = 2;
/** Smaller sizes that are worth a try where a model takes any. */
const smaller = [
  { width: 416, height: 256 },
  { width: 320, height: 192 },
];

/** Every model that is here, at its own size and, where it takes others, at smaller ones; the one in use comes first. All look for what it looks for. */
export async function installedModels(folder: string, used: WantedModel): Promise<WantedModel[]> {
  const others = (await listModels(folder, used.model)).filter((m) => m.installed).map((m) => m.name);
  const sizes = (model: string): WantedModel[] => [
    { model },
    ...(knownCard(model)?.resizable === true ? smaller.map((inputSize) => ({ model, inputSize })) : []),
  ];
  const key = ({ model, inputSize = knownCard(model)?.input }: WantedModel) =>
    `${model} ${inputSize?.width}x${inputSize?.height}`;
  const all = [used, ...others.flatMap(sizes)].map((m) => ({ ...m, classes: used.classes }));
  return [...new Map(all.map((m) => [key(m), m])).values()];
}

/** Measures each stage alone, one after the other, and all of them together, in this process. */
export async function benchmark(options: BenchmarkOptions): Promise<Benchmarked> {
  const { clip, others, models, device, threads, progress, signal } = options;
  const slice = options.ms / (5 + others.length + models.length);
  const stages: Stage[] = [];
  const add = (stage: StageName, on: string, cost: Cost) => stages.push({ stage, on, ...cost });
  const time = (once: (i: number) => unknown) => measure(once, slice, signal);
  const name = ({ width, height, codec }: BenchClip) => `${width}x${height} ${codec}`;

  const frames = decoded(clip);
  const { width, height } = frames[0] ?? clip;
  const letterbox = new Letterbox();
  const jpeg = new JpegWriter();
  try {
    for (const one of [{ ...clip, width, height }, ...others]) {
      progress(`decoding ${name(one)} …`);
      add('decode', name(one), await decoding(one, slice, signal));
    }
    const frame = (i: number) => frames[i % frames.length]!;
    const gate = new MotionGate(gray);
    const scene = new SceneWatch(gray);
    progress('motion gate, scaling, pictures …');
    const gateCost = await time((i) => {
      const small = letterbox.gray(frame(i), gray.width, gray.height);
      const { share } = gate.step(small, i * lookMs);
      scene.step(small, i * lookMs, share, colourOf(frame(i)));
    });
    add('gate', `${gray.width}x${gray.height}`, gateCost);
    add('jpeg', `${width}x${height}`, await time((i) => (jpeg.paint(frame(i)), jpeg.encode())));

    let used = '';
    let found: Detection[][] = [];
    for (const wanted of models) {
      const prepared = await prepareModel(wanted, options.modelsFolder, progress);
      const detector = await loadDetector({ ...prepared, device, threads, warn: options.warn });
      const { input } = prepared.card;
      const on = `${prepared.card.name} ${input.width}x${input.height}${detector.device === 'cpu' ? '' : ` ${detector.device}`}`;
      progress(`inference of ${on} …`);
      try {
        if (used === '') {
          used = on;
          add(
            'scale',
            `to ${input.width}x${input.height}`,
            await time((i) => letterbox.frame(frame(i), whole, input, 0)),
          );
          found = await detectAll(detector, letterbox, frames);
          const all = found;
          const tracker = new Tracker({ aspect: width / height, threshold: prepared.card.threshold });
          add(
            'tracker',
            'detections of the clip',
            await time((i) => tracker.step(i * lookMs, all[i % all.length]!)),
          );
          progress('all stages together …');
          add(
            'end-to-end',
            `${name({ ...clip, width, height })}, ${on}`,
            await pipeline(clip, detector, slice, signal),
          );
        }
        const { frame: picture } = letterbox.frame(frame(0), whole, input, 0);
        add('inference', on, await time(() => detector.detect([picture], prepared.card.threshold / 2)));
      } finally {
        await detector.close();
      }
    }
    const cores = availableParallelism();
    return {
      cores,
      stages,
      capabilities: capabilities(stages, cores),
      diagnosis: diagnose(stages, used, { cores, threads }),
      used,
      ...(clip.fps === undefined ? {} : { camera: { fps: clip.fps, width, height, codec: clip.codec } }),
    };
  } finally {
    letterbox.close();
    jpeg.close();
    for (const frame of frames) frame.free();
  }
}

/** Repeats until the time is over, at least once after warming up. `once` may count up. */
async function measure(once: (i: number) => unknown, ms: number, signal: AbortSignal): Promise<Cost> {
  for (let i = 0; i < warmUps; i += 1) await once(i);
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const until = performance.now() + ms;
  do {
    const startedAt = performance.now();
    await once(warmUps + times.length);
    times.push(performance.now() - startedAt);
  } while (performance.now() < until && !signal.aborted);
  if (signal.aborted) throw new LaresError('TIMEOUT', 'stopped');
  const { user, system } = process.cpuUsage(cpu);
  return {
    ms: times.toSorted((a, b) => a - b)[times.length >> 1]!,
    cpuMs: (user + system) / 1000 / times.length,
  };
}

/** Frames of a clip for the stages after decoding; at most as many as fit into memory easily. */
function decoded(clip: BenchClip): Picture[] {
  const frames: Picture[] = [];
  const decoder = openDecoder(clip);
  for (const packet of clip.packets.slice(0, 40))
    decoder.decode(packet, (frame) => {
      const kept = frame.clone();
      if (kept !== null) frames.push(kept);
    });
  decoder.close();
  if (frames.length === 0)
    throw new LaresError('BAD_REPLY', `nothing of the ${clip.codec} video could be decoded`);
  return frames;
}

function openDecoder(clip: BenchClip): FrameDecoder {
  const decoder = FrameDecoder.create(clip.stream, undefined);
  if (decoder === undefined)
    throw new LaresError(
      'BAD_REPLY',
      `video of ${clip.codec} cannot be decoded; let the camera send H.264 or H.265`,
    );
  return decoder;
}

/** Cost a picture over whole rounds of the clip: keyframes cost more than the pictures between them. */
async function decoding(clip: BenchClip, ms: number, signal: AbortSignal): Promise<Cost> {
  const { packets } = clip;
  const round = await measure(
    () => {
      const decoder = openDecoder(clip);
      for (const packet of packets) decoder.decode(packet, () => {});
      decoder.close();
    },
    ms,
    signal,
  );
  return { ms: round.ms / packets.length, cpuMs: round.cpuMs / packets.length };
}

async function detectAll(
  detector: Detector,
  letterbox: Letterbox,
  frames: readonly Picture[],
): Promise<Detection[][]> {
  const all: Detection[][] = [];
  for (const frame of frames) {
    const { frame: picture } = letterbox.frame(frame, whole, detector.card.input, 0);
    const [found = []] = await detector.detect([picture], detector.card.threshold / 2);
    all.push(found);
  }
  return all;
}

/** Decodes and looks at every picture with everything, one after the other. Cost a picture. */
async function pipeline(clip: BenchClip, detector: Detector, ms: number, signal: AbortSignal): Promise<Cost> {
  const letterbox = new Letterbox();
  const { input, threshold } = detector.card;
  let frames = 0;
  try {
    const round = await measure(
      async () => {
        const decoder = openDecoder(clip);
        const gate = new MotionGate(gray);
        const tracker = new Tracker({ threshold });
        frames = 0;
        for (const packet of clip.packets) {
          const pictures: Picture[] = [];
          decoder.decode(packet, (frame) => {
            gate.step(letterbox.gray(frame, gray.width, gray.height), frames * lookMs);
            const kept = frame.clone();
            if (kept !== null) pictures.push(kept);
          });
          for (const picture of pictures) {
            const { frame } = letterbox.frame(picture, whole, input, 0);
            picture.free();
            const [found = []] = await detector.detect([frame], threshold / 2);
            tracker.step(frames * lookMs, found);
            frames += 1;
          }
        }
        decoder.close();
      },
      ms,
      signal,
    );
    return { ms: round.ms / frames, cpuMs: round.cpuMs / frames };
  } finally {
    letterbox.close();
  }
}

export function benchmarkText({
  cores,
  stages,
  capabilities: able,
  diagnosis,
  used,
  camera,
}: Benchmarked): string {
  const rows = stages.map((s) => [
    s.stage,
    s.on,
    s.ms.toFixed(2),
    s.cpuMs.toFixed(2),
    (1000 / s.ms).toFixed(0),
  ]);
  return [
    ...(camera === undefined
      ? []
      : [
          `The camera sends ${camera.width}x${camera.height} ${camera.codec} at FPS=${camera.fps.toFixed(1)}`,
        ]),
    table(['STAGE', 'ON', 'MS', 'CPU MS', 'FPS'], rows),
    '',
    `Cameras of 640x360 at 10 frames a second, 5 of them looked at, on ${cores} processors (80 % of their time):`,
    table(
      ['MODEL', 'ALWAYS MOTION', 'MOTION A TENTH OF THE TIME'],
      able.map((c) => [
        c.on === used ? `${c.on} (in use)` : c.on,
        String(c.allMotion),
        String(c.tenthMotion),
      ]),
    ),
    '',
    ...(diagnosis.length === 0 ? ['Nothing here is slow.'] : diagnosis.map((d) => `Slow: ${d}`)),
  ].join('\n');
}
