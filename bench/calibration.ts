/**
 * How well places, speeds and uncertainties on the ground come out of clicked points, by trials with errors of click and
 * tape: with the data folder on the people and the Tsai calibration of PETS 2009, without it on a drawn camera. The rival
 * is one number of metres a pixel for the whole zone, the mean over its four sides, the simplest scheme in use. An honest
 * sigma holds 68 % of the errors along a line, twice of it 95 %. `as usual`: the solver does not know how well was
 * clicked. `one 1 m off`: the second point is in the wrong place by that.
 * `node bench/calibration.ts [--data DIR] [--trials 200]`
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Point } from '#cctv/model.ts';
import { pinholeProjection } from '#cctv/ground/camera.rules.ts';
import { solveHomography, usualClick } from '#cctv/ground/homography.rules.ts';
import { along } from '#cctv/ground/linear.rules.ts';
import { locate, poseOf, toGround, toPicture, type Place } from '#cctv/ground/projection.rules.ts';
import { table } from '#platform/table.ts';
import { parseTsai, tsaiToWorld } from '../tests/field/lib/tsai.ts';
import { seeded } from './lib/weather.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: path.join(import.meta.dirname, '../../shared/data') },
    trials: { type: 'string', default: '200' },
  },
});
const trials = Number(values.trials);
const random = seeded(17);
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

interface Case {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** Where somebody stands, with the place half a second later. */
  readonly people: readonly { readonly from: Point; readonly to: Point }[];
  readonly truth: (p: Point) => Place;
  /** Good places to click, in the order in which they are added. */
  readonly spots: readonly Point[];
}

