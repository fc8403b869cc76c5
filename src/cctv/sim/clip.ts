/** A short film as a camera sends it: access units of H.264 or H.265 with the times of their presentation. */

export type VideoCodec = 'h264' | 'h265';

/** One picture: its NAL units without start codes and without parameter sets. */
export interface Unit {
  readonly nals: readonly Buffer[];
  readonly key: boolean;
  /** Presentation, in ticks of 90 kHz from the start of the clip. */
  readonly time: number;
  /** When a camera would send it: the decoding time in ticks of 90 kHz. Differs from `time` only with B-frames. */
  readonly due: number;
}

export interface Clip {
  readonly kind: 'clip';
  readonly codec: VideoCodec;
  /** Frames a second as announced. */
  readonly fps: number;
  /** VPS, SPS, PPS in the order in which they are sent before a keyframe. */
  readonly sets: readonly Buffer[];
  /** The first one is a keyframe. */
  readonly units: readonly Unit[];
  /** Ticks of 90 kHz after which the clip starts again. */
  readonly duration: number;
}

interface Grammar {
  /** Type of a NAL unit by its first byte. */
  readonly type: (nal: Buffer) => number;
  readonly sets: readonly number[];
  readonly delimiter: number;
  readonly slice: (type: number) => boolean;
  readonly key: (type: number) => boolean;
  /** Whether the slice is the first of its picture: the first bit after the header of the NAL unit. */
  readonly first: (nal: Buffer) => boolean;
}

/** ITU-T H.264 table 7-1 and H.265 table 7-1. */
export const grammars: Readonly<Record<VideoCodec, Grammar>> = {
  h264: {
    type: (nal) => (nal[0] ?? 0) & 31,
    sets: [7, 8],
    delimiter: 9,
    slice: (type) => type >= 1 && type <= 5,
    key: (type) => type === 5,
    first: (nal) => ((nal[1] ?? 0) & 0x80) !== 0,
  },
  h265: {
    type: (nal) => ((nal[0] ?? 0) >> 1) & 63,
    sets: [32, 33, 34],
    delimiter: 35,
    slice: (type) => type <= 31,
    key: (type) => type >= 16 && type <= 21,
    first: (nal) => ((nal[2] ?? 0) & 0x80) !== 0,
  },
};

/** The NAL units of an Annex-B byte string, without start codes and trailing zeros. */
export function splitAnnexB(bytes: Buffer): Buffer[] {
  const nals: Buffer[] = [];
  let start = -1;
  let at = bytes.indexOf('000001', 0, 'hex');
  for (;;) {
    const end = at < 0 ? bytes.length : at;
    if (start >= 0) {
      let last = end;
      while (last > start && bytes[last - 1] === 0) last -= 1;
      if (last > start) nals.push(bytes.subarray(start, last));
    }
    if (at < 0) return nals;
    start = at + 3;
    at = bytes.indexOf('000001', start, 'hex');
  }
}

/** Sorts NAL units into parameter sets and pictures. */
export function sortNals(
  codec: VideoCodec,
  nals: readonly Buffer[],
): { readonly sets: Buffer[]; readonly pictures: { readonly nals: Buffer[]; readonly key: boolean }[] } {
  const grammar = grammars[codec];
  const sets = new Map<number, Buffer>();
  const pictures: { nals: Buffer[]; key: boolean }[] = [];
  let current: { nals: Buffer[]; key: boolean } = { nals: [], key: false };
  let hasSlice = false;
  const close = () => {
    if (hasSlice) pictures.push(current);
    current = { nals: [], key: false };
    hasSlice = false;
  };
  for (const nal of nals) {
    const type = grammar.type(nal);
    const slice = grammar.slice(type);
    if (hasSlice && (!slice || grammar.first(nal))) close();
    if (grammar.sets.includes(type)) {
      if (!sets.has(type)) sets.set(type, nal);
      continue;
    }
    if (type === grammar.delimiter) continue;
    current.nals.push(nal);
    hasSlice ||= slice;
    current.key ||= grammar.key(type);
  }
  close();
  return { sets: grammar.sets.flatMap((type) => sets.get(type) ?? []), pictures };
}

/** A clip of an Annex-B byte string at an even rate. Throws a RangeError when it does not start with a keyframe. */
export function clipOf(codec: VideoCodec, annexB: Buffer, fps: number): Clip {
  const { sets, pictures } = sortNals(codec, splitAnnexB(annexB));
  const tick = 90_000 / fps;
  const units = pictures.map((picture, index) => ({
    ...picture,
    time: Math.round(index * tick),
    due: Math.round(index * tick),
  }));
  return checked({ kind: 'clip', codec, fps, sets, units, duration: Math.round(units.length * tick) });
}

/** Gives the clip back, or throws a RangeError when no camera could send it. */
export function checked(clip: Clip): Clip {
  if (clip.units[0]?.key !== true) throw new RangeError('a clip starts with a keyframe');
  if (clip.sets.length !== grammars[clip.codec].sets.length)
    throw new RangeError('a clip holds its parameter sets');
  return clip;
}
