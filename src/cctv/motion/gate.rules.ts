import type { Box, Polygon } from '../model.ts';
import { clusters, growing, growingInRain, type Cluster } from './clusters.rules.ts';
import { liveMask } from './masks.rules.ts';
import { cell, deviation, edgesAgree, leftover } from './texture.rules.ts';

export interface MotionGateOptions {
  /** Pixels of the gray pictures; 160 x 90 is what the thresholds were chosen on. */
  readonly width: number;
  readonly height: number;
  /** Where motion does not count, in fractions of the picture. */
  readonly masks?: readonly Polygon[];
}

export interface MotionStep {
  /** Worth a look by the detector. */
  readonly motion: boolean;
  /** Share of the picture whose content changed, 0 to 1; light alone does not count. */
  readonly share: number;
  /** Where, in fractions of the picture, largest first. */
  readonly boxes: readonly Box[];
  /** Most of the picture changed at once: the background was taken anew. Quiet follows, then one look at everything. */
  readonly reset?: boolean;
  /** With `reset`: the edges stayed in place, as when a camera switches to infrared or a light goes on. */
  readonly infrared?: boolean;
}

const cellPixels = cell * cell;

/** Gray levels: a pixel differs when it is off by `floor` and by `sigmas` of its own noise. */
const floor = 9;
const sigmas = 4;
/** Share of the pixels of a cell that must differ. */
const changedShare = 0.24;
/** Gray levels that light cannot explain, root mean square over a cell; a thing must have one cell of more than `strong`. */
const texture = 5;
const strong = 8.5;
/** Gray levels: standard deviation of a picture by day. Thresholds shrink with the contrast, down to half. */
const usualContrast = 45;
/** Seconds in which the background follows what it believes to be background, and what it believes to be an object. */
const learnSeconds = 4;
const absorbSeconds = 20;
/** Seconds after which something that stands as still as the ground becomes ground. */
const stillSeconds = 2;
/** Seconds for which a thing that stopped still counts as moving. */
const restSeconds = 0.9;
/** Seconds over which a cell that flickers (a tree, water) is learnt. */
const flickerSeconds = 30;
/** Single cells a frame that come and go elsewhere each time, and seconds over which they are counted: rain or snow. */
const rainDrops = 0.9;
/** By how much each of them raises what a change must exceed, and by how much all of them at most. */
const perDrop = 0.15;
const mostRain = 1.5;
const rainSeconds = 6;
/** Share of cells that change at once when light, a switch to infrared or a knock changes the picture. */
const resetShare = 0.45;
/** Share of cells whose content must change with it: light alone needs no new start. */
const ownShare = 0.12;
const quietMs = 800;
/** Share of cells that are lit otherwise all at once, after fewer than `calmShare`: somebody used a switch. */
const switchShare = 0.2;
const calmShare = 0.08;
/** So many resets within this time are no accident: let the detector look. */
const strobeMs = 10_000;
const strobes = 4;

/** What a cell is in one frame: as before, merely lit otherwise, moved as it always does, or with other content. */
const same = 0;
const light = 1;
const swaying = 2;
const content = 3;

/**
 * Tells whether something moved, without a detector. Every pixel has a running mean and variance. A cell of 5 x 5 pixels
 * that differs is held against its background by a fit of gain, offset and slope: light, shadow and lamps change those
 * and leave the texture, people and cars change the texture. Cells that come and go all the time ask for more.
 */
