import { GlowSim, type GlowFault } from '#electricity/drivers/glow/sim.ts';
import { HomeAssistantEnergySim, type EnergySimFault } from '#electricity/drivers/homeassistant/sim.ts';
import { TasmotaSim, type TasmotaFault } from '#electricity/drivers/tasmota/sim.ts';
import type { Log } from '#kernel/driver.ts';
import { startBroker, type RunningBroker } from '#platform/mqtt/broker.ts';
import type { BrokerConfig } from '#platform/mqtt/config.ts';
import { Relay, relayFaults, type RelayFault } from '../relay.ts';
import { wireFaults, type Part, type Site } from './site.ts';

/** As `startBroker` of the platform. */
export type StartBroker = (
  config: BrokerConfig,
  parts: { readonly log: Log; readonly signal: AbortSignal },
) => Promise<RunningBroker>;

const user = { username: 'device', password: 'simulated-device' };

/** Devices that speak to the broker of the house, and the line to it. */
export interface MqttDevices {
  readonly glow: Part;
  readonly tasmota: Part;
  /** Its section is that of the broker. */
  readonly broker: Part;
  /** Starts the embedded broker of the house behind a line that can be cut; then its devices sign in. */
  readonly startBroker: StartBroker;
}

export async function openMqttDevices(site: Site): Promise<MqttDevices> {
  const relay = await new Relay().listen();
  const broker = { url: `mqtt://127.0.0.1:${relay.port}`, ...user };
  const display = new GlowSim({ broker, now: site.now, power: site.supply, gas: site.gas, everyMs: 0 });
  const desk = new TasmotaSim({
    clock: site.clock,
    power: site.power.desk,
    name: 'Desk',
    topic: 'desk',
    mac: '02000000C001',
  });
  site.behind('desk', () => desk.isOn());
  let [started, busy] = [false, false];
  const publish = async () => {
    // What waits for a broker that is away must not pile up.
    if (!started || busy) return;
    busy = true;
    await display.step().catch(() => {});
    busy = false;
  };
  return {
    glow: {
      section: {},
      devices: [{ id: 'glow:0123456789ab/electricity', path: 'glow.electricity', power: site.supply }],
      faulty: [
        {
          paths: ['glow.electricity', 'glow.gas'],
          what: 'Glow display of the smart meters, MQTT',
          faults: [...wireFaults, 'stale', 'error', 'nulls', 'retain'],
          fault: (name, ms) => display.fault(name as GlowFault, ms * site.speed),
        },
      ],
      live: () => void publish(),
      close: async () => {
        if (started) await display.close();
      },
    },
    tasmota: {
      section: {},
      devices: [{ id: 'tasmota:desk', path: 'tasmota.desk', power: site.power.desk }],
      faulty: [
        {
          paths: ['tasmota.desk'],
          what: 'Tasmota plug, MQTT',
          faults: ['drop', 'hang', 'garbage', 'bad-json', 'nan'],
          fault: (name, ms) => desk.fault(name as TasmotaFault, ms),
        },
      ],
      live: () => void desk.counted(),
      close: async () => {
        if (started) await desk.close();
      },
    },
    broker: {
      section: {
        port: relay.port,
        users: [
          {
            name: user.username,
            password: user.password,
            publish: ['glow/#', 'tele/#', 'stat/#', 'tasmota/#'],
            subscribe: ['cmnd/#'],
          },
        ],
      },
      devices: [],
      faulty: [
        {
          paths: ['broker'],
          what: 'the line to the MQTT broker of the house',
          faults: [...relayFaults],
          fault: (name, ms) => relay.fault(name as RelayFault, ms),
        },
      ],
      close: () => relay.close(),
    },
    startBroker: async (config, parts) => {
      const running = await startBroker({ ...config, port: 0 }, parts);
      relay.target = running.port;
      started = true;
      void display.listen().catch(() => {});
      void desk.connect(broker).catch(() => {});
      return {
        url: broker.url,
        username: running.username,
        password: running.password,
        port: relay.port,
        get stats() {
          return running.stats;
        },
        close: () => running.close(),
      };
    },
  };
}

/** An aquarium that only Home Assistant knows; presence listens to the same Home Assistant. */
export async function openHomeAssistant(
  site: Site,
): Promise<Part & { readonly sim: HomeAssistantEnergySim }> {
  const sim = await new HomeAssistantEnergySim({
    now: site.now,
    devices: [{ slug: 'aquarium', name: 'Aquarium', power: site.power.aquarium, energyWh: 187_400 }],
  }).listen();
  return {
    sim,
    section: {
      entities: [{ entity: 'sensor.aquarium_power', energy: 'sensor.aquarium_energy', name: 'Aquarium' }],
    },
    devices: [
      {
        id: 'homeassistant:sensor.aquarium_power',
        path: 'homeassistant.aquarium',
        power: site.power.aquarium,
      },
    ],
    faulty: [
      {
        paths: ['homeassistant.aquarium'],
        what: 'Home Assistant with everything that it tells',
        faults: ['drop', 'hang', 'garbage', 'reset', 'slow', '401', '403', '503', 'unavailable'],
        fault: (name, ms) => sim.fault(name as EnergySimFault, ms),
      },
    ],
    live: () => sim.update(),
    close: () => sim.close(),
  };
}
