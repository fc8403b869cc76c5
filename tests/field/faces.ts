import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { iou } from '#cctv/box.rules.ts';
import type { Frame } from '#cctv/detect/model.ts';
import { openFaceEngine, type FaceEngine } from '#cctv/recognise/face/engine.ts';
import { headPart, likeness, named, sizeOf } from '#cctv/recognise/face/face.rules.ts';
import { flawOf } from '#cctv/recognise/face/open.ts';
import { readPicture } from '#cctv/recognise/picture.ts';
import { warp, type Part, type Similarity, type Stretch } from '#cctv/recognise/warp.rules.ts';
import { table } from '#platform/table.ts';
import { readCoco } from './lib/looking.ts';
import type { Suite, SuiteResult } from './suite.ts';

const smallest = 40;

type Map = Similarity & Stretch;

/** A face of somebody, cut out with what is around it, so that it can be shown in other ways. */
interface Person {
  readonly name: string;
  readonly place: Part;
  readonly around: Frame;
  readonly vector: Float32Array;
}

const plainMap: Map = { a: 1, b: 0, c: 0, d: 1, tx: 0, ty: 0 };

/** The same picture through another map: `to` says where its pixels come from, in shares of the sides. */
const through = ({ width, height, data }: Frame, map: Map, scale = 1): Frame =>
  warp({ width, height, data }, map, Math.round(width * scale), Math.round(height * scale), 0);

const turned = ({ width, height }: Frame, angle: number): Map => {
  const [a, b] = [Math.cos(angle), Math.sin(angle)];
  const [x, y] = [width / 2, height / 2];
  return { a, b, c: -b, d: a, tx: x - a * x + b * y, ty: y - b * x - a * y };
};

const each = (frame: Frame, change: (value: number, i: number) => number): Frame => ({
  ...frame,
  data: Uint8Array.from(frame.data, (v, i) => Math.max(0, Math.min(255, change(v, i)))),
});

const smaller = (frame: Frame, times: number) =>
  through(frame, { ...plainMap, a: times, d: times }, 1 / times);
const larger = (frame: Frame, times: number) =>
  through(frame, { ...plainMap, a: 1 / times, d: 1 / times }, times);

/** The same for every run. */
const noise = (i: number) => (((i * 2_654_435_761) >>> 16) % 61) - 30;

const views: Readonly<Record<string, (frame: Frame) => Frame>> = {
  mirrored: (f) => through(f, { ...plainMap, a: -1, tx: f.width }),
  half: (f) => smaller(f, 2),
  third: (f) => smaller(f, 3),
  blurred: (f) => larger(smaller(f, 3), 3),
  'very blurred': (f) => larger(smaller(f, 6), 6),
  turned: (f) => through(f, turned(f, 0.2)),
  dark: (f) => each(f, (v) => v * 0.45),
  bright: (f) => each(f, (v) => v * 0.7 + 80),
  noisy: (f) => each(f, (v, i) => v + noise(i)),
};

async function peopleIn(
  engine: FaceEngine,
  file: string,
  boxes: readonly Part[],
): Promise<readonly Person[]> {
  const picture = await readPicture(readFileSync(file));
  const whole = { left: 0, top: 0, width: picture.width, height: picture.height };
  // The boxes are in pixels already.
  const parts = boxes.length === 0 ? [whole] : boxes.map((box) => headPart(box, { width: 1, height: 1 }));
  const found: Person[] = [];
  for (const part of parts)
    for (const face of await engine.find(picture, part)) {
      const measured = sizeOf(face) < smallest ? undefined : await engine.measure(picture, face);
      if (measured === undefined || flawOf(measured) !== undefined) continue;
      // Boxes of people overlap, so that a face is found twice.
      if (found.some((p) => iou(p.place, face) > 0.2)) continue;
      const side = sizeOf(face) * 2.2;
      const [x, y] = [face.left + face.width / 2 - side / 2, face.top + face.height / 2 - side / 2];
      const pixels = Math.round(side);
      const around = warp(picture, { ...plainMap, tx: x, ty: y }, pixels, pixels, 0);
      found.push({
        name: `${path.basename(file)} ${found.length + 1}`,
        place: face,
        around,
        vector: measured.vector,
      });
    }
  return found;
}

interface Judged {
  readonly networks: string;
  readonly faces: number;
  readonly sights: number;
  readonly right: number;
  readonly wrong: number;
  readonly strangersNamed: number;
  readonly genuine: readonly number[];
  readonly impostor: readonly number[];
  readonly lost: Readonly<Record<string, number>>;
  readonly ms: number;
}

