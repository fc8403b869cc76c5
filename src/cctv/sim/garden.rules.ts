import { cloud, hash, noise } from './noise.rules.ts';
import type { Vector } from './pinhole.rules.ts';
import { along, ball, block, car, unit, type Colour, type Solid } from './solid.rules.ts';

/** The place that is drawn: a drive with a parked car, a lawn, the wall of a house, a fence with a gate, a road. */

/** Towards the sun. */
export const sun: Vector = unit({ x: -0.55, y: -0.5, z: 0.8 });

/** Metres. Walkers pass between the posts of the gate. */
export const gate = { left: -1.4, right: 1.4, y: 12 } as const;
/** Corners of the drive that a user would click: their places on the ground are known. */
export const landmarks: readonly { readonly name: string; readonly x: number; readonly y: number }[] = [
  { name: 'drive, near left', x: -1.8, y: 5 },
  { name: 'drive, near right', x: 2, y: 5 },
  { name: 'gate, right post', x: gate.right, y: gate.y },
  { name: 'gate, left post', x: gate.left, y: gate.y },
];

function tinted(base: Colour, by: number): Colour {
  return [base[0] * by, base[1] * by, base[2] * by];
}

/** The colour of the ground before light and shadow. */
export function groundColour(x: number, y: number): Colour {
  if (y > 14.2 && y < 20) return road(x, y);
  if (y >= 20 && y < 21.4) return tinted([150, 148, 142], 0.9 + 0.2 * cloud(x * 4, y * 4, 5));
  if (y > 13 && y <= 14.2) return pavement(x, y);
  const onDrive = x > -1.8 && x < 5.4 && (x < 2 || y > 6.5) && y <= 13;
  if (onDrive) return paving(x, y);
  const blade = 0.72 + 0.36 * cloud(x * 9, y * 9, 3) + 0.18 * (noise(x * 0.7, y * 0.7, 4) - 0.5);
  const dry = noise(x * 0.5, y * 0.5, 8) * 26;
  return tinted([72 + dry, 104 + dry * 0.4, 46], blade);
}

function road(x: number, y: number): Colour {
  const middle = Math.abs(y - 17.1) < 0.07 && ((x % 4) + 4) % 4 < 2.2;
  return middle ? [196, 196, 188] : tinted([84, 85, 88], 0.88 + 0.24 * cloud(x * 7, y * 7, 6));
}

function pavement(x: number, y: number): Colour {
  const joint = Math.abs((((x % 0.9) + 0.9) % 0.9) - 0.45) > 0.435 || y > 14.08;
  return tinted([146, 144, 140], (joint ? 0.72 : 0.94) + 0.12 * cloud(x * 6, y * 6, 7));
}

function paving(x: number, y: number): Colour {
  const row = Math.floor(y / 0.3);
  const shift = row % 2 === 0 ? 0 : 0.2;
  const joint =
    Math.abs((((y % 0.3) + 0.3) % 0.3) - 0.15) > 0.138 ||
    Math.abs(((((x + shift) % 0.4) + 0.4) % 0.4) - 0.2) > 0.188;
  const stone = 0.86 + 0.2 * hash(Math.floor((x + shift) / 0.4), row, 9);
  return tinted([150, 136, 124], (joint ? 0.66 : stone) * (0.9 + 0.2 * cloud(x * 5, y * 5, 10)));
}

function brick(y: number, z: number): Colour {
  const row = Math.floor(z / 0.085);
  const shift = row % 2 === 0 ? 0 : 0.12;
  const joint = ((z % 0.085) + 0.085) % 0.085 < 0.014 || (((y + shift) % 0.24) + 0.24) % 0.24 < 0.014;
  const tone = 0.85 + 0.25 * hash(Math.floor((y + shift) / 0.24), row, 12);
  return joint ? [168, 158, 146] : tinted([158, 92, 70], tone);
}

