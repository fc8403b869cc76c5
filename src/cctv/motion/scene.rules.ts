import { agreement, align, edgeMap, lookOf, quarters, type Alignment } from './edges.rules.ts';

export type SceneProblem = 'moved' | 'blurred' | 'covered' | 'dark' | 'infrared' | 'fine';

export interface SceneReport {
  readonly problem: SceneProblem;
  readonly detail: string;
}

/** What a camera usually sees: kept over a restart, or a knock during it would never be noticed. */
export interface SceneReference {
  readonly width: number;
  readonly height: number;
  readonly day?: ViewReference;
  /** How the same place looks without colour, by infrared light. */
  readonly night?: ViewReference;
}

export interface ViewReference {
  /** Edges of the picture, one byte a pixel, base64. */
  readonly edges: string;
  /** Seconds of looking that went into it. */
  readonly seconds: number;
  /** Means over that time. */
  readonly amount: number;
  readonly sharpness: number;
  readonly agreement: number;
}

interface View {
  readonly edges: Float32Array;
  seconds: number;
  amount: number;
  sharpness: number;
  agreement: number;
}

/** One picture a second is enough to notice what lasts. */
const everyMs = 1_000;
/** Seconds after which a new reference is trusted. */
const trustedSeconds = 10;
/** A day and more: shadows wander with the sun, and a bracket that sinks slowly must not take the reference along. */
const memorySeconds = 3 * 86_400;
/** Seconds for which it must last before it is told. A bus that stops hides a view for less. */
const hold: Readonly<Record<SceneProblem, number>> = {
  covered: 12,
  dark: 20,
  moved: 20,
  blurred: 45,
  infrared: 10,
  fine: 12,
};
/** Gray levels: below both, nothing can be seen. */
const darkMean = 14;
const darkContrast = 5;
/** Mean chroma in levels below which a picture has no colour, and above which it has. */
const colourless = 2;
const colourful = 4;
/** Share of usual edges, of usual sharpness. */
const hiddenShare = 0.3;
const blurShare = 0.6;
/** A shift of this share of the width spoils distances: it is told. */
const shiftShare = 0.009;
/** While so much of the picture moves, its edges say nothing of the camera. */
const restless = 0.3;

/**
 * Notices that a camera was knocked, went out of focus, was covered, sees nothing, or switched to infrared. Edges are
 * compared, not brightness, and shifts are searched only when the edges fit worse than usual: some microseconds a frame.
 */
export class SceneWatch {
  #size: { readonly width: number; readonly height: number };
  #day: View | undefined;
  #night: View | undefined;
  #infrared = false;
  #at = Number.NEGATIVE_INFINITY;
  #told: SceneProblem = 'fine';
  #candidate: SceneProblem = 'fine';
  #since = 0;

  /** `reference` is what `save` gave before; it is left aside when the size of the pictures differs. */
  constructor(size: { readonly width: number; readonly height: number }, reference?: SceneReference) {
    this.#size = size;
    if (reference?.width !== size.width || reference.height !== size.height) return;
    this.#day = restored(reference.day, size);
    this.#night = restored(reference.night, size);
  }

