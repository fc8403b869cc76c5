import type { Packet, Stream } from 'node-av';
import { sampleEntry, ticks, type Track } from './boxes.codec.ts';
import {
  noSets,
  readFraming,
  repack,
  type Framing,
  type ParameterSets,
  type VideoCodec,
} from './nal.codec.ts';
import { readSps } from './sps.codec.ts';

/** One picture as it came in. */
export interface Picture {
  readonly bytes: Uint8Array;
  readonly key: boolean;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Ticks of an endless clock that never stands still or goes back. */
  readonly time: number;
  readonly shift: number;
  readonly track: Track;
  /** The time of day or the camera's clock leapt before it: `at` and `time` are no longer as far apart as they were. */
  readonly leapt: boolean;
}

/** FFmpeg's numbers, which never change (libavcodec/codec_id.h). */
const codecs: Readonly<Record<number, VideoCodec>> = { 27: 'h264', 173: 'hevc' };
/** AV_NOPTS_VALUE (libavutil/avutil.h). */
const unknown = -(2n ** 63n);
// No picture of a live camera stands longer: its clock leapt, or ours.
const leap = 2 * ticks;

/** Makes pictures for MP4 of the packets of one stream. Uses no native code. */
export class Sampler {
  #codec: VideoCodec | undefined;
  #framing: Framing = { lengthSize: 0, sets: noSets };
  #track: Track | undefined;
  #last: { at: number; time: number; stamp: number } | undefined;

  /** The codec of this stream when it cannot be kept without decoding, in FFmpeg's number; undefined when it can. */
  open(stream: Stream): number | undefined {
    const { codecId, extradata } = stream.codecpar;
    this.#codec = codecs[codecId];
    this.#track = undefined;
    if (this.#codec === undefined) return codecId;
    this.#framing = readFraming(this.#codec, extradata);
    this.#track = trackOf(this.#codec, this.#framing.sets);
    return undefined;
  }

  /** Undefined while the stream has not said how it is to be decoded, and for packets without a picture. */
  picture(packet: Packet, at: number, key: boolean): Picture | undefined {
    const { data } = packet;
    if (this.#codec === undefined || data === null) return undefined;
    const repacked = repack(this.#codec, data, this.#framing.lengthSize);
    if (repacked === undefined) return undefined;
    if (repacked.sets !== undefined) this.#take(repacked.sets);
    const track = this.#track;
    if (track === undefined) return undefined;
    return { bytes: repacked.bytes, key, at, track, ...this.#clock(packet, at) };
  }

  #take(sets: ParameterSets): void {
    const merged = {
      vps: sets.vps.length > 0 ? sets.vps : this.#framing.sets.vps,
      sps: sets.sps.length > 0 ? sets.sps : this.#framing.sets.sps,
      pps: sets.pps.length > 0 ? sets.pps : this.#framing.sets.pps,
    };
    if (this.#track !== undefined && equal(merged, this.#framing.sets)) return;
    this.#framing = { ...this.#framing, sets: merged };
    this.#track = trackOf(this.#codec!, merged) ?? this.#track;
  }

  #clock(packet: Packet, at: number): { time: number; shift: number; leapt: boolean } {
    const { num, den } = packet.timeBase;
    const scale = (stamp: bigint) =>
      stamp === unknown || den === 0 ? undefined : (Number(stamp) * ticks * num) / den;
    const shown = scale(packet.pts);
    const decoded = scale(packet.dts) ?? shown;
    const last = this.#last;
    const passed = last === undefined ? 0 : ((at - last.at) * ticks) / 1000;
    const stepped =
      last === undefined || decoded === undefined || Number.isNaN(last.stamp) ? passed : decoded - last.stamp;
    const leapt = Math.abs(stepped - passed) > leap;
    const step = [stepped, passed].find((one) => one > 0 && one <= leap) ?? Math.min(passed, leap);
    const time = last === undefined ? 0 : Math.round(Math.max(last.time + 1, last.time + step));
    this.#last = { at, time, stamp: decoded ?? NaN };
    const shift = shown === undefined || decoded === undefined ? 0 : Math.round(shown - decoded);
    return { time, shift: Math.abs(shift) > leap ? 0 : shift, leapt };
  }
}

const equal = (a: ParameterSets, b: ParameterSets) =>
  (['vps', 'sps', 'pps'] as const).every(
    (kind) =>
      a[kind].length === b[kind].length &&
      a[kind].every((unit, i) => Buffer.compare(unit, b[kind][i]!) === 0),
  );

function trackOf(codec: VideoCodec, sets: ParameterSets): Track | undefined {
  const [sps] = sets.sps;
  if (sps === undefined || sets.pps.length === 0) return undefined;
  const info = readSps(codec, sps);
  if (info === undefined) return undefined;
  const { width, height, mime } = info;
  return { codec, width, height, mime, entry: sampleEntry(codec, sets, info) };
}
