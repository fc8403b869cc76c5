import { LaresError } from '#kernel/errors.ts';

/** Something that waits to be said. */
interface Waiting {
  /** Higher goes first. */
  readonly rank: number;
  /** Epoch milliseconds of what it tells: of equal rank, the newest goes first. */
  readonly at: number;
  readonly lateAt: number;
  readonly say: () => Promise<void>;
  readonly settle: (error?: unknown) => void;
}

/** The order on one device: one voice at a time, the most severe first, the newest of those; nothing that is late. */
export class Line {
  readonly #now: () => number;
  readonly #waiting: Waiting[] = [];
  #speaking = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Runs `say` when its turn comes. Throws what it throws; TIMEOUT when `lateAt` (epoch ms) passes before its turn, or
   * when the signal aborts.
   */
  turn(
    order: { readonly rank: number; readonly at: number; readonly lateAt: number },
    say: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      const place = this.#waiting.indexOf(waiting);
      if (place === -1) return;
      this.#waiting.splice(place, 1);
      reject(new LaresError('TIMEOUT', 'the voice was stopped'));
    };
    const waiting: Waiting = {
      ...order,
      say,
      settle: (error) => {
        signal.removeEventListener('abort', leave);
        if (error === undefined) resolve();
        else reject(error as Error);
      },
    };
    this.#waiting.push(waiting);
    signal.addEventListener('abort', leave, { once: true });
    if (signal.aborted) leave();
    void this.#next();
    return promise;
  }

  async #next(): Promise<void> {
    if (this.#speaking) return;
    const first = this.#waiting.toSorted((a, b) => b.rank - a.rank || b.at - a.at)[0];
    if (first === undefined) return;
    this.#waiting.splice(this.#waiting.indexOf(first), 1);
    this.#speaking = true;
    try {
      const late = this.#now() - first.lateAt;
      if (late >= 0)
        throw new LaresError('TIMEOUT', 'it waited too long for its turn; a late voice is worse than none');
      await first.say();
      first.settle();
    } catch (error) {
      first.settle(error);
    } finally {
      this.#speaking = false;
      void this.#next();
    }
  }
}
