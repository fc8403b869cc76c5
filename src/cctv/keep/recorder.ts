import type { Packet, Stream } from 'node-av';
import type { Clock } from '#kernel/driver.ts';
import type { RecordPlan, Signal } from '../ingest/messages.ts';
import type { Tap } from '../ingest/tap.ts';
import { ticks } from './mp4/boxes.codec.ts';
import { Sampler, type Picture } from './mp4/sampler.ts';
import { mostBehind, SegmentWriter } from './segment.ts';

const retryMs = 10_000;
// What a minute of a generous camera weighs; a longer wish for the time before an event is cut short.
const mostRingBytes = 64 * 2 ** 20;

export interface RecorderOptions {
  readonly plan: RecordPlan;
  readonly camera: string;
  readonly timeZone: string;
  readonly send: (signal: Signal) => void;
  readonly clock: Pick<Clock, 'now'>;
}

export interface Recorder extends Tap {
  /** An event begins or ends at `at` (epoch ms): its clip reaches from before to after. */
  event(id: string, open: boolean, at: number): void;
  /** Closes the file; resolves when it is on disk. */
  end(): Promise<void>;
}

/**
 * Keeps the packets of one camera as they are: always, or from some seconds before an event to some after. Files are cut
 * at keyframes and can be played while they grow.
 */
export function makeRecorder(options: RecorderOptions): Recorder {
  return new PacketRecorder(options);
}

