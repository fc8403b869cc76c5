import type { Clock } from '#kernel/driver.ts';
import type { Signal } from '../ingest/messages.ts';

type LiveSignal = Extract<Signal, { kind: 'live' }>;

/** What the live view needs of the cameras. */
export interface LivePort {
  /** Whether there is such a camera, and it is not switched off in the settings. */
  has(camera: string): boolean;
  /** Tells the process that reads the camera whether anybody watches. */
  watch(camera: string, on: boolean): void;
  /** A JPEG of now, `width` pixels wide (its own width when absent). Throws UNREACHABLE or TIMEOUT. */
  picture(camera: string, width?: number): Promise<Uint8Array>;
}

/** Somebody who watches over a socket. */
export interface Viewer {
  /** Bytes that wait to be sent. */
  readonly waiting: number;
  /** The kind of what follows, for MSE: `avc1.64001f`. */
  stream(mime: string): void;
  /** One message: see `frameOf`. */
  send(message: Uint8Array): void;
  state(state: string, detail: string): void;
  /** The hub has given up on this one. */
  drop(why: string): void;
}

/** More than this waits for a viewer: it gets nothing until the next keyframe. */
const slowBytes = 2 * 2 ** 20;
/** Less than this waits for it: it can follow again. */
const caughtUpBytes = 256 * 1024;
const longestSlowMs = 20_000;
const mostGopBytes = 12 * 2 ** 20;
const pictureFreshMs = 150;

/** The head of a message: 0 for what a stream begins with, 1 for a keyframe, 2 for other pictures; then epoch ms as a float64. */
export const headBytes = 9;

/** A live signal as one message for browsers. */
export function frameOf({ part, key, at, data }: Pick<LiveSignal, 'part' | 'key' | 'at' | 'data'>): Buffer {
  const message = Buffer.allocUnsafe(headBytes + data.length);
  message[0] = part === 'init' ? 0 : key ? 1 : 2;
  message.writeDoubleBE(at, 1);
  message.set(data, headBytes);
  return message;
}

interface Seat {
  /** Since when (monotonic ms) it waits for a keyframe because it was too slow. */
  slowSince: number | undefined;
  /** Has been given the beginning of the stream. */
  ready: boolean;
}

interface Channel {
  mime: string;
  init: Buffer | undefined;
  /** Messages since the last keyframe, for newcomers. */
  gop: Buffer[];
  gopBytes: number;
  state: readonly [string, string] | undefined;
  readonly seats: Map<Viewer, Seat>;
}

/** Passes the one stream of each camera on to all who watch it; nobody who is slow costs memory or holds up the others. */
export class LiveHub {
  readonly #port: LivePort;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #channels = new Map<string, Channel>();
  readonly #pictures = new Map<string, Promise<Uint8Array>>();

  constructor(port: LivePort, clock: Pick<Clock, 'monotonic'>) {
    this.#port = port;
    this.#clock = clock;
  }

  /** Cameras that somebody watches: a process that was started anew must be told. */
  watched(): string[] {
    return [...this.#channels].filter(([, channel]) => channel.seats.size > 0).map(([camera]) => camera);
  }

  viewers(camera: string): number {
    return this.#channels.get(camera)?.seats.size ?? 0;
  }

  /** What the process that reads a camera has sent. */
  take(signal: LiveSignal): void {
    const channel = this.#channels.get(signal.camera);
    if (channel === undefined || channel.seats.size === 0) return;
    const message = frameOf(signal);
    if (signal.part === 'init') {
      Object.assign(channel, { mime: signal.mime, init: message, gop: [], gopBytes: 0 });
      for (const [viewer, seat] of channel.seats) begin(channel, viewer, seat);
      return;
    }
    if (signal.key) Object.assign(channel, { gop: [], gopBytes: 0 });
    // Without its keyframe the rest of a group is of no use to a newcomer.
    if (signal.key || channel.gop.length > 0) {
      channel.gop.push(message);
      channel.gopBytes += message.length;
    }
    if (channel.gopBytes > mostGopBytes) Object.assign(channel, { gop: [], gopBytes: 0 });
    for (const [viewer, seat] of channel.seats) this.#pass(viewer, seat, message, signal.key);
  }

  /** What became of a camera, for the page: `live`, `connecting`, `down` with its cause in words. */
  state(camera: string, state: string, detail: string): void {
    const channel = this.#channel(camera);
    channel.state = [state, detail];
    for (const viewer of channel.seats.keys()) viewer.state(state, detail);
  }

  /** Returns what ends it. */
  join(camera: string, viewer: Viewer): () => void {
    const channel = this.#channel(camera);
    const seat: Seat = { slowSince: undefined, ready: false };
    channel.seats.set(viewer, seat);
    if (channel.state !== undefined) viewer.state(...channel.state);
    if (channel.seats.size === 1) this.#port.watch(camera, true);
    else if (channel.init !== undefined) {
      begin(channel, viewer, seat);
      for (const message of channel.gop) viewer.send(message);
      // It can begin only with a keyframe.
      if (channel.gop.length === 0) seat.slowSince = this.#clock.monotonic();
    }
    return () => this.#leave(camera, channel, viewer);
  }

  /** A JPEG of now. Those who ask for the same at the same time share one. */
  picture(camera: string, width?: number): Promise<Uint8Array> {
    const key = `${width ?? ''} ${camera}`;
    const recent = this.#pictures.get(key);
    if (recent !== undefined) return recent;
    const picture = this.#port.picture(camera, width);
    this.#pictures.set(key, picture);
    const forget = () => setTimeout(() => this.#pictures.delete(key), pictureFreshMs).unref();
    // Who asked is told of a failure by the promise itself.
    void picture.catch(() => {}).finally(forget);
    return picture;
  }

  close(): void {
    for (const channel of this.#channels.values())
      for (const viewer of channel.seats.keys()) viewer.drop('the house stops');
  }

  #channel(camera: string): Channel {
    const channel = this.#channels.get(camera) ?? {
      mime: '',
      init: undefined,
      gop: [],
      gopBytes: 0,
      state: undefined,
      seats: new Map<Viewer, Seat>(),
    };
    this.#channels.set(camera, channel);
    return channel;
  }

  #pass(viewer: Viewer, seat: Seat, message: Buffer, key: boolean): void {
    if (!seat.ready) return;
    if (seat.slowSince === undefined && viewer.waiting > slowBytes) seat.slowSince = this.#clock.monotonic();
    if (seat.slowSince !== undefined) {
      if (this.#clock.monotonic() - seat.slowSince > longestSlowMs && viewer.waiting > caughtUpBytes)
        return viewer.drop('the connection is too slow for this camera');
      if (!key || viewer.waiting > caughtUpBytes) return;
      seat.slowSince = undefined;
    }
    viewer.send(message);
  }

  #leave(camera: string, channel: Channel, viewer: Viewer): void {
    if (!channel.seats.delete(viewer) || channel.seats.size > 0) return;
    Object.assign(channel, { mime: '', init: undefined, gop: [], gopBytes: 0 });
    this.#port.watch(camera, false);
  }
}

function begin(channel: Channel, viewer: Viewer, seat: Seat): void {
  seat.ready = true;
  seat.slowSince = undefined;
  viewer.stream(channel.mime);
  viewer.send(channel.init!);
}
