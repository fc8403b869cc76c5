import type { Buffer } from 'node:buffer';
import { quantities, type Quantity, type Values } from '../../model.ts';
import type { Block } from './plan.rules.ts';
import { ofPhase, type Phase, type Register } from './template.model.ts';
import { decodeValue, types } from './value.codec.ts';

/** What a meter said in one poll, by the names of its template. */
export type Readings = ReadonlyMap<string, number>;

const names = Object.keys(quantities) as Quantity[];

/** Decimal fractions stay decimal: 0.1 kWh is 100 Wh, not 100.00000000000001. */
const scaled = (raw: number, factor: number) => (factor === 1 ? raw : Number((raw * factor).toPrecision(12)));

/** The values of one reply. What the meter marks as not measured (NaN, infinity, a value of `missing`) is left out. */
export function readingsOf(block: Block, data: Buffer): [string, number][] {
  return block.registers.flatMap((register): [string, number][] => {
    const from = (register.at - block.start) * 2;
    const raw = decodeValue(
      register.type,
      register.order,
      data.subarray(from, from + types[register.type] * 2),
    );
    if (!Number.isFinite(raw) || register.missing.includes(raw)) return [];
    return [[register.quantity, scaled(raw, register.factor) + 0]];
  });
}

/** The registers that a unit needs: all phases together when it has a name, single phases when circuits are made of them. */
export function wantedRegisters(
  registers: readonly Register[],
  whole: boolean,
  split: readonly Phase[],
): Register[] {
  const wanted = new Set([
    ...(whole ? names : []),
    ...split.flatMap((phase) => names.flatMap((quantity) => ofPhase(quantity, phase) ?? [])),
  ] as string[]);
  return registers.filter((r) => wanted.has(r.quantity));
}

/** The meter as one circuit. */
export function wholeValues(readings: Readings, invert: boolean): Values {
  return turned(
    pick(readings, (quantity) => quantity),
    invert,
  );
}

/** One phase of the meter as a circuit of its own. */
export function phaseValues(readings: Readings, phase: Phase, invert: boolean): Values {
  return turned(
    pick(readings, (quantity) => ofPhase(quantity, phase)),
    invert,
  );
}

function pick(readings: Readings, from: (quantity: Quantity) => string | undefined): Values {
  return Object.fromEntries(
    names.flatMap((quantity) => {
      const value = readings.get(from(quantity) ?? '');
      return value === undefined ? [] : [[quantity, value]];
    }),
  );
}

const signed = /^(power|reactive_power)_/;

/** As if the current transformer were turned round: signs change, and what was drawn was fed in. */
function turned(values: Values, invert: boolean): Values {
  if (!invert) return values;
  const { energy_wh, export_wh, ...others } = values;
  return {
    ...Object.fromEntries(Object.entries(others).map(([name, v]) => [name, signed.test(name) ? 0 - v : v])),
    ...(export_wh !== undefined && { energy_wh: export_wh }),
    ...(energy_wh !== undefined && { export_wh: energy_wh }),
  };
}
