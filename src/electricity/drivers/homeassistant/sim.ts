import { HomeAssistantSim } from '#platform/homeassistant/sim.ts';
import { countOn, type Counted } from '../shared/sim-meter.ts';

export interface SimDevice {
  /** `heat_pump`: its entities are `sensor.heat_pump_power` and so on. */
  readonly slug: string;
  readonly name: string;
  /** Watts at an epoch ms; 0 while it is switched off. */
  readonly power: (at: number) => number;
  /** Has `switch.<slug>`. */
  readonly switchable?: boolean;
  /** Wh that it has counted before. */
  readonly energyWh?: number;
  readonly mac?: string;
  /** As Lares's own devices are that it told Home Assistant about. */
  readonly uniqueId?: string;
  /** `kW` and `MWh` instead of `W` and `kWh`. */
  readonly large?: boolean;
}

export type EnergySimFault =
  | 'drop'
  | 'hang'
  | 'garbage'
  | 'reset'
  | 'slow'
  | '401'
  | '403'
  | '503'
  | 'unavailable';

interface Kept {
  readonly device: SimDevice;
  counted: Counted;
  on: boolean;
}

/** A Home Assistant whose devices measure: power, energy, voltage, current and switches, with both registries. */
export class HomeAssistantEnergySim {
  /** The Home Assistant underneath, for faults of its own. */
  readonly house: HomeAssistantSim;
  readonly #now: () => number;
  readonly #devices: readonly Kept[];
  readonly #timers = new Set<NodeJS.Timeout>();
  #unavailable = false;

  constructor({
    devices,
    now = Date.now,
  }: {
    readonly devices: readonly SimDevice[];
    readonly now?: () => number;
  }) {
    this.house = new HomeAssistantSim({ now });
    this.#now = now;
    this.#devices = devices.map((device) => ({
      device,
      counted: { at: now(), energyWh: device.energyWh ?? 0, exportWh: 0 },
      on: true,
    }));
    this.house.commands.set('config/entity_registry/list', () => this.#devices.flatMap(entityRows));
    this.house.commands.set('config/device_registry/list', () => this.#devices.map(deviceRow));
    for (const turn of ['on', 'off'] as const)
      this.house.services.set(`switch/turn_${turn}`, (entity) => this.#turn(entity, turn === 'on'));
  }

  get url(): string {
    return this.house.url;
  }

  get token(): string {
    return this.house.token;
  }

  /** Listens, and tells new values every so many ms of real time; 0 leaves that to `update()`. */
  async listen(port = 0, everyMs = 0): Promise<this> {
    this.update();
    await this.house.listen(port);
    if (everyMs > 0) this.#timers.add(setInterval(() => this.update(), everyMs));
    return this;
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await this.house.close();
  }

  /** Measures now. */
  update(): void {
    for (const kept of this.#devices) this.#show(kept);
  }

  /** Misbehaves for so many ms, or until `fault(undefined)`. */
  fault(name: EnergySimFault | undefined, ms?: number): void {
    const { house } = this;
    house.fault = undefined;
    house.socketFault = undefined;
    house.mute = false;
    house.ban(false);
    this.#unavailable = name === 'unavailable';
    const status = Number(name);
    const ways: Record<EnergySimFault, () => void> = {
      drop: () => {
        house.fault = house.socketFault = { status: 503 };
        house.dropSockets();
      },
      hang: () => {
        house.fault = 'hang';
        house.mute = true;
      },
      garbage: () => (house.fault = 'garbage'),
      reset: () => house.dropSockets(),
      slow: () => (house.fault = 'slow'),
      401: () => (house.fault = { status }),
      403: () => house.ban(),
      503: () => (house.fault = house.socketFault = { status }),
      unavailable: () => {},
    };
    if (name !== undefined) ways[name]();
    this.update();
    if (name !== undefined && ms !== undefined) this.#timers.add(setTimeout(() => this.fault(undefined), ms));
  }

  #turn(entity: string, on: boolean): void {
    const kept = this.#devices.find(({ device }) => entity === `switch.${device.slug}`);
    if (kept === undefined) return;
    // What was drawn so far was drawn while it was as it was.
    this.#count(kept);
    kept.on = on;
    this.#show(kept);
  }

  #count(kept: Kept): void {
    const power = (at: number) => (kept.on ? kept.device.power(at) : 0);
    kept.counted = countOn(kept.counted, this.#now(), power);
  }

  #show(kept: Kept): void {
    this.#count(kept);
    const { device, on, counted } = kept;
    const watts = on ? device.power(this.#now()) : 0;
    const volts = 230;
    const scale = device.large === true ? 1000 : 1;
    const say = (kind: string, value: number, unit: string, digits: number) =>
      this.house.setState(
        `sensor.${device.slug}_${kind}`,
        this.#unavailable ? 'unavailable' : value.toFixed(digits),
        {
          device_class: kind,
          unit_of_measurement: unit,
          state_class: kind === 'energy' ? 'total_increasing' : 'measurement',
          friendly_name: `${device.name} ${kind.charAt(0).toUpperCase()}${kind.slice(1)}`,
        },
      );
    say('power', watts / scale, scale === 1 ? 'W' : 'kW', scale === 1 ? 1 : 4);
    say('energy', counted.energyWh / 1000 / scale, scale === 1 ? 'kWh' : 'MWh', scale === 1 ? 3 : 6);
    say('voltage', volts, 'V', 1);
    say('current', (watts / volts) * 1000, 'mA', 0);
    if (device.switchable === true)
      this.house.setState(`switch.${device.slug}`, this.#unavailable ? 'unavailable' : on ? 'on' : 'off', {
        friendly_name: device.name,
      });
  }
}

const kinds = ['power', 'energy', 'voltage', 'current'];

function entityRows({ device }: Kept) {
  const row = (entity_id: string, kind: string) => ({
    entity_id,
    unique_id: `${device.uniqueId ?? device.slug}_${kind}`,
    device_id: `device_${device.slug}`,
    platform: 'demo',
    entity_category: null,
    hidden_by: null,
    disabled_by: null,
  });
  return [
    ...kinds.map((kind) => row(`sensor.${device.slug}_${kind}`, kind)),
    ...(device.switchable === true ? [row(`switch.${device.slug}`, 'switch')] : []),
  ];
}

function deviceRow({ device }: Kept) {
  return {
    id: `device_${device.slug}`,
    name: device.name,
    name_by_user: null,
    manufacturer: 'Acme',
    model: 'Plug',
    sw_version: '1.2.3',
    identifiers: [['demo', device.uniqueId ?? device.slug]],
    connections: device.mac === undefined ? [] : [['mac', device.mac.toUpperCase()]],
  };
}
