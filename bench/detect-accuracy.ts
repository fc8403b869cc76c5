/**
 * What each model and each size of picture finds: `node bench/detect-accuracy.ts [--data DIR] [--models DIR]
 * [model[:WIDTHxHEIGHT]…]`. Precision on the pictures of `cctv/voc` and, for people, on every fourth frame of
 * `cctv/vtest.avi` with the truth of `cctv/pets2009`. The table of docs/cctv-models.md is its output.
 */
import { globSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseInputSize } from '#cctv/detect/config.ts';
import { prepareModel } from '#cctv/detect/prepare.ts';
import { table } from '#platform/table.ts';
import { evaluate, type TrueBox } from '../tests/field/lib/ap.ts';
import { Looker, readCoco } from '../tests/field/lib/looking.ts';

const { values, positionals } = parseArgs({
  options: {
    data: { type: 'string', default: path.join(import.meta.dirname, '../../shared/data') },
    /** Where `lares cctv models install` puts them. */
    models: { type: 'string', default: path.join(tmpdir(), 'lares-bench-models') },
  },
  allowPositionals: true,
});

const sizes = ['320x192', '384x224', '416x256', '416x416', '512x288', '512x512', '640x384'];
const own = globSync('models/{yolo,nanodet}*.onnx', { cwd: values.data }).toSorted();
const usual = [...sizes.map((s) => `centernet:${s}`), ...own.map((f) => path.join(values.data, f))];

const cctv = path.join(values.data, 'cctv');
const voc = readCoco(path.join(cctv, 'voc'));
const [truthFile] = globSync('pets2009/gt_*.csv', { cwd: cctv });
if (voc === undefined || truthFile === undefined)
  throw new Error(`there is no data in ${cctv}; name it with --data`);
const step = 4;
const people = readFileSync(path.join(cctv, truthFile), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(',').map(Number) as [number, number, number, number, number, number])
  .map(([picture, , left, top, width, height]): TrueBox => ({
    picture,
    label: 'person',
    left,
    top,
    width,
    height,
  }))
  .filter((t) => Number(t.picture) % step === 0);
const last = Math.max(...people.map((t) => Number(t.picture)));

const rows: string[][] = [];
for (const wanted of positionals.length > 0 ? positionals : usual) {
  const [model, size] = wanted.split(':') as [string, string | undefined];
  const inputSize = size === undefined ? undefined : parseInputSize(size);
  const prepared = await prepareModel({ model, inputSize }, values.models);
  const pictures = await Looker.load(prepared, new Set(voc.truths.map((t) => t.label)));
  for (const { id, file } of voc.files) await pictures.look(file, () => id);
  const walkers = await Looker.load(prepared, new Set(['person']));
  await walkers.look(path.join(cctv, 'vtest.avi'), (frame) => frame, step, last);
  const all = evaluate(voc.truths, pictures.found);
  const walking = evaluate(people, walkers.found);
  await pictures.close();
  await walkers.close();
  rows.push([
    prepared.card.name,
    `${prepared.card.input.width}x${prepared.card.input.height}`,
    ...[all.map50, all.map5095, all.ap50.get('person'), walking.map50].map((v) => v?.toFixed(3) ?? '-'),
    walkers.medianMs.toFixed(1),
  ]);
}
console.log(table(['MODEL', 'INPUT', 'MAP50', 'MAP50-95', 'PERSON AP50', 'VTEST PERSON AP50', 'MS'], rows));
