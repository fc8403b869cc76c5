import { hash } from './noise.rules.ts';
import type { Vector } from './pinhole.rules.ts';
import type { Colour } from './solid.rules.ts';

/** The body of a person who walks: limbs in metres, for the instant of a step. */

/** A limb: from one end to the other, with radii at even distances between. */
export interface Limb {
  readonly from: Vector;
  readonly to: Vector;
  readonly radii: readonly number[];
  readonly colour: Colour;
  /** Drawn later than its distance says, by metres: a hand before the coat. */
  readonly nearer?: number;
}

export interface PersonLook {
  /** Metres. */
  readonly height: number;
  readonly skin: Colour;
  readonly hair: Colour;
  readonly top: Colour;
  readonly trousers: Colour;
  readonly shoes: Colour;
  readonly sturdy: number;
  readonly bag: boolean;
}

const skins: readonly Colour[] = [
  [224, 178, 150],
  [198, 148, 118],
  [146, 100, 74],
  [96, 64, 48],
];
const hairs: readonly Colour[] = [
  [38, 28, 24],
  [84, 58, 38],
  [128, 96, 58],
  [120, 118, 116],
];
const tops: readonly Colour[] = [
  [44, 62, 110],
  [148, 38, 42],
  [34, 36, 40],
  [188, 184, 176],
  [42, 96, 74],
  [200, 148, 52],
];
const legs: readonly Colour[] = [
  [38, 46, 70],
  [30, 30, 34],
  [112, 100, 84],
  [72, 78, 86],
];

/** How somebody looks: the same for the same seed. */
export function lookOf(seed: number): PersonLook {
  const pick = (list: readonly Colour[], salt: number) =>
    list[Math.floor(hash(seed, salt, 77) * list.length)] ?? ([90, 90, 90] as const);
  return {
    height: 1.62 + hash(seed, 1, 77) * 0.26,
    skin: pick(skins, 2),
    hair: pick(hairs, 3),
    top: pick(tops, 4),
    trousers: pick(legs, 5),
    shoes: [28, 26, 26],
    sturdy: 0.95 + hash(seed, 6, 77) * 0.2,
    bag: hash(seed, 7, 77) > 0.65,
  };
}

export interface Pose {
  readonly x: number;
  readonly y: number;
  /** Radians from the x axis. */
  readonly heading: number;
  /** Metres walked so far: the step follows from it. */
  readonly walked: number;
  /** Metres a second; 0 stands still. */
  readonly speed: number;
}

// Metres of two steps.
const strideLength = 1.45;

