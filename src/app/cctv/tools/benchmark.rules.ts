import { usableShare } from '#cctv/demand.rules.ts';

/** What one picture costs at one stage. Milliseconds. */
export interface Cost {
  /** The median by the wall clock: what it takes on this machine as it is now. */
  readonly ms: number;
  /** Time of processors, all threads together. */
  readonly cpuMs: number;
}

export type StageName = 'decode' | 'gate' | 'scale' | 'inference' | 'tracker' | 'jpeg' | 'end-to-end';

export interface Stage extends Cost {
  readonly stage: StageName;
  /** What was worked on: `640x360 h264`, `centernet 512x288`. */
  readonly on: string;
}

export interface Machine {
  readonly cores: number;
  readonly threads: number;
}

/** What one camera asks for: its stream, and how often it is looked at. */
export interface Demand {
  readonly streamFps: number;
  readonly lookFps: number;
  /** Share of looks that reach the detector, 0 to 1: what the motion gate lets through. */
  readonly motion: number;
}

export const busyCamera: Demand = { streamFps: 10, lookFps: 5, motion: 1 };
export const usualCamera: Demand = { ...busyCamera, motion: 0.1 };

type Costs = Readonly<Record<'decode' | 'gate' | 'scale' | 'inference' | 'tracker', number>>;

/** Milliseconds of processor time that a camera takes of every second. */
export function cameraMs(costs: Costs, { streamFps, lookFps, motion }: Demand): number {
  const look = costs.scale + costs.inference + costs.tracker;
  return streamFps * costs.decode + lookFps * (costs.gate + motion * look);
}

/** How many such cameras the machine looks at, by processor time alone. */
export const camerasFor = (perCameraMs: number, cores: number): number =>
  perCameraMs <= 0 ? 0 : Math.floor((cores * 1000 * usableShare) / perCameraMs);

export interface Capability {
  readonly on: string;
  /** Cameras of 640x360 at 10 frames a second of which 5 are looked at, all of them by the detector. */
  readonly allMotion: number;
  /** The same with motion in a tenth of the time, which is more than most gardens have. */
  readonly tenthMotion: number;
}

/** For every model that was measured. The first decode is the one counted: that of a sub-stream. */
export function capabilities(stages: readonly Stage[], cores: number): Capability[] {
  const cost = (name: StageName) => stages.find((s) => s.stage === name)?.cpuMs ?? 0;
  const [decode, gate, scale, tracker] = [cost('decode'), cost('gate'), cost('scale'), cost('tracker')];
  return stages
    .filter((s) => s.stage === 'inference')
    .map(({ on, cpuMs: inference }) => {
      const costs = { decode, gate, scale, inference, tracker };
      return {
        on,
        allMotion: camerasFor(cameraMs(costs, busyCamera), cores),
        tenthMotion: camerasFor(cameraMs(costs, usualCamera), cores),
      };
    });
}

const slowInferenceMs = 100;
const slowDecodeMs = 10;
const slowJpegMs = 40;

/** What is slow, and what to do about it. `used`: the inference of the model in the settings. */
export function diagnose(stages: readonly Stage[], used: string, machine: Machine): string[] {
  const of = (name: StageName) => stages.filter((s) => s.stage === name);
  const inference = of('inference').find((s) => s.on === used);
  const faster = of('inference')
    .filter((s) => inference !== undefined && s.cpuMs < inference.cpuMs * 0.75)
    .toSorted((a, b) => a.cpuMs - b.cpuMs);
  const decode = of('decode')[0];
  const busy = stages.filter((s) => s.stage !== 'inference' && s.ms > 2 * s.cpuMs && s.ms > 0.5);
  const said: string[] = [];
  if (inference !== undefined && inference.ms > slowInferenceMs)
    said.push(
      `an inference takes ${inference.ms.toFixed(0)} ms: ${
        faster[0] === undefined
          ? 'set a smaller processing.detection.input_size, or a lower performance.fps_limit'
          : `${faster[0].on} takes ${faster[0].ms.toFixed(0)} ms; set processing.detection.model and input_size to it, and look what it misses`
      }`,
    );
  if (inference !== undefined && inference.cpuMs > 1.6 * machine.threads * inference.ms)
    said.push(
      `an inference uses ${(inference.cpuMs / inference.ms).toFixed(1)} processors with processing.detection.threads at ${machine.threads}: threads wait by spinning; set OMP_WAIT_POLICY=passive, or fewer threads`,
    );
  else if (inference !== undefined && machine.threads > machine.cores)
    said.push(
      `processing.detection.threads is ${machine.threads} on ${machine.cores} processors; more threads than these only wait for each other`,
    );
  if (decode !== undefined && decode.cpuMs > slowDecodeMs)
    said.push(
      `decoding takes ${decode.cpuMs.toFixed(1)} ms a picture of ${decode.on}: name the sub-stream of the camera under streams.detect, or let hardware do it (hardware: auto)`,
    );
  if (of('jpeg').some((s) => s.cpuMs > slowJpegMs))
    said.push('writing a picture is slow: viewers should watch video instead of MJPEG');
  if (busy.length >= 3)
    said.push(
      'most stages take more than twice their processor time: other programs use the processors, so the wall times are not those of an idle machine',
    );
  return said;
}
