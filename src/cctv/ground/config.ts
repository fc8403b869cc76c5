import * as z from 'zod';

const pair = z.tuple([z.number(), z.number()]);
const fraction = z.tuple([z.number().min(-1).max(2), z.number().min(-1).max(2)]);
const name = z
  .string()
  .regex(
    /^[a-z][a-z0-9_]{0,39}$/,
    'expected a name of lower-case letters, digits and _ that starts with a letter',
  );
const size = z.strictObject({ width: z.number().int().min(16), height: z.number().int().min(16) });

const count = { point: 1, line: 2, polygon: 3 } as const;
const reference = z
  .strictObject({
    kind: z.enum(['point', 'line', 'polygon']),
    /** Metres on the ground, or fractions of the picture: one of the two. */
    ground: z.array(pair).optional(),
    picture: z.array(fraction).optional(),
  })
  .superRefine(({ kind, ground, picture }, ctx) => {
    if ((ground === undefined) === (picture === undefined))
      ctx.addIssue('expected either ground (metres) or picture (fractions of the picture)');
    const n = (ground ?? picture ?? []).length;
    const wanted = count[kind];
    if (kind === 'point' ? n !== 1 : n < wanted)
      ctx.addIssue(`expected ${kind === 'point' ? 'one point' : `at least ${wanted} points`}, found ${n}`);
  });
const references = z.record(name, reference);
export type ReferenceSetting = z.infer<typeof reference>;

const point = z
  .strictObject({
    name: name.optional(),
    /** Fractions of the picture, or pixels of `picture`: one of the two. */
    picture: fraction.optional(),
    pixel: pair.optional(),
    /** Metres. Left out where lengths tell. */
    ground: pair.optional(),
  })
  .superRefine(({ picture, pixel }, ctx) => {
    if ((picture === undefined) === (pixel === undefined))
      ctx.addIssue(
        'expected either picture (fractions of the picture) or pixel (with picture.width and height)',
      );
  });
const distance = z.strictObject({
  /** Names of two points, or `camera` for the spot on the ground plumb below the camera. */
  between: z.tuple([name, name]),
  metres: z.number().positive().max(1_000),
});
const pinhole = z.strictObject({
  height_m: z.number().positive().max(100).optional(),
  tilt_deg: z.number().min(-30).max(90).optional(),
  roll_deg: z.number().min(-45).max(45).optional(),
  /** From left to right. */
  horizontal_fov_deg: z.number().min(5).max(170).optional(),
  /** From top to bottom. */
  vertical_fov_deg: z.number().min(5).max(170).optional(),
});

const measured = {
  picture: size.optional(),
  points: z.array(point).max(100).optional(),
  distances: z.array(distance).max(500).optional(),
  /** Four points clicked in turn that are the corners of a rectangle, and the lengths of its first two sides. */
  rectangle: z
    .strictObject({
      corners: z.tuple([name, name, name, name]),
      metres: z.tuple([z.number().positive(), z.number().positive()]),
    })
    .optional(),
  pinhole: pinhole.optional(),
  /** Undistorted = distorted (1 + k1 r^2), r in heights of the picture from its middle. */
  k1: z.number().min(-0.5).max(1.5).optional(),
  /** How well points were clicked and measured. */
  click_pixels: z.number().positive().max(100).optional(),
  tape_m: z.number().positive().max(5).optional(),
  references: references.optional(),
};

/** What `lares cctv calibrate --points FILE` reads. */
export const pointsFile = z.strictObject(measured);
export type PointsFile = z.infer<typeof pointsFile>;

/** `config/calibration/<id>.json`: what was measured, and what came out of it. */
export const calibrationFile = z.strictObject({
  version: z.literal(1),
  camera: z.string().min(1),
  /** ISO 8601. */
  created: z.string(),
  method: z.enum(['points', 'distances', 'pinhole', 'people']),
  measured: z.strictObject({ ...measured, picture: size }),
  projection: z.strictObject({
    /** From the picture to the ground: nine numbers, row by row; the picture in its heights from its middle. */
    ground: z.array(z.number()).length(9),
    k1: z.number(),
    /** Covariance of those ten numbers. */
    covariance: z.array(z.array(z.number()).length(10)).length(10),
  }),
  references,
  errors: z.strictObject({
    /** Metres between each measured place and where its click lands; empty without places. */
    points_m: z.array(z.number()),
    /** One standard deviation of where a person stands, by metres from the camera. */
    expected: z.array(z.strictObject({ at_m: z.number(), sigma_m: z.number() })),
    /** Median height of people who walked by, by this calibration: near 1.70. */
    people_height_m: z.number().optional(),
  }),
});
export type CalibrationFile = z.infer<typeof calibrationFile>;
