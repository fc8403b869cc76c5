import { createServer, type Server, type Socket } from 'node:net';
import { rm } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Detection } from '../model.ts';
import type { Detector, Frame } from './model.ts';
import { FairQueue, type Waiting } from './queue.rules.ts';
import { toRaw, toScale } from './scale.rules.ts';
import {
  encodeFailed,
  encodeFound,
  encodeModel,
  encodeSkipped,
  longestRequest,
  MessageReader,
  protocolVersion,
  type Found,
  type Message,
  type ModelFace,
} from './wire.codec.ts';

/** Counters since the detector's start, and means of what was done since the last look. */
export interface DetectorStats {
  readonly done: number;
  /** Requests that were answered without looking: a newer picture came, or it took too long. */
  readonly skipped: number;
  readonly failed: number;
  readonly cameras: number;
  /** Milliseconds of an inference, and of waiting for it. */
  readonly inferMs: number;
  readonly queueMs: number;
  /** Share of the time since the last look in which it worked, 0 to 1. */
  readonly busy: number;
}

interface Connection {
  readonly id: number;
  readonly socket: Socket;
  greeted: boolean;
  /** Memory of pictures that were dealt with, for the next ones. */
  readonly spare: Buffer[];
}

interface Job extends Waiting {
  readonly connection: Connection;
  readonly id: number;
  readonly threshold: number;
  readonly frames: readonly Frame[];
  readonly pixels: Uint8Array;
  readonly arrivedAt: number;
}

const mostConnections = 256;
const mostSpare = 2;
// Enough for a hello; nothing else may come while there is no model.
const longestWithoutModel = 1_000;

/** Lets the sockets be read: a run blocks, and what came meanwhile must count before the next one is chosen. */
const otherTurns = async () => {
  for (let i = 0; i < 2; i += 1) await new Promise((resolve) => setImmediate(resolve));
};

/**
 * Serves one model to many cameras over a Unix socket, in turn, as many at once as the detector likes. Thresholds and scores on the socket
 * are on the scale that all models share (`scale.rules.ts`).
 */
export class DetectorServer {
  readonly #queue = new FairQueue<Job>();
  readonly #connections = new Map<number, Connection>();
  #server: Server | undefined;
  #detector: Detector | undefined;
  #labels: ReadonlyMap<string, number> = new Map();
  #lastId = 0;
  #working = false;
  #busy: Promise<void> = Promise.resolve();
  #counts = { done: 0, skipped: 0, failed: 0 };
  #period = { inferMs: 0, queueMs: 0, done: 0, since: performance.now() };

