/** Milliseconds. */
const firstMs = 100;
const longestMs = 30_000;
const memoryMs = 60_000;
/** So many deaths of one process within the memory part its cameras. */
const suspicious = 2;

/** Finds the camera that kills its process: those that died again and again are each given a process of their own. */
export class Blame {
  readonly #alone = new Set<string>();
  readonly #deaths = new Map<string, number[]>();

  /** Cameras that must not share a process. */
  get alone(): ReadonlySet<string> {
    return this.#alone;
  }

  /**
   * Notes that the process of these cameras died.
   * @param now milliseconds that never jump
   * @returns milliseconds to wait before the next start
   */
  died(cameras: readonly string[], now: number): number {
    let most = 1;
    for (const id of cameras) {
      const deaths = [...(this.#deaths.get(id) ?? []).filter((at) => now - at < memoryMs), now].slice(-20);
      this.#deaths.set(id, deaths);
      most = Math.max(most, deaths.length);
    }
    if (most < suspicious) return firstMs;
    for (const id of cameras) this.#alone.add(id);
    if (cameras.length > 1) return firstMs;
    return Math.min(longestMs, firstMs * 2 ** (most - 1));
  }

  /** Forgets cameras that are no longer there. */
  keep(cameras: ReadonlySet<string>): void {
    for (const id of this.#deaths.keys()) if (!cameras.has(id)) this.#deaths.delete(id);
    for (const id of this.#alone) if (!cameras.has(id)) this.#alone.delete(id);
  }
}
