import { type KettleHabit, type KettleUse, kettleUses, learnKettle, shortLoads } from './kettle.rules.ts';
import {
  heatings,
  learnMachines,
  type MachineHabit,
  type MachineUse,
  machineUses,
  type SeenCycle,
  seenCycle,
} from './machines.rules.ts';
import { pulses } from './pulses.rules.ts';

export const appliances = {
  kettle: 'Kettle',
  washing_machine: 'Washing machine',
  dishwasher: 'Dishwasher',
} as const;

export type Appliance = keyof typeof appliances;

/** One use of an appliance that was recognised in the power of the whole house; no meter of its own was asked. */
export interface ApplianceEvent {
  readonly appliance: Appliance;
  /** Epoch ms. A machine is seen from its first heating on, so it began up to a quarter of an hour earlier. */
  readonly from: number;
  /** Epoch ms, exclusive. */
  readonly to: number;
  /** Above what ran beside it; of a machine only what its heater used. */
  readonly wh: number;
  /** 0 to 1. */
  readonly confidence: number;
  /** Why it is believed, as a sentence. */
  readonly text: string;
}

/** What watching a home leaves behind: plain data, bounded, safe to keep as JSON. */
export interface ApplianceState {
  /** Epoch ms of the first of `power`. */
  readonly from: number;
  /** W by the minute, null where not measured; at most `windowMin` of them. */
  readonly power: readonly (number | null)[];
  /** W of the short loads of the past weeks, newest last. */
  readonly loads: readonly number[];
  /** Machine cycles of the past weeks, newest last. */
  readonly cycles: readonly SeenCycle[];
  /** Epoch ms up to which each appliance has been told of. */
  readonly told: Readonly<Record<Appliance, number>>;
  /** Epoch ms at which the rules looked last: what had settled by then has been judged. */
  readonly looked: number;
}

export const unwatched: ApplianceState = {
  from: 0,
  power: [],
  loads: [],
  cycles: [],
  told: { kettle: 0, washing_machine: 0, dishwasher: 0 },
  looked: 0,
};

const minuteMs = 60_000;
/** The longest cycle with what must be seen before and after it. */
const windowMin = 420;
/** How long after its end a use is settled: until then more of it, or of a row of others, may follow. */
const settleMin = { kettle: 10, washing_machine: 45, dishwasher: 62 } as const;
/** The rules look at the window every few minutes; nothing is lost by it. */
const everyMin = 5;
const kept = { loads: 400, cycles: 60 } as const;

const watt = (w: number) => `${(w / 1000).toFixed(1)} kW`;
const round = (n: number) => Math.round(n);

function kettleText({ start, end, watts, clean }: KettleUse, habit: KettleHabit): string {
  const minutes = end - start;
  if (habit.watts === undefined) return `up by ${watt(watts)} for ${minutes} min and down by as much`;
  const own = `this home's kettle of ${watt(habit.watts)}`;
  if (!clean) return `${watt(watts)} more for ${minutes} min beside other things that switched, like ${own}`;
  return watts < 0.9 * habit.watts
    ? `up and down within ${minutes} min by as much energy as a short boil of ${own}`
    : `up by ${watt(watts)} for ${minutes} min and down by as much, like ${own}`;
}

function machineText(use: MachineUse): string {
  const heats = use.blocks.map((b) => `${b.end - b.start} min`).join(', ');
  const at = watt(use.blocks[0]?.watts ?? 0);
  if (use.appliance === 'dishwasher') {
    const gaps = seenCycle(use).gaps.map((gap) => `${gap} min`);
    return `heated ${use.blocks.length} times at ${at} (${heats}) with a steady pause of ${gaps.join(' and ')}`;
  }
  return `heated at ${at} for ${heats}, then moved by about ${round(use.motion)} W from minute to minute like a drum`;
}

function machineConfidence(use: MachineUse, habit: MachineHabit): number {
  if (use.appliance === 'dishwasher')
    return habit.dishwasher === undefined ? (use.blocks.length > 2 ? 0.85 : 0.7) : 0.95;
  return habit.washing === undefined ? 0.7 : 0.9;
}

/** A stretch of minutes of the window, as indices. */
interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** Minutes that a meter may miss without anything being lost: they count as the lower of their neighbours. */
const bridgedMin = 3;

function bridged(power: readonly (number | null)[]): number[] {
  const filled = power.map((w) => w ?? Number.NaN);
  for (let i = 1; i < filled.length; i += 1) {
    if (!Number.isNaN(filled[i])) continue;
    const length = power.slice(i).findIndex((w) => w !== null);
    if (length === -1) break;
    if (length <= bridgedMin)
      filled.fill(Math.min(filled[i - 1] ?? Number.NaN, filled[i + length] ?? Number.NaN), i, i + length);
    i += length;
  }
  return filled;
}

