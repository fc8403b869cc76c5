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
import { frames } from './lib/pictures.ts';
import type { Suite, SuiteResult } from './suite.ts';

interface Judged extends Precision {
  readonly model: string;
  readonly input: string;
  readonly ms: number;
}

/** Opens what a model is, or says why it is none. */
async function open(model: string, folder: string, labels: ReadonlySet<string>) {
  const prepared = await prepareModel({ model }, folder);
  return { card: prepared.card, looker: await Looker.load(prepared, labels) };
}

type Opened = Awaited<ReturnType<typeof open>>;

async function judge({ card, looker }: Opened, { files, truths }: Pictures): Promise<Judged> {
  for (const { id, file } of files) await looker.look(file, () => id);
  await looker.close();
  return {
    model: card.name.replace(/\.onnx$/, ''),
    input: `${card.input.width}x${card.input.height}`,
    ms: looker.medianMs,
    ...evaluate(truths, looker.found),
  };
}

/** The pictures of a folder, or why its annotations cannot be read. */
function readPictures(dir: string): Pictures | string | undefined {
  try {
    return readCoco(dir);
  } catch (error) {
    return `${path.join(dir, 'instances.json')} is not in the form of COCO: ${reason(error).slice(0, 300)}`;
  }
}

/** A picture that cannot be decoded is told and not looked at; what it shows counts as not found. */
async function withoutBroken(all: Pictures): Promise<{ pictures: Pictures; refused: string[] }> {
  const refused: string[] = [];
  const files: Pictures['files'][number][] = [];
  for (const one of all.files)
    try {
      for await (const _ of frames(one.file)) break;
      files.push(one);
    } catch (error) {
      refused.push(`${path.basename(one.file)}: cannot be read (${reason(error).slice(0, 160)})`);
    }
  return { pictures: { ...all, files }, refused };
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
    const told = readPictures(dir);
    if (told === undefined) return undefined;
    if (typeof told === 'string') return { items: 0, right: 0, scores: {}, report: told };
    const { pictures, refused } = await withoutBroken(told);
    const labels = new Set(pictures.truths.map((t) => t.label));
    const given = path.join(dir, '../../models');
    const own = existsSync(given) ? readdirSync(given).filter((f) => f.endsWith('.onnx')) : [];
    const judged: Judged[] = [];
    const folder = await mkdtemp(path.join(tmpdir(), 'lares-voc-'));
    for (const model of [defaultModel, ...own.toSorted().map((f) => path.join(given, f))]) {
      const opened = await open(model, folder, labels).catch((error: unknown) => reason(error).slice(0, 160));
      // A folder of models also holds those for faces and for telling people apart.
      if (typeof opened === 'string') refused.push(`${path.basename(model)}: no detector (${opened})`);
      else judged.push(await judge(opened, pictures));
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
