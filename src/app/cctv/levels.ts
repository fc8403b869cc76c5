import { setImmediate as breathe } from 'node:timers/promises';
import { levelDays, levelOf, type Level, type Minutes } from '#cctv/levels.rules.ts';
import { cameraNode } from '#cctv/metrics.ts';
import type { ReadingLog } from '#store/model.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;
// A chart has at most 10,000 points, and must not widen its minutes.
const sliceDays = 6;

/** How much of the last 30 days each camera gave, from the readings that were kept. */
export class Levels {
  readonly #readings: Pick<ReadingLog, 'chart'>;
  #levels: ReadonlyMap<string, Level> = new Map();

  constructor(readings: Pick<ReadingLog, 'chart'>) {
    this.#readings = readings;
  }

  of(camera: string): Level | undefined {
    return this.#levels.get(camera);
  }

  /** Reads anew. Rejects when the database cannot be read; what was known stays. */
  async refresh(cameras: readonly string[], prefix: string, now: number): Promise<void> {
    const running = await this.#minutes(`${prefix}.cameras_enabled`, now);
    const written = await this.#minutes(`${prefix}.events_written`, now);
    const levels = new Map<string, Level>();
    for (const id of cameras) {
      const online = await this.#minutes(`${prefix}.${cameraNode(id)}.online`, now);
      const level = levelOf({ online, running, written }, now);
      if (level !== undefined) levels.set(id, level);
    }
    this.#levels = levels;
  }

  async #minutes(series: string, now: number): Promise<Minutes> {
    const minutes = new Map<number, number>();
    const to = Math.floor(now / minuteMs) * minuteMs;
    for (let from = to - levelDays * dayMs; from < to; from += sliceDays * dayMs) {
      const slice = [from, Math.min(to, from + sliceDays * dayMs)] as const;
      const points = await this.#readings.chart(series, ...slice, (slice[1] - slice[0]) / minuteMs);
      for (const { at, mean } of points) minutes.set(at, mean);
      // A slice takes milliseconds of the event loop; alerts must not wait for all of them.
      await breathe();
    }
    return minutes;
  }
}
