/** Small dense algebra for calibration. Matrices are rows of numbers; a 3 x 3 matrix is nine numbers, row by row. */

export type Matrix = readonly (readonly number[])[];
/** Nine numbers, row by row. */
export type Matrix3 = readonly number[];

export const multiply3 = (a: Matrix3, b: Matrix3): number[] =>
  Array.from({ length: 9 }, (_, i) => {
    const [row, column] = [Math.floor(i / 3) * 3, i % 3];
    return a[row]! * b[column]! + a[row + 1]! * b[column + 3]! + a[row + 2]! * b[column + 6]!;
  });

/** Undefined when there is none. */
export function invert3(m: Matrix3): number[] | undefined {
  const [a, b, c, d, e, f, g, h, i] = m as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const adjugate = [
    e * i - f * h,
    c * h - b * i,
    b * f - c * e,
    f * g - d * i,
    a * i - c * g,
    c * d - a * f,
    d * h - e * g,
    b * g - a * h,
    a * e - b * d,
  ];
  const determinant = a * adjugate[0]! + b * adjugate[3]! + c * adjugate[6]!;
  const size = Math.max(...m.map(Math.abs));
  return Math.abs(determinant) <= 1e-14 * size ** 3 ? undefined : adjugate.map((v) => v / determinant);
}

export const apply3 = (
  m: Matrix3,
  [x, y, z]: readonly [number, number, number],
): [number, number, number] => [
  m[0]! * x + m[1]! * y + m[2]! * z,
  m[3]! * x + m[4]! * y + m[5]! * z,
  m[6]! * x + m[7]! * y + m[8]! * z,
];

export const multiply = (a: Matrix, b: Matrix): number[][] =>
  a.map((row) => b[0]!.map((_, column) => row.reduce((sum, v, k) => sum + v * b[k]![column]!, 0)));

export const transpose = (m: Matrix): number[][] => m[0]!.map((_, column) => m.map((row) => row[column]!));

/** The inverse by elimination with pivots; undefined where a pivot is nothing beside its column. */
export function invert(m: Matrix): number[][] | undefined {
  const n = m.length;
  const work = m.map((row, i) => [...row, ...Array.from({ length: n }, (_, j) => Number(i === j))]);
  for (let column = 0; column < n; column += 1) {
    let pivot = column;
    for (let row = column + 1; row < n; row += 1)
      if (Math.abs(work[row]![column]!) > Math.abs(work[pivot]![column]!)) pivot = row;
    const size = Math.max(...m.map((row) => Math.abs(row[column]!)));
    if (!(Math.abs(work[pivot]![column]!) > 1e-14 * size)) return undefined;
    [work[column], work[pivot]] = [work[pivot]!, work[column]!];
    const head = work[column]!;
    const by = head[column]!;
    for (let k = 0; k < 2 * n; k += 1) head[k] = head[k]! / by;
    for (let row = 0; row < n; row += 1) {
      const factor = work[row]![column]!;
      if (row === column || factor === 0) continue;
      const line = work[row]!;
      for (let k = 0; k < 2 * n; k += 1) line[k] = line[k]! - factor * head[k]!;
    }
  }
  return work.map((row) => row.slice(n));
}

/** The eigenvector of a symmetric matrix with the smallest eigenvalue, by Jacobi rotations. */
export function smallestEigenvector(symmetric: Matrix): number[] {
  const n = symmetric.length;
  const a = symmetric.map((row) => [...row]);
  const v = a.map((_, i) => a.map((__, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep += 1) {
    let off = 0;
    for (let p = 0; p < n; p += 1)
      for (let q = p + 1; q < n; q += 1) {
        const apq = a[p]![q]!;
        off += apq * apq;
        if (apq === 0) continue;
        const theta = (a[q]![q]! - a[p]![p]!) / (2 * apq);
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1);
        const s = t * c;
        for (let k = 0; k < n; k += 1) {
          const [akp, akq] = [a[k]![p]!, a[k]![q]!];
          a[k]![p] = c * akp - s * akq;
          a[k]![q] = s * akp + c * akq;
        }
        for (let k = 0; k < n; k += 1) {
          const [apk, aqk] = [a[p]![k]!, a[q]![k]!];
          a[p]![k] = c * apk - s * aqk;
          a[q]![k] = s * apk + c * aqk;
          const [vkp, vkq] = [v[k]![p]!, v[k]![q]!];
          v[k]![p] = c * vkp - s * vkq;
          v[k]![q] = s * vkp + c * vkq;
        }
      }
    if (off < 1e-24) break;
  }
  let best = 0;
  for (let i = 1; i < n; i += 1) if (a[i]![i]! < a[best]![best]!) best = i;
  return v.map((row) => row[best]!);
}

/** A symmetric 2 x 2 matrix: variances and covariance of a place on the ground, square metres. */
export interface Covariance {
  readonly xx: number;
  readonly xy: number;
  readonly yy: number;
}

/** Square root of the larger eigenvalue: the standard deviation in the worst direction. */
export const worstSigma = ({ xx, xy, yy }: Covariance): number =>
  Math.sqrt(Math.max(0, (xx + yy) / 2 + Math.hypot((xx - yy) / 2, xy)));

export const sum = (a: Covariance, b: Covariance): Covariance => ({
  xx: a.xx + b.xx,
  xy: a.xy + b.xy,
  yy: a.yy + b.yy,
});

/** Variance along a direction of length 1. */
export const along = ({ xx, xy, yy }: Covariance, x: number, y: number): number =>
  Math.max(0, xx * x * x + 2 * xy * x * y + yy * y * y);