async function judge(
  settings: { readonly detector: string; readonly embedding: string },
  files: readonly { readonly file: string; readonly boxes: readonly Part[] }[],
): Promise<Judged> {
  const engine = await openFaceEngine(settings);
  const people: Person[] = [];
  for (const { file, boxes } of files) people.push(...(await peopleIn(engine, file, boxes)));
  const known = people.map((p) => ({ person: p.name, vectors: [p.vector] }));
  const genuine: number[] = [];
  const times: number[] = [];
  const lost: Record<string, number> = {};
  let sights = 0;
  let right = 0;
  let wrong = 0;
  for (const person of people)
    for (const [view, change] of Object.entries(views)) {
      const shown = change(person.around);
      const started = performance.now();
      const whole = { left: 0, top: 0, width: shown.width, height: shown.height };
      const [face] = (await engine.find(shown, whole)).toSorted((a, b) => sizeOf(b) - sizeOf(a));
      const measured = face === undefined ? undefined : await engine.measure(shown, face);
      times.push(performance.now() - started);
      // As the house: who is shown too small is not judged.
      if (face !== undefined && sizeOf(face) < smallest) continue;
      sights += 1;
      const usable = measured !== undefined && flawOf(measured) === undefined;
      if (usable) genuine.push(likeness(measured.vector, person.vector));
      const name = usable ? named(measured.vector, known, engine.threshold).name : undefined;
      if (name === person.name) right += 1;
      else if (name !== undefined) wrong += 1;
      else lost[view] = (lost[view] ?? 0) + 1;
    }
  const impostor = people.flatMap((a, i) => people.slice(i + 1).map((b) => likeness(a.vector, b.vector)));
  const strangersNamed = people.filter(
    (p) =>
      named(
        p.vector,
        known.filter((k) => k.person !== p.name),
        engine.threshold,
      ).name !== undefined,
  ).length;
  await engine.close();
  return {
    networks: engine.about,
    faces: people.length,
    sights,
    right,
    wrong,
    strangersNamed,
    genuine: genuine.toSorted((a, b) => a - b),
    impostor: impostor.toSorted((a, b) => a - b),
    lost,
    ms: times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0,
  };
}

const at = (sorted: readonly number[], share: number) => sorted[Math.floor(share * (sorted.length - 1))];
const figure = (value: number | undefined) => value?.toFixed(3) ?? '-';

function report(judged: readonly Judged[]): string {
  const rows = judged.map((j) => [
    j.networks,
    String(j.faces),
    `${j.right} of ${j.sights}`,
    String(j.wrong),
    `${j.strangersNamed} of ${j.faces}`,
    figure(at(j.genuine, 0.05)),
    figure(at(j.impostor, 0.99)),
    figure(at(j.impostor, 1)),
    j.ms.toFixed(1),
  ]);
  const head = [
    'NETWORKS',
    'FACES',
    'NAMED',
    'WRONG',
    'STRANGERS NAMED',
    'SAME P5',
    'OTHERS P99',
    'MOST',
    'MS',
  ];
  const lost = judged.map(
    (j) =>
      `${j.networks}: without a name ${Object.entries(j.lost)
        .map(([v, n]) => `${v} ${n}`)
        .join(', ')}`,
  );
  return [
    table(head, rows),
    ...lost,
    'each face is enrolled from one picture and shown again mirrored, smaller, blurred, turned, darker, brighter and with noise;',
    'these are the same picture: another day, another light and another age are not in it. Every face counts as another person.',
  ].join('\n');
}

/**
 * Telling faces: by the networks that come with Lares, and by those that are given. Right is a shown face that gets its
 * own name from the ones that come with Lares.
 */
const suite: Suite = {
  name: 'faces',
  folder: 'cctv',
  async run(dir): Promise<SuiteResult | undefined> {
    const coco = readCoco(path.join(dir, 'voc'));
    const persons = (id: string | number) =>
      (coco?.truths ?? []).filter((t) => t.picture === id && t.label === 'person');
    const files = [
      ...globSync('images/*.{jpg,jpeg,png}', { cwd: dir })
        .toSorted()
        .map((f) => ({ file: path.join(dir, f), boxes: [] })),
      ...(coco?.files ?? []).flatMap(({ id, file }) => {
        const boxes = persons(id);
        return boxes.length === 0 ? [] : [{ file, boxes }];
      }),
    ];
    if (files.length === 0) return undefined;
    const given = (name: string) => path.join(dir, '../models', name);
    const [yunet, mobile] = [given('yunet_n.onnx'), given('mobilefacenet.onnx')];
    const judged: Judged[] = [];
    for (const settings of [
      { detector: 'blazeface', embedding: 'faceres' },
      { detector: yunet, embedding: 'faceres' },
      { detector: yunet, embedding: mobile },
    ])
      if (Object.values(settings).every((s) => !s.endsWith('.onnx') || existsSync(s)))
        judged.push(await judge(settings, files));
    const [own] = judged;
    if (own === undefined || own.faces === 0) return undefined;
    return {
      items: own.sights,
      right: own.right,
      scores: Object.fromEntries(
        judged.flatMap((j, i) => {
          const name = ['shipped', 'yunet_faceres', 'yunet_mobilefacenet'][i]!;
          return [
            [`${name}_faces`, j.faces],
            [`${name}_wrong`, j.wrong],
            [`${name}_strangers_named`, j.strangersNamed],
            [`${name}_same_p5`, at(j.genuine, 0.05)],
            [`${name}_others_p99`, at(j.impostor, 0.99)],
            [`${name}_others_max`, at(j.impostor, 1)],
          ];
        }),
      ),
      report: report(judged),
    };
  },
};

export default suite;
