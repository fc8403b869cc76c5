/** What light and weather do to a picture of 8-bit RGB, drawn over it. */

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGB, rows without padding. */
  readonly data: Uint8Array;
}

export type Random = () => number;
/** Draws what one effect does at an instant (seconds from the start). Keeps what it must remember from frame to frame. */
export type Weather = (picture: Picture, seconds: number) => void;

/** A small fast generator of equal numbers for equal seeds (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const gaussian = (random: Random) =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const clamp = (v: number) => (v < 0 ? 0 : v > 255 ? 255 : v);

/** Multiplies light by a gain of the place, fractions of the picture. */
function shine({ width, height, data }: Picture, gain: (x: number, y: number) => number): void {
  for (let y = 0, i = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const by = gain((x + 0.5) / width, (y + 0.5) / height);
      for (let k = 0; k < 3; k += 1, i += 1) data[i] = clamp(data[i]! * by);
    }
}

/** Noise of a sensor: normal, in gray levels, the same for all colours of a pixel. */
export function noise(sigma: number, random: Random): Weather {
  const table = Int8Array.from({ length: 65_536 }, () => Math.round(gaussian(random) * sigma));
  return ({ data }) => {
    let at = Math.floor(random() * table.length);
    for (let i = 0; i < data.length; i += 3) {
      at = (at + 1 + ((i >> 9) & 1)) & 0xffff;
      const by = table[at]!;
      for (let k = i; k < i + 3; k += 1) data[k] = clamp(data[k]! + by);
    }
  };
}

/** Streaks that are somewhere else in each frame. */
export function rain(drops: number, random: Random): Weather {
  return ({ width, height, data }) => {
    for (let n = 0; n < drops; n += 1) {
      let x = random() * width;
      const y0 = Math.floor(random() * height);
      const length = 10 + random() * 30;
      const strength = 25 + random() * 50;
      for (let y = y0; y < Math.min(height, y0 + length); y += 1, x += 0.12)
        for (let i = (y * width + Math.min(width - 1, Math.floor(x))) * 3, k = 0; k < 3; k += 1)
          data[i + k] = clamp(data[i + k]! + strength);
    }
  };
}

/** Lamps go on and off every few seconds: a soft one, a window with hard edges, and the light of the whole room. */
export function switching(everySeconds: number, random: Random): Weather {
  const lamps = [
    (x: number, y: number) => 1 + 1.1 * Math.exp(-((x - 0.25) ** 2 + (y - 0.4) ** 2) / 0.08),
    (x: number) => (x > 0.5 ? 1.6 : 1),
    () => 1.35,
  ];
  const on = lamps.map(() => false);
  let next = everySeconds;
  return (picture, seconds) => {
    if (seconds >= next) {
      const which = Math.floor(random() * lamps.length);
      on[which] = !on[which]!;
      next += everySeconds * (0.5 + random());
    }
    const lit = lamps.filter((_, i) => on[i]);
    if (lit.length > 0) shine(picture, (x, y) => lit.reduce((gain, lamp) => gain * lamp(x, y), 0.8));
    else shine(picture, () => 0.8);
  };
}

/** Cars that are not in the picture sweep their cones of light over it. */
export function headlights(everySeconds: number, random: Random): Weather {
  let start = 2;
  let [took, row, leftwards] = [3, 0.6, false];
  return (picture, seconds) => {
    if (seconds > start + took) {
      start = seconds + everySeconds * (0.5 + random());
      [took, row, leftwards] = [1.5 + 3 * random(), 0.4 + 0.4 * random(), random() < 0.5];
    }
    const gone = (seconds - start) / took;
    if (gone < 0 || gone > 1) return;
    const at = leftwards ? 1.3 - 1.6 * gone : -0.3 + 1.6 * gone;
    shine(picture, (x, y) => 1 + 1.4 * Math.exp(-(((x - at) / 0.13) ** 2) - ((y - row) / 0.2) ** 2));
  };
}

/** Clouds: light that changes by a third within half a minute, a soft border wandering through. */
export function clouds(): Weather {
  return (picture, seconds) =>
    shine(picture, (x, y) => 0.85 + 0.15 * Math.sin(seconds / 5 + 2.5 * x + 1.5 * y));
}

