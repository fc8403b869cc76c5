import type { CameraStats } from '../model.ts';
import type { Counts } from './connection.ts';

/** Counts what one camera does, since the process began and in the last period. */
export class Meter {
  #detections = 0;
  #dropped = 0;
  #failed = 0;
  #period = { looks: 0, inferMs: 0, latencyMs: 0, judged: 0, moved: 0 };
  #since: number;
  #frames = 0;

  /** @param now milliseconds of any clock that never jumps; `stats` takes the same */
  constructor(now: number) {
    this.#since = now;
  }

  motion(moved: boolean): void {
    this.#period.judged += 1;
    if (moved) this.#period.moved += 1;
  }

  looked(inferMs: number, latencyMs: number, detections: number): void {
    this.#detections += detections;
    this.#period.looks += 1;
    this.#period.inferMs += inferMs;
    this.#period.latencyMs += latencyMs;
  }

  /** A frame that should have been looked at was not: a newer one took its place. */
  dropped(): void {
    this.#dropped += 1;
  }

  /** The detector went away with a frame. */
  failed(): void {
    this.#failed += 1;
  }

  /** Ends the period. `reconnects`: outages so far. */
  stats(now: number, counts: Counts, reconnects: number): CameraStats {
    const { looks, inferMs, latencyMs, judged, moved } = this.#period;
    const seconds = Math.max(0.001, (now - this.#since) / 1000);
    const decoded = counts.frames - this.#frames;
    const mean = (sum: number, n: number) => (n === 0 ? 0 : sum / n);
    this.#frames = counts.frames;
    this.#since = now;
    this.#period = { looks: 0, inferMs: 0, latencyMs: 0, judged: 0, moved: 0 };
    return {
      decodedFps: decoded / seconds,
      fps: judged / seconds,
      frames: counts.frames,
      detections: this.#detections,
      dropped: this.#dropped + this.#failed,
      decodeErrors: counts.decodeErrors,
      reconnects,
      inferMs: mean(inferMs, looks),
      latencyMs: mean(latencyMs, looks),
      motion: mean(moved, judged),
      bytes: counts.bytes,
    };
  }
}
