/** Cells that belong together. Columns and rows of its corners, both inclusive. */
export interface Cluster {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly cells: number;
  /** Cells that something was in, or beside, for at least two frames in a row. */
  readonly kept: number;
  /** Cells without any doubt. */
  readonly firm: number;
  /** Frames in a row of the oldest of them. */
  readonly oldest: number;
}

/**
 * Groups of cells with an age above 0 that lie at most two cells apart, largest first: the head and the legs of a person
 * whose coat has the gray of the wall are one person.
 */
export function clusters(age: Uint8Array, firmly: Uint8Array, columns: number, rows: number): Cluster[] {
  const seen = new Uint8Array(age.length);
  const found: Cluster[] = [];
  const open: number[] = [];
  for (let start = 0; start < age.length; start += 1) {
    if (age[start] === 0 || seen[start] === 1) continue;
    let [left, top, right, bottom, cells, kept, firm, oldest] = [columns, rows, 0, 0, 0, 0, 0, 0];
    seen[start] = 1;
    open.push(start);
    for (let c = open.pop(); c !== undefined; c = open.pop()) {
      const y = Math.floor(c / columns);
      const x = c - y * columns;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
      cells += 1;
      kept += Number(age[c]! >= 2);
      firm += firmly[c]!;
      oldest = Math.max(oldest, age[c]!);
      for (let v = Math.max(0, y - 2); v <= Math.min(rows - 1, y + 2); v += 1)
        for (let u = Math.max(0, x - 2); u <= Math.min(columns - 1, x + 2); u += 1) {
          const next = v * columns + u;
          if (age[next] === 0 || seen[next] === 1) continue;
          seen[next] = 1;
          open.push(next);
        }
    }
    found.push({ left, top, right, bottom, cells, kept, firm, oldest });
  }
  return found.toSorted((a, b) => b.cells - a.cells);
}

/**
 * Rain, snow and noise are in one place for one frame, and seldom beyond doubt. A large thing counts at once, however
 * fast; two cells after two frames; a single cell, which a person far away is, after three.
 */
export const growing = ({ cells, kept, firm, oldest }: Cluster): boolean =>
  firm > 0 && ((cells >= 6 && firm >= 2) || kept >= 2 || oldest >= 3);

/** In rain, drops meet by chance from frame to frame: more of a thing must be beyond doubt, and for longer. */
export const growingInRain = ({ cells, kept, firm, oldest }: Cluster): boolean =>
  firm >= 2 && ((cells >= 8 && firm >= 4) || (kept >= 3 && oldest >= 3));
