import type { CameraConfig, PerformanceConfig } from './config.ts';
import type { ProcessingConfig } from './detect/config.ts';
import type { CctvFinding } from './inspect.ts';

/** What cameras need of a machine, and what it has. */
export interface Demand {
  /** Processors that decode, all the time. */
  readonly decodingCores: number;
  /** Processors that look while something moves before every camera. */
  readonly lookingCores: number;
  readonly memoryBytes: number;
}

export interface Machine {
  readonly cores: number;
  /** All of it, or what this process is allowed to use. */
  readonly memoryBytes: number;
}

/** A stream as it was measured; without one a sub-stream of 640x360 at 10 frames a second is assumed. */
export interface SeenStream {
  readonly width: number;
  readonly height: number;
  readonly fps?: number | undefined;
}

export interface DemandSettings {
  readonly cameras: readonly CameraConfig[];
  readonly performance: PerformanceConfig;
  readonly processing: ProcessingConfig;
}

// Measured on a core of an AMD EPYC (Zen 5): `node bench/cameras.ts`, `bench/detect.ts`, docs/limits.md, docs/cctv-models.md.
/** Milliseconds of a core to decode a picture of 640x360 and to ask whether anything moves in it. */
const decodeMs = 2.6;
const decodePixels = 640 * 360;
/** Milliseconds of a core for one look, with all that belongs to it, by model at its usual size. */
const lookMs: Readonly<Record<string, number>> = {
  centernet: 12,
  nanodet: 15,
  yolox_nano: 9.5,
  yolo11n: 12.5,
  yolov8n: 50,
};
const centernetPixels = 512 * 288;
/** Share of the time in which something moves before a camera; more than most gardens have. */
const usualMotion = 0.1;
const assumed = { width: 640, height: 360, fps: 10 } as const;

// `lares cctv monitor` beside 1, 4 and 8 cameras of 640x360. Code that processes share counts in each of them.
const coreBytes = 143e6;
const detectorBytes = 268e6;
const processBytes = 138e6;
const cameraBytes = 14e6;
/** Pictures of a larger stream that wait in a decoder. */
const bytesPerPixel = 1.5 * 16;

/** So much of the processors may be used, so that latency stays short and other programs live. */
export const usableShare = 0.8;
/** What the rest of the machine needs. */
const reserveBytes = 400e6;

/** What the cameras that are switched on need, by what was measured; `streams` are those that are known. */
export function demandOf(
  { cameras, performance, processing }: DemandSettings,
  streams: ReadonlyMap<string, SeenStream>,
): Demand {
  const on = cameras.filter((c) => c.enabled);
  const { model, input_size: size } = processing.detection;
  const known = lookMs[model] ?? lookMs['centernet']!;
  const look =
    size === undefined || model !== 'centernet'
      ? known
      : (known * size.width * size.height) / centernetPixels;
  let [decoding, looking, pictures] = [0, 0, 0];
  for (const { id, detect, fps } of on) {
    const { width, height, fps: sent = assumed.fps } = streams.get(id) ?? assumed;
    pictures += bytesPerPixel * width * height;
    if (!detect) continue;
    decoding += (sent * decodeMs * width * height) / decodePixels;
    looking += Math.min(fps ?? performance.fps_limit, performance.fps_limit, sent) * look;
  }
  const processes = Math.ceil(on.length / performance.cameras_per_process);
  return {
    decodingCores: decoding / 1000,
    lookingCores: looking / 1000,
    memoryBytes:
      coreBytes +
      (on.some((c) => c.detect) ? detectorBytes : 0) +
      processes * processBytes +
      on.length * cameraBytes +
      pictures,
  };
}

/** Whether the machine carries that, and what to change where it does not. */
export function judgeDemand(demand: Demand, machine: Machine, settings: DemandSettings): CctvFinding {
  const { decodingCores, lookingCores, memoryBytes } = demand;
  const cores = (n: number) => n.toFixed(n < 0.95 ? 2 : 1);
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const text = `the cameras take about ${cores(decodingCores + lookingCores)} of ${machine.cores} processors while something moves before all of them, ${cores(decodingCores + usualMotion * lookingCores)} usually, and ${gb(memoryBytes)} of ${gb(machine.memoryBytes)} of memory, by figures of another machine; this one is measured by: lares cctv benchmark`;
  const usable = machine.cores * usableShare;
  const fixes = [
    ...(decodingCores + lookingCores > usable ? lessWork(demand, usable, settings) : []),
    ...(memoryBytes + reserveBytes > machine.memoryBytes ? lessMemory(settings) : []),
  ];
  return fixes.length === 0 ? { state: 'ok', text } : { state: 'warn', text, fix: fixes.join(', or ') };
}

function lessWork(
  { decodingCores, lookingCores }: Demand,
  usable: number,
  settings: DemandSettings,
): string[] {
  const { performance, processing } = settings;
  const { model, input_size: size } = processing.detection;
  const share = (usable - decodingCores) / lookingCores;
  const limit = Math.floor(performance.fps_limit * share * 2) / 2;
  return [
    ...(limit >= 1 ? [`performance.fps_limit: ${limit}`] : []),
    ...(model === 'centernet' && size === undefined ? ['processing.detection.input_size: 416x256'] : []),
    ...(decodingCores > usable / 2 ? ['a small stream of each camera under streams.detect'] : []),
    'detect: false where a camera only records',
  ];
}

function lessMemory({ performance, cameras }: DemandSettings): string[] {
  const on = cameras.filter((c) => c.enabled).length;
  return [
    ...(on > performance.cameras_per_process ? [`performance.cameras_per_process: ${Math.min(16, on)}`] : []),
    'small streams under streams.detect and streams.live',
    'more memory, or fewer cameras',
  ];
}
