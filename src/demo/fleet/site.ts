import type { Clock } from '#kernel/driver.ts';
import { applianceNames, type ApplianceName, type Appliances, type PowerAt } from '../appliances.ts';
import type { Faulty } from '../faults.ts';

export interface SiteOptions {
  readonly appliances: Appliances;
  readonly clock: Clock;
  /** How many times as fast as real time the clock runs. */
  readonly speed: number;
  /** Panels on the roof. */
  readonly solar: boolean;
}

/** A device as the house knows it, and what it measures as long as nobody switches anything. */
export interface Measuring {
  /** Id and path of the device in the house. */
  readonly id: string;
  readonly path: string;
  readonly power: PowerAt;
}

/** One protocol of the fleet. */
export interface Part {
  /** Its section under `electricity` in the settings. */
  readonly section: object;
  /** Names and wishes that belong under `electricity.devices`. */
  readonly overrides?: readonly object[];
  readonly devices: readonly Measuring[];
  readonly faulty: readonly Faulty[];
  /** Called every few seconds of house time: what a device does whether it is asked or not. */
  readonly live?: () => void;
  close(): Promise<void>;
}

/** The wiring of the house: which appliance hangs where, and who is switched off. */
export class Site {
  readonly power: Appliances['power'];
  readonly gas: PowerAt;
  readonly clock: Clock;
  readonly speed: number;
  readonly solar: boolean;
  readonly #on = new Map<ApplianceName, () => boolean>();

  constructor({ appliances, clock, speed, solar }: SiteOptions) {
    this.power = appliances.power;
    this.gas = appliances.gas;
    this.clock = clock;
    this.speed = speed;
    this.solar = solar;
  }

  readonly now = (): number => this.clock.now();

  /** The appliance hangs behind a switch. */
  behind(name: ApplianceName, isOn: () => boolean): void {
    this.#on.set(name, isOn);
  }

  /** What these appliances draw together, W, as a meter in front of their switches sees it. */
  drawn(names: readonly ApplianceName[]): PowerAt {
    return (at) =>
      names.reduce((sum, name) => sum + (this.#on.get(name)?.() === false ? 0 : this.power[name](at)), 0);
  }

  /** What the whole house draws from the grid, W; negative when the roof feeds in. */
  readonly supply: PowerAt = this.drawn([...applianceNames, 'solar']);
}

/** What can go wrong with every line. */
export const wireFaults = ['drop', 'hang', 'garbage', 'split', 'merge', 'reset', 'slow'] as const;
