import type { Clock } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';

const patienceMs = 8_000;

/** Pictures of now that somebody waits for. */
export class AskedPictures {
  readonly #clock: Clock;
  readonly #waiting = new Map<number, (jpeg: Uint8Array) => void>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `order` passes the number of the question on. Throws TIMEOUT. */
  async ask(camera: string, order: (request: number) => void): Promise<Uint8Array> {
    const request = (this.#last += 1);
    const answer = Promise.withResolvers<Uint8Array>();
    const over = new AbortController();
    this.#waiting.set(request, answer.resolve);
    void this.#clock.sleep(patienceMs, over.signal).then(() => {
      const text = `camera ${camera} gave no picture within ${patienceMs / 1000} s`;
      answer.reject(new LaresError('TIMEOUT', text));
    });
    order(request);
    try {
      return await answer.promise;
    } finally {
      over.abort();
      this.#waiting.delete(request);
    }
  }

  answer(request: number, jpeg: Uint8Array): void {
    this.#waiting.get(request)?.(jpeg);
  }
}
