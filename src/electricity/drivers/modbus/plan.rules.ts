import type { ReadFunction } from './codec.ts';
import type { Register, Template } from './template.model.ts';
import { types } from './value.codec.ts';

/** One request, and the registers of the template that its reply holds. */
export interface Block {
  readonly fn: ReadFunction;
  readonly start: number;
  readonly count: number;
  readonly registers: readonly Register[];
}

const endOf = (register: Register) => register.at + types[register.type];

/** The request for one register alone. */
export function single(register: Register): Block {
  return { fn: register.fn, start: register.at, count: types[register.type], registers: [register] };
}

/**
 * The fewest requests that read all of `wanted`: neighbours go into one block while it stays within the template's
 * `maxBlock` and no gap of unwanted registers is wider than its `maxGap`.
 */
export function planReads(
  wanted: readonly Register[],
  limits: Pick<Template, 'maxBlock' | 'maxGap'>,
): Block[] {
  const blocks: Block[] = [];
  for (const register of wanted.toSorted((a, b) => a.fn - b.fn || a.at - b.at)) {
    const last = blocks.at(-1);
    const end = last === undefined ? 0 : last.start + last.count;
    const fits =
      last !== undefined &&
      last.fn === register.fn &&
      register.at - end <= limits.maxGap &&
      Math.max(end, endOf(register)) - last.start <= limits.maxBlock;
    if (!fits) {
      blocks.push(single(register));
      continue;
    }
    const count = Math.max(end, endOf(register)) - last.start;
    blocks.splice(-1, 1, { ...last, count, registers: [...last.registers, register] });
  }
  return blocks;
}