function pets(folder: string): Case {
  const camera = parseTsai(readFileSync(path.join(folder, 'calibration/View_001.xml'), 'utf8'));
  const rows = readFileSync(path.join(folder, 'gt_frames_000_396.csv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number) as [number, number, number, number, number, number]);
  const feet = new Map(
    rows.map(([frame, id, left, top, width, height]) => [
      `${frame}/${id}`,
      { x: (left + width / 2) / camera.width, y: (top + height) / camera.height },
    ]),
  );
  const people = rows.flatMap(([frame, id], i) => {
    const [from, to] = [feet.get(`${frame}/${id}`), feet.get(`${frame + 4}/${id}`)];
    return i % 5 !== 0 || from === undefined || to === undefined ? [] : [{ from, to }];
  });
  return {
    name: 'PETS 2009, view 1',
    width: camera.width,
    height: camera.height,
    people,
    truth: (p) => tsaiToWorld(camera, p),
    spots: spread,
  };
}

/** Corners of the ground that matters first, then between them. */
const spread: readonly Point[] = [
  { x: 0.12, y: 0.8 },
  { x: 0.9, y: 0.8 },
  { x: 0.85, y: 0.36 },
  { x: 0.15, y: 0.4 },
  { x: 0.5, y: 0.55 },
  { x: 0.5, y: 0.85 },
  { x: 0.5, y: 0.37 },
  { x: 0.85, y: 0.58 },
  { x: 0.18, y: 0.6 },
  { x: 0.65, y: 0.7 },
];

function drawn(): Case {
  const projection = pinholeProjection({ height: 3.2, tilt: 18, roll: 1, verticalFov: 52, k1: 0.05 }, 16 / 9);
  const pose = poseOf(projection)!;
  const seen = (place: Place) => toPicture(projection, pose, place)!;
  return {
    name: 'drawn camera, 3.2 m high',
    width: 640,
    height: 360,
    people: Array.from({ length: 150 }, (_, i) => {
      const [x, y, turn] = [-4 + (i % 9), 5 + ((i * 7) % 15), i * 2.4];
      return { from: seen({ x, y }), to: seen({ x: x + 0.6 * Math.cos(turn), y: y + 0.6 * Math.sin(turn) }) };
    }),
    truth: (p) => toGround(projection, p)!,
    spots: spread,
  };
}

const far = (a: Place, b: Place) => Math.hypot(a.x - b.x, a.y - b.y);
const quantile = (v: readonly number[], q: number) =>
  v.toSorted((a, b) => a - b)[Math.floor((v.length - 1) * q)]!;

/** Metres a pixel, one number for all, of a zone of four corners and its side lengths. */
function scalar(corners: readonly Point[], places: readonly Place[], { width, height }: Case): number {
  const pixels = (i: number, j: number) =>
    Math.hypot((corners[i]!.x - corners[j]!.x) * width, (corners[i]!.y - corners[j]!.y) * height);
  const sides = [
    [0, 1],
    [2, 3],
    [0, 3],
    [1, 2],
  ] as const;
  return sides.reduce((mean, [i, j]) => mean + far(places[i]!, places[j]!) / pixels(i, j) / 4, 0);
}

const folder = path.join(values.data, 'cctv/pets2009');
const scene = existsSync(path.join(folder, 'calibration/View_001.xml')) ? pets(folder) : drawn();
const rows: string[][] = [];
for (const { points, px, cm, off = 0, told = true } of [
  { points: 4, px: 0, cm: 0 },
  { points: 4, px: 2, cm: 5 },
  { points: 4, px: 3, cm: 10 },
  { points: 6, px: 2, cm: 5 },
  { points: 10, px: 2, cm: 5 },
  { points: 4, px: 2, cm: 5, told: false },
  { points: 10, px: 2, cm: 5, told: false },
  { points: 10, px: 6, cm: 15, told: false },
  { points: 10, px: 2, cm: 5, off: 1, told: false },
]) {
  const errors: number[] = [];
  /** Errors along a line in any direction, over their sigma there. */
  const scaled: number[] = [];
  const speeds: number[] = [];
  const rival: number[] = [];
  let ms = 0;
  const rounds = px === 0 ? 1 : trials;
  for (let trial = 0; trial < rounds; trial += 1) {
    const clicked = scene.spots.slice(0, points).map((spot, i) => {
      const { x, y } = scene.truth(spot);
      const wrong = i === 1 ? off : 0;
      return {
        picture: { x: spot.x + (normal() * px) / scene.width, y: spot.y + (normal() * px) / scene.height },
        ground: { x: x + wrong + (normal() * cm) / 100, y: y + (normal() * cm) / 100 },
      };
    });
    const startedAt = performance.now();
    const solved = solveHomography(clicked, {
      aspect: scene.width / scene.height,
      ...(told
        ? { clickSigma: Math.max(0.1, px) / scene.height, tapeSigma: Math.max(0.1, cm) / 100 }
        : { clickSigma: usualClick(scene.height) }),
    });
    ms += performance.now() - startedAt;
    if (solved === undefined) throw new Error('the points of a trial gave no ground');
    const metresPerPixel = scalar(
      clicked.map((c) => c.picture),
      clicked.map((c) => c.ground),
      scene,
    );
    for (const { from, to } of scene.people) {
      const [truth, later] = [scene.truth(from), scene.truth(to)];
      const found = locate(solved.projection, from, { x: 0, y: 0 });
      const foundLater = toGround(solved.projection, to);
      if (found === undefined || foundLater === undefined) {
        errors.push(Number.POSITIVE_INFINITY);
        continue;
      }
      errors.push(far(found, truth));
      const turn = 2 * Math.PI * random();
      const [dx, dy] = [Math.cos(turn), Math.sin(turn)];
      const error = Math.abs((found.x - truth.x) * dx + (found.y - truth.y) * dy);
      scaled.push(error / Math.sqrt(along(found.model, dx, dy)));
      const walked = far(truth, later);
      if (walked < 0.2) continue;
      speeds.push((100 * Math.abs(far(found, foundLater) - walked)) / walked);
      const moved = Math.hypot((to.x - from.x) * scene.width, (to.y - from.y) * scene.height);
      rival.push((100 * Math.abs(moved * metresPerPixel - walked)) / walked);
    }
  }
  rows.push([
    `${points} points, ${px} px, ${cm} cm${told ? '' : ', as usual'}${off > 0 ? `, one ${off} m off` : ''}`,
    `${quantile(errors, 0.5).toFixed(2)} m`,
    `${quantile(errors, 0.95).toFixed(2)} m`,
    ...[1, 2].map((n) => `${((100 * scaled.filter((v) => v <= n).length) / scaled.length).toFixed(0)} %`),
    `${quantile(speeds, 0.5).toFixed(1)} %`,
    `${quantile(rival, 0.5).toFixed(0)} %`,
    (ms / rounds).toFixed(1),
  ]);
}
console.log(`${scene.name}, ${scene.people.length} places of people, ${trials} trials`);
console.log(
  table(
    [
      'clicked',
      'place, median',
      'place, p95',
      'within sigma',
      'within 2 sigma',
      'speed, median',
      'speed, metres a pixel',
      'ms to solve',
    ],
    rows,
  ),
);
