import { SimMeter, type PowerAt } from '../shared/sim-meter.ts';

/** What a simulated device looks like at one instant. */
export interface SimState {
  readonly mac: string;
  readonly name: string | null;
  /** Epoch seconds of its clock; null while it never had the time. */
  readonly unixtime: number | null;
  readonly uptime: number;
  readonly revision: number;
  readonly volts: number;
  readonly auth: boolean;
  /** Epoch ms of the simulation, for its memory. */
  readonly now: number;
  readonly outputs: readonly boolean[];
  readonly meters: readonly SimMeter[];
  readonly watts: readonly number[];
  readonly errors: readonly string[];
}

export interface SimModel {
  readonly gen: number;
  readonly code: string;
  readonly app: string;
  readonly meters: number;
  readonly outputs: number;
  /** Whether switching output 0 off stops what meter 0 counts; energy clamps go on. */
  readonly switched: boolean;
  readonly config: (state: SimState) => Record<string, unknown>;
  readonly status: (state: SimState) => Record<string, unknown>;
}

const round = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;
const letters = ['a', 'b', 'c'] as const;
const each = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));
const amps = (watts: number, volts: number) => round(Math.abs(watts) / volts, 3);

function energy(state: SimState, index: number) {
  const meter = state.meters[index] ?? new SimMeter(() => 0, 0);
  const recent = [1, 2, 3].map((back) => meter.minuteBefore(state.now, back));
  const stamp = state.unixtime === null ? {} : { minute_ts: Math.floor(state.unixtime / 60) * 60 };
  return {
    aenergy: {
      total: round(meter.wh + meter.exportWh, 3),
      by_minute: recent.map((m) => round((m.wh + m.exportWh) * 1000, 3)),
      ...stamp,
    },
    ret_aenergy: {
      total: round(meter.exportWh, 3),
      by_minute: recent.map((m) => round(m.exportWh * 1000, 3)),
      ...stamp,
    },
  };
}

function measuring(state: SimState, index: number) {
  const watts = state.watts[index] ?? 0;
  return {
    id: index,
    apower: round(watts, 1),
    voltage: state.volts,
    freq: 50,
    current: amps(watts, state.volts),
    ...energy(state, index),
    ...(state.errors.length > 0 && { errors: state.errors }),
  };
}

const switches = (count: number) => (state: SimState) =>
  Object.fromEntries(
    each(count, (i) => [`switch:${i}`, { ...measuring(state, i), output: state.outputs[i], source: 'init' }]),
  );

function onePhase(state: SimState, index: number): Record<string, unknown> {
  const watts = state.watts[index] ?? 0;
  const meter = state.meters[index] ?? new SimMeter(() => 0, 0);
  return {
    [`em1:${index}`]: {
      id: index,
      current: amps(watts, state.volts),
      voltage: state.volts,
      act_power: round(watts, 1),
      aprt_power: round(Math.abs(watts), 1),
      pf: 1,
      freq: 50,
      calibration: 'factory',
    },
    [`em1data:${index}`]: {
      id: index,
      total_act_energy: round(meter.wh, 2),
      total_act_ret_energy: round(meter.exportWh, 2),
    },
  };
}

function threePhase(state: SimState): Record<string, unknown> {
  const { watts, volts, meters } = state;
  const phase = letters.map((letter, i) => ({
    [`${letter}_current`]: amps(watts[i] ?? 0, volts),
    [`${letter}_voltage`]: volts,
    [`${letter}_act_power`]: round(watts[i] ?? 0, 1),
    [`${letter}_aprt_power`]: round(Math.abs(watts[i] ?? 0), 1),
    [`${letter}_pf`]: 1,
    [`${letter}_freq`]: 50,
  }));
  const total = watts.reduce((a, b) => a + b, 0);
  const counters = letters.map((letter, i) => ({
    [`${letter}_total_act_energy`]: round(meters[i]?.wh ?? 0, 2),
    [`${letter}_total_act_ret_energy`]: round(meters[i]?.exportWh ?? 0, 2),
  }));
  return {
    'em:0': {
      id: 0,
      ...Object.assign({}, ...phase),
      n_current: null,
      total_current: round(
        watts.reduce((a, w) => a + amps(w, volts), 0),
        3,
      ),
      total_act_power: round(total, 3),
      total_aprt_power: round(
        watts.reduce((a, w) => a + Math.abs(w), 0),
        3,
      ),
      user_calibrated_phase: [],
      ...(state.errors.length > 0 && { errors: state.errors }),
    },
    'emdata:0': {
      id: 0,
      ...Object.assign({}, ...counters),
      total_act: round(
        meters.reduce((a, m) => a + m.wh, 0),
        2,
      ),
      total_act_ret: round(
        meters.reduce((a, m) => a + m.exportWh, 0),
        2,
      ),
    },
  };
}

