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

/** pycocotools counts at most so many detections of a class in a picture. */
const mostPerPicture = 100;
const overlaps = Array.from({ length: 10 }, (_, i) => 0.5 + 0.05 * i);

function shared(a: PictureBox, b: PictureBox): number {
  const width = Math.min(a.left + a.width, b.left + b.width) - Math.max(a.left, b.left);
  const height = Math.min(a.top + a.height, b.top + b.height) - Math.max(a.top, b.top);
  return Math.max(0, width) * Math.max(0, height);
}

export function overlap(a: PictureBox, b: PictureBox): number {
  const both = shared(a, b);
  return both === 0 ? 0 : both / (a.width * a.height + b.width * b.height - both);
}

/** How much of a box lies in a crowd, which is drawn around many at once. */
const within = (crowd: PictureBox, box: PictureBox) => shared(crowd, box) / (box.width * box.height);

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
      overlap,
    );
    if (best !== undefined) {
      taken.add(best);
      hits.push(true);
    } else if (
      bestOf(
        here.filter((t) => t.ignore === true),
        box,
        atLeast,
        within,
      ) === undefined
    )
      hits.push(false);
  }
  return { ap: area(hits, count), recalled: taken.size };
}

function bestOf(
  truths: readonly TrueBox[],
  box: PictureBox,
  atLeast: number,
  likeness: (truth: PictureBox, box: PictureBox) => number,
): TrueBox | undefined {
  let best: TrueBox | undefined;
  let most = Math.min(atLeast, 1 - 1e-10);
  for (const truth of truths) {
    const alike = likeness(truth, box);
    if (alike < most) continue;
    most = alike;
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
  const foundBy = Map.groupBy(found, (f) => f.label);
  const ap50 = new Map<string, number>();
  const means: number[] = [];
  let recalled = 0;
  for (const [label, boxes] of Map.groupBy(truths, (t) => t.label)) {
    const counted = [...Map.groupBy(foundBy.get(label) ?? [], (f) => f.picture).values()].flatMap((list) =>
      list.toSorted((a, b) => b.score - a.score).slice(0, mostPerPicture),
    );
    const results = overlaps.map((at) => averagePrecision(boxes, counted, at));
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