export class MotionGate {
  readonly #width: number;
  readonly #height: number;
  readonly #columns: number;
  readonly #rows: number;
  readonly #live: Uint8Array;
  /** Live pixels that must differ, per cell; unreachable where too few are live. */
  readonly #need: Uint8Array;
  readonly #liveCells: number;
  readonly #mean: Float32Array;
  readonly #variance: Float32Array;
  readonly #previous: Uint8Array;
  readonly #counts: Uint8Array;
  readonly #kinds: Uint8Array;
  /** Frames in a row in which the cell or a neighbour had other content. */
  readonly #age: Uint8Array;
  readonly #wasAge: Uint8Array;
  /** What light cannot explain, as a multiple of what it takes to be content. */
  readonly #strength: Float32Array;
  readonly #firm: Uint8Array;
  /** Seconds for which other content has not moved. */
  readonly #still: Float32Array;
  /** How often it changes its kind, per frame, 0 to 1. */
  readonly #flicker: Float32Array;
  /** 0.5 to 1: see `usualContrast`; and that with rain. All thresholds in gray levels are multiplied by it. */
  #contrast = 1;
  #scale = 1;
  #at: number | undefined;
  #quietUntil = 0;
  /** Until when light that went on is given time to settle. */
  #hushUntil = 0;
  #busyShare = 0;
  #rain = 0;
  #recheck = false;
  #resets: number[] = [];

