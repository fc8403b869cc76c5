import type { Packet, Stream } from 'node-av';
import type { Signal } from '../ingest/messages.ts';
import type { Tap } from '../ingest/tap.ts';
import { fragment, initSegment, type Sample, type Track } from '../keep/mp4/boxes.codec.ts';
import { Sampler } from '../keep/mp4/sampler.ts';
import { nextSlot, type Pace } from './pace.rules.ts';

// Two keyframes further apart than this leave a newcomer to wait for the next one.
const mostGopBytes = 8 * 2 ** 20;
const mostGopPictures = 1_500;

export interface LiveOptions {
  readonly camera: string;
  readonly send: (signal: Signal) => void;
}

export interface Live extends Tap {
  /** Whether anybody watches. The first is sent the pictures since the last keyframe at once. */
  watch(on: boolean): void;
}

/** Packets of one camera as fragments of MP4 for browsers, as they are: nothing is decoded. */
export function makeLive(options: LiveOptions): Live {
  return new PacketRemuxer(options);
}

class PacketRemuxer implements Live {
  readonly #options: LiveOptions;
  readonly #sampler = new Sampler();
  #pace: Pace | undefined;
  /** The pictures since the last keyframe; empty while that is not known. */
  #gop: Sample[] = [];
  #gopBytes = 0;
  #gopAt = 0;
  #track: Track | undefined;
  /** The kind of picture that browsers were told of; undefined while nobody watches. */
  #told: Track | undefined;
  #watched = false;
  #sequence = 0;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  open(stream: Stream): void {
    this.#forget();
    this.#sampler.open(stream);
  }

  packet(packet: Packet, at: number, key: boolean): void {
    const picture = this.#sampler.picture(packet, at, key);
    if (picture === undefined) return;
    if (key) {
      this.#forget();
      this.#track = picture.track;
      this.#gopAt = at;
    } else if (picture.track !== this.#track) return;
    const { slot, pace } = nextSlot(this.#pace, picture.time);
    this.#pace = pace;
    const sample = { bytes: picture.bytes, key, shift: picture.shift, ...slot };
    this.#remember(sample);
    if (!this.#watched) return;
    if (key && this.#told !== this.#track) this.#tell(at);
    if (this.#told !== undefined) this.#send([sample], at);
  }

  close(): void {
    this.#forget();
    this.#told = undefined;
  }

  watch(on: boolean): void {
    this.#watched = on;
    this.#told = undefined;
    if (!on || this.#gop.length === 0) return;
    this.#tell(this.#gopAt);
    this.#send(this.#gop, this.#gopAt);
  }

  #remember(sample: Sample): void {
    if (!sample.key && this.#gop.length === 0) return;
    this.#gop.push(sample);
    this.#gopBytes += sample.bytes.length;
    if (this.#gopBytes <= mostGopBytes && this.#gop.length <= mostGopPictures) return;
    this.#gop = [];
    this.#gopBytes = 0;
  }

  #forget(): void {
    this.#gop = [];
    this.#gopBytes = 0;
  }

  #tell(at: number): void {
    const track = this.#track!;
    this.#told = track;
    const { camera, send } = this.#options;
    send({
      kind: 'live',
      camera,
      part: 'init',
      key: true,
      at,
      mime: track.mime,
      data: initSegment(track, at),
    });
  }

  #send(samples: readonly Sample[], at: number): void {
    this.#sequence += 1;
    const { camera, send } = this.#options;
    const [first] = samples;
    const data = fragment(this.#sequence, samples, 0);
    send({ kind: 'live', camera, part: 'fragment', key: first!.key, at, mime: this.#told!.mime, data });
  }
}
