/** Drawn pictures for tests: gray, one byte a pixel. */
export const width = 160;
export const height = 90;

/** Numbers from 0 to 1 that look random and depend only on their place. */
export const hash = (n: number) => {
  const x = Math.imul(n ^ (n >>> 15), 0x2c1b3c6d);
  const y = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return ((y ^ (y >>> 15)) >>> 0) / 2 ** 32;
};
/** Blobs of three pixels, as walls, plants and paving give at this size. */
export const ground = (x: number, y: number) =>
  60 + 70 * hash(Math.floor(x / 3) * 1009 + Math.floor(y / 3) * 7919) + 20 * Math.sin(x / 25);
const sensor = (x: number, y: number, frame: number) => (hash(frame * 104_729 + y * 163 + x) - 0.5) * 6;

export type Draw = (base: number, x: number, y: number, frame: number) => number;
export const picture = (frame: number, draw: Draw = (base) => base): Uint8Array =>
  Uint8Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return Math.min(255, Math.max(0, draw(ground(x, y), x, y, frame) + sensor(x, y, frame)));
  });