/** The limbs of a person at an instant of their walk. Proportions after Winter, Biomechanics of Human Movement. */
export function limbsOf(look: PersonLook, pose: Pose): Limb[] {
  const h = look.height;
  const w = look.sturdy;
  const phase = (pose.walked / strideLength) * 2 * Math.PI;
  const swing = Math.min(1, pose.speed / 1.2);
  const cos = Math.cos(pose.heading);
  const sin = Math.sin(pose.heading);
  const place = (forward: number, left: number, up: number): Vector => ({
    x: pose.x + forward * cos - left * sin,
    y: pose.y + forward * sin + left * cos,
    z: up,
  });
  const thigh = 0.245 * h;
  const shin = 0.246 * h;
  const ankle = 0.045 * h;
  const leg = (turn: number) => {
    const hip = 0.46 * swing * Math.sin(turn) + 0.04;
    // The knee bends while the leg swings forward.
    const knee = 0.06 + swing * (0.16 + 0.75 * Math.max(0, Math.cos(turn)) ** 2);
    return { hip, knee, drop: thigh * Math.cos(hip) + shin * Math.cos(hip - knee) };
  };
  const left = leg(phase);
  const right = leg(phase + Math.PI);
  const pelvis = Math.max(left.drop, right.drop) + ankle;
  const limbs: Limb[] = [];
  for (const [side, { hip, knee }] of [
    [1, left],
    [-1, right],
  ] as const) {
    const out = side * 0.052 * h;
    const kneeAt = place(thigh * Math.sin(hip), out, pelvis - thigh * Math.cos(hip));
    const reach = thigh * Math.sin(hip) + shin * Math.sin(hip - knee);
    const heel = pelvis - thigh * Math.cos(hip) - shin * Math.cos(hip - knee);
    const lift = Math.max(0, heel - ankle);
    limbs.push(
      {
        from: place(0, out, pelvis),
        to: kneeAt,
        radii: [0.088 * w, 0.08 * w, 0.062 * w],
        colour: look.trousers,
      },
      {
        from: kneeAt,
        to: place(reach, out, heel),
        radii: [0.062 * w, 0.06 * w, 0.046],
        colour: look.trousers,
      },
      {
        from: place(reach - 0.04, out, heel - ankle + 0.04),
        to: place(reach + 0.15, out * 1.15, Math.max(0.03, heel - ankle + 0.03 - lift * 0.4)),
        radii: [0.045, 0.048, 0.036],
        colour: look.shoes,
        nearer: 0.02,
      },
    );
  }
  const waist = pelvis + 0.02 * h;
  const shoulder = pelvis + 0.29 * h;
  const lean = 0.03 * swing;
  const arm = (side: number, turn: number) => {
    const raise = 0.42 * swing * Math.sin(turn);
    const elbow = 0.22 + 0.3 * swing;
    const out = side * 0.115 * h * w;
    const upper = 0.172 * h;
    const fore = 0.15 * h;
    const top = place(lean, out, shoulder - 0.012 * h);
    const mid = place(lean + upper * Math.sin(raise), out * 1.22, shoulder - upper * Math.cos(raise));
    const forward = lean + upper * Math.sin(raise) + fore * Math.sin(raise + elbow);
    const up = shoulder - upper * Math.cos(raise) - fore * Math.cos(raise + elbow);
    const wrist = place(forward, out * 1.2, up);
    const hand = place(forward + 0.03 * h * Math.sin(raise + elbow), out * 1.18, up - 0.045 * h);
    limbs.push(
      { from: top, to: mid, radii: [0.062 * w, 0.054 * w, 0.046 * w], colour: shade(look.top, 0.94) },
      { from: mid, to: wrist, radii: [0.046 * w, 0.042 * w, 0.034], colour: shade(look.top, 0.94) },
      { from: wrist, to: hand, radii: [0.032, 0.042, 0.028], colour: look.skin },
    );
  };
  arm(1, phase + Math.PI);
  arm(-1, phase);
  // The trunk is broader than deep: two columns side by side and one between make its outline from any side.
  for (const side of [-1, 0, 1]) {
    limbs.push({
      from: place(0, side * 0.042 * h * w, waist - 0.02 * h),
      to: place(lean, side * 0.068 * h * w, shoulder - 0.025 * h),
      radii:
        side === 0 ? [0.115 * w, 0.112 * w, 0.12 * w, 0.1 * w] : [0.105 * w, 0.092 * w, 0.102 * w, 0.075 * w],
      colour: look.top,
      nearer: side === 0 ? 0.02 : 0,
    });
  }
  const chin = shoulder + 0.055 * h;
  const crown = pelvis + 0.462 * h;
  limbs.push(
    {
      from: place(lean, 0, shoulder - 0.01 * h),
      to: place(lean + 0.01, 0, chin),
      radii: [0.065, 0.055],
      colour: shade(look.skin, 0.85),
    },
    // A head: face to the front, hair behind and above.
    {
      from: place(lean + 0.035, 0, chin + 0.012 * h),
      to: place(lean + 0.03, 0, crown - 0.05 * h),
      radii: [0.055, 0.076, 0.078, 0.07],
      colour: look.skin,
      nearer: 0.03,
    },
    {
      from: place(lean - 0.03, 0, chin + 0.045 * h),
      to: place(lean - 0.005, 0, crown - 0.045 * h),
      radii: [0.07, 0.088, 0.088],
      colour: look.hair,
      nearer: 0.03,
    },
    {
      from: place(lean + 0.03, 0.02, crown - 0.032 * h),
      to: place(lean - 0.01, -0.01, crown - 0.03 * h),
      radii: [0.062, 0.07],
      colour: look.hair,
      nearer: 0.05,
    },
  );
  if (look.bag)
    limbs.push({
      from: place(-0.15, 0, waist + 0.06 * h),
      to: place(-0.14, 0, shoulder - 0.03 * h),
      radii: [0.12, 0.14, 0.11],
      colour: [60, 56, 52],
      nearer: -0.02,
    });
  return limbs;
}

function shade([red, green, blue]: Colour, by: number): Colour {
  return [red * by, green * by, blue * by];
}
