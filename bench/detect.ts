/**
 * What an inference costs: `node bench/detect.ts [--data DIR] [--seconds 3]`. For every model that is here: wall and
 * processor milliseconds a picture at one and two threads, and alone against in batches. The rival is ONNX Runtime as it is usually called from
 * JavaScript: the publisher's file, a float tensor filled channel by channel, an object for every place.
 */
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import '#cctv/detect/no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { DetectorClient } from '#cctv/detect/client.ts';
import { loadDetector } from '#cctv/detect/detector.ts';
import type { Frame } from '#cctv/detect/model.ts';
import { prepareModel, type PreparedModel } from '#cctv/detect/prepare.ts';
import { DetectorProcess } from '#cctv/detect/process.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { table } from '#platform/table.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: path.join(import.meta.dirname, '../../shared/data') },
    seconds: { type: 'string', default: '3' },
  },
});
const seconds = Number(values.seconds);
const threshold = 0.3;

interface Cost {
  /** The tenth percentile: what it takes when nothing else runs. */
  readonly ms: number;
  readonly cpuMs: number;
}

async function measure(once: () => Promise<unknown>): Promise<Cost> {
  for (let i = 0; i < 3; i += 1) await once();
  const times: number[] = [];
  const cpu = process.cpuUsage();
  const until = performance.now() + 1000 * seconds;
  while (performance.now() < until) {
    const startedAt = performance.now();
    await once();
    times.push(performance.now() - startedAt);
  }
  const used = process.cpuUsage(cpu);
  return {
    ms: times.toSorted((a, b) => a - b)[Math.floor(times.length / 10)]!,
    cpuMs: (used.user + used.system) / 1000 / times.length,
  };
}

/** A picture with edges and noise, the same each time. */
function picture({ width, height }: { readonly width: number; readonly height: number }): Frame {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => ((i * 7919) % 64) + (Math.floor(i / 97) % 2) * 128,
  );
  return { width, height, data };
}

async function ours(prepared: PreparedModel, threads: number): Promise<Cost> {
  const detector = await loadDetector({ ...prepared, device: 'cpu', threads, warn: console.error });
  const frame = picture(prepared.card.input);
  const cost = await measure(() => detector.detect([frame], threshold));
  await detector.close();
  return cost;
}

async function rival(file: string, prepared: PreparedModel, threads: number): Promise<Cost> {
  const session = await InferenceSession.create(file, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  const { width, height } = prepared.card.input;
  const frame = picture(prepared.card.input);
  const [name] = session.inputNames as [string];
  const cost = await measure(async () => {
    const data = new Float32Array(3 * width * height);
    for (let c = 0; c < 3; c += 1)
      for (let i = 0; i < width * height; i += 1) data[c * width * height + i] = frame.data[3 * i + c]! / 255;
    const results = await session.run({ [name]: new Tensor('float32', data, [1, 3, height, width]) });
    const found: { readonly score: number; readonly row: number[] }[] = [];
    for (const output of Object.values(results)) {
      const [, rows, columns] = output.dims as [number, number, number];
      const numbers = output.data as Float32Array;
      for (let i = 0; i < rows; i += 1) {
        const row = [...numbers.subarray(i * columns, (i + 1) * columns)];
        const score = Math.max(...row.slice(4));
        if (score > threshold) found.push({ score, row });
      }
    }
    return found.toSorted((a, b) => b.score - a.score);
  });
  await session.release();
  return cost;
}

/** Pictures of several cameras in one run, against one after the other. */
async function batches(folder: string): Promise<string> {
  const prepared = await prepareModel({ model: 'centernet' }, folder);
  const costs: string[] = [];
  for (const atOnce of [1, 4]) {
    const detector = await loadDetector({
      ...prepared,
      device: 'cpu',
      threads: 1,
      atOnce,
      warn: console.error,
    });
    const frames = Array.from({ length: 4 }, () => picture(prepared.card.input));
    const { ms, cpuMs } = await measure(() => detector.detect(frames, threshold));
    await detector.close();
    costs.push(
      `${atOnce} at once: ${(ms / 4).toFixed(1)} ms, processor ${(cpuMs / 4).toFixed(1)} ms a picture`,
    );
  }
  return `centernet, four pictures, ${costs.join('; ')}`;
}

/** From a camera's process to the detector's and back, beside the inference itself. */
async function socket(folder: string): Promise<string> {
  const stop = new AbortController();
  const detector = new DetectorProcess({
    plan: { model: 'centernet', device: 'cpu', threads: 1 },
    folder,
    clock: systemClock,
    log: new Logger({ write: () => {} }),
    random: Math.random,
  });
  const startedAt = performance.now();
  const done = detector.run(stop.signal);
  const model = await detector.ready;
  const start = performance.now() - startedAt;
  const client = new DetectorClient({ path: detector.path!, camera: 'bench' });
  while (client.input === undefined) await systemClock.sleep(5);
  const frame = picture(model);
  const beside: number[] = [];
  for (const until = performance.now() + 1000 * seconds; performance.now() < until;) {
    const askedAt = performance.now();
    const answer = await client.detect([frame], threshold);
    if ('inferMs' in answer) beside.push(performance.now() - askedAt - answer.inferMs);
  }
  client.close();
  stop.abort();
  await done;
  const median = beside.toSorted((a, b) => a - b)[beside.length >> 1]!;
  return `start of the detector's process to a loaded model: ${start.toFixed(0)} ms; socket, queue and back beside the inference: ${median.toFixed(2)} ms a picture of ${model.width}x${model.height}`;
}

const folder = await mkdtemp(path.join(tmpdir(), 'lares-bench-detect-'));
const given = path.join(values.data, 'models');
const files = existsSync(given) ? readdirSync(given).filter((f) => /^(yolo|nanodet).*\.onnx$/.test(f)) : [];
const sizes = [
  [640, 384],
  [512, 512],
  [512, 288],
  [416, 256],
  [384, 224],
  [320, 192],
] as const;
const wanted = [
  ...sizes.map(([width, height]) => ({ model: 'centernet', inputSize: { width, height } })),
  ...files.toSorted().map((f) => ({ model: path.join(given, f), inputSize: undefined })),
];
const rows: string[][] = [];
for (const { model, inputSize } of wanted) {
  const prepared = await prepareModel({ model, inputSize }, folder);
  for (const threads of [1, 2]) {
    const own = await ours(prepared, threads);
    const other = inputSize === undefined ? await rival(model, prepared, threads) : undefined;
    const { width, height } = prepared.card.input;
    rows.push([
      prepared.card.name,
      `${width}x${height}`,
      String(threads),
      own.ms.toFixed(1),
      own.cpuMs.toFixed(1),
      other?.ms.toFixed(1) ?? '-',
      other?.cpuMs.toFixed(1) ?? '-',
      other === undefined ? '-' : (other.cpuMs / own.cpuMs).toFixed(2),
    ]);
  }
}
const head = ['MODEL', 'INPUT', 'THREADS', 'MS', 'CPU MS', 'RIVAL MS', 'RIVAL CPU MS', 'RIVAL / OURS (CPU)'];
console.log(table(head, rows));
console.log(await batches(folder));
console.log(await socket(folder));
await rm(folder, { recursive: true });
