import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as z from 'zod';
import { loadDetector } from '#cctv/detect/detector.ts';
import { detectionsFromInput } from '#cctv/detect/letterbox.rules.ts';
import { prepareModel } from '#cctv/detect/prepare.ts';
import { defaultModel } from '#cctv/detect/registry.ts';
import { reason } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import { evaluate, type FoundBox, type Precision, type TrueBox } from './lib/ap.ts';
import { fill, frames } from './lib/pictures.ts';
import type { Suite, SuiteResult } from './suite.ts';

/** VOC's words for what COCO calls otherwise. */
const words: Readonly<Record<string, string>> = {
  aeroplane: 'airplane',
  motorbike: 'motorcycle',
  sofa: 'couch',
  diningtable: 'dining table',
  pottedplant: 'potted plant',
  tvmonitor: 'tv',
};

// Low enough that precision falls towards nothing before the list ends, as the curve needs.
const threshold = 0.01;

const annotations = z.object({
  images: z.array(z.object({ id: z.number(), file_name: z.string() })),
  annotations: z.array(
    z.object({
      image_id: z.number(),
      category_id: z.number(),
      bbox: z.tuple([z.number(), z.number(), z.number(), z.number()]),
      iscrowd: z.number().optional(),
    }),
  ),
  categories: z.array(z.object({ id: z.number(), name: z.string() })),
});

interface Picture {
  readonly id: number;
  readonly file: string;
}

interface Judged extends Precision {
  readonly model: string;
  readonly input: string;
  readonly ms: number;
}

async function judge(
  model: string,
  folder: string,
  pictures: readonly Picture[],
  truths: readonly TrueBox[],
): Promise<Judged> {
  const prepared = await prepareModel({ model }, folder);
  const { card } = prepared;
  const warn = (message: string) => console.error(message);
  const detector = await loadDetector({ ...prepared, device: 'cpu', threads: 1, warn });
  const labels = new Set(truths.map((t) => t.label));
  const found: FoundBox[] = [];
  const times: number[] = [];
  for (const { id, file } of pictures)
    for await (const frame of frames(file)) {
      const { frame: input, box, width, height } = fill(frame, card.input);
      const startedAt = performance.now();
      const [list] = await detector.detect([input], threshold);
      times.push(performance.now() - startedAt);
      for (const { label, score, box: b } of detectionsFromInput(list ?? [], box))
        if (labels.has(label))
          found.push({
            picture: id,
            label,
            score,
            left: b.left * width,
            top: b.top * height,
            width: b.width * width,
            height: b.height * height,
          });
    }
  await detector.close();
  const name = card.name.replace(/\.onnx$/, '');
  const size = `${card.input.width}x${card.input.height}`;
  return {
    model: name,
    input: size,
    ms: times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0,
    ...evaluate(truths, found),
  };
}

function report(judged: readonly Judged[], refused: readonly string[]): string {
  const figure = (value: number | undefined) => value?.toFixed(3) ?? '-';
  const rows = judged.map((j) => [
    j.model,
    j.input,
    figure(j.map50),
    figure(j.map5095),
    figure(j.ap50.get('person')),
    `${j.recalled} of ${j.truths}`,
    j.ms.toFixed(1),
    j.model === defaultModel ? 'works with nothing but npm' : '',
  ]);
  const head = ['MODEL', 'INPUT', 'MAP50', 'MAP50-95', 'PERSON AP50', 'FOUND', 'MS', ''];
  return [table(head, rows), ...refused, 'COCO averages: 101 points of recall, 100 boxes a picture'].join(
    '\n',
  );
}

/** Precision of every detector that is given, and of the one that comes with Lares, on pictures with true boxes. */
const suite: Suite = {
  name: 'voc',
  folder: 'cctv/voc',
  async run(dir): Promise<SuiteResult | undefined> {
    const file = path.join(dir, 'instances.json');
    if (!existsSync(file)) return undefined;
    const data = annotations.parse(JSON.parse(readFileSync(file, 'utf8')));
    const pictures = data.images
      .map(({ id, file_name }) => ({ id, file: path.join(dir, 'images', file_name) }))
      .filter((p) => existsSync(p.file));
    if (pictures.length === 0) return undefined;
    const there = new Set(pictures.map((p) => p.id));
    const labels = new Map(data.categories.map((c) => [c.id, words[c.name] ?? c.name]));
    const truths = data.annotations
      .filter((a) => there.has(a.image_id))
      .map(({ image_id, category_id, bbox: [left, top, width, height], iscrowd }): TrueBox => ({
        picture: image_id,
        label: labels.get(category_id) ?? `category ${category_id}`,
        left,
        top,
        width,
        height,
        ignore: iscrowd === 1,
      }));
    const given = path.join(dir, '../../models');
    const own = existsSync(given) ? readdirSync(given).filter((f) => f.endsWith('.onnx')) : [];
    const judged: Judged[] = [];
    const refused: string[] = [];
    const folder = await mkdtemp(path.join(tmpdir(), 'lares-voc-'));
    for (const model of [defaultModel, ...own.toSorted().map((f) => path.join(given, f))])
      try {
        judged.push(await judge(model, folder, pictures, truths));
      } catch (error) {
        // A folder of models also holds those for faces and for telling people apart.
        refused.push(`${path.basename(model)}: no detector (${reason(error).slice(0, 160)})`);
      }
    await rm(folder, { recursive: true, force: true });
    const [first] = judged;
    return {
      items: truths.length,
      right: first?.recalled ?? 0,
      scores: Object.fromEntries(
        judged.flatMap((j) => [
          [`${j.model}_map50`, j.map50],
          [`${j.model}_map50_95`, j.map5095],
          [`${j.model}_person_ap50`, j.ap50.get('person')],
        ]),
      ),
      report: report(judged, refused),
    };
  },
};

export default suite;
