import type { Quantity, Values } from '../../model.ts';
import type { PointMap } from './data-points.rules.ts';

// Mains between a brown-out in America and a surge in Europe.
const [lowestVolts, highestVolts] = [85, 265];
// Real power never exceeds volts times amperes; 5 % for the errors of cheap meters.
const mostPowerFactor = 1.05;
// No load of this size in a home has such a power factor; a tenth of the true power has.
const leastPowerFactor = 0.12;
const loadVa = 60;
const smallestAmps = 0.05;
const enoughPolls = 3;

/** Powers of ten by which the values of a device must be divided further, and how sure we are. Starts empty. */
export interface Scales {
  /** Decided: 1 means that the volts of the map must be divided by 10 more. */
  readonly volts: number;
  readonly watts: number;
  /** What the last polls in a row spoke for, and how many they were. */
  readonly candidate: { readonly volts: number; readonly watts: number; readonly polls: number } | undefined;
}

export const trusted: Scales = { volts: 0, watts: 0, candidate: undefined };

/**
 * Judges one poll by physics: volts must be those of a socket, and watts must fit volts times amperes.
 * A scale changes only after three polls in a row that call for the same one; a poll that says nothing changes nothing.
 */
export function judge(before: Scales, values: Values): Scales {
  const found = wanted(values);
  if (found === undefined) return before;
  const { volts, watts } = found;
  if (volts === before.volts && watts === before.watts)
    return before.candidate === undefined ? before : { ...before, candidate: undefined };
  const same = before.candidate?.volts === volts && before.candidate.watts === watts;
  const polls = same ? before.candidate!.polls + 1 : 1;
  return polls >= enoughPolls
    ? { volts, watts, candidate: undefined }
    : { ...before, candidate: { volts, watts, polls } };
}

/** The further powers of ten that make a poll plausible; undefined when it cannot tell. */
function wanted({ power_watts: p, voltage_volts: v, current_amps: i }: Values) {
  if (p === undefined || v === undefined || i === undefined || v <= 0) return undefined;
  const volts = [0, 1, -1, 2].find((e) => isMains(v / 10 ** e));
  if (volts === undefined || i < smallestAmps || p === 0) return undefined;
  const apparent = (v / 10 ** volts) * i;
  const factor = Math.abs(p) / apparent;
  // The smallest loads are within the noise of both meters.
  if (apparent < loadVa && factor <= mostPowerFactor) return undefined;
  if (factor > mostPowerFactor) {
    const watts = [1, 2, 3].find((e) => factor / 10 ** e <= mostPowerFactor);
    // Little current and much power: the current may be the wrong one.
    return watts === undefined || apparent < 10 ? undefined : { volts, watts };
  }
  if (factor < leastPowerFactor && factor * 10 > 0.5) return { volts, watts: -1 };
  return factor < leastPowerFactor ? undefined : { volts, watts: 0 };
}

const isMains = (volts: number) => volts >= lowestVolts && volts <= highestVolts;

/** The values with the decided scales. */
export function rescaled(values: Values, { volts, watts }: Scales): Values {
  const changed: Partial<Record<Quantity, number>> = { ...values };
  if (volts !== 0 && values.voltage_volts !== undefined)
    changed.voltage_volts = shift(values.voltage_volts, volts);
  if (watts !== 0 && values.power_watts !== undefined) changed.power_watts = shift(values.power_watts, watts);
  return changed;
}

const shift = (value: number, tens: number) => (tens > 0 ? value / 10 ** tens : value * 10 ** -tens);

/** Sentences for people about scales that were inferred. */
export function scaleNotes(map: PointMap, scales: Scales): string[] {
  const note = (quantity: 'voltage_volts' | 'power_watts', what: string, tens: number) => {
    const point = map.values[quantity];
    if (tens === 0 || point === undefined) return [];
    return [
      `the scale of ${what} was inferred: data point ${point.dp} divided by ${point.scale * 10 ** tens}, not ${point.scale} (power against volts times amperes); say so under dps if it is right`,
    ];
  };
  return [...note('voltage_volts', 'voltage', scales.volts), ...note('power_watts', 'power', scales.watts)];
}