function houseWall({ y, z }: Vector): Colour {
  const window = y > 6.2 && y < 8 && z > 1 && z < 2.4;
  const frame = y > 6.1 && y < 8.1 && z > 0.9 && z < 2.5;
  const door = y > 9.6 && y < 10.6 && z < 2.1;
  if (window) return Math.abs(y - 7.1) < 0.04 ? [225, 225, 220] : [52, 62, 74];
  if (frame) return [226, 226, 220];
  if (door) return y > 10.45 && Math.abs(z - 1) < 0.06 ? [190, 170, 90] : [58, 84, 66];
  return brick(y, z);
}

function leaves(seed: number, base: Colour): (at: Vector) => Colour {
  return ({ x, y, z }) => tinted(base, 0.5 + 0.9 * cloud((x + y * 0.4) * 5, (z + y * 0.7) * 5, seed));
}

function wood(post: number): (at: Vector) => Colour {
  return ({ x, z }) => tinted([128, 100, 72], post * (0.82 + 0.3 * cloud(x * 3, z * 14, 15)));
}

/** Upright slats with gaps, as one solid, because each of them would cost every ray. */
function fence(from: number, to: number): Solid {
  const low = { x: from, y: gate.y, z: 0.05 };
  const high = { x: to, y: gate.y, z: 0.9 };
  return {
    corners: [low, high, { ...low, z: high.z }, { ...high, z: low.z }],
    meet(origin, direction) {
      const reach = (gate.y - origin.y) / direction.y;
      if (reach <= 1e-6) return undefined;
      const at = along(origin, direction, reach);
      const rail = (at.z > 0.25 && at.z < 0.33) || (at.z > 0.65 && at.z < 0.73);
      const slat = ((at.x % 0.16) + 0.16) % 0.16 < 0.12 || rail;
      if (at.x < from || at.x > to || at.z < low.z || at.z > high.z || !slat) return undefined;
      const tone = 0.9 + 0.2 * hash(Math.floor(at.x / 0.16), 1, 16);
      return { reach, normal: { x: 0, y: direction.y > 0 ? -1 : 1, z: 0 }, colour: wood(tone)(at) };
    },
  };
}

function post(x: number): Solid {
  return block({ x: x - 0.09, y: gate.y - 0.09, z: 0 }, { x: x + 0.09, y: gate.y + 0.09, z: 1.1 }, wood(0.7));
}

/** Everything that stands still. */
export function standing(): Solid[] {
  return [
    block({ x: -8, y: 3, z: 0 }, { x: -4.2, y: 11.5, z: 5 }, houseWall),
    fence(-4.2, gate.left - 0.09),
    fence(gate.right + 0.09, 9),
    post(gate.left),
    post(gate.right),
    post(5),
    car({ x: 3.9, y: 9.3, heading: Math.PI / 2 + Math.PI, colour: [52, 74, 112] }),
    block({ x: -30, y: 21.4, z: 0 }, { x: 6, y: 23, z: 2.1 }, leaves(20, [60, 88, 42])),
    block({ x: 9, y: 21.4, z: 0 }, { x: 34, y: 23, z: 1.8 }, leaves(21, [66, 92, 48])),
    ball({ x: -9, y: 26, z: 4.5 }, { x: 3.4, y: 3, z: 3 }, leaves(22, [58, 90, 44])),
    ball({ x: 12, y: 28, z: 5 }, { x: 4, y: 3, z: 3.6 }, leaves(23, [74, 98, 46])),
    ball({ x: 2.5, y: 34, z: 5 }, { x: 5, y: 3, z: 4 }, leaves(24, [64, 92, 52])),
    ball({ x: 7.4, y: 8.2, z: 0.5 }, { x: 0.9, y: 0.8, z: 0.9 }, leaves(25, [56, 92, 48])),
    ball({ x: 7.2, y: 10.4, z: 0.5 }, { x: 0.8, y: 0.9, z: 0.8 }, leaves(26, [80, 96, 44])),
  ];
}