/** The camera switches to infrared and back: no colour, plants bright, a vignette of its own lamps. */
export function infrared(everySeconds: number): Weather {
  return ({ width, height, data }, seconds) => {
    if (Math.floor(seconds / everySeconds) % 2 === 0) return;
    for (let y = 0, i = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1, i += 3) {
        const level = 0.9 * data[i]! + 0.9 * data[i + 1]! - 0.7 * data[i + 2]!;
        const far = (x / width - 0.5) ** 2 + (y / height - 0.5) ** 2;
        const v = clamp(255 * (Math.max(0, level) / 280) ** 0.8 * (1 - 0.9 * far));
        data[i] = data[i + 1] = data[i + 2] = v;
      }
  };
}

/** Leaves in the wind: the texture of one part of the picture moves to and fro. */
export function tree(random: Random): Weather {
  const area = { left: 0.05, top: 0.05, right: 0.28, bottom: 0.4 };
  return ({ width, height, data }, seconds) => {
    const gust = 2.5 + 2 * Math.sin(seconds / 4);
    const by = Math.round(gust * Math.sin(seconds * 7 + random()));
    if (by === 0) return;
    for (let y = Math.floor(area.top * height); y < area.bottom * height; y += 1) {
      const from = (y * width + Math.floor(area.left * width)) * 3;
      const to = (y * width + Math.floor(area.right * width)) * 3;
      data.copyWithin(from, from + by * 3, to + by * 3);
    }
  };
}

/** A person of head, coat and legs who walks from left to right, `height` of the picture tall. */
export function walker(height: number, feet: number, startAt: number, took: number): Weather {
  return ({ width, height: rows, data }, seconds) => {
    const gone = (seconds - startAt) / took;
    if (gone < 0 || gone > 1) return;
    const tall = height * rows;
    const wide = tall * 0.32;
    const cx = (-0.05 + 1.1 * gone) * width;
    const top = feet * rows - tall;
    const swing = Math.sin(seconds * 6) * 0.5;
    for (let y = Math.max(0, Math.floor(top)); y < Math.min(rows, top + tall); y += 1) {
      const v = (y - top) / tall;
      const [shade, half, shift] =
        v < 0.15 ? [150, 0.2, 0] : v < 0.55 ? [55, 0.5, 0] : [35, 0.3, swing * (v - 0.55)];
      const from = Math.max(0, Math.floor(cx + (shift - half) * wide));
      for (let x = from; x < Math.min(width, cx + (shift + half) * wide); x += 1)
        data.fill(shade, (y * width + x) * 3, (y * width + x) * 3 + 3);
    }
  };
}

/** Mean of blocks: gray of 160 x 90 from RGB of 640 x 360. */
export function shrink({ width, height, data }: Picture, to: { width: number; height: number }): Uint8Array {
  const [sx, sy] = [width / to.width, height / to.height];
  const out = new Uint8Array(to.width * to.height);
  for (let y = 0; y < to.height; y += 1)
    for (let x = 0; x < to.width; x += 1) {
      let [sum, n] = [0, 0];
      for (let v = Math.floor(y * sy); v < Math.floor((y + 1) * sy); v += 1)
        for (let u = Math.floor(x * sx); u < Math.floor((x + 1) * sx); u += 1) {
          const i = (v * width + u) * 3;
          sum += 0.299 * data[i]! + 0.587 * data[i + 1]! + 0.114 * data[i + 2]!;
          n += 1;
        }
      out[y * to.width + x] = sum / n;
    }
  return out;
}

/** A front yard nobody is in: sky, wall, hedge, paving and a path. */
export function drawnYard(random: Random, width = 640, height = 360): Picture {
  const data = new Uint8Array(width * height * 3);
  const put = (i: number, r: number, g: number, b: number) => {
    const grain = (random() - 0.5) * 30;
    data.set([clamp(r + grain), clamp(g + grain), clamp(b + grain)], i * 3);
  };
  for (let y = 0, i = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1, i += 1) {
      if (y < 60) put(i, 150, 170, 190);
      else if (y < 170 && x < 200) put(i, 50 + 30 * Math.sin(x / 3) * Math.cos(y / 4), 90, 50);
      else if (y < 150)
        put(i, 140 - (y % 12 < 2 ? 35 : 0), 110 - ((x + (y % 24 < 12 ? 0 : 15)) % 30 < 2 ? 35 : 0), 100);
      else if (Math.abs(x - 320) < (y - 100) * 0.6) put(i, 120 - ((y * 3) % 40 < 4 ? 25 : 0), 118, 112);
      else put(i, 80, 115, 65);
    }
  return { width, height, data };
}
