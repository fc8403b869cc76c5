import type { EntityAnswer, EntityState } from '#platform/homeassistant/model.ts';
import type { Quantity } from '../../model.ts';
import { factorOf } from '../shared/units.rules.ts';

/** What a `device_class` of Home Assistant is here. */
const classes: Readonly<Record<string, Quantity>> = {
  power: 'power_watts',
  energy: 'energy_wh',
  voltage: 'voltage_volts',
  current: 'current_amps',
  frequency: 'frequency_hertz',
  apparent_power: 'apparent_power_va',
  reactive_power: 'reactive_power_var',
  power_factor: 'power_factor',
};

/** What is taken without being named: the rest would fill the house with batteries and phases. */
const automatic: ReadonlySet<string> = new Set(['power', 'energy', 'voltage', 'current']);

export interface Measurement {
  readonly quantity: Quantity;
  /** The state times this is the value in our unit. */
  readonly factor: number;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

export const unitOf = (state: EntityState): string => text(state.attributes['unit_of_measurement']);

/** What the entity measures, as `quantity` or as its own attributes say; undefined when it is none of ours or its unit does not fit. */
export function measurementOf(state: EntityState, quantity?: Quantity): Measurement | undefined {
  const own = text(state.attributes['device_class']);
  const meant = quantity ?? (Object.hasOwn(classes, own) ? classes[own] : undefined);
  if (meant === undefined) return undefined;
  const factor = factorOf(meant, unitOf(state));
  return factor === undefined ? undefined : { quantity: meant, factor };
}

/** Whether `auto` may take it: a sensor of power, energy, voltage or current; of energy only counters. */
export function isAutomatic(state: EntityState): boolean {
  const own = text(state.attributes['device_class']);
  const counts = own !== 'energy' || /^total(_increasing)?$/.test(text(state.attributes['state_class']));
  return (
    state.entity.startsWith('sensor.') && automatic.has(own) && counts && measurementOf(state) !== undefined
  );
}

/** The value in our unit; undefined when the entity says nothing (unavailable, unknown, no number). Never 0 instead. */
export function valueOf(answer: EntityAnswer | undefined, factor: number): number | undefined {
  if (answer === undefined || 'missing' in answer) return undefined;
  if (!/^\s*[-+]?[\d.]+(e[-+]?\d+)?\s*$/i.test(answer.state)) return undefined;
  const value = Number(answer.state);
  if (!Number.isFinite(value)) return undefined;
  return factor === 1 ? value : Number((value * factor).toPrecision(12));
}

/** 1 and 0 of a switch; undefined when it is neither on nor off. */
export function isOn(answer: EntityAnswer | undefined): number | undefined {
  if (answer === undefined || 'missing' in answer) return undefined;
  return { on: 1, off: 0 }[answer.state];
}

const measuringWords =
  /[_ ]+(power|energy|voltage|current|consumption|consumed|total|today|daily|yesterday|weekly|monthly|yearly|this|week|month|year|now|usage|meter|sensor|wh|kwh)$/i;

/** The words before those of measuring: `plug_3` of `sensor.plug_3_energy_total`, `Plug 3` of `Plug 3 Power`. */
export function stem(name: string): string {
  const own = name.replace(/^[a-z_]+\./, '');
  const shorter = own.replace(measuringWords, '');
  return shorter === own || shorter === '' ? own : stem(shorter);
}

/** A counter that starts again each day, week or month; a total is better where there is one. */
export const startsAgain = (entity: string) => /today|daily|yesterday|week|month|year|hourly/.test(entity);
