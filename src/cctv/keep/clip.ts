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
// An event may last for days; the pictures of two hours are some tens of megabytes of index.
const longestMs = 2 * 3_600_000;

interface Piece extends Indexed {
  readonly file: string;
  readonly track: Track;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** Bytes of one file, in one piece. */
interface Run {
  readonly file: string;
  readonly offset: number;
  length: number;
}

export interface Clip {
  readonly startAt: number;
  readonly endAt: number;
  readonly bytes: number;
  /**
   * The bytes from `from` up to, not including `to`; all of them unless told. The recordings that it needs are open from
   * the first piece on, so that they may be deleted meanwhile. Throws when one was deleted or cut off before.
   */
  stream(from?: number, to?: number): AsyncGenerator<Uint8Array>;
}

/**
 * One playable file of what `segments` (of one camera) hold between `from` and `to` (epoch ms), from the keyframe
 * before, two hours at most. Nothing is encoded again. A segment that was removed meanwhile is passed over, one that was
 * cut off by a crash gives what is whole. Throws NOT_FOUND when nothing was recorded then.
 */
export async function makeClip(segments: readonly SegmentRow[], from: number, to: number): Promise<Clip> {
  const until = Math.min(to, from + longestMs);
  const pieces: Piece[] = [];
  for (const segment of segments.toSorted((a, b) => a.startAt - b.startAt)) {
    const end = pieces.at(-1)?.at ?? -Infinity;
    for (const piece of await cut(segment, from, until)) if (piece.at > end) pieces.push(piece);
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
      duration: standing(piece, pieces[i + 1]),
      entry,
    };
  });
  const head = fileHead(tracks, placed, first.at);
  const runs = runsOf(pieces);
  return {
    startAt: first.at,
    endAt: last.at + (last.duration * 1000) / ticks,
    bytes: placed.reduce((n, sample) => n + sample.size, head.length),
    async *stream(begin = 0, end = Infinity) {
      if (begin < head.length) yield head.subarray(begin, end);
      yield* content(runs, begin - head.length, end - head.length);
    },
  };
}

/** Ticks that a picture stands: to the next one, also when that is of another file. */
function standing(piece: Piece, next: Piece | undefined): number {
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

/** Neighbours together: they are read in one go. */
function runsOf(pieces: readonly Piece[]): Run[] {
  const runs: Run[] = [];
  for (const { file, offset, size } of pieces) {
    const last = runs.at(-1);
    if (last?.file === file && last.offset + last.length === offset) last.length += size;
    else runs.push({ file, offset, length: size });
  }
  return runs;
}

/** The bytes of runs, of which `from` to `to` are wanted, counted from the first. */
async function* content(runs: readonly Run[], from: number, to: number): AsyncGenerator<Uint8Array> {
  const wanted: Run[] = [];
  let at = 0;
  for (const { file, offset, length } of runs) {
    const skip = Math.max(0, from - at);
    const rest = Math.min(length, to - at) - skip;
    if (rest > 0) wanted.push({ file, offset: offset + skip, length: rest });
    at += length;
  }
  const handles = new Map<string, FileHandle>();
  try {
    for (const { file } of wanted) if (!handles.has(file)) handles.set(file, await open(file, 'r'));
    for (const { file, offset, length } of wanted)
      for (let done = 0; done < length; done += pieceBytes) {
        const count = Math.min(pieceBytes, length - done);
        const bytes = await read(handles.get(file)!, offset + done, count);
        // Whoever was told a length would wait for the rest.
        if (bytes.length < count) throw new Error(`${file} became shorter while it was read`);
        yield bytes;
      }
  } finally {
    for (const handle of handles.values()) await handle.close();
  }
}
