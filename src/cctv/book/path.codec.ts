import type { PathPoint } from './model.ts';

/**
 * A stretch of one object's path as bytes: a version byte, then per point the time since the one before, score, flags,
 * box and ground, each as the change from the point before in variable-length integers (LEB128, signed ones zigzag).
 * Boxes are kept to 1/8192 of the picture, ground to the centimetre, scores to 1/255, times to the millisecond.
 */
const version = 1;
const boxUnit = 8192;
const groundUnit = 100;
// A picture is 1 wide; what a codec far off says of a place must still fit 53 bits.
const most = 2 ** 40;

const flag = { stationary: 1, furniture: 2, ground: 4 } as const;

class Writer {
  readonly #bytes: number[] = [];

  byte(value: number): void {
    this.#bytes.push(value & 0xff);
  }

  unsigned(value: number): void {
    let rest = Math.max(0, Math.min(most, value));
    while (rest >= 0x80) {
      this.#bytes.push((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes.push(rest);
  }

  signed(value: number): void {
    const whole = Math.max(-most / 2, Math.min(most / 2, value));
    this.unsigned(whole < 0 ? -whole * 2 - 1 : whole * 2);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new RangeError('the path ends in the middle of a point');
    this.#at += 1;
    return value;
  }

  unsigned(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new RangeError('a number of the path is too long');
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }
}

/** The numbers of a point as they are written: whole. */
function whole(point: PathPoint): number[] {
  const { left, top, width, height } = point.box;
  return [left, top, width, height].map((v) => (Number.isFinite(v) ? Math.round(v * boxUnit) : 0));
}

/** Packs points of one event, in order of time. `from` (epoch ms) is what the times are counted from. */
export function encodePath(from: number, points: readonly PathPoint[]): Uint8Array {
  const out = new Writer();
  out.byte(version);
  let at = from;
  let box = [0, 0, 0, 0];
  let ground = [0, 0];
  for (const point of points) {
    out.signed(Math.round(point.at) - at);
    at = Math.round(point.at);
    out.byte(Math.round(Math.max(0, Math.min(1, point.score)) * 255));
    const { ground: place } = point;
    const located = place !== undefined && [place.x, place.y, place.sigma].every(Number.isFinite);
    out.byte(
      (point.stationary ? flag.stationary : 0) |
        (point.furniture ? flag.furniture : 0) |
        (located ? flag.ground : 0),
    );
    const now = whole(point);
    now.forEach((value, i) => out.signed(value - box[i]!));
    box = now;
    if (!located) continue;
    const here = [Math.round(place.x * groundUnit), Math.round(place.y * groundUnit)];
    here.forEach((value, i) => out.signed(value - ground[i]!));
    out.unsigned(Math.round(Math.max(0, place.sigma) * groundUnit));
    ground = here;
  }
  return out.done();
}

/** Unpacks what `encodePath` made. Points before damage are given, what follows it is left out. */
export function decodePath(event: string, from: number, bytes: Uint8Array): PathPoint[] {
  const input = new Reader(bytes);
  const points: PathPoint[] = [];
  try {
    if (input.byte() !== version) return points;
    let at = from;
    let box = [0, 0, 0, 0];
    let ground = [0, 0];
    while (input.more) {
      at += input.signed();
      const score = input.byte() / 255;
      const flags = input.byte();
      box = box.map((value) => value + input.signed());
      const [left, top, width, height] = box.map((value) => value / boxUnit) as [
        number,
        number,
        number,
        number,
      ];
      let place: PathPoint['ground'];
      if ((flags & flag.ground) !== 0) {
        ground = ground.map((value) => value + input.signed());
        place = {
          x: ground[0]! / groundUnit,
          y: ground[1]! / groundUnit,
          sigma: input.unsigned() / groundUnit,
        };
      }
      points.push({
        event,
        at,
        score,
        box: { left, top, width, height },
        stationary: (flags & flag.stationary) !== 0,
        furniture: (flags & flag.furniture) !== 0,
        ...(place !== undefined && { ground: place }),
      });
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return points;
}
