import { existsSync, globSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { foot, iou } from '#cctv/box.rules.ts';
import { defaultModel } from '#cctv/detect/registry.ts';
import { solveHomography } from '#cctv/ground/homography.rules.ts';
import { GroundPath } from '#cctv/ground/path.rules.ts';
import { GroundView } from '#cctv/ground/view.rules.ts';
import type { Point } from '#cctv/model.ts';
import { reason } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import { averagePrecision, type FoundBox, type TrueBox } from './lib/ap.ts';
import { parseMot, type MotScore, type Sight } from './lib/mot.ts';
import {
  followers,
  judge,
  mean,
  ours,
  percent,
  type FollowerName,
  type Footage,
  type MakeFollower,
} from './lib/tracking.ts';
import {
  parseTsai,
  scoreGround,
  tsaiToPicture,
  tsaiToWorld,
  type GroundEstimate,
  type GroundSample,
  type TsaiCamera,
} from './lib/tsai.ts';
import { watchVideo, type Watched } from './lib/vtest.ts';
import type { Suite } from './suite.ts';

/** The file says ten frames a second; it was filmed at about seven. */
const fileFps = 10;
/** Thresholds around what each model wants, by the start of its name: a mean over a range, never the best. */
const ranges: Readonly<Record<string, readonly number[]>> = {
  yolox_nano: [0.55, 0.6, 0.65],
  yolov8: [0.3, 0.4, 0.5],
  nanodet: [0.45, 0.5, 0.55],
  yolo11: [0.2, 0.3, 0.4],
};
const rangeOf = (model: string, usual: number): readonly number[] =>
  Object.entries(ranges).find(([start]) => model.startsWith(start))?.[1] ?? [
    Math.round((usual - 0.05) * 100) / 100,
    usual,
    Math.round((usual + 0.05) * 100) / 100,
  ];

/** Every frame, or every second one beginning with the first and with the second. */
const paces = [
  { name: '5fps', every: 2, starts: [0, 1] },
  { name: '10fps', every: 1, starts: [0] },
] as const;

interface Truth {
  readonly boxes: ReadonlyMap<number, readonly Sight[]>;
  /** Frames that the files cover, both ends within. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly last: number;
}

/** All `gt_*.csv` of a folder, whichever frames they cover. */
function readTruth(dir: string): Truth | undefined {
  const files = globSync('gt_*.csv', { cwd: dir })
    .toSorted()
    .map((f) => parseMot(readFileSync(path.join(dir, f), 'utf8')))
    .filter((rows) => rows.length > 0);
  if (files.length === 0) return undefined;
  const once = new Map(files.flat().map((row) => [`${row.frame} ${row.id}`, row]));
  const spans = files.map((rows) => {
    const numbers = rows.map(({ frame }) => frame);
    return [Math.min(...numbers), Math.max(...numbers)] as const;
  });
  return {
    boxes: Map.groupBy(once.values(), ({ frame }) => frame),
    ranges: spans,
    last: Math.max(...spans.map(([, to]) => to)),
  };
}

function footageOf(watched: Watched, truth: Truth, every: number, start: number): Footage {
  const { width, height } = watched;
  const judged = (frame: number) => truth.ranges.some(([from, to]) => frame >= from && frame <= to);
  const frames = watched.frames.flatMap((detections, frame) => {
    if (frame % every !== start) return [];
    const boxes = (truth.boxes.get(frame) ?? []).map(({ id, box: b }) => ({
      id,
      box: { left: b.left / width, top: b.top / height, width: b.width / width, height: b.height / height },
    }));
    return [{ at: (frame * 1000) / fileFps, detections, truth: judged(frame) ? boxes : undefined }];
  });
  return { width, height, frames };
}

/** Average precision of the boxes themselves, at an overlap of one half. */
function ap50(watched: Watched, truth: Truth): number | undefined {
  const truths: TrueBox[] = [...truth.boxes.values()]
    .flat()
    .map(({ frame, box }) => ({ picture: frame, label: 'person', ...box }));
  const { width, height } = watched;
  const found: FoundBox[] = watched.frames.flatMap((list, frame) =>
    truth.ranges.some(([from, to]) => frame >= from && frame <= to)
      ? list.map(({ box: b, score }) => ({
          picture: frame,
          label: 'person',
          left: b.left * width,
          top: b.top * height,
          width: b.width * width,
          height: b.height * height,
          score,
        }))
      : [],
  );
  return averagePrecision(truths, found, 0.5)?.ap;
}

/** Where somebody who calibrates clicks: four marks on the tarmac and the lawn, each on a whole pixel. */
const clicks: readonly Point[] = [
  { x: 0.1, y: 0.4 },
  { x: 0.62, y: 0.3 },
  { x: 0.93, y: 0.6 },
  { x: 0.38, y: 0.85 },
];

function viewOf(camera: TsaiCamera): GroundView | undefined {
  const { width, height } = camera;
  const points = clicks.map((p) => {
    const ground = tsaiToWorld(camera, p);
    const seen = tsaiToPicture(camera, ground);
    const pixel = { x: Math.round(seen.x * width) / width, y: Math.round(seen.y * height) / height };
    return { picture: pixel, ground };
  });
  const solved = solveHomography(points, { aspect: width / height });
  return solved && new GroundView({ camera: 'pets', projection: solved.projection, references: new Map() });
}

interface GroundSamples {
  readonly truth: GroundSample[];
  readonly estimates: GroundEstimate[];
}

/** What our tracks say of place and speed on the ground, beside what the true boxes say through Tsai's camera. */
function groundOf(
  footage: Footage,
  make: MakeFollower,
  threshold: number,
  view: GroundView,
  camera: TsaiCamera,
): GroundSamples {
  const follow = make(footage, threshold, 5);
  const paths = new Map<number, GroundPath>();
  const result: GroundSamples = { truth: [], estimates: [] };
  for (const frame of footage.frames) {
    const seconds = frame.at / 1000;
    const free = new Set(frame.truth);
    for (const { id, box } of frame.truth ?? []) {
      const { x, y } = tsaiToWorld(camera, foot(box));
      result.truth.push({ at: seconds, id, x, y });
    }
    for (const { id, box } of follow(frame)) {
      let ground = paths.get(id);
      if (ground === undefined) paths.set(id, (ground = new GroundPath(view, 'person')));
      const step = ground.step(frame.at, box);
      const [best] = [...free].toSorted((a, b) => iou(b.box, box) - iou(a.box, box));
      if (step === undefined || best === undefined || iou(best.box, box) < 0.5) continue;
      free.delete(best);
      result.estimates.push({ at: seconds, id: best.id, x: step.x, y: step.y, speed: step.speed });
    }
  }
  return result;
}

interface Judged {
  readonly name: string;
  readonly range: readonly number[];
  readonly ap50: number | undefined;
  readonly results: ReadonlyMap<FollowerName, ReadonlyMap<string, readonly MotScore[]>>;
  readonly ground: readonly GroundSamples[];
}

async function judgeModel(
  model: string,
  video: string,
  truth: Truth,
  camera: TsaiCamera | undefined,
): Promise<Judged> {
  const watched = await watchVideo(video, model, truth.last + 1, 'person');
  const name = path.basename(watched.card.name).replace(/\.onnx$/, '');
  const range = rangeOf(name, watched.card.threshold);
  const footages = new Map(
    paces.map((p) => [p.name, p.starts.map((start) => footageOf(watched, truth, p.every, start))]),
  );
  const results = new Map(
    (Object.keys(followers) as FollowerName[]).map((who) => [
      who,
      new Map(
        paces.map((p) => [
          p.name as string,
          range.flatMap((threshold) =>
            footages
              .get(p.name)!
              .map((footage) => judge(footage, followers[who](footage, threshold, fileFps / p.every))),
          ),
        ]),
      ),
    ]),
  );
  const view = camera && viewOf(camera);
  const ground =
    camera === undefined || view === undefined
      ? []
      : footages
          .get('5fps')!
          .map((footage) => groundOf(footage, ours, range[range.length >> 1]!, view, camera));
  return { name, range, ap50: ap50(watched, truth), results, ground };
}

/** Samples of several runs as one: the people of each are others. */
function pooled(runs: readonly GroundSamples[]): GroundSamples {
  const apart = <T extends GroundSample>(list: readonly T[], run: number): T[] =>
    list.map((s) => ({ ...s, id: s.id * 100 + run }));
  return {
    truth: runs.flatMap(({ truth }, run) => apart(truth, run)),
    estimates: runs.flatMap(({ estimates }, run) => apart(estimates, run)),
  };
}

function scoresOf(judged: readonly Judged[]): Record<string, number | undefined> {
  const scores: Record<string, number | undefined> = {};
  for (const { name, ap50: precision, results } of judged) {
    scores[`${name}_ap50`] = precision;
    for (const [prefix, who] of [
      ['', 'ours'],
      ['norfair.', 'Norfair as in Frigate'],
      ['bytetrack.', 'ByteTrack, IoU 0.05'],
    ] as const)
      for (const { name: pace } of paces) {
        const runs = results.get(who)!.get(pace)!;
        scores[`${prefix}${name}_mota_${pace}`] = mean(runs.map((r) => r.mota));
        scores[`${prefix}${name}_idf1_${pace}`] = mean(runs.map((r) => r.idf1));
      }
  }
  const all = pooled(judged.flatMap(({ ground }) => ground));
  const { positionMedian, positionP95, speedMedian, speedP95 } = scoreGround(all.truth, all.estimates);
  return {
    ...scores,
    position_median_m: positionMedian,
    position_p95_m: positionP95,
    speed_median_pct: speedMedian,
    speed_p95_pct: speedP95,
  };
}

function reportOf(judged: readonly Judged[], refused: readonly string[], truth: Truth): string {
  const rows = judged.flatMap(({ name, range, ap50: precision, results }) =>
    [...results].map(([who, byPace], i) => [
      i === 0 ? name : '',
      i === 0 ? range.join(' ') : '',
      i === 0 ? percent(precision) : '',
      who,
      ...paces.flatMap((p) => {
        const runs = byPace.get(p.name)!;
        return [
          percent(mean(runs.map((r) => r.mota))),
          percent(mean(runs.map((r) => r.idf1))),
          (mean(runs.map((r) => r.switches)) ?? 0).toFixed(1),
        ];
      }),
    ]),
  );
  const head = ['MODEL', 'THRESHOLDS', 'AP50', 'TRACKER'];
  for (const { name } of paces) head.push(`MOTA ${name}`, `IDF1 ${name}`, 'SWITCHES');
  const places = judged.map(({ name, ground }) => {
    const { truth: real, estimates } = pooled(ground);
    const g = scoreGround(real, estimates);
    const figure = (n: number | undefined, digits: number) => n?.toFixed(digits) ?? '-';
    return [
      name,
      figure(g.positionMedian, 2),
      figure(g.positionP95, 2),
      figure(g.speedMedian, 1),
      figure(g.speedP95, 1),
      String(g.positions),
    ];
  });
  const covered = truth.ranges.map(([from, to]) => `${from} to ${to}`).join(', ');
  return [
    `frames ${covered}; means over the thresholds; at 5 frames a second also over even and odd frames`,
    table(head, rows),
    'on the ground, our tracks at 5 frames a second and the middle threshold, four clicked points:',
    table(['MODEL', 'MEDIAN M', 'P95 M', 'SPEED MEDIAN %', 'P95 %', 'PLACES'], places),
    ...refused,
  ].join('\n');
}

/**
 * People on PETS 2009 S2.L1 View 001 (`vtest.avi`): how well each given detector sees them, how well our tracker and
 * its rivals keep them apart on the very same detections, and how far our tracks are off on the ground.
 */
const suite: Suite = {
  name: 'pets',
  folder: 'cctv/pets2009',
  async run(dir) {
    const truth = readTruth(dir);
    const video = path.join(dir, '../vtest.avi');
    if (truth === undefined || !existsSync(video)) return undefined;
    const tsai = path.join(dir, 'calibration/View_001.xml');
    const camera = existsSync(tsai) ? parseTsai(readFileSync(tsai, 'utf8')) : undefined;
    const models = path.join(dir, '../../models');
    const given = existsSync(models) ? readdirSync(models).filter((f) => f.endsWith('.onnx')) : [];
    const judged: Judged[] = [];
    const refused: string[] = [];
    for (const model of [defaultModel, ...given.toSorted().map((f) => path.join(models, f))])
      try {
        judged.push(await judgeModel(model, video, truth, camera));
      } catch (error) {
        // A folder of models also holds those for faces and for telling people apart.
        refused.push(`${path.basename(model)}: no detector (${reason(error).slice(0, 160)})`);
      }
    const runs = judged.flatMap(({ results }) => results.get('ours')!.get('5fps')!);
    const items = runs.reduce((sum, r) => sum + r.truths, 0);
    return {
      items,
      right: items - runs.reduce((sum, r) => sum + r.misses, 0),
      scores: scoresOf(judged),
      report: reportOf(judged, refused, truth),
    };
  },
};

export default suite;