  /**
   * @param gray one byte a pixel
   * @param at epoch milliseconds
   * @param motionShare of the motion gate, 0 to 1
   * @param colour mean distance of both chroma planes from gray, in levels; absent where only gray is known
   * @returns what changed, told once; undefined while all is as it was told
   */
  step(gray: Uint8Array, at: number, motionShare: number, colour?: number): SceneReport | undefined {
    if (at - this.#at < everyMs && at >= this.#at) return undefined;
    const seconds = Math.min(5, Math.max(0, (at - this.#at) / 1000));
    // A clock that was set back lets nobody wait until it is as late as it was.
    if (at < this.#at) this.#since -= this.#at - at;
    this.#at = at;
    if (colour !== undefined) this.#infrared = colour < (this.#infrared ? colourful : colourless);
    const { problem, detail, view } = this.#judge(gray, motionShare);
    if (view !== undefined && (problem === 'fine' || problem === 'infrared'))
      this.#learn(view, gray, seconds);
    if (problem !== this.#candidate) {
      this.#candidate = problem;
      this.#since = at;
    }
    if (problem === this.#told || at - this.#since < hold[problem] * 1000) return undefined;
    this.#told = problem;
    return { problem, detail };
  }

  /** What was learnt, to be given to the constructor later. */
  save(): SceneReference {
    return {
      ...this.#size,
      ...(this.#day === undefined ? {} : { day: saved(this.#day) }),
      ...(this.#night === undefined ? {} : { night: saved(this.#night) }),
    };
  }

  /** Takes what the camera sees from now on as right, as after it was aimed or calibrated anew. */
  accept(): void {
    this.#day = this.#night = undefined;
    this.#told = this.#candidate = 'fine';
  }

  #judge(gray: Uint8Array, motionShare: number): SceneReport & { readonly view?: View } {
    const { width, height } = this.#size;
    const look = lookOf(gray, width, height);
    if (look.mean < darkMean && look.contrast < darkContrast)
      return { problem: 'dark', detail: 'nothing can be seen: the light is off, or the lens is covered' };

    const view = (this.#infrared ? this.#night : this.#day) ?? this.#begin(gray);
    const usual: SceneReport = this.#infrared
      ? { problem: 'infrared', detail: 'the camera switched to infrared: no colours until it is light' }
      : { problem: 'fine', detail: 'the camera sees its usual view' };
    if (view.seconds < trustedSeconds || motionShare > restless) return { ...usual, view };

    const edges = edgeMap(gray, width, height);
    if (mean(edges) < view.amount * hiddenShare)
      return { problem: 'covered', detail: 'the usual view is gone: something hides it from the lens' };
    if (look.sharpness < view.sharpness * blurShare) return blurred;
    if (agreement(view.edges, edges, width, height) > view.agreement * 0.8) return { ...usual, view };
    const moved = this.#moved(view, edges);
    if (moved === undefined) return usual;
    // A lens far out of focus leaves blobs that lie anywhere.
    return mean(edges) < view.amount * blurShare ? blurred : { problem: 'moved', detail: moved };
  }

  /** What to say when the camera looks elsewhere. Light changes which edges are strong, never where they are. */
  #moved(view: View, edges: Float32Array): string | undefined {
    const { width, height } = this.#size;
    const shift = align(view.edges, edges, width, height);
    if (elsewhere(shift, width)) {
      const say = (by: number, size: number, words: readonly [string, string]) =>
        `${Math.abs((100 * by) / size).toFixed(1)} % ${words[by < 0 ? 0 : 1]}`;
      return `the camera was moved: its picture shifted by ${say(shift.x, width, ['left', 'right'])} and ${say(shift.y, height, ['up', 'down'])}; calibrate it again or turn it back`;
    }
    // A turn about its own axis or another zoom shifts each part of the picture differently.
    const parts = quarters(view.edges, edges, width, height);
    if (parts.filter((part) => elsewhere(part, width)).length >= 3)
      return 'the camera was turned or zoomed: the parts of its picture shifted differently; calibrate it again or turn it back';
    return shift.best < view.agreement * 0.35 && view.agreement > 0.6
      ? 'the camera shows another view than usual: it was turned, or something stands before it'
      : undefined;
  }

  #begin(gray: Uint8Array): View {
    const { width, height } = this.#size;
    const edges = edgeMap(gray, width, height);
    const { sharpness } = lookOf(gray, width, height);
    const view = { edges, seconds: 0, amount: mean(edges), sharpness, agreement: 1 };
    if (this.#infrared) this.#night = view;
    else this.#day = view;
    return view;
  }

  #learn(view: View, gray: Uint8Array, seconds: number): void {
    const { width, height } = this.#size;
    const edges = edgeMap(gray, width, height);
    view.seconds = Math.min(memorySeconds, view.seconds + seconds);
    const slow = Math.min(1, seconds / Math.max(1, view.seconds));
    // How well it fits changes with the weather of an hour; where the edges are, does not.
    const quick = Math.min(1, seconds / Math.min(600, Math.max(1, view.seconds)));
    const fits = agreement(view.edges, edges, width, height);
    view.agreement += quick * (fits - view.agreement);
    view.amount += quick * (mean(edges) - view.amount);
    view.sharpness += quick * (lookOf(gray, width, height).sharpness - view.sharpness);
    for (let i = 0; i < edges.length; i += 1)
      view.edges[i] = view.edges[i]! + slow * (edges[i]! - view.edges[i]!);
  }
}

const blurred: SceneReport = {
  problem: 'blurred',
  detail: 'the picture lost its sharpness: clean or focus the lens',
};

const elsewhere = ({ here, best, x, y }: Alignment, width: number): boolean =>
  best > 0.3 && best > here + 0.06 && Math.hypot(x, y) / width > shiftShare;

const mean = (values: Float32Array): number => values.reduce((sum, v) => sum + v, 0) / values.length;

const saved = ({ edges, seconds, amount, sharpness, agreement: fits }: View): ViewReference => ({
  edges: Buffer.from(Uint8Array.from(edges, (e) => Math.round(e * 255))).toString('base64'),
  seconds,
  amount,
  sharpness,
  agreement: fits,
});

function restored(
  view: ViewReference | undefined,
  { width, height }: { readonly width: number; readonly height: number },
): View | undefined {
  if (view === undefined) return undefined;
  const bytes = Buffer.from(view.edges, 'base64');
  if (bytes.length !== width * height) return undefined;
  return { ...view, edges: Float32Array.from(bytes, (b) => b / 255) };
}