  /** Listens at `path`, which is replaced where a process before left it. */
  async listen(path: string): Promise<void> {
    await rm(path, { force: true });
    const server = createServer((socket) => this.#accept(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => resolve());
    });
  }

  /** Changes the model. What waits for the old one is skipped; resolves when the old one does nothing any more. */
  async use(detector: Detector): Promise<void> {
    this.#detector = detector;
    this.#labels = new Map(detector.card.classes.map((label, index) => [label, index]));
    for (const job of this.#queue.clear()) this.#skip(job);
    for (const connection of this.#connections.values()) if (connection.greeted) this.#tell(connection);
    await this.#busy;
  }

  stats(): DetectorStats {
    const { inferMs, queueMs, done, since } = this.#period;
    const now = performance.now();
    this.#period = { inferMs: 0, queueMs: 0, done: 0, since: now };
    return {
      ...this.#counts,
      cameras: this.#connections.size,
      inferMs: done === 0 ? 0 : inferMs / done,
      queueMs: done === 0 ? 0 : queueMs / done,
      busy: Math.min(1, inferMs / Math.max(1, now - since)),
    };
  }

  async close(): Promise<void> {
    for (const { socket } of this.#connections.values()) socket.destroy();
    await new Promise<void>((resolve) => {
      if (this.#server === undefined) resolve();
      else this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= mostConnections) return void socket.destroy();
    this.#lastId += 1;
    const connection: Connection = { id: this.#lastId, socket, greeted: false, spare: [] };
    this.#connections.set(connection.id, connection);
    const reader = new MessageReader(
      () => {
        const card = this.#detector?.card;
        return card === undefined ? longestWithoutModel : longestRequest(card.input.width, card.input.height);
      },
      (bytes) => takeSpare(connection.spare, bytes),
    );
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) this.#hear(connection, message);
      } catch {
        // Whoever breaks the protocol once is out of step for ever; it connects again.
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#connections.delete(connection.id);
      this.#queue.remove(connection.id);
    });
  }

  #tell({ socket }: Connection): void {
    if (this.#detector !== undefined) socket.write(encodeModel(faceOf(this.#detector)));
  }

  #hear(connection: Connection, message: Message): void {
    if (message.kind === 'hello') {
      if (message.version !== protocolVersion)
        throw new LaresError('BAD_REPLY', `protocol ${message.version} is not known`);
      connection.greeted = true;
      return this.#tell(connection);
    }
    if (message.kind !== 'detect' || !connection.greeted)
      throw new LaresError('BAD_REPLY', `${message.kind} is not for a detector`);
    const { id, threshold, width, height, count, pixels, deadlineMs } = message;
    const now = performance.now();
    const one = width * height * 3;
    const frames = Array.from({ length: count }, (_, i) => ({
      width,
      height,
      data: pixels.subarray(i * one, (i + 1) * one),
    }));
    const job: Job = {
      from: connection.id,
      connection,
      id,
      threshold,
      frames,
      pixels,
      arrivedAt: now,
      expiresAt: now + deadlineMs,
    };
    const older = this.#queue.push(job);
    if (older !== undefined) this.#skip(older);
    void this.#work();
  }

  #skip(job: Job): void {
    this.#counts.skipped += 1;
    job.connection.socket.write(encodeSkipped(job.id));
    giveBack(job);
  }

  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    for (;;) {
      await otherTurns();
      const jobs = this.#take();
      if (jobs.length === 0) break;
      this.#busy = this.#serve(jobs);
      await this.#busy;
    }
    this.#working = false;
  }

  /** Whose turn it is: the jobs of one run, each of another camera. */
  #take(): Job[] {
    const jobs: Job[] = [];
    const most = this.#detector?.atOnce ?? 1;
    for (let pictures = 0; pictures < most;) {
      const { job, expired } = this.#queue.take(performance.now());
      for (const late of expired) this.#skip(late);
      if (job === undefined) break;
      // Its sender has not heard yet that the model changed.
      if (!this.#fits(job)) {
        this.#skip(job);
        continue;
      }
      jobs.push(job);
      pictures += job.frames.length;
    }
    return jobs;
  }

  #fits({ frames: [first] }: Job): boolean {
    const { width, height } = this.#detector?.card.input ?? {};
    return first?.width === width && first?.height === height;
  }

  async #serve(jobs: readonly Job[]): Promise<void> {
    const detector = this.#detector!;
    const startedAt = performance.now();
    const answers = await look(detector, jobs);
    const inferMs = (performance.now() - startedAt) / jobs.length;
    for (const [i, job] of jobs.entries()) {
      const found = answers[i]!;
      if (typeof found === 'string') {
        this.#counts.failed += 1;
        job.connection.socket.write(encodeFailed(job.id, found));
      } else if (this.#detector !== detector) {
        this.#skip(job);
        continue;
      } else {
        this.#counts.done += 1;
        this.#period.done += 1;
        this.#period.inferMs += inferMs;
        this.#period.queueMs += startedAt - job.arrivedAt;
        job.connection.socket.write(encodeFound(job.id, inferMs, this.#indexed(found, detector)));
      }
      giveBack(job);
    }
  }

  /** What was found as it goes over the socket: labels by number, scores on the common scale. */
  #indexed(found: readonly Detection[][], { card }: Detector): Found[][] {
    return found.map((list) =>
      list.map(({ label, score, box }) => ({
        index: this.#labels.get(label) ?? 0,
        score: toScale(score, card.threshold),
        box,
      })),
    );
  }
}

/** What is in the pictures of each job, or why that cannot be said. One that fails does not fail those beside it. */
async function look(detector: Detector, jobs: readonly Job[]): Promise<(Detection[][] | string)[]> {
  const thresholds = jobs.map((job) => toRaw(job.threshold, detector.card.threshold));
  try {
    const all = await detector.detect(
      jobs.flatMap((job) => job.frames),
      Math.min(...thresholds),
    );
    let at = 0;
    return jobs.map(({ frames }, i) => {
      at += frames.length;
      return all.slice(at - frames.length, at).map((list) => list.filter((d) => d.score >= thresholds[i]!));
    });
  } catch (error) {
    if (jobs.length === 1) return [reason(error)];
    const answers: (Detection[][] | string)[] = [];
    for (const job of jobs) answers.push(...(await look(detector, [job])));
    return answers;
  }
}

function takeSpare(spare: Buffer[], bytes: number): Buffer {
  const at = spare.findIndex((s) => s.length === bytes);
  return at === -1 ? Buffer.allocUnsafeSlow(bytes) : spare.splice(at, 1)[0]!;
}

function giveBack({ connection, pixels }: Job): void {
  const whole = Buffer.from(pixels.buffer);
  if (connection.spare.length >= mostSpare) connection.spare.shift();
  connection.spare.push(whole);
}

export const faceOf = ({ card }: Pick<Detector, 'card'>): ModelFace => ({
  name: card.name,
  ...card.input,
  threshold: card.threshold,
  classes: card.classes,
});
