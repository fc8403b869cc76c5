import type { Observation } from '#cctv/index.ts';
import type { Situation } from '../model.ts';
import type { Operator } from './conditions.config.ts';
import type { AlertRule } from './config.ts';
import type { Memory, Present, Told } from './memory.rules.ts';
import { wallAt, type Wall } from './wall.rules.ts';

/** All that a gate may look at. */
export interface Context {
  readonly rule: AlertRule;
  readonly o: Observation;
  readonly situation: Situation;
  readonly memory: Memory;
  /** The object as the memory has it; absent once it is out of sight. */
  readonly present: Present | undefined;
  readonly told: Told | undefined;
  /** Zones of the rule in which it stands, in the order of the rule. */
  readonly zones: readonly string[];
}

/** One gate: what the rule must have for it to exist, whether it lets pass, and what it saw in words. */
export interface Check {
  readonly gate: string;
  readonly wanted: (rule: AlertRule) => boolean;
  readonly passes: (c: Context) => boolean;
  readonly text: (c: Context) => string;
}

export const wallOf = ({ o, situation }: Context): Wall => wallAt(o.at, situation.timeZone);

const compared: Readonly<Record<Operator, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

// Sums of fractions miss a round value by a hair; a millionth is nobody's boundary.
const exact = (n: number) => Math.round(n * 1e6) / 1e6;

export const compare = (a: number, operator: Operator, b: number) => compared[operator](exact(a), exact(b));

/** `4.2`, `12` */
export const short = (n: number) => String(Math.round(n * 10) / 10);

/** `gate, porch or drive` */
export function anyOf(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

/** `alex, sam and kim` */
export function allOf(names: readonly string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
