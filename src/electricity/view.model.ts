import type { Totals } from './energy/model.ts';
import type { Cost } from './money/model.ts';
import type { Device, Values } from './model.ts';

/** `ok`: answers. `silent`: has not been heard of for longer than its values hold. `down`: says why it fails. */
export type DeviceState = 'ok' | 'silent' | 'down';

/** Whether it can be switched: `impossible` when it has no switch, `forbidden` when the settings say so. */
export type Control = 'allowed' | 'forbidden' | 'impossible';

/** One device as everybody outside sees it. */
export interface DeviceView {
  readonly device: Device;
  /** The path of its series below the prefix: `kasa.living_room_lamp`, `meter`, `circuit.kitchen`. */
  readonly path: string;
  readonly state: DeviceState;
  /** Why it is not `ok`, in words for people. */
  readonly problem?: string | undefined;
  readonly control: Control;
  /** What it said last, while that still holds; empty when nothing does. */
  readonly values: Values;
  /** Epoch ms of the last measurement. */
  readonly measuredAt: number | undefined;
  readonly energy: Totals | undefined;
  /** Money of the present local day, without standing charge; absent without a tariff. */
  readonly costToday: number | undefined;
}

/** What the power of the house was computed from. */
export type Basis = 'meter' | 'circuits' | 'devices' | 'none';

export interface HouseView {
  readonly basis: Basis;
  /** Ids of the devices that make up the sum. */
  readonly parts: readonly string[];
  /** Absent while not every part is known. */
  readonly powerWatts: number | undefined;
  /** What the meter draws beyond the devices and circuits that are known; absent without a meter. */
  readonly unexplainedWatts: number | undefined;
  readonly energy: Totals | undefined;
  readonly costToday: Cost | undefined;
  /** Price of one kWh now. */
  readonly pricePerKwh: number | undefined;
  readonly currency: string | undefined;
  readonly baseLoadWatts: number | undefined;
  /** Grams of CO2 per kWh now. */
  readonly carbonIntensity: number | undefined;
}

/** Everything at one instant. */
export interface ElectricityView {
  /** Epoch ms. */
  readonly at: number;
  readonly devices: readonly DeviceView[];
  readonly house: HouseView;
}
