import type { RawOutput } from '../../detect/heads.codec.ts';

/** From the output of a network that reads text to the text. */

/** How its characters are numbered. */
export interface Charset {
  /** By class; an empty one is nothing that was written. */
  readonly characters: readonly string[];
  /** Connectionist temporal classification (repeats are one, blanks part them); otherwise each step is a character. */
  readonly blank: number | undefined;
}

export interface ReadText {
  readonly text: string;
  /** Mean probability of its characters, 0 to 1; 0 for no text. */
  readonly confidence: number;
}

const mostCharacters = 20_000;
const blankWord = '<blank>';
const padding = '_';

/** The lines of a file of characters, one each; or the characters of its only line. At most 20000. */
export function parseCharset(text: string): readonly string[] {
  const lines = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => line !== '');
  const [only, ...more] = lines;
  const list = more.length === 0 && only !== undefined && only !== blankWord ? Array.from(only) : lines;
  return list.slice(0, mostCharacters);
}

/**
 * What the classes of a network mean, from how many there are. As many as the file has: `<blank>` in it is the blank,
 * and without one every step is a character of its own, `_` none (fast-plate-ocr). One more: the blank comes first; two
 * more: and a space last (PaddleOCR). Undefined where they do not fit.
 */
export function charsetFor(list: readonly string[], classes: number): Charset | undefined {
  if (classes === list.length) {
    const blank = list.indexOf(blankWord);
    return {
      characters: list.map((c) => (c === blankWord || c === padding ? '' : c)),
      blank: blank === -1 ? undefined : blank,
    };
  }
  if (classes === list.length + 1) return { characters: ['', ...list], blank: 0 };
  return classes === list.length + 2 ? { characters: ['', ...list, ' '], blank: 0 } : undefined;
}

/** How many classes an output has: its last axis, or what the file says where steps and classes are one axis. */
export function classesOf(shape: readonly (number | string)[], characters: number): number | undefined {
  const last = shape.at(-1);
  if (typeof last !== 'number' || last < 2) return undefined;
  if (shape.length === 3) return last;
  return shape.length === 2 && last % characters === 0 ? characters : undefined;
}

/** Reads the most likely text, step by step. */
export function readText({ data }: RawOutput, { characters, blank }: Charset): ReadText {
  const classes = characters.length;
  const steps = Math.floor(data.length / classes);
  let text = '';
  let sum = 0;
  let count = 0;
  let before = -1;
  for (let step = 0; step < steps; step += 1) {
    const at = step * classes;
    let best = 0;
    for (let k = 1; k < classes; k += 1) if (data[at + k]! > data[at + best]!) best = k;
    const repeated = blank !== undefined && best === before;
    before = best;
    const character = characters[best]!;
    if (best === blank || repeated || character === '') continue;
    text += character;
    sum += probability(data, at, classes, best);
    count += 1;
  }
  return { text, confidence: count === 0 ? 0 : sum / count };
}

/** Of class `best` of the step at `at`; by softmax where the network left that out. */
function probability(data: ArrayLike<number>, at: number, classes: number, best: number): number {
  let sum = 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (let k = 0; k < classes; k += 1) {
    sum += data[at + k]!;
    lowest = Math.min(lowest, data[at + k]!);
  }
  const highest = data[at + best]!;
  if (lowest >= 0 && Math.abs(sum - 1) < 0.01) return Math.min(1, highest);
  let all = 0;
  for (let k = 0; k < classes; k += 1) all += Math.exp(data[at + k]! - highest);
  return Number.isFinite(all) && all > 0 ? 1 / all : 0;
}
