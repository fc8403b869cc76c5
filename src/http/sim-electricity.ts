import type { DeviceView, ElectricityPort, ElectricityView } from '#electricity/index.ts';
import { LaresError } from '#kernel/errors.ts';
import type { ChartPoint } from '#store/model.ts';

/** Electricity with which routes and pages are tried: a kettle, a freezer that must not be switched, and a meter. */
export class SimElectricity implements ElectricityPort {
  readonly switched: string[] = [];
  readonly heard: string[] = [];
  points: ChartPoint[] = [];
  devices: DeviceView[] = [];
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Fills the house with three things. */
  furnish(): void {
    this.devices = [
      device(
        'kasa',
        'Kettle',
        { power_watts: 2000, is_on: 1 },
        { control: 'allowed', measuredAt: this.#now() },
      ),
      device(
        'kasa',
        'Freezer',
        { power_watts: 80, is_on: 1 },
        { control: 'forbidden', measuredAt: this.#now() },
      ),
      device('meter', 'Meter', { power_watts: 2500 }, { path: 'meter', measuredAt: this.#now() }),
    ];
  }

  view(): ElectricityView {
    const power = this.devices.find((d) => d.path === 'meter')?.values.power_watts;
    return {
      at: this.#now(),
      devices: this.devices,
      house: {
        basis: power === undefined ? 'none' : 'meter',
        parts: [],
        powerWatts: power,
        unexplainedWatts: power === undefined ? undefined : power - 2080,
        energy: undefined,
        costToday: undefined,
        pricePerKwh: power === undefined ? undefined : 0.25,
        currency: power === undefined ? undefined : 'GBP',
        baseLoadWatts: undefined,
        carbonIntensity: undefined,
      },
    };
  }

  find(name: string): DeviceView {
    const found = this.devices.find((d) => d.path === name || d.device.name === name);
    if (found === undefined) throw new LaresError('NOT_FOUND', `no device is called ${JSON.stringify(name)}`);
    return found;
  }

  async chart(): Promise<readonly ChartPoint[]> {
    return this.points;
  }

  async days(_device: string, from: number, to: number) {
    return [{ from, to, wh: 3500, exportWh: 0, coveredMs: (to - from) / 2, how: 'spread' as const }];
  }

  async costs(_device: string | undefined, from: number, to: number) {
    const cost = { total: 1.07, import: 0.875, export: 0, standing: 0.195, unpricedWh: 0 };
    return [{ path: 'house', from, to, wh: 3500, ...cost }];
  }

  async insight() {
    return { at: this.#now(), standby: [], baseLoad: undefined, anomalies: [], appliances: [] };
  }

  cheapest(durationMs: number) {
    const from = this.#now() + 3_600_000;
    return { from, to: from + durationMs, perKwh: -0.02 };
  }

  async events() {
    return [];
  }

  async turn(name: string, on: boolean, actor: string, why: string) {
    const found = this.find(name);
    if (found.control === 'forbidden')
      throw new LaresError('FORBIDDEN', `${found.path} must not be switched`);
    this.switched.push(`${found.path} ${on ? 'on' : 'off'} ${actor}: ${why}`);
    for (const listener of this.#listeners) listener();
    return { device: found.device.id, path: found.path, isOn: on, event: 'event-1' };
  }

  ingest({ method, path, headers, body }: Parameters<ElectricityPort['ingest']>[0]) {
    if (headers['authorization'] !== 'Bearer meter-token')
      return {
        status: 401,
        type: 'application/json',
        body: '{"code":"AUTH_REFUSED","message":"wrong token"}',
      };
    this.heard.push(`${method} ${path} ${body.toString()}`);
    return {
      status: 200,
      type: 'application/json',
      body: JSON.stringify({
        ok: true,
        counted: 1,
        replayed: 0,
        heard: `${method} ${path} ${body.toString()}`,
      }),
    };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function device(
  source: string,
  name: string,
  values: DeviceView['values'],
  more: Partial<DeviceView>,
): DeviceView {
  return {
    device: { id: `${source}:${name}`, source, name },
    path: `${source}.${name.toLowerCase()}`,
    state: 'ok',
    control: 'impossible',
    values,
    measuredAt: undefined,
    energy: undefined,
    costToday: undefined,
    ...more,
  };
}
