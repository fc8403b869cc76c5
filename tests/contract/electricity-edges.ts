import { drivers, type DriverKind } from '#electricity/drivers/index.ts';
import { GlowSim } from '#electricity/drivers/glow/sim.ts';
import { HomeAssistantEnergySim } from '#electricity/drivers/homeassistant/sim.ts';
import { KasaSim } from '#electricity/drivers/kasa/sim.ts';
import { ModbusSim } from '#electricity/drivers/modbus/sim.ts';
import { PulseSim } from '#electricity/drivers/pulse/sim.ts';
import { ShellySim } from '#electricity/drivers/shelly/sim.ts';
import { TasmotaSim } from '#electricity/drivers/tasmota/sim.ts';
import { TuyaSim } from '#electricity/drivers/tuya/sim.ts';
import type { Driver } from '#kernel/driver.ts';
import { Logger } from '#platform/log.ts';
import { startBroker } from '#platform/mqtt/broker.ts';
import { brokerConfig } from '#platform/mqtt/config.ts';
import { freePort } from '../servers/process.ts';
import { MemoryState } from '../servers/memory-store.ts';

/** A driver with its simulator, ready to run. */
export interface Simulated {
  /** Where the driver and its simulator live. */
  readonly folder: string;
  readonly driver: Driver<string, unknown, unknown>;
  readonly config: object;
  /** It runs many devices: a dead one is told as trouble, and the run goes on. */
  readonly goesOn?: boolean;
  /** It only listens: nobody who sends is no error. */
  readonly mayFallSilent?: boolean;
  close(): Promise<void>;
}

export const often = { poll_interval_seconds: 0.5, timeout_seconds: 1 };

/** A driver as the registry makes it, beside its simulator. */
export function made(
  kind: DriverKind,
  parts: object,
  config: object,
  more: Omit<Simulated, 'driver' | 'config' | 'folder'>,
) {
  const driver = drivers[kind].make({ state: new MemoryState(), ...parts }) as unknown as Simulated['driver'];
  const folder = `src/electricity/drivers/${kind.replace(/_.*/, '')}`;
  return { driver, config, folder, ...more };
}

/** A broker of the house, and how to sign in to it. */
export async function broker(secret = 'simulated-device') {
  const stop = new AbortController();
  const users = [{ name: 'device', password: secret, publish: ['#'], subscribe: ['#'] }];
  const running = await startBroker(brokerConfig.parse({ port: 0, users }), {
    log: new Logger({ level: 'fatal' }),
    signal: stop.signal,
  });
  const { url, username, password } = running;
  return {
    house: { url, username, password },
    device: { url, username: 'device', password: secret },
    close: async () => {
      stop.abort();
      await running.close();
    },
  };
}

/** Each registered source of electricity with its simulator; one that is registered without does not compile. */
export const electricityEdges: { [Kind in DriverKind]: () => Promise<Simulated> } = {
  kasa: async () => {
    const sim = await new KasaSim({ model: 'HS110', power: () => 40 }).listen();
    const config = { ...often, ports: { local: sim.port }, devices: [{ host: sim.host, name: 'Lamp' }] };
    return made('kasa', {}, config, { goesOn: true, close: () => sim.close() });
  },
  tuya: async () => {
    const [id, key] = ['eb0123456789abcdefghij', '0123456789abcdef'];
    const sim = await new TuyaSim({ id, key, version: '3.4', power: () => 40 }).listen();
    const devices = [{ id, key, name: 'Lamp', host: sim.host, port: sim.port }];
    return made('tuya', {}, { ...often, devices }, { goesOn: true, close: () => sim.close() });
  },
  shelly: async () => {
    const sim = await new ShellySim({ power: () => 40 }).listen();
    return made(
      'shelly',
      {},
      { ...often, devices: [{ host: sim.host }] },
      { goesOn: true, close: () => sim.close() },
    );
  },
  modbus: async () => {
    const sim = await new ModbusSim({ meters: [{ unit: 1, template: 'sdm120', power: () => 40 }] }).listen();
    const units = [{ unit: 1, name: 'Kitchen', template: 'sdm120' }];
    const buses = [{ host: '127.0.0.1', port: sim.port, units }];
    return made('modbus', {}, { ...often, buses }, { goesOn: true, close: () => sim.close() });
  },
  tasmota: async () => {
    const mqtt = await broker();
    const sim = await new TasmotaSim({ power: () => 40, telePeriodMs: 200 }).connect(mqtt.device);
    return made(
      'tasmota',
      { broker: mqtt.house },
      {},
      {
        close: async () => {
          await sim.close();
          await mqtt.close();
        },
      },
    );
  },
  pulse: async () => {
    const token = 'at-least-sixteen-characters';
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/api/electricity/pulse`;
    const sim = await new PulseSim({ id: 'house', token, url, power: () => 4_000, everyMs: 200 }).listen();
    const config = { meters: [{ name: 'meter', id: 'house', token }], http: { host: '127.0.0.1', port } };
    return made('pulse', {}, config, { mayFallSilent: true, close: () => sim.close() });
  },
  glow: async () => {
    const mqtt = await broker();
    const sim = await new GlowSim({ broker: mqtt.device, power: () => 400, everyMs: 200 }).listen();
    return made(
      'glow',
      { broker: mqtt.house },
      {},
      {
        close: async () => {
          await sim.close();
          await mqtt.close();
        },
      },
    );
  },
  homeassistant: async () => {
    const devices = [{ slug: 'lamp', name: 'Lamp', power: () => 40 }];
    const sim = await new HomeAssistantEnergySim({ devices }).listen();
    const parts = { homeassistant: { url: sim.url, token: sim.token } };
    return made('homeassistant', parts, { auto: true }, { close: () => sim.close() });
  },
  tasmota_http: async () => {
    const sim = await new TasmotaSim({ power: () => 40 }).listen();
    const config = { ...often, devices: [{ host: sim.host }] };
    return made('tasmota_http', {}, config, { goesOn: true, close: () => sim.close() });
  },
};
