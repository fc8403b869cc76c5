import { open, type FileHandle } from 'node:fs/promises';
import { LaresError } from '#kernel/errors.ts';
import type { SegmentRow } from '../book/model.ts';
import { fileHead, ticks, type Placed, type Track } from './mp4/boxes.codec.ts';
import { boxHead, readFragment, readMovie, type Indexed } from './mp4/reader.codec.ts';

// A longer head than any of ours is damage, not a recording.
const longestHead = 4 * 2 ** 20;
const pieceBytes = 256 * 1024;
/** A pause in the recording is shown as a still picture of at most this long. */
const longestPause = 2 * ticks;

interface Piece extends Indexed {
  readonly file: string;
  readonly track: Track;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface Clip {
  readonly startAt: number;
  readonly endAt: number;
  readonly bytes: number;
  /** The file in pieces; reads the recordings as it goes. */
  stream(): AsyncGenerator<Uint8Array>;
}

/**
 * One playable file of what `segments` (of one camera) hold between `from` and `to` (epoch ms), from the keyframe
 * before. Nothing is encoded again. A segment that was removed meanwhile is passed over, one that was cut off by a crash
 * gives what is whole. Throws NOT_FOUND when nothing was recorded then.
 */
export async function makeClip(segments: readonly SegmentRow[], from: number, to: number): Promise<Clip> {
  const pieces: Piece[] = [];
  for (const segment of segments.toSorted((a, b) => a.startAt - b.startAt)) {
    const end = pieces.at(-1)?.at ?? -Infinity;
    pieces.push(...(await cut(segment, from, to)).filter((piece) => piece.at > end));
  }
  const [first] = pieces;
  const last = pieces.at(-1);
  if (first === undefined || last === undefined)
    throw new LaresError(
      'NOT_FOUND',
      'there is no recording of that time; it was not recorded or is deleted',
    );
  const tracks: Track[] = [];
  const placed = pieces.map((piece, i): Placed => {
    const same = tracks.findIndex((track) => Buffer.compare(track.entry, piece.track.entry) === 0);
    if (same < 0) tracks.push(piece.track);
    const entry = same < 0 ? tracks.length - 1 : same;
    return {
      size: piece.size,
      key: piece.key,
      shift: piece.shift,
      duration: until(piece, pieces[i + 1]),
      entry,
    };
  });
  const head = fileHead(tracks, placed, first.at);
  return {
    startAt: first.at,
    endAt: last.at + (last.duration * 1000) / ticks,
    bytes: placed.reduce((n, sample) => n + sample.size, head.length),
    async *stream() {
      yield head;
      yield* content(pieces);
    },
  };
}

/** Ticks that a picture stands: to the next one, also when that is of another file. */
function until(piece: Piece, next: Piece | undefined): number {
  if (next === undefined || next.file === piece.file) return piece.duration;
  const gap = Math.round(((next.at - piece.at) * ticks) / 1000);
  return Math.max(1, Math.min(gap, piece.duration + longestPause));
}

/** The pictures of one segment from the keyframe before `from`. */
async function cut(segment: SegmentRow, from: number, to: number): Promise<Piece[]> {
  const index = await readSegment(segment.file);
  if (index === undefined) return [];
  const { track, samples } = index;
  const pieces = samples.map((sample): Piece => {
    const at = segment.startAt + ((sample.time - samples[0]!.time) * 1000) / ticks;
    return { ...sample, file: segment.file, track, at };
  });
  const begin = pieces.findLastIndex((piece) => piece.key && piece.at <= from);
  return pieces.filter((piece, i) => i >= Math.max(0, begin) && piece.at < to);
}

/** The index of a recording, as far as it is whole; undefined when the file is gone or holds nothing. */
export async function readSegment(file: string): Promise<{ track: Track; samples: Indexed[] } | undefined> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, 'r');
    const { size } = await handle.stat();
    let track: Track | undefined;
    const samples: Indexed[] = [];
    let waiting: Indexed[] = [];
    for (let at = 0; at < size;) {
      const head = boxHead(await read(handle, at, 16));
      // The last fragment may have been cut off by a crash.
      if (head === undefined || at + head.length > size) break;
      const whole = async () => read(handle!, at, Math.min(head.length, longestHead));
      if (head.name === 'moov') track = readMovie(await whole());
      if (head.name === 'moof') waiting = readFragment(await whole(), at);
      if (head.name === 'mdat') samples.push(...waiting.splice(0));
      at += head.length;
    }
    return track === undefined || samples.length === 0 ? undefined : { track, samples };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  } finally {
    await handle?.close();
  }
}

async function read(handle: FileHandle, at: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(buffer, 0, length, at);
  return buffer.subarray(0, bytesRead);
}

/** The bytes of the pictures, neighbours read together. */
async function* content(pieces: readonly Piece[]): AsyncGenerator<Uint8Array> {
  let handle: FileHandle | undefined;
  let file = '';
  try {
    for (let i = 0; i < pieces.length;) {
      const first = pieces[i]!;
      if (file !== first.file) {
        await handle?.close();
        handle = await open(first.file, 'r');
        file = first.file;
      }
      let end = first.offset;
      while (pieces[i]?.file === file && pieces[i]!.offset === end && end - first.offset < pieceBytes) {
        end += pieces[i]!.size;
        i += 1;
      }
      yield await read(handle!, first.offset, end - first.offset);
    }
  } finally {
    await handle?.close();
  }
}
