import { marks, type BookFile, type Said } from './file.ts';
import type { SegmentRow } from './model.ts';
import { segmentValues, toMs, toSeconds, toSegment } from './rows.codec.ts';

// What is read at once: some milliseconds of the core's time.
const pageRows = 2_000;

/** A file of video as far as it matters for how long it is kept. */
export interface VideoFile {
  readonly file: string;
  readonly startAt: number;
  readonly bytes: number;
  readonly closed: boolean;
  /** It holds an event or the time before one. */
  readonly clip: boolean;
}

export interface PictureFile {
  readonly event: string;
  readonly file: string;
}

/** Pictures and video, as the book knows of them. Files are absolute. */
export class FilePages {
  readonly #file: BookFile;

  constructor(file: BookFile) {
    this.#file = file;
  }

  /** A file of video that grows or was finished. */
  segment(row: SegmentRow): Promise<void> {
    return this.#write(row.closed, [
      `insert into segments values (${marks(7)}) on conflict (file) do update set
         ended = excluded.ended, bytes = excluded.bytes, closed = excluded.closed, events = excluded.events`,
      segmentValues(row),
    ]);
  }

  /** Video of one camera that overlaps `from` to `to` (epoch ms), oldest first. */
  segments(camera: string, from: number, to: number): SegmentRow[] {
    return this.#file
      .all(
        'select * from segments where camera = ? and started < ? and ended > ? order by started',
        camera,
        toSeconds(to),
        toSeconds(from),
      )
      .map(toSegment);
  }

  /** All video in pages: breathe between them. `marginMs` before an event belongs to it. */
  *video(marginMs: number): Generator<readonly VideoFile[]> {
    for (let after = ''; ;) {
      const rows = this.#file.all(
        `select file, started, bytes, closed, events <> '[]' or exists (select 1 from events as e
           where e.camera = segments.camera and e.timestamp between segments.started and segments.ended + ?) as clip
         from segments where file > ? order by file limit ?`,
        toSeconds(marginMs),
        after,
        pageRows,
      );
      yield rows.map((row) => ({
        file: String(row['file']),
        startAt: toMs(row['started']),
        bytes: Number(row['bytes']),
        closed: row['closed'] === 1,
        clip: row['clip'] === 1,
      }));
      if (rows.length < pageRows) return;
      after = String(rows.at(-1)!['file']);
    }
  }

  videoGone(files: readonly string[]): Promise<void> {
    return this.#write(false, ...files.map((file): Said => ['delete from segments where file = ?', [file]]));
  }

  /** The recordings lie elsewhere now. */
  videoMoved(files: readonly (readonly [from: string, to: string])[]): Promise<void> {
    return this.#write(
      false,
      ...files.map(([from, to]): Said => [
        'update or replace segments set file = ? where file = ?',
        [to, from],
      ]),
    );
  }

  /** The best picture of an event; its alerts that had none get it too. */
  attachPicture(event: string, file: string): Promise<void> {
    return this.#write(
      true,
      ['update events set snapshot = ?, snapshot_gone = 0 where id = ?', [file, event]],
      ['update alerts set snapshot = ? where event = ? and snapshot is null', [file, event]],
    );
  }

  /** All pictures that should exist, in pages: breathe between them. */
  *pictures(): Generator<readonly PictureFile[]> {
    for (let after = ''; ;) {
      const rows = this.#file.all(
        'select id, iif(snapshot_gone, null, snapshot) as file from events where id > ? order by id limit ?',
        after,
        pageRows,
      );
      yield rows.flatMap(({ id, file }) => (typeof file === 'string' ? [{ event: String(id), file }] : []));
      if (rows.length < pageRows) return;
      after = String(rows.at(-1)!['id']);
    }
  }

  picturesGone(events: readonly string[]): Promise<void> {
    return this.#write(
      false,
      ...events.map((event): Said => ['update events set snapshot_gone = 1 where id = ?', [event]]),
    );
  }

  /** The pictures of these events lie elsewhere now. */
  picturesMoved(pictures: readonly (PictureFile & { readonly to: string })[]): Promise<void> {
    return this.#write(
      false,
      ...pictures.flatMap(({ event, file, to }): Said[] => [
        ['update events set snapshot = ? where id = ? and snapshot = ?', [to, event, file]],
        ['update alerts set snapshot = ? where event = ? and snapshot = ?', [to, event, file]],
      ]),
    );
  }

  #write(durable: boolean, ...changes: readonly Said[]): Promise<void> {
    return this.#file.write({ durable, changes });
  }
}
