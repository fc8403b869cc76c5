import { Buffer } from 'node:buffer';
import { LaresError } from '#kernel/errors.ts';
import type { Detection } from '../model.ts';

/**
 * What cameras and the detector say over its socket. Every message: uint32 length of the rest, uint8 kind, body; all
 * numbers little-endian. Pictures are raw RGB, so that nothing is encoded twice.
 */
export const protocolVersion = 1;

export const kinds = { hello: 1, detect: 2, model: 3, found: 4, skipped: 5, failed: 6 } as const;

/** What a model takes and says, told to every camera when it connects and when the model changes. */
export interface ModelFace {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly threshold: number;
  readonly classes: readonly string[];
}

export interface DetectRequest {
  readonly id: number;
  readonly threshold: number;
  /** Milliseconds after which nobody wants the answer any more. */
  readonly deadlineMs: number;
  readonly width: number;
  readonly height: number;
  readonly count: number;
}

export type Message =
  | { readonly kind: 'hello'; readonly version: number; readonly camera: string }
  | ({ readonly kind: 'detect'; readonly pixels: Uint8Array } & DetectRequest)
  | { readonly kind: 'model'; readonly model: ModelFace }
  | {
      readonly kind: 'found';
      readonly id: number;
      readonly inferMs: number;
      readonly found: readonly Found[][];
    }
  | { readonly kind: 'skipped'; readonly id: number }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string };

/** A detection whose label is still a number. */
export interface Found {
  readonly index: number;
  readonly score: number;
  readonly box: Detection['box'];
}

/** At most so many pictures in one request: the whole one and its regions. */
export const mostFrames = 16;
export const longestCameraName = 100;
const longestText = 1_000;
const mostClasses = 2_000;
const headBytes = 5;
const detectBytes = 17;
const foundBytes = 22;

function start(kind: keyof typeof kinds, body: number): Buffer {
  const data = Buffer.alloc(headBytes + body);
  data.writeUInt32LE(body + 1, 0);
  data[4] = kinds[kind];
  return data;
}

function textMessage(kind: keyof typeof kinds, prefix: Buffer, text: string): Buffer {
  const bytes = Buffer.from(text);
  const data = start(kind, prefix.length + bytes.length);
  prefix.copy(data, headBytes);
  bytes.copy(data, headBytes + prefix.length);
  return data;
}

const number = (id: number) => {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(id);
  return data;
};

export const encodeHello = (camera: string): Buffer =>
  textMessage('hello', Buffer.from([protocolVersion]), camera.slice(0, longestCameraName));

export const encodeModel = (model: ModelFace): Buffer =>
  textMessage('model', Buffer.alloc(0), JSON.stringify(model));

export const encodeSkipped = (id: number): Buffer => textMessage('skipped', number(id), '');

export const encodeFailed = (id: number, message: string): Buffer =>
  textMessage('failed', number(id), message.slice(0, longestText));

/** The head of a request; its pictures follow as they are. */
export function encodeDetect(request: DetectRequest): Buffer {
  const { id, threshold, deadlineMs, width, height, count } = request;
  const data = Buffer.alloc(headBytes + detectBytes);
  data.writeUInt32LE(1 + detectBytes + count * width * height * 3, 0);
  data[4] = kinds.detect;
  data.writeUInt32LE(id, 5);
  data.writeFloatLE(threshold, 9);
  data.writeUInt32LE(deadlineMs, 13);
  data.writeUInt16LE(width, 17);
  data.writeUInt16LE(height, 19);
  data[21] = count;
  return data;
}

export function encodeFound(id: number, inferMs: number, found: readonly (readonly Found[])[]): Buffer {
  const boxes = found.reduce((sum, f) => sum + f.length, 0);
  const data = start('found', 9 + 2 * found.length + foundBytes * boxes);
  data.writeUInt32LE(id, 5);
  data.writeFloatLE(inferMs, 9);
  data[13] = found.length;
  let at = 14;
  for (const frame of found) {
    at = data.writeUInt16LE(frame.length, at);
    for (const { index, score, box } of frame) {
      at = data.writeUInt16LE(index, at);
      for (const value of [score, box.left, box.top, box.width, box.height])
        at = data.writeFloatLE(value, at);
    }
  }
  return data;
}

const bad = (what: string) => new LaresError('BAD_REPLY', `the detector's socket: ${what}`);