  constructor({ width, height, masks = [] }: MotionGateOptions) {
    this.#width = width;
    this.#height = height;
    this.#columns = Math.ceil(width / cell);
    this.#rows = Math.ceil(height / cell);
    this.#live = liveMask(width, height, masks);
    const cells = this.#columns * this.#rows;
    this.#mean = new Float32Array(width * height);
    this.#variance = new Float32Array(width * height);
    this.#previous = new Uint8Array(width * height);
    this.#need = new Uint8Array(cells);
    this.#counts = new Uint8Array(cells);
    this.#kinds = new Uint8Array(cells);
    this.#age = new Uint8Array(cells);
    this.#wasAge = new Uint8Array(cells);
    this.#strength = new Float32Array(cells);
    this.#firm = new Uint8Array(cells);
    this.#still = new Float32Array(cells);
    this.#flicker = new Float32Array(cells);
    for (let i = 0; i < width * height; i += 1) this.#need[this.#cellOf(i)]! += this.#live[i]!;
    this.#liveCells = this.#need.reduce((n, live) => n + Number(live >= cellPixels / 2), 0);
    this.#need.forEach((live, c) => {
      this.#need[c] = live < cellPixels / 2 ? 255 : Math.ceil(live * changedShare);
    });
  }

  /**
   * Looks at the next picture.
   * @param gray one byte a pixel, rows without padding
   * @param at epoch milliseconds; may jump
   */
  step(gray: Uint8Array, at: number): MotionStep {
    if (this.#at === undefined) {
      this.#at = at;
      this.#restart(gray, at);
      this.#variance.fill(9);
      return { motion: false, share: 0, boxes: [] };
    }
    // A gap longer than a second says nothing about how much the light changed in it.
    const seconds = Math.min(1, Math.max(0.02, (at - this.#at) / 1000));
    if (at < this.#at) this.#setBack(this.#at - at);
    this.#at = at;
    if (at < this.#quietUntil) return this.#settle(gray);

    const learn = 1 - Math.exp(-seconds / learnSeconds);
    this.#compare(gray, learn);
    const [lit, changed] = this.#judge(gray, seconds);
    if (lit + changed > this.#liveCells * resetShare && changed > this.#liveCells * ownShare)
      return this.#startOver(gray, at, changed);
    const busy = (lit + changed) / Math.max(1, this.#liveCells);
    if (this.#busyShare < calmShare && lit > this.#liveCells * switchShare && !this.#strobes(at)) {
      this.#hushUntil = at + quietMs;
      this.#recheck = true;
    }
    this.#busyShare = busy;
    this.#learn(gray, learn, seconds, at < this.#hushUntil);
    this.#previous.set(gray);

    const share = this.#liveCells === 0 ? 0 : changed / this.#liveCells;
    if (at < this.#hushUntil) return { motion: false, share, boxes: [] };
    if (this.#recheck) {
      this.#recheck = false;
      this.#contrast = Math.min(1, Math.max(0.5, deviation(gray) / usualContrast));
      return { motion: true, share, boxes: [wholePicture] };
    }
    const all = changed === 0 ? [] : clusters(this.#age, this.#firm, this.#columns, this.#rows);
    const drops = all.filter((c) => c.cells <= 2 && c.oldest === 1).length;
    this.#rain += (1 - Math.exp(-seconds / rainSeconds)) * (drops - this.#rain);
    this.#scale = this.#contrast * (1 + Math.min(mostRain, perDrop * this.#rain));
    const found = all.filter(this.#rain > rainDrops ? growingInRain : growing);
    return { motion: found.length > 0, share, boxes: found.map((f) => this.#box(f)) };
  }

  /** The clock was set back by so much: nobody waits until it is as late as it was. */
  #setBack(ms: number): void {
    this.#quietUntil -= ms;
    this.#hushUntil -= ms;
    this.#resets = this.#resets.map((at) => at - ms);
  }

  /** Forgets everything, as when the size or the view of the stream changed. */
  reset(): void {
    this.#at = undefined;
    this.#resets = [];
  }

  #cellOf(i: number): number {
    const y = Math.floor(i / this.#width);
    return Math.floor(y / cell) * this.#columns + Math.floor((i - y * this.#width) / cell);
  }

  /** Counts pixels that differ from the background, per cell, and learns those that do not. The hot loop. */
  #compare(gray: Uint8Array, learn: number): void {
    const width = this.#width;
    const mean = this.#mean;
    const variance = this.#variance;
    const live = this.#live;
    const counts = this.#counts.fill(0);
    const least = (floor * this.#scale) ** 2;
    for (let y = 0, i = 0; y < this.#height; y += 1) {
      const row = Math.floor(y / cell) * this.#columns;
      for (let x = 0, c = row; x < width; c += 1) {
        const end = Math.min(width, x + cell);
        let n = 0;
        for (; x < end; x += 1, i += 1) {
          const off = gray[i]! - mean[i]!;
          const square = off * off;
          const v = variance[i]!;
          if (square > least && square > sigmas * sigmas * v) n += live[i]!;
          else {
            mean[i] = mean[i]! + learn * off;
            // Half a level squared for the rounding of gray levels, so that it never falls to nothing.
            variance[i] = v + learn * (square + 0.5 - v);
          }
        }
        counts[c] = counts[c]! + n;
      }
    }
  }

  /** Sets the kind of every cell; how many are merely lit otherwise, and how many hold something else. */
  #judge(gray: Uint8Array, seconds: number): [lit: number, changed: number] {
    const kinds = this.#kinds;
    const flick = 1 - Math.exp(-seconds / flickerSeconds);
    let lit = 0;
    let changed = 0;
    this.#wasAge.set(this.#age);
    for (let c = 0; c < kinds.length; c += 1) {
      const before = kinds[c]!;
      let now = same;
      this.#strength[c] = 0;
      if (this.#counts[c]! >= this.#need[c]!) {
        const rest = leftover(gray, this.#mean, this.#variance, this.#origin(c), this.#width);
        const calm = 1 + 20 * Math.max(0, this.#flicker[c]! - 0.12);
        this.#strength[c] = rest / (texture * this.#scale) / calm;
        now = rest < texture * this.#scale ? light : this.#strength[c]! < 1 ? swaying : content;
      }
      kinds[c] = now;
      const flipped = now >= swaying === before >= swaying ? 0 : 1;
      this.#flicker[c] = this.#flicker[c]! + flick * (flipped - this.#flicker[c]!);
      if (now === content) {
        changed += 1;
        this.#age[c] = Math.min(200, this.#oldestAround(c) + 1);
      } else {
        this.#age[c] = 0;
        this.#still[c] = 0;
        lit += Number(now === light);
      }
    }
    return [lit, changed];
  }

  #oldestAround(c: number): number {
    const row = Math.floor(c / this.#columns);
    const column = c - row * this.#columns;
    let oldest = 0;
    for (let y = Math.max(0, row - 1); y <= Math.min(this.#rows - 1, row + 1); y += 1)
      for (let x = Math.max(0, column - 1); x <= Math.min(this.#columns - 1, column + 1); x += 1)
        oldest = Math.max(oldest, this.#wasAge[y * this.#columns + x]!);
    return oldest;
  }

  #origin(c: number): number {
    const row = Math.floor(c / this.#columns);
    const column = c - row * this.#columns;
    // The last cells of a picture whose size is no multiple of five overlap their neighbours.
    return (
      Math.min(row * cell, this.#height - cell) * this.#width + Math.min(column * cell, this.#width - cell)
    );
  }

  /** Background under cells that are merely lit follows at once; under other content slowly, or soon when it stands still. */
  #learn(gray: Uint8Array, learn: number, seconds: number, hushed: boolean): void {
    const absorb = learn * (learnSeconds / absorbSeconds);
    for (let c = 0; c < this.#kinds.length; c += 1) {
      const kind = this.#kinds[c]!;
      this.#firm[c] = 0;
      if (kind === same) continue;
      let rate = kind === light ? 0.5 : absorb;
      if (kind === content) {
        this.#still[c] = this.#stands(gray, c) ? this.#still[c]! + seconds : 0;
        if (this.#still[c]! > (hushed ? 0 : stillSeconds)) rate = 0.3;
        this.#firm[c] = Number(this.#strength[c]! > strong / texture && this.#still[c]! < restSeconds);
      }
      for (let y = 0, row = this.#origin(c); y < cell; y += 1, row += this.#width)
        for (let i = row; i < row + cell; i += 1)
          this.#mean[i] = this.#mean[i]! + rate * (gray[i]! - this.#mean[i]!);
    }
  }

  /** True when a cell looks as it did one frame ago, within its noise. */
  #stands(gray: Uint8Array, c: number): boolean {
    let off = 0;
    let noise = 0;
    for (let y = 0, row = this.#origin(c); y < cell; y += 1, row += this.#width)
      for (let i = row; i < row + cell; i += 1) {
        off += Math.abs(gray[i]! - this.#previous[i]!);
        noise += this.#variance[i]!;
      }
    return off / cellPixels < 1.5 + Math.sqrt(noise / cellPixels);
  }

  #restart(gray: Uint8Array, at: number): void {
    this.#mean.set(gray);
    this.#previous.set(gray);
    this.#kinds.fill(same);
    this.#age.fill(0);
    this.#still.fill(0);
    this.#quietUntil = at + quietMs;
    this.#recheck = true;
  }

  /** Notes a change of everything; true when there were so many that somebody may play with the light to blind us. */
  #strobes(at: number): boolean {
    this.#resets = [...this.#resets.filter((t) => at - t < strobeMs), at].slice(-strobes);
    return this.#resets.length === strobes;
  }

  #startOver(gray: Uint8Array, at: number, changed: number): MotionStep {
    const infrared = edgesAgree(this.#mean, gray, this.#width) > 0.35;
    this.#restart(gray, at);
    const strobe = this.#strobes(at);
    const share = changed / this.#liveCells;
    const boxes = strobe ? [wholePicture] : [];
    return { motion: strobe, share, boxes, reset: true, ...(infrared ? { infrared } : {}) };
  }

  /** Exposure needs some frames to settle after the light changed; nothing is compared with it before. */
  #settle(gray: Uint8Array): MotionStep {
    for (let i = 0; i < gray.length; i += 1)
      this.#mean[i] = this.#mean[i]! + 0.5 * (gray[i]! - this.#mean[i]!);
    this.#previous.set(gray);
    return { motion: false, share: 0, boxes: [] };
  }

  #box(found: Cluster): Box {
    const left = Math.min(found.left * cell, this.#width);
    const top = Math.min(found.top * cell, this.#height);
    const right = Math.min((found.right + 1) * cell, this.#width);
    const bottom = Math.min((found.bottom + 1) * cell, this.#height);
    return {
      left: left / this.#width,
      top: top / this.#height,
      width: (right - left) / this.#width,
      height: (bottom - top) / this.#height,
    };
  }
}

const wholePicture: Box = { left: 0, top: 0, width: 1, height: 1 };
