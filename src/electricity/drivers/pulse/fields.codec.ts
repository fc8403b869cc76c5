import type { Fields, Report } from './model.ts';

/** How the sender calls its values, where settings say so. */
export interface FieldNames {
  readonly total?: string | undefined;
  readonly power?: string | undefined;
  readonly energy?: string | undefined;
  readonly energy_kwh?: string | undefined;
}

/** Names that firmware of emoncms and Influx senders commonly uses; upper and lower case are the same. */
const usual: Readonly<Record<keyof FieldNames, readonly string[]>> = {
  total: ['total_pulses', 'pulses', 'pulse', 'pulse_count', 'pulsecount', 'count', 'counter', 'total'],
  power: ['power_watts', 'power', 'watts', 'power1', 'w', 'p'],
  energy: ['energy_wh', 'wh'],
  energy_kwh: ['energy_kwh', 'kwh', 'total_kwh'],
};

/** What a message without fixed names says; undefined when none of its fields is one that we read. */
export function readFields({ values, at, ageMs }: Fields, names: FieldNames): Report | undefined {
  const lower = new Map([...values].map(([key, value]) => [key.toLowerCase(), value]));
  const find = (key: keyof FieldNames): number | undefined => {
    const named = names[key];
    const found = named === undefined ? usual[key].find((name) => lower.has(name)) : named.toLowerCase();
    const value = found === undefined ? undefined : lower.get(found);
    return value !== undefined && Number.isFinite(value) ? value : undefined;
  };
  const amount = (value: number | undefined) => (value !== undefined && value >= 0 ? value : undefined);
  const total = amount(find('total'));
  const kwh = amount(find('energy_kwh'));
  const totalWh = amount(find('energy')) ?? (kwh === undefined ? undefined : kwh * 1_000);
  const watts = find('power');
  if (total === undefined && totalWh === undefined && watts === undefined) return undefined;
  return { at, ageMs, watts, ...(total === undefined ? { totalWh } : { total }) };
}