function decodeFound(body: Buffer): Message {
  const frames = body.readUInt8(8);
  const found: Found[][] = [];
  let at = 9;
  for (let f = 0; f < frames; f += 1) {
    const count = body.readUInt16LE(at);
    at += 2;
    const list: Found[] = [];
    for (let i = 0; i < count; i += 1, at += foundBytes) {
      const float = (offset: number) => body.readFloatLE(at + offset);
      const box = { left: float(6), top: float(10), width: float(14), height: float(18) };
      const score = float(2);
      if (![score, ...Object.values(box)].every(Number.isFinite)) throw bad('a box is no number');
      list.push({ index: body.readUInt16LE(at), score, box });
    }
    found.push(list);
  }
  if (at !== body.length) throw bad('a list of boxes has another length than it says');
  return { kind: 'found', id: body.readUInt32LE(0), inferMs: body.readFloatLE(4), found };
}

function decodeDetect(body: Buffer): Message {
  const width = body.readUInt16LE(12);
  const height = body.readUInt16LE(14);
  const count = body.readUInt8(16);
  const threshold = body.readFloatLE(4);
  const pixels = body.subarray(detectBytes);
  if (
    count === 0 ||
    count > mostFrames ||
    pixels.length !== count * width * height * 3 ||
    pixels.length === 0
  )
    throw bad('a picture has another size than it says');
  if (!(threshold >= 0 && threshold <= 1)) throw bad('a threshold is not within 0 and 1');
  const id = body.readUInt32LE(0);
  return { kind: 'detect', id, threshold, deadlineMs: body.readUInt32LE(8), width, height, count, pixels };
}

function decodeModel(body: Buffer): Message {
  const value: unknown = JSON.parse(body.toString());
  const model = value as Partial<ModelFace> | null;
  const { name, width, height, threshold, classes } = model ?? {};
  const size = (n: unknown): n is number =>
    Number.isInteger(n) && (n as number) > 0 && (n as number) < 65_536;
  if (
    typeof name !== 'string' ||
    !size(width) ||
    !size(height) ||
    typeof threshold !== 'number' ||
    !Array.isArray(classes) ||
    classes.length > mostClasses ||
    !classes.every((c) => typeof c === 'string')
  )
    throw bad('a model is not described in full');
  return { kind: 'model', model: { name, width, height, threshold, classes } };
}

const readers: Readonly<Record<number, (body: Buffer) => Message>> = {
  [kinds.hello]: (body) => ({ kind: 'hello', version: body.readUInt8(0), camera: body.toString('utf8', 1) }),
  [kinds.detect]: decodeDetect,
  [kinds.model]: decodeModel,
  [kinds.found]: decodeFound,
  [kinds.skipped]: (body) => ({ kind: 'skipped', id: body.readUInt32LE(0) }),
  [kinds.failed]: (body) => ({
    kind: 'failed',
    id: body.readUInt32LE(0),
    message: body.toString('utf8', 4, 4 + 4 * longestText),
  }),
};

/** One message from its kind and body. Throws BAD_REPLY for anything else. */
export function decodeMessage(kind: number, body: Buffer): Message {
  const reader = readers[kind];
  if (reader === undefined) throw bad(`a message of kind ${kind} is not known`);
  try {
    return reader(body);
  } catch (error) {
    if (error instanceof LaresError) throw error;
    throw new LaresError('BAD_REPLY', "the detector's socket: a message is cut off", { cause: error });
  }
}

/** The longest body that a detector for pictures of this size must take. */
export const longestRequest = (width: number, height: number): number =>
  detectBytes + mostFrames * width * height * 3;

/** The longest body that a detector sends: all boxes of all pictures of a request, or the list of classes. */
export const longestAnswer = 1_000_000;

/**
 * Puts messages together from pieces of a stream. A body is copied once, into memory that `allocate` gives, so that
 * pictures can use the same memory over and over. `longest` is asked for every message; one that would be longer
 * throws BAD_REPLY, and the connection is of no use after that.
 */
export class MessageReader {
  readonly #longest: () => number;
  readonly #allocate: (bytes: number) => Buffer;
  readonly #head = Buffer.alloc(headBytes);
  #headed = 0;
  #body: Buffer | undefined;
  #filled = 0;

  constructor(longest: () => number, allocate: (bytes: number) => Buffer = (n) => Buffer.allocUnsafe(n)) {
    this.#longest = longest;
    this.#allocate = allocate;
  }

  *push(chunk: Buffer): Generator<Message> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#body === undefined) {
        const taken = chunk.copy(this.#head, this.#headed, at, at + headBytes - this.#headed);
        at += taken;
        this.#headed += taken;
        if (this.#headed < headBytes) return;
        const length = this.#head.readUInt32LE(0) - 1;
        if (length < 0 || length > this.#longest()) throw bad(`a message of ${length} bytes is refused`);
        this.#body = this.#allocate(length);
        this.#filled = 0;
      }
      const taken = chunk.copy(this.#body, this.#filled, at);
      at += taken;
      this.#filled += taken;
      if (this.#filled < this.#body.length) return;
      const body = this.#body;
      this.#body = undefined;
      this.#headed = 0;
      yield decodeMessage(this.#head[4]!, body);
    }
  }
}
