import { readFileSync } from 'node:fs';
import path from 'node:path';
import { reason } from '#kernel/errors.ts';
import type { Log } from '#kernel/driver.ts';
import { loadCalibration } from '#cctv/ground/calibrate.ts';
import { GroundPath, type GroundStep } from '#cctv/ground/path.rules.ts';
import { GroundView } from '#cctv/ground/view.rules.ts';
import type { Polygon } from '#cctv/index.ts';
import type { PathOnGround } from '#cctv/observer.rules.ts';

/** `config/calibration` beside the settings; the original kept its settings in `config` already. */
export function calibrationFolder(settingsFolder: string): string {
  const config =
    path.basename(path.resolve(settingsFolder)) === 'config'
      ? settingsFolder
      : path.join(settingsFolder, 'config');
  return path.resolve(config, 'calibration');
}

/** The calibrations of the house, one file a camera. One that cannot be read is told and leaves its camera without metres. */
export class Calibrations {
  readonly #folder: string;
  readonly #log: Log;
  readonly #views = new Map<string, { readonly text: string; readonly view: GroundView }>();
  #masks: ReadonlyMap<string, readonly Polygon[]> = new Map();

  constructor(folder: string, log: Log) {
    this.#folder = folder;
    this.#log = log;
  }

  /** Reads the files of these cameras anew. */
  load(cameras: readonly { readonly id: string; readonly object_masks: readonly Polygon[] }[]): void {
    // Feet behind a mask are hidden feet.
    this.#masks = new Map(cameras.map((c) => [c.id, c.object_masks]));
    for (const id of [...this.#views.keys()]) if (!this.#masks.has(id)) this.#views.delete(id);
    for (const { id } of cameras) {
      const file = path.join(this.#folder, `${id}.json`);
      try {
        const text = readFileSync(file, 'utf8');
        if (this.#views.get(id)?.text === text) continue;
        this.#views.set(id, { text, view: new GroundView(loadCalibration(text, file)) });
      } catch (error) {
        this.#views.delete(id);
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
          this.#log.error(`camera ${id} has no metres: ${reason(error)}`, { error });
      }
    }
  }

  /** Follows one object of a label over the ground; undefined on a camera without calibration. */
  groundOf(camera: string): ((label: string) => PathOnGround) | undefined {
    const view = this.#views.get(camera)?.view;
    if (view === undefined) return undefined;
    return (label) => {
      const way = new GroundPath(view, label, this.#masks.get(camera));
      let last: GroundStep | undefined;
      return {
        step: (at, box) => (last = way.step(at, box)),
        references: () => (last === undefined ? {} : view.toReferences(last)),
      };
    };
  }

  /** Names of the references of each calibrated camera. */
  references(): ReadonlyMap<string, readonly string[]> {
    return new Map([...this.#views].map(([id, { view }]) => [id, [...view.calibration.references.keys()]]));
  }
}
