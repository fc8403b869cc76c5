import type { z } from 'zod';
import type { Driver } from '#kernel/driver.ts';
import type { DiscoverIo, DriverParts, PollConfig, Protocol, Target } from '../driver.ts';
import { polledDriver } from '../fleet/driver.ts';
import type { ElectricitySignal, Found } from '../model.ts';
import * as glow from './glow/driver.ts';
import * as homeassistant from './homeassistant/driver.ts';
import * as kasa from './kasa/driver.ts';
import * as modbus from './modbus/driver.ts';
import * as pulse from './pulse/driver.ts';
import * as shelly from './shelly/driver.ts';
import * as tasmota from './tasmota/driver.ts';
import * as tasmotaHttp from './tasmota/http-driver.ts';
import * as tuya from './tuya/driver.ts';

/** One source of electricity: its section of the settings, how to run it, and how to look for its devices once. */
export interface Registered<Kind extends string, Schema extends z.ZodObject> {
  readonly kind: Kind;
  readonly title: string;
  readonly config: Schema;
  make(parts: DriverParts): Driver<Kind, z.output<Schema>, ElectricitySignal>;
  /** It waits for what is sent to it: a cycle of seconds hears nothing, and its ports and names belong to the service. */
  readonly listens: boolean;
  /** Absent where the protocol has no way to be found. */
  readonly discover?: (config: z.output<Schema>, io: DiscoverIo) => AsyncIterable<Found>;
}

type PollSchema = z.ZodObject & z.ZodType<PollConfig>;

interface PolledModule<Schema extends PollSchema, T extends Target> {
  readonly config: Schema;
  readonly example: unknown;
  readonly protocol: Protocol<z.output<Schema>, T>;
}

function polled<const Kind extends string, Schema extends PollSchema, T extends Target>(
  kind: Kind,
  title: string,
  { config, example, protocol }: PolledModule<Schema, T>,
): Registered<Kind, Schema> {
  return {
    kind,
    title,
    config,
    listens: false,
    make: (parts) =>
      polledDriver<Kind, z.output<Schema>, T>({ kind, title, config, example, protocol }, parts),
    ...(protocol.discover === undefined
      ? {}
      : {
          discover: async function* (settings: z.output<Schema>, io: DiscoverIo) {
            for await (const { found } of protocol.discover!(settings, io)) yield found;
          },
        }),
  };
}

function pushed<const Kind extends string, Schema extends z.ZodObject>(
  kind: Kind,
  title: string,
  config: Schema,
  make: Registered<Kind, Schema>['make'],
  listens: boolean,
): Registered<Kind, Schema> {
  return { kind, title, config, make, listens };
}

/** Every source that can be named under `electricity` in the settings. A new one is a folder and a line here. */
export const drivers = {
  kasa: polled('kasa', 'TP-Link Kasa and Tapo', kasa),
  tuya: polled('tuya', 'Tuya', tuya),
  shelly: polled('shelly', 'Shelly', shelly),
  modbus: polled('modbus', 'Circuits over Modbus', modbus),
  pulse: pushed('pulse', 'Pulse meters', pulse.config, pulse.makePulseDriver, true),
  glow: pushed('glow', 'Glow smart meter display', glow.config, glow.makeGlowDriver, true),
  tasmota: pushed('tasmota', 'Tasmota over MQTT', tasmota.config, tasmota.makeTasmotaDriver, true),
  tasmota_http: polled('tasmota_http', 'Tasmota over HTTP', tasmotaHttp),
  homeassistant: pushed(
    'homeassistant',
    'Energy from Home Assistant',
    homeassistant.config,
    homeassistant.makeHomeAssistantEnergyDriver,
    false,
  ),
} as const;

export type DriverKind = keyof typeof drivers;
