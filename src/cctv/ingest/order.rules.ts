/** No codec lets more pictures come before one that is shown earlier (H.264 A.3.1, H.265 A.4: DPB of 16). */
const deepest = 16;

/**
 * When pictures are to be decoded, of a stream that tells only when they are shown, as RTP does. With B-frames they come
 * in another order than they are shown in; how far apart the two are is learnt from the pictures that came.
 */
export class DecodeOrder {
  readonly #leap: bigint;
  /** When the latest pictures are shown, ascending. */
  #shown: bigint[] = [];
  #depth = 0;

  /** @param leap a step back of more than this, in the units of `next`, is a clock that was set and no B-frame */
  constructor(leap: bigint) {
    this.#leap = leap;
  }

  /** When the picture that comes next, shown at `shown`, is to be decoded: not later, and after the one before it. */
  next(shown: bigint): bigint {
    const last = this.#shown.at(-1);
    if (last !== undefined && last - shown > this.#leap) this.#shown = [];
    const later = this.#shown.filter((at) => at > shown).length;
    this.#depth = Math.max(this.#depth, later);
    this.#shown.splice(this.#shown.length - later, 0, shown);
    if (this.#shown.length > deepest + 1) this.#shown.shift();
    return this.#shown[Math.max(0, this.#shown.length - 1 - this.#depth)]!;
  }
}