class PacketRecorder implements Recorder {
  readonly #options: RecorderOptions;
  readonly #sampler = new Sampler();
  readonly #ring = new Ring();
  /** Events that go on, and those that ended at most `postSeconds` ago with that instant. */
  readonly #events = new Map<string, number | undefined>();
  #writer: SegmentWriter | undefined;
  /** A clock leapt since its file began. */
  #leapt = false;
  /** Events whose time the file holds. */
  #held = new Set<string>();
  /** Files that are being closed. */
  readonly #ending = new Map<SegmentWriter, Promise<void>>();
  #retryAt = -Infinity;
  /** Code of what the disk said last; undefined once a file was written whole. */
  #trouble: string | undefined;
  #refused = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
  }

  open(stream: Stream): void {
    this.#finish();
    this.#ring.clear();
    const codec = this.#sampler.open(stream);
    if (codec !== undefined && !this.#refused && this.#options.plan.mode !== 'off')
      this.#say(
        'warn',
        `the stream cannot be recorded: only H.264 and H.265 are kept as they come (codec ${codec})`,
      );
    this.#refused = codec !== undefined;
  }

  packet(packet: Packet, at: number, key: boolean): void {
    if (this.#options.plan.mode === 'off') return;
    const picture = this.#sampler.picture(packet, at, key);
    if (picture === undefined) return;
    this.#leapt ||= picture.leapt;
    if (key) this.#atKeyframe(picture);
    if (this.#writer !== undefined) {
      if (picture.track === this.#writer.track) this.#writer.add(picture);
      return;
    }
    this.#ring.add(picture, this.#options.plan.preSeconds * ticks);
    if (this.#wanted(at)) this.#begin();
  }

  close(): void {
    this.#finish();
    this.#ring.clear();
  }

  event(id: string, open: boolean, at: number): void {
    if (open) this.#events.set(id, undefined);
    else if (this.#events.has(id)) this.#events.set(id, at);
    if (!open || this.#options.plan.mode === 'off') return;
    this.#held.add(id);
    if (this.#writer === undefined) this.#begin();
  }

  async end(): Promise<void> {
    this.close();
    await Promise.all(this.#ending.values());
  }

  /** Files are cut here: when one is long enough, no longer wanted, broken, of other pictures, or of another time. */
  #atKeyframe(picture: Picture): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    const { segmentSeconds } = this.#options.plan;
    const long = writer.secondsAt(picture) >= segmentSeconds;
    const other = writer.broken || this.#leapt || picture.track !== writer.track;
    if (long || other || !this.#wanted(picture.at)) this.#finish(picture);
  }

  #wanted(at: number): boolean {
    const { mode, postSeconds } = this.#options.plan;
    for (const [id, endedAt] of this.#events)
      // Also when the clock was set back.
      if (endedAt !== undefined && Math.abs(at - endedAt) > postSeconds * 1000) this.#events.delete(id);
    return mode === 'continuous' || this.#events.size > 0;
  }

  #begin(): void {
    if (Math.abs(this.#options.clock.now() - this.#retryAt) < retryMs) return;
    // A disk that hangs does not take another file either; it would only fill the memory.
    const behind = [...this.#ending.keys()].reduce((bytes, writer) => bytes + writer.behind, 0);
    if (behind >= mostBehind) return;
    const pictures = this.#ring.take();
    const [first] = pictures;
    if (first === undefined) return;
    this.#held = new Set(this.#events.keys());
    this.#leapt = pictures.some((picture, i) => i > 0 && picture.leapt);
    this.#writer = this.#write(first, this.#held);
    for (const picture of pictures.slice(1)) this.#writer.add(picture);
  }

  #write(first: Picture, events: ReadonlySet<string>): SegmentWriter {
    const { camera, plan, send, timeZone, clock } = this.#options;
    let whole = true;
    return new SegmentWriter({
      folder: plan.folder,
      timeZone,
      track: first.track,
      first,
      told: (state) => {
        if (state.closed && whole) this.#trouble = undefined;
        send({ kind: 'segment', camera, startAt: first.at, ...state, events: [...events] });
      },
      failed: ({ code, message }) => {
        whole = false;
        this.#retryAt = clock.now();
        // A disk that stays full is tried every ten seconds and told once.
        if (this.#trouble !== code) send({ kind: 'log', level: 'error', camera, code, message });
        this.#trouble = code;
      },
    });
  }

  #finish(next?: Picture): void {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#writer = undefined;
    this.#leapt = false;
    this.#held = new Set();
    this.#ring.clear();
    this.#ending.set(
      writer,
      writer.end(next).finally(() => this.#ending.delete(writer)),
    );
  }

  #say(level: 'warn' | 'error', message: string): void {
    const { camera, send } = this.#options;
    send({ kind: 'log', level, camera, code: 'CODEC_UNSUPPORTED', message });
  }
}

/** The last pictures, from a keyframe on, so that an event can be kept from before it began. */
class Ring {
  #pictures: Picture[] = [];
  #bytes = 0;

  /** `keep`: ticks, because the time of day may leap. */
  add(picture: Picture, keep: number): void {
    // Without the keyframe before it, or with other parameters than it, a picture is of no use.
    if (this.#pictures.length === 0 && !picture.key) return;
    if (this.#pictures[0] !== undefined && this.#pictures[0].track !== picture.track) this.clear();
    this.#pictures.push(picture);
    this.#bytes += picture.bytes.length;
    if (picture.key) this.#trim(picture.time - keep);
    // One endless group of pictures: what cannot be kept whole is let go until the next keyframe.
    if (this.#bytes > mostRingBytes && !this.#trimOne()) this.clear();
  }

  /** All of them, and forgets them. */
  take(): Picture[] {
    const pictures = this.#pictures;
    this.clear();
    return pictures;
  }

  clear(): void {
    this.#pictures = [];
    this.#bytes = 0;
  }

  /** Lets go of groups that end before `time`. */
  #trim(time: number): void {
    for (;;) {
      const second = this.#pictures.findIndex((picture, i) => i > 0 && picture.key);
      if (second < 0 || this.#pictures[second]!.time > time) return;
      this.#drop(second);
    }
  }

  #trimOne(): boolean {
    const second = this.#pictures.findIndex((picture, i) => i > 0 && picture.key);
    if (second < 0) return false;
    this.#drop(second);
    return true;
  }

  #drop(count: number): void {
    for (const { bytes } of this.#pictures.splice(0, count)) this.#bytes -= bytes.length;
  }
}
