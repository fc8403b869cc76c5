import type { HomeAssistantEnergySim } from '#electricity/drivers/homeassistant/sim.ts';
import type { Faulty } from '../faults.ts';
import { openKasa } from './kasa.ts';
import { openModbus, openPulse } from './meters.ts';
import { openShelly, openTuya } from './plugs.ts';
import { openHomeAssistant, openMqttDevices, type StartBroker } from './pushed.ts';
import { Site, type Measuring, type Part, type SiteOptions } from './site.ts';

export interface Fleet {
  /** The sections `electricity` and `broker` of the settings, as somebody would write them. */
  readonly settings: { readonly electricity: object; readonly broker: object };
  readonly homeAssistant: HomeAssistantEnergySim;
  readonly startBroker: StartBroker;
  readonly devices: readonly Measuring[];
  /** Id of the device that measures the whole house. */
  readonly mainMeter: string;
  readonly faulty: readonly Faulty[];
  close(): Promise<void>;
}

const lookEveryMs = 5_000;

/** The prices of an ordinary British tariff with cheap nights. */
const tariff = {
  name: 'Day and night',
  currency: 'GBP',
  import: {
    kind: 'day-night',
    bands: [{ from: '00:30', to: '05:30', price: 0.1249 }],
    otherwise: 0.2742,
  },
  export: { kind: 'fixed', price: 0.15 },
  standing_charge: 0.5351,
};

/** Every simulator of electricity, each with appliances of the house behind it, on ports of loopback, until the signal aborts. */
export async function openFleet(options: SiteOptions & { readonly signal: AbortSignal }): Promise<Fleet> {
  const site = new Site(options);
  const { clock, signal, solar } = options;
  const life = new AsyncDisposableStack();
  const keep = <T extends Part>(part: T): T => {
    life.defer(() => part.close());
    return part;
  };
  try {
    const kasa = keep(await openKasa(site));
    const tuya = keep(await openTuya(site));
    const shelly = keep(await openShelly(site));
    const modbus = keep(await openModbus(site));
    const pulse = keep(await openPulse(site));
    const homeassistant = keep(await openHomeAssistant(site));
    const mqtt = await openMqttDevices(site);
    const [broker, glow, tasmota] = [mqtt.broker, mqtt.glow, mqtt.tasmota].map(keep) as [Part, Part, Part];
    const sources = { kasa, tuya, shelly, modbus, pulse, glow, tasmota, homeassistant };
    const parts: Part[] = [...Object.values(sources), broker];
    const ending = new AbortController();
    const living = live(parts, clock, AbortSignal.any([signal, ending.signal]));
    life.defer(async () => {
      ending.abort();
      await living;
    });
    const devices = parts.flatMap((part) => part.devices);
    return {
      settings: {
        broker: broker.section,
        electricity: {
          // Only this one tells what the roof feeds in.
          ...(solar && { main_meter: 'Supply' }),
          tariff,
          devices: parts.flatMap((part) => part.overrides ?? []),
          ...Object.fromEntries(Object.entries(sources).map(([kind, { section }]) => [kind, section])),
        },
      },
      homeAssistant: homeassistant.sim,
      startBroker: mqtt.startBroker,
      devices,
      mainMeter: devices.find((d) => d.path === (solar ? 'shelly.supply' : 'meter'))!.id,
      faulty: parts.flatMap((part) => part.faulty),
      close: () => life.disposeAsync(),
    };
  } catch (error) {
    await life.disposeAsync();
    throw error;
  }
}

/** Devices count and send whether anybody asks or not. */
async function live(parts: readonly Part[], clock: SiteOptions['clock'], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(lookEveryMs, signal);
    if (!signal.aborted) for (const part of parts) part.live?.();
  }
}
