/**
 * Picks the frames that are looked at: every (frameSkip + 1)th, of those at most `fps` a second by capture time. Keeps
 * its beat: a frame that comes a little late does not move the ones after it, so 10 a second thin out to an even 5.
 */
export class Pace {
  #skipped: number;
  readonly #frameSkip: number;
  #due = Number.NEGATIVE_INFINITY;

  constructor(frameSkip: number) {
    this.#frameSkip = frameSkip;
    this.#skipped = frameSkip;
  }

  /** @param at epoch milliseconds of capture */
  take(at: number, fps: number): boolean {
    if (this.#skipped < this.#frameSkip) {
      this.#skipped += 1;
      return false;
    }
    this.#skipped = 0;
    const step = 1000 / fps;
    // Arrival jitters by more than a frame on Wi-Fi: a third of a beat early is on time.
    const early = step / 3;
    // A burst asks for the next frame sooner than the slower beat had planned; a clock set back must not stop the pace.
    this.#due = Math.min(this.#due, at + step + early);
    if (at < this.#due - early) return false;
    this.#due = at - this.#due > step ? at + step : this.#due + step;
    return true;
  }
}
