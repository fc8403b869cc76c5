import type { ElectricityBody } from '#electricity/body.ts';
import type { Appliance } from './appliances.ts';
import type { LaresProcess } from './house.ts';

const lookMs = 100;
const hourMs = 3_600_000;

/** Looks into a running house all the time, and keeps when each device was measured, by path. */
export class Measurements {
  readonly #seen = new Map<string, number[]>();
  readonly #house: LaresProcess;

  constructor(house: LaresProcess, signal: AbortSignal) {
    this.#house = house;
    void this.#watch(signal);
  }

  view(): Promise<ElectricityBody> {
    return this.#house.get<ElectricityBody>('/api/electricity');
  }

  /** Instants of its measurements so far, epoch ms. */
  of({ path }: Pick<Appliance<unknown>, 'path'>): readonly number[] {
    return this.#seen.get(path) ?? [];
  }

  /** Whether it was measured after an instant. */
  since(appliance: Pick<Appliance<unknown>, 'path'>, at: number): boolean {
    return (this.of(appliance).at(-1) ?? 0) > at;
  }

  /**
   * Those whose energy in the house is not what was drawn between the first and the last measurement, within
   * `slackMs` of their load and 2 Wh for counters that show whole ones.
   */
  async wrongEnergy(appliances: readonly Appliance<unknown>[], slackMs: number): Promise<string[]> {
    const { devices } = await this.view();
    return appliances.flatMap((appliance) => {
      const { path, load } = appliance;
      const counted = (devices.find((d) => d.path === path)?.energy?.total_kwh ?? 0) * 1000;
      const all = this.of(appliance);
      const drawn = (load.watts * ((all.at(-1) ?? 0) - (all[0] ?? 0))) / hourMs;
      const slack = 2 + (load.watts * slackMs) / hourMs;
      return Math.abs(counted - drawn) <= slack
        ? []
        : [`${path}: counted ${counted.toFixed(1)} Wh, drew ${drawn.toFixed(1)} Wh`];
    });
  }

  async #watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const now = await this.view().catch(() => undefined);
      for (const { path, measured_at } of now?.devices ?? []) {
        const at = Date.parse(measured_at ?? '');
        const all = this.#seen.get(path) ?? [];
        if (Number.isFinite(at) && at !== all.at(-1)) this.#seen.set(path, [...all, at]);
      }
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
  }
}