/** Uses in the window that are settled and were not told of yet. Learns from the window on the way. */
function look(state: ApplianceState): { state: ApplianceState; events: ApplianceEvent[] } {
  const power = bridged(state.power);
  const time = (minute: number) => state.from + minute * minuteMs;
  const now = time(power.length);
  // Each use is judged once, when it settles: later its beginnings slide out of the window.
  const isDue = ({ end }: Stretch, appliance: Appliance) => {
    const settledAt = time(end) + settleMin[appliance] * minuteMs;
    return settledAt <= now && settledAt > state.looked;
  };
  const told = { ...state.told };
  const events: ApplianceEvent[] = [];
  const tell = (
    appliance: Appliance,
    at: Stretch,
    rest: Pick<ApplianceEvent, 'wh' | 'confidence' | 'text'>,
  ) => {
    told[appliance] = time(at.end);
    events.push({ appliance, from: time(at.start), to: time(at.end), ...rest });
  };

  const found = pulses(power);
  const loads = [...state.loads];
  for (const p of shortLoads(found)) {
    const at = { start: p.start, end: p.start + p.minutes };
    if (isDue(at, 'kettle')) loads.push(round(p.watts));
  }
  const kettle = learnKettle(loads);
  for (const use of kettleUses(power, kettle, found))
    if (isDue(use, 'kettle') && time(use.start) >= told.kettle)
      tell('kettle', use, {
        wh: use.wh,
        confidence: kettle.watts === undefined ? 0.7 : use.clean ? 0.95 : 0.9,
        text: kettleText(use, kettle),
      });

  const cycles = [...state.cycles];
  const heated = heatings(power);
  for (const use of machineUses(heated)) if (isDue(use, use.appliance)) cycles.push(seenCycle(use));
  const machines = learnMachines(cycles);
  for (const use of machineUses(heated, machines))
    if (isDue(use, use.appliance) && time(use.start) >= told[use.appliance])
      tell(use.appliance, use, {
        wh: use.blocks.reduce((sum, b) => sum + (b.watts * (b.end - b.start)) / 60, 0),
        confidence: machineConfidence(use, machines),
        text: machineText(use),
      });
  return {
    state: {
      ...state,
      loads: loads.slice(-kept.loads),
      cycles: cycles.slice(-kept.cycles),
      told,
      looked: now,
    },
    events: events.toSorted((a, b) => a.from - b.from),
  };
}

/**
 * Adds the mean power (W) of the whole house over the minute that holds `at` (epoch ms); NaN where it was not
 * measured. Gives the uses that have settled by it, oldest first: a kettle about ten minutes after it, a machine about
 * an hour after. A minute that is not newer than the last one is ignored.
 */
export function watchMinute(
  state: ApplianceState,
  at: number,
  watts: number,
): { readonly state: ApplianceState; readonly events: readonly ApplianceEvent[] } {
  const minute = Math.floor(at / minuteMs) * minuteMs;
  const next = state.from + state.power.length * minuteMs;
  // A clock that was set back by more than the window starts a new record.
  if (state.power.length > 0 && minute < next - windowMin * minuteMs)
    return watchMinute(onlyLearned(state), at, watts);
  if (state.power.length > 0 && minute < next) return { state, events: [] };
  const missing = state.power.length === 0 ? 0 : (minute - next) / minuteMs;
  const value = Number.isFinite(watts) ? Math.round(watts * 10) / 10 : null;
  if (state.power.length === 0 || missing > windowMin / 2)
    return { state: { ...state, from: minute, power: [value] }, events: [] };
  const power = [...state.power, ...Array.from({ length: missing }, () => null), value];
  const over = Math.max(0, power.length - windowMin);
  const grown = { ...state, from: state.from + over * minuteMs, power: power.slice(over) };
  return missing > 0 || (minute / minuteMs) % everyMin === 0 ? look(grown) : { state: grown, events: [] };
}

/** Watches a whole record, `[at, W]` by the minute. What the state has learned before helps from the first minute on. */
export function watchAll(
  samples: Iterable<readonly [at: number, watts: number]>,
  start: ApplianceState = unwatched,
): { readonly state: ApplianceState; readonly events: readonly ApplianceEvent[] } {
  let state = start;
  const events: ApplianceEvent[] = [];
  for (const [at, watts] of samples) {
    const step = watchMinute(state, at, watts);
    state = step.state;
    events.push(...step.events);
  }
  return { state, events };
}

/** What a home has shown so far, without the place in its record: for watching another record of the same home. */
export function onlyLearned(state: ApplianceState): ApplianceState {
  return { ...unwatched, loads: state.loads, cycles: state.cycles };
}