/** Names in the configuration for components of a status. */
function gen2(
  code: string,
  app: string,
  parts: Pick<SimModel, 'meters' | 'outputs' | 'switched'> & { gen?: number },
  components: (state: SimState) => Record<string, unknown>,
): SimModel {
  return {
    gen: parts.gen ?? 2,
    code,
    app,
    ...parts,
    config: (state) => ({
      ...Object.fromEntries(Object.keys(components(state)).map((key) => [key, { name: null }])),
      sys: { cfg_rev: state.revision, device: { name: state.name, mac: state.mac } },
    }),
    status: (state) => ({
      ...components(state),
      cloud: { connected: false },
      sys: {
        mac: state.mac,
        unixtime: state.unixtime,
        time: state.unixtime === null ? null : '12:00',
        uptime: state.uptime,
        cfg_rev: state.revision,
        restart_required: false,
      },
    }),
  };
}

type Gen1Parts = (state: SimState) => { settings: Record<string, unknown>; status: Record<string, unknown> };

function gen1(
  code: string,
  parts: Pick<SimModel, 'meters' | 'outputs' | 'switched'>,
  make: Gen1Parts,
): SimModel {
  return {
    gen: 1,
    code,
    app: code,
    ...parts,
    config: (state) => ({
      device: { type: code, mac: state.mac },
      name: state.name,
      fw: '20230913-113421/v1.14.0-gcb84623',
      ...make(state).settings,
    }),
    status: (state) => ({
      mac: state.mac,
      unixtime: state.unixtime ?? 0,
      uptime: state.uptime,
      cfg_changed_cnt: state.revision,
      overtemperature: state.errors.includes('overtemp'),
      ...make(state).status,
    }),
  };
}

const relays = (state: SimState) =>
  state.outputs.map((ison) => ({ ison, overpower: state.errors.includes('overpower'), source: 'http' }));

const meteredRelays: Gen1Parts = (state) => ({
  settings: { relays: state.outputs.map(() => ({ name: null })) },
  status: {
    relays: relays(state),
    meters: state.meters.map((meter, i) => ({
      power: round(state.watts[i] ?? 0, 2),
      is_valid: true,
      // Whole watt-minutes.
      total: Math.floor(meter.wh * 60 + 1e-6),
      counters: [1, 2, 3].map((back) => round(meter.minuteBefore(state.now, back).wh * 60, 3)),
    })),
  },
});

const clamps: Gen1Parts = (state) => ({
  settings: {
    relays: state.outputs.map(() => ({ name: null })),
    emeters: state.meters.map(() => ({ name: null })),
  },
  status: {
    relays: relays(state),
    emeters: state.meters.map((meter, i) => ({
      power: round(state.watts[i] ?? 0, 2),
      pf: 1,
      current: amps(state.watts[i] ?? 0, state.volts),
      voltage: state.volts,
      is_valid: true,
      total: round(meter.wh, 1),
      total_returned: round(meter.exportWh, 1),
    })),
    total_power: round(
      state.watts.reduce((a, b) => a + b, 0),
      2,
    ),
  },
});

const one = { meters: 1, outputs: 1, switched: true };

/** Models that can be simulated, by the name that the demo house uses. */
export const simModels = {
  'plug-s': gen1('SHPLG-S', one, meteredRelays),
  '1pm': gen1('SHSW-PM', one, meteredRelays),
  em: gen1('SHEM', { meters: 2, outputs: 1, switched: false }, clamps),
  '3em': gen1('SHEM-3', { meters: 3, outputs: 1, switched: false }, clamps),
  'plus-plug-s': gen2('SNPL-00112EU', 'PlusPlugS', one, switches(1)),
  'plus-1pm': gen2('SNSW-001P16EU', 'Plus1PM', one, switches(1)),
  'plus-2pm': gen2('SNSW-102P16EU', 'Plus2PM', { meters: 2, outputs: 2, switched: true }, switches(2)),
  'pm-mini': gen2(
    'S3PM-001PCEU16',
    'MiniPMG3',
    { gen: 3, meters: 1, outputs: 0, switched: false },
    (state) => ({
      'pm1:0': measuring(state, 0),
    }),
  ),
  'pro-em': gen2('SPEM-002CEBEU50', 'ProEM50', { meters: 2, outputs: 0, switched: false }, (state) => ({
    ...onePhase(state, 0),
    ...onePhase(state, 1),
  })),
  'pro-3em': gen2('SPEM-003CEBEU', 'Pro3EM', { meters: 3, outputs: 0, switched: false }, threePhase),
} as const satisfies Record<string, SimModel>;

export type SimModelName = keyof typeof simModels;

/** One profile per meter: a single one of a three-phase meter is spread evenly, that of others goes to the first. */
export function profiles(model: SimModel, power: PowerAt | readonly PowerAt[]): PowerAt[] {
  if (typeof power !== 'function') return each(model.meters, (i) => power[i] ?? (() => 0));
  if (model.meters === 3) return each(3, () => (at) => power(at) / 3);
  return each(model.meters, (i) => (i === 0 ? power : () => 0));
}
