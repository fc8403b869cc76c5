/**
 * Average precision as COCO defines it (pycocotools): detections of a class by falling score, each taking the free
 * truth that it overlaps most, precision made monotone and read at 101 points of recall.
 */

export interface PictureBox {
  readonly picture: string | number;
  readonly label: string;
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export interface TrueBox extends PictureBox {
  /** A crowd or something too hard: finding it is neither right nor wrong. */
  readonly ignore?: boolean;
}

export interface FoundBox extends PictureBox {
  readonly score: number;
}

export interface Precision {
  /** Means over the classes that the truth has. Undefined where it has none. */
  readonly map50: number | undefined;
  readonly map5095: number | undefined;
  /** By class at an overlap of one half. */
  readonly ap50: ReadonlyMap<string, number>;
  /** How many true boxes there are, and how many of them were found at an overlap of one half by any score. */
  readonly truths: number;
  readonly recalled: number;
}

/** COCO counts at most so many detections a picture, over all classes. */
const mostPerPicture = 100;
const overlaps = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i);

export function overlap(a: PictureBox, b: PictureBox): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  if (width <= 0 || height <= 0) return 0;
  const shared = width * height;
  return shared / (a.width * a.height + b.width * b.height - shared);
}

/** Average precision of boxes of one class, and how many truths were found. Undefined where there is no truth. */
export function averagePrecision(
  truths: readonly TrueBox[],
  found: readonly FoundBox[],
  atLeast: number,
): { readonly ap: number; readonly recalled: number } | undefined {
  const count = truths.filter((t) => t.ignore !== true).length;
  if (count === 0) return undefined;
  const byPicture = Map.groupBy(truths, (t) => t.picture);
  const taken = new Set<TrueBox>();
  const hits: boolean[] = [];
  for (const box of found.toSorted((a, b) => b.score - a.score)) {
    const here = byPicture.get(box.picture) ?? [];
    const best = bestOf(
      here.filter((t) => t.ignore !== true && !taken.has(t)),
      box,
      atLeast,
    );
    if (best !== undefined) {
      taken.add(best);
      hits.push(true);
    } else if (
      bestOf(
        here.filter((t) => t.ignore === true),
        box,
        atLeast,
      ) === undefined
    )
      hits.push(false);
  }
  return { ap: area(hits, count), recalled: taken.size };
}

function bestOf(truths: readonly TrueBox[], box: PictureBox, atLeast: number): TrueBox | undefined {
  let best: TrueBox | undefined;
  let most = Math.min(atLeast, 1 - 1e-10);
  for (const truth of truths) {
    const shared = overlap(truth, box);
    if (shared < most) continue;
    most = shared;
    best = truth;
  }
  return best;
}

/** Mean precision at 101 points of recall, each the best that is reached at that recall or more. */
function area(hits: readonly boolean[], truths: number): number {
  let right = 0;
  const curve = hits.map((hit, i) => {
    if (hit) right += 1;
    return { recall: right / truths, precision: right / (i + 1) };
  });
  for (let i = curve.length - 2; i >= 0; i -= 1)
    curve[i]!.precision = Math.max(curve[i]!.precision, curve[i + 1]!.precision);
  let sum = 0;
  for (let point = 0; point <= 100; point += 1)
    sum += curve.find((c) => c.recall >= point / 100 - 1e-12)?.precision ?? 0;
  return sum / 101;
}

const mean = (values: readonly number[]) =>
  values.length === 0 ? undefined : values.reduce((a, b) => a + b, 0) / values.length;

/** Scores of all classes that the truth has. */
export function evaluate(truths: readonly TrueBox[], found: readonly FoundBox[]): Precision {
  const counted = [...Map.groupBy(found, (f) => f.picture).values()].flatMap((list) =>
    list.toSorted((a, b) => b.score - a.score).slice(0, mostPerPicture),
  );
  const foundBy = Map.groupBy(counted, (f) => f.label);
  const ap50 = new Map<string, number>();
  const means: number[] = [];
  let recalled = 0;
  for (const [label, boxes] of Map.groupBy(truths, (t) => t.label)) {
    const results = overlaps.map((at) => averagePrecision(boxes, foundBy.get(label) ?? [], at));
    if (results[0] === undefined) continue;
    ap50.set(label, results[0].ap);
    recalled += results[0].recalled;
    means.push(mean(results.map((r) => r!.ap))!);
  }
  return {
    map50: mean([...ap50.values()]),
    map5095: mean(means),
    ap50,
    truths: truths.filter((t) => t.ignore !== true).length,
    recalled,
  };
}
