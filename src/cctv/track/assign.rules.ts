/**
 * Pairs rows with columns so that the sum of (gate - cost) over all pairs is as large as it can be; a pair that costs
 * the gate or more is never made. Shortest augmenting paths with potentials (Jonker and Volgenant 1987), each row with
 * a column of its own at price 0 that means "stays alone". O(rows² · (rows + columns)).
 * @param cost row-major, `rows * columns`; NaN and infinity mean impossible
 * @returns the column of each row, -1 for a row that stays alone
 */
export function assign(cost: ArrayLike<number>, rows: number, columns: number, gate: number): Int32Array {
  const result = new Int32Array(rows).fill(-1);
  if (rows === 0 || columns === 0) return result;
  // Columns are counted from 1; 0 is the root of each search. Column columns + i is "row i stays alone".
  const width = columns + rows + 1;
  const rowOf = new Int32Array(width).fill(-1);
  const from = new Int32Array(width);
  const rowPrice = new Float64Array(rows);
  const columnPrice = new Float64Array(width);
  const least = new Float64Array(width);
  const done = new Uint8Array(width);
  for (let start = 0; start < rows; start += 1) {
    least.fill(Infinity);
    done.fill(0);
    rowOf[0] = start;
    let column = 0;
    do {
      done[column] = 1;
      const row = rowOf[column]!;
      let step = Infinity;
      let next = -1;
      for (let j = 1; j < width; j += 1) {
        if (done[j] === 1) continue;
        const reduced = priceOf(cost, row, j, columns, gate) - rowPrice[row]! - columnPrice[j]!;
        if (reduced < least[j]!) {
          least[j] = reduced;
          from[j] = column;
        }
        if (least[j]! < step) {
          step = least[j]!;
          next = j;
        }
      }
      for (let j = 0; j < width; j += 1) {
        if (done[j] === 1) {
          rowPrice[rowOf[j]!]! += step;
          columnPrice[j]! -= step;
        } else least[j]! -= step;
      }
      column = next;
    } while (rowOf[column] !== -1);
    while (column !== 0) {
      const before = from[column]!;
      rowOf[column] = rowOf[before]!;
      column = before;
    }
  }
  for (let j = 1; j <= columns; j += 1) if (rowOf[j] !== -1) result[rowOf[j]!] = j - 1;
  return result;
}

/** Below 0 for a pair worth making, 0 for a row alone, infinite for what may not be. */
function priceOf(cost: ArrayLike<number>, row: number, j: number, columns: number, gate: number): number {
  if (j > columns) return j - columns - 1 === row ? 0 : Infinity;
  const price = cost[row * columns + j - 1]! - gate;
  return price < 0 ? price : Infinity;
}
