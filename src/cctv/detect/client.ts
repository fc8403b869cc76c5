import { connect, type Socket } from 'node:net';
import { LaresError } from '#kernel/errors.ts';
import type { Detection } from '../model.ts';
import type { Frame } from './model.ts';
import {
  encodeDetect,
  encodeHello,
  longestAnswer,
  MessageReader,
  mostFrames,
  type Message,
  type ModelFace,
} from './wire.codec.ts';

export type DetectAnswer =
  | { readonly detections: Detection[][]; readonly inferMs: number }
  | { readonly skipped: true };

export interface DetectorClientOptions {
  /** The detector's Unix socket. */
  readonly path: string;
  readonly camera: string;
  /** Milliseconds after which an answer is of no use: the detector then skips the picture. Default 1 000. */
  readonly deadlineMs?: number;
}

interface Pending {
  readonly frames: readonly Frame[];
  readonly threshold: number;
  readonly resolve: (answer: DetectAnswer) => void;
  readonly reject: (error: unknown) => void;
}

const firstWaitMs = 50;
const longestWaitMs = 1_000;
const usualDeadlineMs = 1_000;
// Beyond the deadline, for the answer `skipped` of a detector that was busy until then.
const graceMs = 1_000;

/**
 * One camera's line to the detector. It connects when it is first used and again whenever the detector comes back;
 * while that is away `detect` fails at once. One picture is on its way and one waits at most: the newest wins.
 */
export class DetectorClient {
  readonly #options: DetectorClientOptions;
  readonly #sent = new Map<number, Pending>();
  #next: Pending | undefined;
  #socket: Socket | undefined;
  #timer: NodeJS.Timeout | undefined;
  #model: ModelFace | undefined;
  #waitMs = firstWaitMs;
  #lastId = 0;
  #closed = false;

  constructor(options: DetectorClientOptions) {
    this.#options = options;
  }

  /** The size of picture to send; undefined while the detector is away or has no model. Asking connects. */
  get input(): { readonly width: number; readonly height: number } | undefined {
    this.#connect();
    return this.#model === undefined ? undefined : { width: this.#model.width, height: this.#model.height };
  }

  /** What is loaded, with the score below which it is wrong more often than useful; undefined as `input`. */
  get model(): ModelFace | undefined {
    this.#connect();
    return this.#model;
  }

  /**
   * Looks at up to 16 pictures of exactly the size `input` in one go. Boxes are in fractions of each picture. Their
   * memory must not change until the answer is there. `skipped` means that a newer request took its place, or that it
   * was not looked at in time. Throws UNREACHABLE while the detector is away, TIMEOUT when it does not answer, and the
   * reason of the signal.
   */
  async detect(frames: readonly Frame[], threshold: number, signal?: AbortSignal): Promise<DetectAnswer> {
    signal?.throwIfAborted();
    this.#connect();
    const model = this.#model;
    if (model === undefined || this.#socket === undefined) throw away();
    if (frames.length === 0) return { detections: [], inferMs: 0 };
    if (frames.length > mostFrames)
      throw new LaresError(
        'INTERNAL',
        `${frames.length} pictures in one request; ${mostFrames} are the most`,
      );
    for (const { width, height, data } of frames)
      if (width !== model.width || height !== model.height || data.length !== width * height * 3)
        throw new LaresError(
          'INTERNAL',
          `the detector takes ${model.width}x${model.height}, not ${width}x${height}`,
        );
    return new Promise((resolve, reject) => {
      const limit = (this.#options.deadlineMs ?? usualDeadlineMs) + graceMs;
      const timer = setTimeout(
        () => give(reject)(new LaresError('TIMEOUT', `the detector did not answer within ${limit} ms`)),
        limit,
      );
      const aborted = () => give(reject)(signal?.reason);
      const give =
        <T>(settle: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', aborted);
          settle(value);
        };
      signal?.addEventListener('abort', aborted, { once: true });
      this.#offer({ frames, threshold, resolve: give(resolve), reject: give(reject) });
    });
  }

  /** Ends the connection for good; what is on its way fails. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#socket?.destroy();
    this.#forget();
  }

  #offer(pending: Pending): void {
    // What is not in the hands of the system yet would only wait behind the one before it.
    if ((this.#socket?.writableLength ?? 0) === 0) return this.#send(pending);
    this.#next?.resolve({ skipped: true });
    this.#next = pending;
  }

  #send(pending: Pending): void {
    const { frames, threshold } = pending;
    const [{ width, height }] = frames as [Frame];
    const socket = this.#socket!;
    this.#lastId = (this.#lastId + 1) >>> 0;
    this.#sent.set(this.#lastId, pending);
    const deadlineMs = this.#options.deadlineMs ?? usualDeadlineMs;
    socket.cork();
    socket.write(
      encodeDetect({ id: this.#lastId, threshold, deadlineMs, width, height, count: frames.length }),
    );
    for (const [i, frame] of frames.entries())
      socket.write(frame.data, i === frames.length - 1 ? () => this.#flushed() : undefined);
    socket.uncork();
  }

  #flushed(): void {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) return;
    const { width, height } = next.frames[0]!;
    if (this.#model?.width === width && this.#model.height === height) this.#send(next);
    else next.resolve({ skipped: true });
  }

  #connect(): void {
    if (this.#closed || this.#socket !== undefined || this.#timer !== undefined) return;
    const socket = connect(this.#options.path);
    this.#socket = socket;
    const reader = new MessageReader(() => longestAnswer);
    socket.on('connect', () => socket.write(encodeHello(this.#options.camera)));
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#hear(message);
      } catch {
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#lost());
  }

  #lost(): void {
    this.#socket = undefined;
    this.#forget();
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#connect();
    }, this.#waitMs);
    // A camera's process must be able to end while its detector is away.
    this.#timer.unref();
    this.#waitMs = Math.min(longestWaitMs, 2 * this.#waitMs);
  }

  #forget(): void {
    this.#model = undefined;
    const open = [...this.#sent.values(), ...(this.#next === undefined ? [] : [this.#next])];
    this.#sent.clear();
    this.#next = undefined;
    for (const pending of open) pending.reject(away());
  }

  #hear(message: Message): void {
    if (message.kind === 'model') {
      this.#model = message.model;
      this.#waitMs = firstWaitMs;
      return;
    }
    if (message.kind === 'hello' || message.kind === 'detect')
      throw new LaresError('BAD_REPLY', 'the detector asks instead of answering');
    const pending = this.#sent.get(message.id);
    this.#sent.delete(message.id);
    if (pending === undefined) return;
    if (message.kind === 'skipped') return pending.resolve({ skipped: true });
    if (message.kind === 'failed')
      return pending.reject(new LaresError('BAD_REPLY', `the detector failed: ${message.message}`));
    const classes = this.#model?.classes ?? [];
    const detections = message.found.map((list) =>
      list.flatMap(({ index, score, box }) => {
        const label = classes[index];
        return label === undefined ? [] : [{ label, score, box }];
      }),
    );
    pending.resolve({ detections, inferMs: message.inferMs });
  }
}

const away = () => new LaresError('UNREACHABLE', 'the detector is away; it is started again by itself');
