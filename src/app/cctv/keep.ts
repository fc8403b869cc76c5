import path from 'node:path';
import type { EventBook } from '#cctv/book/book.ts';
import { makeClip, type Clip } from '#cctv/keep/clip.ts';
import { limitsOf } from '#cctv/keep/config.ts';
import { KeepFolders } from '#cctv/keep/folders.ts';
import { sweep } from '#cctv/keep/retention.ts';
import { cleanOf } from '#cctv/keep/snapshots.ts';
import type { CctvView } from '#cctv/view.model.ts';
import type { Clock } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Health } from '#platform/health.ts';
import type { Logger } from '#platform/log.ts';
import type { HouseConfig } from '../config.ts';

export interface KeepingParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly health: Health;
  readonly dataDir: string;
  readonly book: EventBook;
  /** Of now. */
  readonly settings: () => HouseConfig['cctv'];
}

const sweepMs = 10 * 60_000;
// A share whose server is gone may never answer; nothing else may wait for it.
const patienceMs = 2_000;

/** The pictures and video of one house: where they lie, how long they stay, and what people ask of them. */
export class Keeping {
  readonly folders: { readonly snapshots: string; readonly recordings: string };
  readonly #parts: KeepingParts;
  #bytes: CctvView['diskBytes'];
  #claiming: Promise<void> | undefined;
  #sweeping: Promise<void> | undefined;
  #sweptAt = Number.NEGATIVE_INFINITY;
  #trouble: string | undefined;

  constructor(parts: KeepingParts) {
    this.#parts = parts;
    const { recording, snapshots } = parts.settings();
    this.folders = {
      snapshots: path.resolve(snapshots.folder ?? path.join(parts.dataDir, 'snapshots')),
      recordings: path.resolve(recording.folder ?? path.join(parts.dataDir, 'recordings')),
    };
  }

  /** Bytes that are kept; undefined until they were counted. */
  get bytes(): CctvView['diskBytes'] {
    return this.#bytes;
  }

  /**
   * Makes the folders ours. A disk that is not mounted is told in health; pictures and video then wait for it, everything
   * else goes on. Call it now and then. Resolves within two seconds.
   */
  async claim(): Promise<void> {
    this.#claiming ??= this.#claimAll().finally(() => (this.#claiming = undefined));
    if (await this.#inTime(this.#claiming)) return;
    this.#tell(`the disk of ${Object.values(this.folders).join(' or ')} does not answer; check it`);
  }

  /** Lets go of what is old, every ten minutes, and counts what stays. Not waited for, except at the end. */
  async sweep(signal: AbortSignal): Promise<void> {
    const { clock, log, book, settings } = this.#parts;
    if (this.#sweeping !== undefined || clock.monotonic() - this.#sweptAt < sweepMs) return;
    this.#sweptAt = clock.monotonic();
    const limits = limitsOf(settings().retention);
    const options = { ...this.folders, ...limits, book, log: log.child('retention'), signal };
    this.#sweeping = sweep(options, clock.now())
      .then(({ kept }) => {
        this.#bytes = kept;
      })
      .finally(() => (this.#sweeping = undefined));
    await this.#sweeping;
  }

  /** Resolves when nothing is swept any more, within two seconds. */
  async end(): Promise<void> {
    await this.#inTime(this.#sweeping ?? Promise.resolve());
  }

  /** Absolute file of the picture of an event; undefined where there is none. */
  picture(event: string, clean: boolean): string | undefined {
    const file = this.#parts.book.event(event)?.snapshot;
    // A book that came from elsewhere may name any file of this machine.
    const ours = file !== undefined && path.resolve(file).startsWith(`${this.folders.snapshots}${path.sep}`);
    return !ours ? undefined : clean ? cleanOf(file) : file;
  }

  /** The video of an event. Throws NOT_FOUND. */
  async clip(id: string): Promise<Clip> {
    const { book, settings } = this.#parts;
    const event = book.event(id);
    if (event === undefined) throw new LaresError('NOT_FOUND', `there is no event ${id.slice(0, 64)}`);
    const { pre_seconds: pre, post_seconds: post } = settings().recording;
    const [from, to] = [event.at - pre * 1000, event.seenAt + post * 1000];
    return makeClip(book.files.segments(event.camera, from, to), from, to);
  }

  /** One folder does not wait for the other. */
  async #claimAll(): Promise<void> {
    const keep = new KeepFolders(path.join(this.#parts.dataDir, 'folders'));
    const troubles: string[] = [];
    for (const folder of Object.values(this.folders))
      await keep.claim(folder).catch((error: unknown) => troubles.push(reason(error)));
    this.#tell(troubles.length === 0 ? undefined : troubles.join('; '));
  }

  #tell(trouble: string | undefined): void {
    const { health, log } = this.#parts;
    health.set(
      'cctv.disk',
      trouble === undefined ? 'ok' : 'down',
      trouble ?? 'pictures and video can be kept',
    );
    if (trouble !== undefined && trouble !== this.#trouble)
      log.error(`cctv error: ${trouble}`, { code: 'STORE_UNAVAILABLE' });
    this.#trouble = trouble;
  }

  async #inTime(work: Promise<void>): Promise<boolean> {
    const over = new AbortController();
    const late = this.#parts.clock.sleep(patienceMs, over.signal).then(() => false);
    try {
      return await Promise.race([work.then(() => true), late]);
    } finally {
      over.abort();
    }
  }
}
