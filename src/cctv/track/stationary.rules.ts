/** Where a thing has been standing: the running mean of its foot point and size since it last moved. */
export interface Still {
  x: number;
  y: number;
  /** Epoch ms since when it has not left that place. */
  since: number;
  hits: number;
}

const parkedMs = 10_000;
const stillMs = 3_000;

export const Standstill = {
  begin: (x: number, y: number, at: number): Still => ({ x, y, since: at, hits: 1 }),

  /** Takes in a foot point; a step of more than a quarter of its size away begins a new stand. */
  observe(still: Still, x: number, y: number, size: number, at: number): void {
    if (Math.hypot(x - still.x, y - still.y) > size / 4) {
      Object.assign(still, Standstill.begin(x, y, at));
      return;
    }
    still.hits = Math.min(still.hits + 1, 50);
    still.x += (x - still.x) / still.hits;
    still.y += (y - still.y) / still.hits;
  },

  since: (still: Still, seenAt: number): number | undefined =>
    seenAt - still.since >= stillMs ? still.since : undefined,

  parked: (still: Still, seenAt: number): boolean => seenAt - still.since >= parkedMs,
} as const;
