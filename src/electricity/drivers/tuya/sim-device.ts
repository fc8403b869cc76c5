import { countOn, type Counted, type PowerAt } from '../shared/sim-meter.ts';
import type { DataValue } from './model.ts';
import { writePhase } from './phase.codec.ts';

/** What a simulated device pretends to be; decides its data points. */
export const simShapes = ['plug', 'old-plug', 'hundredths-plug', 'breaker', 'dual-clamp', 'switch'] as const;
export type SimShape = (typeof simShapes)[number];

export interface SimDeviceOptions {
  readonly shape?: SimShape;
  /** Watts that the appliance draws at an instant (epoch ms) while it is switched on. */
  readonly power?: PowerAt;
  readonly volts?: number;
  readonly powerFactor?: number;
  /** Epoch ms. */
  readonly now?: () => number;
}

/** The appliance and the meter in a simulated device: what its data points say at this instant. */
export class SimDevice {
  readonly shape: SimShape;
  on = true;
  readonly #power: PowerAt;
  readonly #volts: number;
  readonly #factor: number;
  readonly #now: () => number;
  #counted: Counted;

  constructor(options: SimDeviceOptions = {}) {
    this.shape = options.shape ?? 'plug';
    this.#power = options.power ?? (() => 100);
    this.#volts = options.volts ?? 230;
    this.#factor = options.powerFactor ?? 0.95;
    this.#now = options.now ?? Date.now;
    this.#counted = { at: this.#now(), energyWh: 0, exportWh: 0 };
  }

  /** The data point that switches, or undefined for a meter. */
  get switchDp(): number | undefined {
    if (this.shape === 'dual-clamp') return undefined;
    return this.shape === 'breaker' ? 16 : 1;
  }

  /** Watts now. */
  get watts(): number {
    return this.on ? this.#power(this.#now()) : 0;
  }

  /** Wh that its own counter shows. */
  get energyWh(): number {
    const power = this.on ? this.#power : () => 0;
    this.#counted = countOn(this.#counted, this.#now(), power);
    return this.#counted.energyWh;
  }

  /** Loses its counter, as after a power cut. */
  reboot(): void {
    this.#counted = { at: this.#now(), energyWh: 0, exportWh: 0 };
  }

  switch(on: boolean): void {
    // What was drawn before belongs to the counter first.
    void this.energyWh;
    this.on = on;
  }

  /** Every data point as it is now. */
  measure(): Map<number, DataValue> {
    const watts = this.watts;
    const volts = this.#volts;
    const amps = Math.abs(watts) / volts / this.#factor;
    const [w10, v10, mA] = [Math.round(watts * 10), Math.round(volts * 10), Math.round(amps * 1000)];
    const points: Record<SimShape, [number, DataValue][]> = {
      plug: [
        [1, this.on],
        [9, 0],
        [18, mA],
        [19, w10],
        [20, v10],
      ],
      'old-plug': [
        [1, this.on],
        [2, 0],
        [4, mA],
        [5, w10],
        [6, v10],
      ],
      'hundredths-plug': [
        [1, this.on],
        [9, 0],
        [18, mA],
        [19, Math.round(watts * 100)],
        [20, Math.round(volts * 100)],
      ],
      breaker: [
        [1, Math.round(this.energyWh / 10)],
        [6, writePhase({ volts, amps, watts })],
        [16, this.on],
      ],
      'dual-clamp': [
        [101, w10],
        [102, 'FORWARD'],
        [104, 'FORWARD'],
        [105, 0],
        [111, 5000],
        [112, v10],
        [113, mA],
        [114, 0],
        [115, w10],
      ],
      switch: [
        [1, this.on],
        [9, 0],
      ],
    };
    return new Map(points[this.shape]);
  }
}
