import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { loadDetector } from '#cctv/detect/detector.ts';
import { detectionsFromInput } from '#cctv/detect/letterbox.rules.ts';
import type { Detector } from '#cctv/detect/model.ts';
import type { PreparedModel } from '#cctv/detect/prepare.ts';
import type { FoundBox, TrueBox } from './ap.ts';
import { fill, frames } from './pictures.ts';

// Low enough that precision falls towards nothing before the list ends, as the curve needs.
const threshold = 0.01;

/** VOC's words for what COCO calls otherwise. */
const words: Readonly<Record<string, string>> = {
  aeroplane: 'airplane',
  motorbike: 'motorcycle',
  sofa: 'couch',
  diningtable: 'dining table',
  pottedplant: 'potted plant',
  tvmonitor: 'tv',
};

/** `Dining_Table` and `dining table` are one word. */
const plain = (name: string) => name.trim().toLowerCase().replaceAll('_', ' ');

const id = z.union([z.number(), z.string()]);
const annotations = z.object({
  images: z.array(z.object({ id, file_name: z.string() })),
  annotations: z.array(
    z.object({
      image_id: id,
      category_id: id,
      bbox: z.tuple([z.number(), z.number(), z.number(), z.number()]),
      iscrowd: z.union([z.number(), z.boolean()]).optional(),
    }),
  ),
  categories: z.array(z.object({ id, name: z.string() })),
});

export interface Pictures {
  readonly files: readonly { readonly id: string | number; readonly file: string }[];
  readonly truths: readonly TrueBox[];
}

/** Where the pictures lie beside their annotations. */
const folders = ['images', '.', 'JPEGImages'];

/**
 * A folder with `instances.json` in the form of COCO and its pictures in `images/` or beside it. Undefined where there is
 * none. Throws SyntaxError or ZodError for a file that is something else.
 */
export function readCoco(dir: string): Pictures | undefined {
  const file = path.join(dir, 'instances.json');
  if (!existsSync(file)) return undefined;
  const data = annotations.parse(JSON.parse(readFileSync(file, 'utf8')));
  const files = data.images.flatMap((image) => {
    const found = folders
      .flatMap((folder) =>
        [image.file_name, path.basename(image.file_name)].map((n) => path.join(dir, folder, n)),
      )
      .find((place) => existsSync(place));
    return found === undefined ? [] : [{ id: image.id, file: found }];
  });
  if (files.length === 0) return undefined;
  const there = new Set(files.map((p) => p.id));
  const labels = new Map(data.categories.map((c) => [c.id, words[plain(c.name)] ?? plain(c.name)]));
  const truths = data.annotations
    .filter((a) => there.has(a.image_id))
    .map(({ image_id, category_id, bbox: [left, top, width, height], iscrowd }): TrueBox => ({
      picture: image_id,
      label: labels.get(category_id) ?? `category ${category_id}`,
      left,
      top,
      width,
      height,
      ignore: iscrowd === 1 || iscrowd === true,
    }));
  return { files, truths };
}

/** A detector that is shown pictures and keeps what it found, in pixels, and how long each took. */
export class Looker {
  readonly found: FoundBox[] = [];
  readonly times: number[] = [];
  readonly #detector: Detector;
  readonly #labels: ReadonlySet<string>;

  /** Only boxes of `labels` are kept: the truth says nothing of the others. */
  constructor(detector: Detector, labels: ReadonlySet<string>) {
    this.#detector = detector;
    this.#labels = labels;
  }

  static async load(prepared: PreparedModel, labels: ReadonlySet<string>): Promise<Looker> {
    const warn = (message: string) => console.error(message);
    return new Looker(await loadDetector({ ...prepared, device: 'cpu', threads: 1, warn }), labels);
  }

  /** Every frame of a file up to number `last`, of which each `step`-th is looked at; `name` gives its picture's name. */
  async look(
    file: string,
    name: (frame: number) => string | number,
    step = 1,
    last = Number.POSITIVE_INFINITY,
  ): Promise<void> {
    let number = -1;
    for await (const picture of frames(file)) {
      number += 1;
      if (number > last) break;
      if (number % step !== 0) continue;
      const { frame, box, width, height } = fill(picture, this.#detector.card.input);
      const startedAt = performance.now();
      const [list] = await this.#detector.detect([frame], threshold);
      this.times.push(performance.now() - startedAt);
      for (const { label, score, box: b } of detectionsFromInput(list ?? [], box))
        if (this.#labels.has(label))
          this.found.push({
            picture: name(number),
            label,
            score,
            left: b.left * width,
            top: b.top * height,
            width: b.width * width,
            height: b.height * height,
          });
    }
  }

  get medianMs(): number {
    return this.times.toSorted((a, b) => a - b)[this.times.length >> 1] ?? 0;
  }

  close(): Promise<void> {
    return this.#detector.close();
  }
}
