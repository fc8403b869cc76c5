import type { LaresError } from '#kernel/errors.ts';

/**
 * What a device can say about itself at one instant. The name is the last node of the series and carries the unit.
 * `energy_wh` and `export_wh` are the device's own counters: they may reset, wrap or be coarse, so they are never
 * published as they are; the ledger turns them into energy that only grows.
 */
export const quantities = {
  power_watts: { title: 'Power', unit: 'W' },
  voltage_volts: { title: 'Voltage', unit: 'V' },
  current_amps: { title: 'Current', unit: 'A' },
  is_on: { title: 'Switched on', unit: 'bool' },
  apparent_power_va: { title: 'Apparent power', unit: 'VA' },
  reactive_power_var: { title: 'Reactive power', unit: 'var' },
  power_factor: { title: 'Power factor', unit: 'ratio' },
  frequency_hertz: { title: 'Mains frequency', unit: 'Hz' },
  power_l1_watts: { title: 'Power of phase 1', unit: 'W' },
  power_l2_watts: { title: 'Power of phase 2', unit: 'W' },
  power_l3_watts: { title: 'Power of phase 3', unit: 'W' },
  voltage_l1_volts: { title: 'Voltage of phase 1', unit: 'V' },
  voltage_l2_volts: { title: 'Voltage of phase 2', unit: 'V' },
  voltage_l3_volts: { title: 'Voltage of phase 3', unit: 'V' },
  current_l1_amps: { title: 'Current of phase 1', unit: 'A' },
  current_l2_amps: { title: 'Current of phase 2', unit: 'A' },
  current_l3_amps: { title: 'Current of phase 3', unit: 'A' },
  current_n_amps: { title: 'Current of the neutral', unit: 'A' },
  volume_m3: { title: 'Gas volume counter', unit: 'm3' },
  unit_price: { title: 'Unit price that the meter shows', unit: 'currency/kWh' },
  standing_charge: { title: 'Standing charge that the meter shows', unit: 'currency/day' },
  energy_wh: { title: 'Energy counter of the device, import', unit: 'Wh' },
  export_wh: { title: 'Energy counter of the device, export', unit: 'Wh' },
} as const;

export type Quantity = keyof typeof quantities;
/** Power is positive when it is drawn, negative when it is fed into the grid. Absent means not measured, never 0. */
export type Values = Readonly<Partial<Record<Quantity, number>>>;

/** What carries the energy: a gas meter counts Wh too, but never belongs to the electricity of the house. */
export type Medium = 'electricity' | 'gas';

/**
 * What one thing is. `source` is the second-last node family of the series: `kasa`, `tuya`, `meter`, `circuit`,
 * `glow`, `shelly`, `tasmota`, `homeassistant`.
 */
export interface Device {
  /** Unique in the house and the same for the life of the thing: `kasa:8006e8…`, `kasa:8006e8…/01` for a socket of a strip. */
  readonly id: string;
  readonly source: string;
  /** As the settings or else the device itself call it; any text. */
  readonly name: string;
  readonly medium?: Medium;
  readonly model?: string | undefined;
  readonly firmware?: string | undefined;
  /** `02:00:00:00:00:01` */
  readonly mac?: string | undefined;
  /** Where it was last reached: `192.0.2.7`, `192.0.2.7:502/1`, an MQTT topic. For people and logs. */
  readonly address?: string | undefined;
  /** It measures what the whole house draws, so it is never a load among others. */
  readonly wholeHouse?: boolean | undefined;
  /** Id of the strip, gateway or meter that it is a part of. */
  readonly parent?: string | undefined;
  /** The counter `energy_wh` starts again at this value (a 32-bit pulse counter in Wh, for example). */
  readonly wrapsAtWh?: number | undefined;
  /** Something a person should know: a scale that was inferred, a firmware that will lock us out. */
  readonly notes?: readonly string[];
}

/** The capability to be switched. */
export interface Switches {
  /** Switches and reads back: resolves with the state that the device reports afterwards. Throws LaresError. */
  turn(on: boolean, signal: AbortSignal): Promise<boolean>;
}

/** Energy that a device counted between two instants, epoch ms, `from` inclusive, `to` exclusive. */
export interface EnergySlot {
  readonly from: number;
  readonly to: number;
  /** Wh drawn. */
  readonly wh: number;
  /** Wh fed back. */
  readonly exportWh?: number;
}

/** The capability to tell what happened while nobody asked. */
export interface Remembers {
  /** Finest first-hand record that overlaps `from`..`to` (epoch ms): minutes, hours, or days. Throws LaresError. */
  energy(from: number, to: number, signal: AbortSignal): Promise<readonly EnergySlot[]>;
}

/** Everything that a device's driver knows about it, and what can be asked of it. */
export interface Announcement {
  readonly device: Device;
  /** How often it is expected to be measured, ms; what it said last holds for a while longer than that. 60 s unless given. */
  readonly everyMs?: number | undefined;
  readonly switches?: Switches | undefined;
  readonly remembers?: Remembers | undefined;
}

/** What the drivers of this area emit. */
export type ElectricitySignal =
  /** A device exists or something about it changed. Comes before its first measurement. */
  | ({ readonly kind: 'device' } & Announcement)
  /** What it said. `at` is epoch ms of the measurement itself where the device knows it, else of its arrival. */
  | { readonly kind: 'measured'; readonly id: string; readonly at: number; readonly values: Values }
  /** Energy that arrived late, from the memory of the device or from a replayed message. */
  | { readonly kind: 'remembered'; readonly id: string; readonly slots: readonly EnergySlot[] }
  /** One device does not work; the others go on. `address` where its id is not known yet. */
  | {
      readonly kind: 'trouble';
      readonly id: string | undefined;
      readonly address: string;
      readonly error: LaresError;
    };

/** Something found on the network, for `lares electricity discover`. */
export interface Found {
  readonly kind: string;
  readonly id: string;
  readonly host: string;
  readonly name?: string | undefined;
  readonly model?: string | undefined;
  readonly mac?: string | undefined;
  readonly firmware?: string | undefined;
  /** Whether it measures energy; undefined where that is not known before the first poll. */
  readonly metered?: boolean | undefined;
  /** What must be done before it can be read: a key, a login, a setting in its app. */
  readonly needs?: string | undefined;
}
