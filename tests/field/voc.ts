import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { prepareModel } from '#cctv/detect/prepare.ts';
import { defaultModel } from '#cctv/detect/registry.ts';
import { reason } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import { evaluate, type Precision } from './lib/ap.ts';
import { Looker, readCoco, type Pictures } from './lib/looking.ts';
import type { Suite, SuiteResult } from './suite.ts';

interface Judged extends Precision {
  readonly model: string;
  readonly input: string;
  readonly ms: number;
}

async function judge(model: string, folder: string, { files, truths }: Pictures): Promise<Judged> {
  const prepared = await prepareModel({ model }, folder);
  const { card } = prepared;
  const looker = await Looker.load(prepared, new Set(truths.map((t) => t.label)));
  for (const { id, file } of files) await looker.look(file, () => id);
  await looker.close();
  return {
    model: card.name.replace(/\.onnx$/, ''),
    input: `${card.input.width}x${card.input.height}`,
    ms: looker.medianMs,
    ...evaluate(truths, looker.found),
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
  return [
    table(head, rows),
    ...refused,
    'COCO averages: 101 points of recall, 100 boxes a picture, scores from 0.01',
  ].join('\n');
}

/**
 * Precision of every detector that is given, and of the one that comes with Lares, on pictures with true boxes.
 * Right is what the one that comes with Lares finds at an overlap of one half.
 */
const suite: Suite = {
  name: 'voc',
  folder: 'cctv/voc',
  async run(dir): Promise<SuiteResult | undefined> {
    const pictures = readCoco(dir);
    if (pictures === undefined) return undefined;
    const given = path.join(dir, '../../models');
    const own = existsSync(given) ? readdirSync(given).filter((f) => f.endsWith('.onnx')) : [];
    const judged: Judged[] = [];
    const refused: string[] = [];
    const folder = await mkdtemp(path.join(tmpdir(), 'lares-voc-'));
    for (const model of [defaultModel, ...own.toSorted().map((f) => path.join(given, f))])
      try {
        judged.push(await judge(model, folder, pictures));
      } catch (error) {
        // A folder of models also holds those for faces and for telling people apart.
        refused.push(`${path.basename(model)}: no detector (${reason(error).slice(0, 160)})`);
      }
    await rm(folder, { recursive: true, force: true });
    return {
      items: pictures.truths.length,
      right: judged.find((j) => j.model === defaultModel)?.recalled ?? 0,
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
