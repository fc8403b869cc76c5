import { readFileSync } from 'node:fs';
import path from 'node:path';
import { reason } from '#kernel/errors.ts';
import type { Log } from '#kernel/driver.ts';
import { loadCalibration } from '#cctv/ground/calibrate.ts';
import { GroundPath, type GroundStep } from '#cctv/ground/path.rules.ts';
import { GroundView } from '#cctv/ground/view.rules.ts';
import type { Polygon } from '#cctv/index.ts';
import type { PathOnGround } from '#cctv/observer.rules.ts';

/** The calibrations of the house, one file a camera. One that cannot be read is told and leaves its camera without metres. */
export class Calibrations {
  readonly #folder: string;
  readonly #log: Log;
  readonly #views = new Map<
    string,
    { readonly text: string; readonly madeAt: number; readonly view: GroundView }
  >();
  /** What could not be read, so that it is told once. */
  readonly #broken = new Map<string, string>();
  #masks: ReadonlyMap<string, readonly Polygon[]> = new Map();

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Reads the files of these cameras anew. True when one of them changed. */
  load(cameras: readonly { readonly id: string; readonly object_masks: readonly Polygon[] }[]): boolean {
    const before = [...this.#views.values()];
    // Feet behind a mask are hidden feet.
    this.#masks = new Map(cameras.map((c) => [c.id, c.object_masks]));
    for (const id of this.#views.keys()) if (!this.#masks.has(id)) this.#views.delete(id);
    for (const { id } of cameras) {
      const file = path.join(this.#folder, `${id}.json`);
      let text = '';
      try {
        text = readFileSync(file, 'utf8');
        if (this.#views.get(id)?.text === text || this.#broken.get(id) === text) continue;
        this.#broken.delete(id);
        const calibration = loadCalibration(text, file);
        this.#views.set(id, { text, madeAt: calibration.madeAt, view: new GroundView(calibration) });
      } catch (error) {
        this.#views.delete(id);
        const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
        if (!missing && this.#broken.get(id) !== text)
          this.#log.error(`camera ${id} has no metres: ${reason(error)}`, { error });
        if (!missing) this.#broken.set(id, text);
      }
    }
    const now = [...this.#views.values()];
    return now.length !== before.length || now.some((view, i) => view !== before[i]);
  }

  /** Follows one object of a label over the ground; undefined on a camera without calibration. */
  groundOf(camera: string): ((label: string) => PathOnGround) | undefined {
    if (!this.#views.has(camera)) return undefined;
    return (label) => {
      let view: GroundView | undefined;
      let way: GroundPath | undefined;
      let last: GroundStep | undefined;
      return {
        step: (at, box) => {
          // Whoever is followed while the camera is calibrated anew goes on by the new ground and its references.
          const now = this.#views.get(camera)?.view;
          if (now !== view) way = now && new GroundPath(now, label, this.#masks.get(camera));
          view = now;
          return (last = way?.step(at, box));
        },
        references: () => (last === undefined || view === undefined ? {} : view.toReferences(last)),
      };
    };
  }

  /** Width over height of the picture that a camera was calibrated on. */
  aspectOf(camera: string): number | undefined {
    return this.#views.get(camera)?.view.calibration.projection.aspect;
  }

  /** Epoch milliseconds at which a camera was calibrated; references that were added later do not count. */
  madeAt(camera: string): number | undefined {
    return this.#views.get(camera)?.madeAt;
  }

  /** Names of the references of each calibrated camera. */
  references(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#views].map(([id, { view }]) => [id, [...view.calibration.references.keys()]]));
  }
}
