import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';

/** Parts of a picture as the settings name them. */

const meta = (m: SettingMeta) => m;

/** Characters of the id of a camera or zone: it becomes a folder, a node of series and a word of commands. */
export const idPattern = /^[a-z0-9][a-z0-9_-]{0,31}$/;

const fraction = 'a fraction of the picture from 0 to 1 (for pixels divide by its width or height)';
const share = z.number(fraction).min(0, fraction).max(1, fraction);
const corner = 'a corner as [x, y] in fractions of the picture, such as [0.1, 0.5]';
const point = z.tuple([share, share], corner).transform(([x, y]) => ({ x, y }));

export const polygon = z
  .array(point)
  .min(3, 'an outline of at least three corners, such as [[0.1, 0.5], [0.9, 0.5], [0.5, 1]]')
  .max(64)
  .superRefine((corners, ctx) => {
    // A slip of one number: nothing would ever stand in it, and nobody would notice.
    if (corners.length >= 3 && areaOf(corners) < leastArea)
      ctx.addIssue('the outline encloses nothing: name its corners in turn, and not on one line');
  })
  .meta(
    meta({
      title: 'Outline',
      description: 'Corners as [x, y] in fractions of the picture, 0 to 1, from its top left',
      reload: 'live',
      examples: [
        [
          [0.1, 0.5],
          [0.9, 0.5],
          [0.9, 1],
          [0.1, 1],
        ],
      ],
    }),
  );

/** Fractions of the picture. */
const leastArea = 1e-5;

const areaOf = (corners: readonly { x: number; y: number }[]): number =>
  Math.abs(
    corners.reduce((sum, a, i) => {
      const b = corners[(i + 1) % corners.length]!;
      return sum + (a.x * b.y - b.x * a.y) / 2;
    }, 0),
  );

export const zone = z.strictObject({
  name: z
    .string()
    .regex(idPattern, 'expected lower-case letters, digits, - and _')
    .meta(meta({ title: 'Zone', description: 'What rules call it', reload: 'live', examples: ['drive'] })),
  polygon,
  door: z
    .enum(['outside', 'inside'])
    .optional()
    .meta(
      meta({
        title: 'Door',
        description:
          'The zone is a door of the home, seen from outside or from inside: a person who appears or vanishes in it came or went, which tells presence',
        reload: 'live',
      }),
    ),
});

/** Says of each entry whose name stood in the list before where it did; `node` is what the name becomes elsewhere. */
export const unique =
  <T>(what: string, key: keyof T & string, node: (name: string) => string = (name) => name) =>
  (list: readonly T[], ctx: z.RefinementCtx) => {
    const seen = new Map<string, number>();
    for (const [index, one] of list.entries()) {
      const name = String(one[key]);
      const first = seen.get(node(name));
      if (first === undefined) seen.set(node(name), index);
      else
        ctx.addIssue({
          code: 'custom',
          path: [index, key],
          message:
            String(list[first]![key]) === name
              ? `${what} ${name} stands in the list twice; the first is number ${first + 1}`
              : `${what} ${name} would have the same series as number ${first + 1}, ${String(list[first]![key])}`,
        });
    }
  };
