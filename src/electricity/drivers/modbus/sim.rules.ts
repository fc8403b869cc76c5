import { Buffer } from 'node:buffer';
import type { ReadFunction } from './codec.ts';
import type { Counted } from '../shared/sim-meter.ts';
import { phases, type Register, type Template } from './template.model.ts';
import { encodeValue, types } from './value.codec.ts';

const mainsVolts = 230;
/** Volts that the line loses for each watt. */
const drop = 0.0005;
const powerFactor = 0.97;
/** How the load lies on the phases of a three-phase meter. */
const shares = { l1: 0.5, l2: 0.3, l3: 0.2 } as const;

function circuit(watts: number): Record<string, number> {
  const volts = mainsVolts - watts * drop;
  const va = Math.abs(watts) / powerFactor;
  return {
    power_watts: watts,
    voltage_volts: volts,
    current_amps: va / volts,
    apparent_power_va: va,
    reactive_power_var: Math.sqrt(va ** 2 - watts ** 2),
    power_factor: watts === 0 ? 1 : powerFactor,
  };
}

/** Every value that a meter with this load shows, by the names of templates. */
export function shownValues(watts: number, counted: Counted): ReadonlyMap<string, number> {
  const all = new Map<string, number>([
    ...Object.entries(circuit(watts)),
    ['frequency_hertz', 50],
    ['energy_wh', counted.energyWh],
    ['export_wh', counted.exportWh],
    ['current_n_amps', 0],
  ]);
  for (const phase of phases) {
    const share = shares[phase];
    for (const [name, value] of Object.entries(circuit(watts * share)))
      all.set(
        name === 'power_factor' ? `${name}_${phase}` : name.replace(/_([a-z]+)$/, `_${phase}_$1`),
        value,
      );
    all.set(`energy_${phase}_wh`, counted.energyWh * share);
    all.set(`export_${phase}_wh`, counted.exportWh * share);
  }
  return all;
}

/** The registers as the meter keeps them, each word by function and address. */
export function memoryOf(
  template: Template,
  values: ReadonlyMap<string, number>,
): ReadonlyMap<number, number> {
  const memory = new Map<number, number>();
  for (const register of template.registers) {
    const words = wordsOf(register, values.get(register.quantity) ?? 0);
    for (let i = 0; i < words.length / 2; i += 1)
      memory.set(cell(register.fn, register.at + i), words.readUInt16BE(i * 2));
  }
  return memory;
}

/** Where a word lies: holding and input registers are two worlds. */
export const cell = (fn: ReadFunction, address: number) => fn * 0x10000 + address;

function wordsOf({ type, order, factor }: Register, value: number): Buffer {
  const raw = value / factor;
  if (type === 'float32') return encodeValue(type, order, raw);
  const bits = types[type] * 16;
  const signed = type.startsWith('int');
  const top = 2 ** (signed ? bits - 1 : bits);
  // The highest doubles below 2^63 and 2^64 are further from them than 1.
  const most = bits === 64 ? Number.MAX_SAFE_INTEGER : top - 1;
  return encodeValue(type, order, Math.min(most, Math.max(signed ? -top : 0, Math.round(raw))));
}

/** A reply body: unit, function, byte count, registers. */
export function readBody(unit: number, fn: number, words: readonly number[]): Buffer {
  const body = Buffer.alloc(3 + words.length * 2);
  body.set([unit, fn, words.length * 2]);
  for (const [i, word] of words.entries()) body.writeUInt16BE(word, 3 + i * 2);
  return body;
}
