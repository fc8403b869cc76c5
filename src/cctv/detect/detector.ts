import './no-telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Detection } from '../model.ts';
import { Candidates } from './candidates.ts';
import { decoders, type RawOutput } from './heads.codec.ts';
import type { Detector, Frame, ModelCard } from './model.ts';
import { suppress } from './suppress.rules.ts';

export interface LoadOptions {
  readonly card: ModelCard;
  /** What is looked for; all that the model knows unless given. */
  readonly classes?: readonly string[];
  /** A file made ready by `prepare`: it takes uint8 pictures. */
  readonly file: string;
  /** `cpu` or `cuda:N`. */
  readonly device: string;
  readonly threads: number;
  /** Pictures in one run, where the graph leaves their number open; what suits the device unless given. */
  readonly atOnce?: number;
  /** Told once when the device is not to be had and the processor does the work. */
  readonly warn: (message: string) => void;
}

const providersOf = (device: string): InferenceSession.ExecutionProviderConfig[] => {
  const cuda = /^cuda(?::(\d+))?$/.exec(device);
  return cuda === null ? ['cpu'] : [{ name: 'cuda', deviceId: Number(cuda[1] ?? 0) }, 'cpu'];
};

/** How ONNX Runtime runs beside a house. */
export const sessionOptions = (threads: number): InferenceSession.SessionOptions => ({
  executionProviders: ['cpu'],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
  // Threads that spin between pictures burn a core; ONNX Runtime wants the text "0".
  extra: { session: { intra_op: { allow_spinning: '0' } } },
});

async function openSession(options: LoadOptions): Promise<{ session: InferenceSession; device: string }> {
  const { file, device, threads, warn } = options;
  const open = (providers: InferenceSession.ExecutionProviderConfig[]) =>
    InferenceSession.create(file, { ...sessionOptions(threads), executionProviders: providers });
  if (device !== 'cpu')
    try {
      return { session: await open(providersOf(device)), device };
    } catch (error) {
      warn(`detection on ${device} is not possible (${firstLine(reason(error))}); the processor does it`);
    }
  try {
    return { session: await open(['cpu']), device: 'cpu' };
  } catch (error) {
    throw new LaresError(
      'CONFIG_INVALID',
      `${file} cannot be loaded: ${firstLine(reason(error))}; install the model again or choose another`,
      { cause: error },
    );
  }
}

// On a processor a batch costs as much as its pictures one by one (docs/cctv-models.md); a graphics card idles without.
const usualAtOnce = (device: string): number => (device === 'cpu' ? 1 : 8);

const firstLine = (text: string) => text.split('\n')[0]!.slice(0, 300);

/**
 * Loads a model. `detect` blocks the process while it runs. Throws CONFIG_INVALID for a file that does not load, or
 * does not take and give what its card says.
 */
export async function loadDetector(options: LoadOptions): Promise<Detector> {
  const { card } = options;
  const { session, device } = await openSession(options);
  const input = session.inputMetadata[0];
  const shape = input?.isTensor === true ? input.shape : [];
  const { width, height } = card.input;
  if (input === undefined || shape[1] !== height || shape[2] !== width || shape[3] !== 3) {
    await session.release();
    throw new LaresError(
      'CONFIG_INVALID',
      `${options.file} does not take pictures of ${width}x${height}; install the model again`,
    );
  }
  const open = typeof shape[0] === 'string' || shape[0] === -1;
  const atOnce = open ? (options.atOnce ?? usualAtOnce(device)) : 1;
  let together: Uint8Array | undefined;
  const found = new Candidates();
  const decode = decoders[card.decoding];
  const wanted = Int32Array.from(
    card.classes.flatMap((label, i) => (options.classes?.includes(label) === false ? [] : [i])),
  );

  const joined = (frames: readonly Frame[]): Uint8Array => {
    if (frames.length === 1) return frames[0]!.data;
    together ??= new Uint8Array(atOnce * width * height * 3);
    for (const [i, { data }] of frames.entries()) together.set(data, i * data.length);
    return together.subarray(0, frames.length * width * height * 3);
  };

  const run = async (frames: readonly Frame[], threshold: number): Promise<Detection[][]> => {
    const pictures = frames.length;
    const data = joined(frames);
    const feeds = { [input.name]: new Tensor('uint8', data, [pictures, height, width, 3]) };
    const results = await session.run(feeds);
    const outputs = session.outputNames.map((name) => results[name] as RawOutput);
    return Array.from({ length: pictures }, (_, picture) => {
      found.count = 0;
      decode(outputs, picture, threshold, card.input, wanted, found);
      return suppress(found, card.classes, card.input);
    });
  };

  return {
    card,
    device,
    atOnce,
    async detect(frames: readonly Frame[], threshold: number): Promise<Detection[][]> {
      for (const frame of frames)
        if (frame.width !== width || frame.height !== height || frame.data.length !== width * height * 3)
          throw new LaresError(
            'INTERNAL',
            `the detector takes ${width}x${height}, not ${frame.width}x${frame.height}`,
          );
      const result: Detection[][] = [];
      for (let i = 0; i < frames.length; i += atOnce)
        result.push(...(await run(frames.slice(i, i + atOnce), threshold)));
      return result;
    },
    close: () => session.release(),
  };
}
