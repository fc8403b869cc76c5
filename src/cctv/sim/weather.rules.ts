import { cloud, hash } from './noise.rules.ts';

/**
 * Light and weather over a picture, as they disturb real cameras. Each is a pure function of the picture and the
 * instant, the same for the same seed, and leaves the picture that it was given as it is.
 */

/** Packed yuv420p planes, limited range. Even width and height. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly yuv: Buffer;
}

/** `at` is epoch milliseconds. */
export type Weather = (picture: Picture, at: number) => Picture;

/** When something is on. */
export type When = (at: number) => boolean;

const dark = 16;
const bright = 235;

/** One after the other. */
export function together(...parts: readonly Weather[]): Weather {
  return (picture, at) => parts.reduce((current, part) => part(current, at), picture);
}

/** On for the first `share` of each `period` seconds. */
export function every(period: number, share = 0.5): When {
  return (at) => (((at / 1000 / period) % 1) + 1) % 1 < share;
}

/** Luma of each pixel anew; colours stay unless `grey`. */
function luma(
  picture: Picture,
  change: (y: number, x: number, row: number) => number,
  grey = false,
): Picture {
  const { width, height } = picture;
  const yuv = Buffer.from(picture.yuv);
  for (let row = 0; row < height; row += 1) {
    const start = row * width;
    for (let x = 0; x < width; x += 1)
      yuv[start + x] = Math.min(bright, Math.max(dark, change(yuv[start + x] ?? dark, x, row)));
  }
  if (grey) yuv.fill(128, width * height);
  return { width, height, yuv };
}

/** A light that is switched: while it is on, brightness is multiplied and lifted. */
export function lamp(on: When, gain = 1.35, lift = 12): Weather {
  return (picture, at) => (on(at) ? luma(picture, (y) => (y - dark) * gain + dark + lift) : picture);
}

/** Night: everything darker, as long as it lasts. */
export function dusk(gain = 0.35): Weather {
  return (picture) => luma(picture, (y) => (y - dark) * gain + dark);
}

/** Noise of the sensor, with this standard deviation in steps of luma; other in each picture. */
export function sensorNoise(sigma: number, seed = 1): Weather {
  return (picture, at) => {
    // xorshift: a draw must cost next to nothing, there are a quarter of a million of them in a picture.
    let state = Math.floor(hash(Math.floor(at), Math.floor(at / 2 ** 31), seed) * 0xffffffff) | 1;
    return luma(picture, (y) => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      // The sum of four bytes is near enough to a bell: mean 510, standard deviation 148.
      const sum = (state & 255) + ((state >>> 8) & 255) + ((state >>> 16) & 255) + (state >>> 24);
      return y + ((sum - 510) / 148) * sigma;
    });
  };
}

/** Streaks of rain: so many in a picture of 640 by 360, in proportion elsewhere. */
export function rain(streaks = 120, seed = 2): Weather {
  return (picture, at) => {
    const { width, height } = picture;
    const yuv = Buffer.from(picture.yuv);
    const count = Math.round((streaks * width * height) / (640 * 360));
    const instant = Math.floor(at);
    for (let index = 0; index < count; index += 1) {
      const chance = (salt: number) => hash(instant, index * 8 + salt, seed);
      const length = (0.03 + 0.06 * chance(0)) * height;
      const left = chance(1) * width;
      const top = chance(2) * height;
      const light = 14 + 34 * chance(3);
      for (let step = 0; step < length; step += 1) {
        const x = Math.floor(left + step * 0.18);
        const y = Math.floor(top + step);
        if (x >= width || y >= height) break;
        const pixel = y * width + x;
        yuv[pixel] = Math.min(bright, (yuv[pixel] ?? dark) + light);
      }
    }
    return { width, height, yuv };
  };
}

/** The headlights of a car sweep over the scene for `seconds` at the start of each `period` seconds. */
export function headlights(period = 40, seconds = 5, strength = 130): Weather {
  return (picture, at) => {
    const since = (((at / 1000) % period) + period) % period;
    if (since >= seconds) return picture;
    const { width, height } = picture;
    const centre = (since / seconds) * 1.6 * width - 0.3 * width;
    const fade = Math.sin((since / seconds) * Math.PI);
    return luma(picture, (y, x, row) => {
      const dx = (x - centre) / (0.22 * width);
      const dy = (row - 0.45 * height) / (0.3 * height);
      // Light shows on what is there: dark things stay darker.
      return y + strength * fade * Math.exp(-dx * dx - dy * dy) * (0.35 + y / 400);
    });
  };
}

/** A camera that goes over to infrared: no colours, more gain, bright in the middle where its lamps shine. */
export function infrared(on: When, gain = 1.3): Weather {
  return (picture, at) => {
    if (!on(at)) return picture;
    const { width, height } = picture;
    const lit = (x: number, row: number) => {
      const dx = x / width - 0.5;
      const dy = row / height - 0.55;
      return gain * (1.15 - 1.9 * (dx * dx + dy * dy));
    };
    return luma(picture, (y, x, row) => (y - dark) * lit(x, row) + dark, true);
  };
}

/** Shadows of clouds drift by; `strength` is the share of light that they take, `speed` picture widths a minute. */
export function cloudShadows(strength = 0.35, speed = 2, seed = 3): Weather {
  return (picture, at) => {
    const { width, height } = picture;
    const drift = (at / 60_000) * speed * 3;
    // Shadows are soft: one value for a block of 8 by 8 pixels, straight lines between.
    const columns = Math.ceil(width / 8) + 1;
    const values = Float32Array.from({ length: columns * (Math.ceil(height / 8) + 1) }, (_, index) => {
      const x = (index % columns) / (columns - 1);
      const y = Math.floor(index / columns) / (columns - 1);
      return 1 - strength * Math.min(1, Math.max(0, (cloud(x * 2.5 + drift, y * 2.5, seed) - 0.4) * 4));
    });
    return luma(picture, (y, x, row) => {
      const at0 = (row >> 3) * columns + (x >> 3);
      const u = (x & 7) / 8;
      const v = (row & 7) / 8;
      const upper = (values[at0] ?? 1) * (1 - u) + (values[at0 + 1] ?? 1) * u;
      const lower = (values[at0 + columns] ?? 1) * (1 - u) + (values[at0 + columns + 1] ?? 1) * u;
      return (y - dark) * (upper * (1 - v) + lower * v) + dark;
    });
  };
}
