import type { Point } from '../model.ts';
import { leastSquares } from './fit.rules.ts';
import type { Place } from './projection.rules.ts';

/** A measured length between two of the points, by their index. Metres. */
export interface Side {
  readonly a: number;
  readonly b: number;
  readonly metres: number;
}

/** How often three points turn the same way on the ground as in the picture: seen from above, all do. */
function sameTurns(places: readonly Place[], pictures: readonly Point[]): number {
  let same = 0;
  for (let i = 0; i < places.length; i += 1)
    for (let j = i + 1; j < places.length; j += 1)
      for (let k = j + 1; k < places.length; k += 1) {
        const turn = (p: readonly { x: number; y: number }[]) =>
          (p[j]!.x - p[i]!.x) * (p[k]!.y - p[i]!.y) - (p[j]!.y - p[i]!.y) * (p[k]!.x - p[i]!.x);
        // The picture counts downwards, the ground away from the camera.
        same += Math.sign(turn(places) * -turn(pictures));
      }
  return same;
}

/** A rectangle whose corners were clicked in turn: the first at the origin, the second along x. */
export function rectangle(
  [width, depth]: readonly [number, number],
  pictures: readonly [Point, Point, Point, Point],
): Place[] {
  const corners = [
    { x: 0, y: 0 },
    { x: width, y: 0 },
    { x: width, y: depth },
    { x: 0, y: depth },
  ];
  return sameTurns(corners, pictures) >= 0
    ? corners
    : corners.map(({ x, y }) => ({ x, y: y === 0 ? 0 : -y }));
}

/**
 * Places of points from lengths between them: the first at the origin, the second along x, each further one where circles
 * about two placed ones meet, then all by least squares. Which of two crossings it is, the other lengths tell, and the
 * turns of the picture where there are none. Undefined when some point has fewer than two lengths to the others.
 */
export function shapeFromSides(sides: readonly Side[], pictures: readonly Point[]): Place[] | undefined {
  const first = sides[0];
  if (first === undefined) return undefined;
  const start: (Place | undefined)[] = pictures.map(() => undefined);
  start[first.a] = { x: 0, y: 0 };
  start[first.b] = { x: first.metres, y: 0 };
  let open = [start];
  while (open[0]!.includes(undefined)) {
    const placed = open[0]!;
    const next = placed.findIndex((p, i) => p === undefined && anchors(sides, placed, i).length >= 2);
    if (next < 0) return undefined;
    open = open.flatMap((shape) =>
      crossings(anchors(sides, shape, next)).map((place) => shape.with(next, place)),
    );
    // Two crossings a point: only the likeliest shapes are followed further.
    open = open.toSorted((a, b) => wrongness(sides, a) - wrongness(sides, b)).slice(0, 256);
    if (open.length === 0) return undefined;
  }
  const shapes = (open as Place[][]).map((shape) => refine(sides, shape));
  const likely = Math.min(...shapes.map((s) => wrongness(sides, s)));
  return shapes
    .filter((s) => wrongness(sides, s) <= likely + 0.05 ** 2 * sides.length)
    .toSorted((a, b) => sameTurns(b, pictures) - sameTurns(a, pictures))[0];
}

const anchors = (sides: readonly Side[], shape: readonly (Place | undefined)[], point: number) =>
  sides.flatMap(({ a, b, metres }) => {
    const other = a === point ? shape[b] : b === point ? shape[a] : undefined;
    return other === undefined ? [] : [{ ...other, metres }];
  });

/** Where two circles meet, or pass nearest when the lengths do not quite reach. */
function crossings([p, q]: readonly (Place & { readonly metres: number })[]): Place[] {
  if (p === undefined || q === undefined) return [];
  const [dx, dy] = [q.x - p.x, q.y - p.y];
  const apart = Math.hypot(dx, dy);
  if (apart < 1e-6) return [];
  const along = (p.metres ** 2 - q.metres ** 2 + apart ** 2) / (2 * apart);
  const aside = Math.sqrt(Math.max(0, p.metres ** 2 - along ** 2));
  const at = (side: number) => ({
    x: p.x + (along * dx - side * dy) / apart,
    y: p.y + (along * dy + side * dx) / apart,
  });
  return [at(aside), at(-aside)];
}

const wrongness = (sides: readonly Side[], shape: readonly (Place | undefined)[]): number =>
  sides.reduce((sum, { a, b, metres }) => {
    const [p, q] = [shape[a], shape[b]];
    return p === undefined || q === undefined ? sum : sum + (Math.hypot(p.x - q.x, p.y - q.y) - metres) ** 2;
  }, 0);

function refine(sides: readonly Side[], shape: readonly Place[]): Place[] {
  const places = (flat: readonly number[]) => shape.map((_, i) => ({ x: flat[2 * i]!, y: flat[2 * i + 1]! }));
  const start = shape.flatMap(({ x, y }) => [x, y]);
  const { parameters } = leastSquares(
    (flat) => [
      ...sides.map(({ a, b, metres }) => {
        const all = places(flat);
        return (Math.hypot(all[a]!.x - all[b]!.x, all[a]!.y - all[b]!.y) - metres) / 0.05;
      }),
      // A shape may lie anywhere: keep it where it was laid down.
      ...flat.map((v, i) => (v - start[i]!) * 1e-4),
    ],
    start,
    start.map(() => 1e-5),
  );
  return places(parameters);
}
