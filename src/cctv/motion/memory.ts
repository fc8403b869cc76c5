import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { SceneWatch, type SceneReference, type SceneReport } from './scene.rules.ts';

const view = z.object({
  edges: z.string(),
  seconds: z.number().min(0),
  amount: z.number().min(0),
  sharpness: z.number().min(0),
  agreement: z.number(),
});
const content = z.object({
  /** Epoch milliseconds since when this view is the right one. */
  since: z.number(),
  width: z.number(),
  height: z.number(),
  day: view.exactOptional(),
  night: view.exactOptional(),
});

/** Larger files are not ours. */
const mostBytes = 1_000_000;
const firstSaveMs = 60_000;
const saveMs = 600_000;

/** Where a house keeps what a camera usually sees. */
export const sceneFile = (dataDir: string, camera: string): string =>
  path.join(dataDir, 'scene', `${camera}.json`);

interface Kept {
  readonly since: number;
  readonly reference: SceneReference;
}

function read(file: string): Kept | undefined {
  try {
    if (statSync(file).size > mostBytes) return undefined;
    const { since, ...reference } = content.parse(JSON.parse(readFileSync(file, 'utf8')));
    return { since, reference };
  } catch {
    // Missing or damaged: the camera learns its view anew.
    return undefined;
  }
}

/**
 * Takes what a camera sees as right from now on, as after it was aimed or calibrated anew; also while its process runs,
 * which notices within seconds that its file is gone.
 */
export const acceptScene = (dataDir: string, camera: string): void =>
  rmSync(sceneFile(dataDir, camera), { force: true });

/** Accepts the view of a camera that was calibrated (epoch milliseconds) after what it takes for usual. */
export function acceptCalibrated(dataDir: string, camera: string, calibratedAt: number): void {
  const kept = read(sceneFile(dataDir, camera));
  if (kept !== undefined && calibratedAt > kept.since) acceptScene(dataDir, camera);
}

export interface SceneMemoryOptions {
  readonly size: { readonly width: number; readonly height: number };
  /** Undefined for a camera that remembers nothing over a restart. */
  readonly file: string | undefined;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** A `SceneWatch` whose usual view outlives the process: a knock while nobody looked is noticed afterwards. */
export class SceneMemory {
  readonly #watch: SceneWatch;
  readonly #file: string | undefined;
  #since: number;
  #saveAt: number;
  #saved: boolean;

  constructor({ size, file, now }: SceneMemoryOptions) {
    const kept = file === undefined ? undefined : read(file);
    this.#file = file;
    this.#watch = new SceneWatch(size, kept?.reference);
    this.#saved = kept !== undefined;
    this.#since = kept?.since ?? now;
    this.#saveAt = now + firstSaveMs;
  }

  /** As `SceneWatch.step`. */
  step(gray: Uint8Array, at: number, motionShare: number, colour?: number): SceneReport | undefined {
    return this.#watch.step(gray, at, motionShare, colour);
  }

  /**
   * To be called each second. True when somebody accepted the view: what was told of it is over. Throws what writing
   * throws, at most once in ten minutes.
   */
  tick(now: number): boolean {
    if (this.#file === undefined) return false;
    if (this.#saved && !existsSync(this.#file)) {
      this.#watch.accept();
      this.#saved = false;
      this.#since = now;
      this.#saveAt = now + firstSaveMs;
      return true;
    }
    // A clock that was set back must not keep it from being saved.
    if (now < this.#saveAt && this.#saveAt - now <= saveMs) return false;
    this.save(now);
    return false;
  }

  /** Writes what was learnt. Throws what writing throws. */
  save(now: number): void {
    if (this.#file === undefined) return;
    this.#saveAt = now + saveMs;
    const part = `${this.#file}.part`;
    mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o700 });
    writeFileSync(part, JSON.stringify({ since: this.#since, ...this.#watch.save() }), { mode: 0o600 });
    renameSync(part, this.#file);
    this.#saved = true;
  }
}
