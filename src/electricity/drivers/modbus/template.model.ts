import { distance } from 'fastest-levenshtein';
import { z } from 'zod';
import { quantities, type Quantity } from '../../model.ts';
import { factorOf, units, unitsOf } from '../shared/units.rules.ts';
import { mostRegisters, type ReadFunction } from './codec.ts';
import { orders, types, type Order, type ValueType } from './value.codec.ts';

export const phases = ['l1', 'l2', 'l3'] as const;
export type Phase = (typeof phases)[number];

/** What only a phase of its own can say: it is read when the settings make a circuit of that phase. */
const phaseQuantities = {
  energy_wh: 'energy_%_wh',
  export_wh: 'export_%_wh',
  apparent_power_va: 'apparent_power_%_va',
  reactive_power_var: 'reactive_power_%_var',
  power_factor: 'power_factor_%',
} as const;

/** Under which name the template knows a quantity of one phase; undefined where a phase has none of its own. */
export function ofPhase(quantity: Quantity, phase: Phase): string | undefined {
  const own: Partial<Record<Quantity, string>> = {
    ...phaseQuantities,
    power_watts: 'power_%_watts',
    voltage_volts: 'voltage_%_volts',
    current_amps: 'current_%_amps',
    // One grid, one frequency.
    frequency_hertz: 'frequency_hertz',
  };
  return own[quantity]?.replace('%', phase);
}

/** Every name that a register of a template may have. */
export const measurable: ReadonlySet<string> = new Set([
  ...Object.keys(quantities),
  ...phases.flatMap((phase) => Object.values(phaseQuantities).map((name) => name.replace('%', phase))),
]);

/** One value of the meter, complete: nothing is left to defaults. */
export interface Register {
  /** Address on the wire. */
  readonly at: number;
  readonly fn: ReadFunction;
  readonly type: ValueType;
  readonly order: Order;
  /** A quantity of the model, or one of a single phase. */
  readonly quantity: string;
  /** Raw value times this is the value in W, Wh, V, A, VA, var, Hz. */
  readonly factor: number;
  /** Raw values that mean "not measured". */
  readonly missing: readonly number[];
}

export interface Template {
  readonly name: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly phases: 1 | 3;
  /** Registers in one request at most. */
  readonly maxBlock: number;
  /** Registers that may be read for nothing between two that are wanted. */
  readonly maxGap: number;
  readonly registers: readonly Register[];
}

const quantity = z.string().superRefine((name, context) => {
  if (measurable.has(name)) return;
  const near = [...measurable].toSorted((a, b) => distance(a, name) - distance(b, name))[0];
  context.addIssue({ code: 'custom', message: `unknown quantity; did you mean ${near}?` });
});
const order = z.enum(orders);
const type = z.enum(Object.keys(types) as [ValueType, ...ValueType[]]);
const fn = z.union([z.literal(3), z.literal(4)], {
  error: 'expected 3 (holding registers) or 4 (input registers)',
});
const missing = z.union([z.number(), z.array(z.number())]);

const registerFile = z
  .strictObject({
    at: z.number().int().min(0).max(0xffff),
    quantity,
    unit: z
      .enum(Object.values(units).flatMap((family) => Object.keys(family)) as [string, ...string[]])
      .optional(),
    scale: z
      .number()
      .refine((n) => n !== 0, 'a scale of 0 makes every value 0')
      .default(1),
    function: fn.optional(),
    type: type.optional(),
    order: order.optional(),
    missing: missing.optional(),
  })
  .superRefine((row, context) => {
    if (row.unit === undefined || factorOf(row.quantity, row.unit) !== undefined) return;
    const fitting = Object.keys(unitsOf(row.quantity) ?? {}).join(', ');
    const message = `${row.unit} does not fit ${row.quantity}; expected ${fitting}`;
    context.addIssue({ code: 'custom', path: ['unit'], message });
  });

/** A template as people write it; `docs/modbus-templates.md` explains each key. */
export const templateFile = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'expected small letters, digits and dashes, like sdm630'),
    manufacturer: z.string().min(1).max(64),
    model: z.string().min(1).max(64),
    source: z.string().min(1),
    phases: z.union([z.literal(1), z.literal(3)], { error: 'expected 1 or 3' }),
    function: fn,
    type: type.default('float32'),
    order: order.default('ABCD'),
    missing: missing.optional(),
    max_block: z.number().int().min(1).max(mostRegisters).default(60),
    max_gap: z.number().int().min(0).max(mostRegisters).default(12),
    registers: z.array(registerFile).min(1),
  })
  .superRefine((file, context) => {
    const seen = new Set<string>();
    for (const [index, row] of file.registers.entries()) {
      if (seen.has(row.quantity))
        context.addIssue({
          code: 'custom',
          path: ['registers', index, 'quantity'],
          message: `${row.quantity} is given twice; keep one of them`,
        });
      seen.add(row.quantity);
      const wide = types[row.type ?? file.type];
      if (wide <= file.max_block) continue;
      const message = `one ${row.type ?? file.type} takes ${wide} registers; max_block must be at least that`;
      context.addIssue({ code: 'custom', path: ['max_block'], message });
    }
  });

/** The file with every default applied to every register. */
export function complete(file: z.infer<typeof templateFile>): Template {
  const many = (value: number | readonly number[] | undefined) =>
    typeof value === 'number' ? [value] : (value ?? []);
  return {
    name: file.name,
    manufacturer: file.manufacturer,
    model: file.model,
    phases: file.phases,
    maxBlock: file.max_block,
    maxGap: file.max_gap,
    registers: file.registers.map((row) => ({
      at: row.at,
      fn: row.function ?? file.function,
      type: row.type ?? file.type,
      order: row.order ?? file.order,
      quantity: row.quantity,
      factor: row.scale * (row.unit === undefined ? 1 : (factorOf(row.quantity, row.unit) ?? 1)),
      missing: many(row.missing ?? file.missing),
    })),
  };
}
