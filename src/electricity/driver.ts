import { z } from 'zod';
import { widestPrefix } from '#devices/lan/codec/ipv4.ts';
import type { Context } from '#kernel/driver.ts';
import type { LaresError } from '#kernel/errors.ts';
import type { StateStore } from '#store/model.ts';
import type { Announcement, ElectricitySignal, Found, Values } from './model.ts';

export type ElectricityContext = Context<ElectricitySignal>;

/** Where an MQTT broker is and how to sign in. */
export interface BrokerSettings {
  /** `mqtt://192.0.2.5:1883`, `mqtts://…` for TLS. */
  readonly url: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** PEM file of a private certificate authority. */
  readonly ca_file?: string | undefined;
}

/** What a driver may use of the house besides its own settings. */
export interface DriverParts {
  /** Small documents that survive a restart: sessions, cursors, quotas. */
  readonly state: StateStore;
  /** The IP address at which the LAN scanner last saw a MAC address. */
  readonly whereIs?: (mac: string) => string | undefined;
  /** The broker of the house, external or embedded. */
  readonly broker?: BrokerSettings | undefined;
  readonly homeassistant?:
    | {
        readonly url: string;
        readonly token: string;
        /** False accepts a self-signed certificate. */
        readonly verifyTls?: boolean | undefined;
      }
    | undefined;
}

/** One device behind a station and what it says now. */
export interface Answer extends Announcement {
  readonly values: Values;
  /** Epoch ms of the measurement, where the device says so. */
  readonly at?: number;
}

export interface Poll {
  /** Identity of the host that answered, stable over address changes: the plug's device id, `192.0.2.7:502/1` of a bus. */
  readonly station: string;
  /** Of the host, where known; lets the fleet follow it to a new address. */
  readonly mac?: string | undefined;
  /** One per device; the sockets of a strip are devices of their own. */
  readonly answers: readonly Answer[];
  /** Devices behind this host that did not work while others did: a dead meter on a bus. */
  readonly troubles?: readonly Trouble[];
}

/** One device that does not work, behind a host that does. */
export interface Trouble {
  readonly id: string;
  readonly address: string;
  readonly error: LaresError;
}

/** One host that is polled. Connects at the first poll, reconnects by itself at the poll after a failure. */
export interface Station {
  /** Throws LaresError; a hang ends with `signal`. Never called twice at the same time. */
  poll(signal: AbortSignal): Promise<Poll>;
  /** Lets go of sockets and timers at once. */
  close(): void;
}

/** Where a station is expected. Drivers extend it with what they need to open it. */
export interface Target {
  /** `station` of its polls where it is known (from discovery or settings). */
  readonly id?: string | undefined;
  readonly host: string;
  /** What the settings call it; wins over the name that the device gives itself. */
  readonly name?: string | undefined;
  readonly mac?: string | undefined;
  /** What a person must do before it can be polled: `its local key: lares tuya wizard`. It is told once and left alone. */
  readonly needs?: string | undefined;
  /** From the settings of this device; else the driver's interval applies. */
  readonly pollIntervalMs?: number | undefined;
}

/** Settings that every polled driver has; spread them into its strictObject. */
export const pollSettings = {
  poll_interval_seconds: z.number().min(0.5).max(3600).default(30).meta({
    title: 'Poll interval',
    description: 'How often each device is asked; the polls of many devices are spread over it',
    unit: 's',
    reload: 'live',
  }),
  discovery_interval_seconds: z.number().min(10).max(86_400).default(600).meta({
    title: 'Discovery interval',
    description: 'How often the networks are searched again, for new devices and for changed addresses',
    unit: 's',
    reload: 'live',
  }),
  timeout_seconds: z.number().min(0.1).max(60).default(5).meta({
    title: 'Time limit',
    description: 'How long one device may take for one poll',
    unit: 's',
    reload: 'live',
  }),
};

/** Per-device settings that every polled driver has. */
export const targetSettings = {
  name: z.string().min(1).max(64).optional().meta({
    title: 'Name',
    description: 'What to call the device; the name that it gives itself unless set',
    reload: 'live',
  }),
  poll_interval_seconds: pollSettings.poll_interval_seconds.unwrap().optional().meta({
    title: 'Poll interval',
    description: 'How often this device is asked, where it differs from the others',
    unit: 's',
    reload: 'live',
  }),
};

/** A network in CIDR notation, small enough to be asked address by address. */
export const searchableNetwork = z.cidrv4().refine((cidr) => Number(cidr.split('/')[1]) >= widestPrefix, {
  error: `expected a network that can be asked address by address, /${widestPrefix} or smaller`,
});

/** Networks in CIDR notation that a driver with discovery may search; none unless named. */
export const networkSettings = {
  networks: z
    .array(searchableNetwork)
    .default([])
    .meta({
      title: 'Networks',
      description:
        'Networks that are searched for devices; electricity.networks unless set. Nothing is ever searched unasked',
      reload: 'live',
      examples: [['192.0.2.0/24']],
    }),
};

export interface PollConfig {
  readonly poll_interval_seconds: number;
  readonly discovery_interval_seconds: number;
  readonly timeout_seconds: number;
}

export interface DiscoverIo {
  readonly signal: AbortSignal;
  /** How much is done, 0 to 1, and a word about it. */
  readonly progress?: (done: number, text: string) => void;
}

/** A polled protocol: what the fleet needs to know to run any number of its devices. */
export interface Protocol<Config extends PollConfig, T extends Target = Target> {
  readonly kind: string;
  /** A device may be asked for its memory while it is polled; else one thing is done at a time. */
  readonly concurrent?: boolean;
  /** The stations that the settings name. */
  configured(config: Config): readonly T[];
  /** Set where a search disturbs what it searches, like a scan of a slow bus: a person starts it, never the fleet. */
  readonly discoversOnDemand?: true;
  /** Searches `config.networks` once, all ways at the same time, and yields as replies come in; ends by itself. */
  discover?(config: Config, io: DiscoverIo): AsyncIterable<{ readonly target: T; readonly found: Found }>;
  /** Does nothing yet. `context` gives clock, log and chance. */
  open(target: T, config: Config, context: Pick<ElectricityContext, 'clock' | 'log' | 'random'>): Station;
}
