import { z } from 'zod';
import type { Traits } from '#kernel/driver.ts';
import { networkSettings, pollSettings, targetSettings, type Protocol } from '../../driver.ts';
import { searchable } from '../shared/networks.rules.ts';
import { search, type Heard } from './discovery.ts';
import { macDigits, macText } from './iot.codec.ts';
import type { KasaTarget, Login } from './model.ts';
import { KasaStation, type WayMemory } from './station.ts';

const loginSettings = {
  username: z
    .string()
    .min(1)
    .max(256)
    .optional()
    .meta({
      title: 'E-mail of the TP-Link account',
      description:
        'Needed by Tapo devices and by newer firmware of Kasa devices; nothing is ever sent to TP-Link',
      reload: 'restart',
      examples: ['alex@example.com'],
    }),
  password: z.string().min(1).max(256).optional().meta({
    title: 'Password of the TP-Link account',
    description: 'Proved to the devices of the own network only',
    reload: 'restart',
    secret: true,
  }),
};

const port = z.int().min(1).max(65_535);

const device = z
  .strictObject({
    host: z
      .string()
      .min(1)
      .max(253)
      .optional()
      .meta({
        title: 'Address',
        description: 'IP address or host name; without it the device is looked for in the networks by its id',
        reload: 'live',
        examples: ['192.0.2.7'],
      }),
    id: z
      .string()
      .refine((id) => macDigits(id) !== undefined, {
        message: 'expected a MAC address like 02:00:00:00:00:01',
      })
      .optional()
      .meta({
        title: 'Id',
        description:
          'Its MAC address, as `lares electricity discover` prints it; follows it to a new address',
        reload: 'live',
        examples: ['02:00:00:00:00:01'],
      }),
    ...targetSettings,
    ...loginSettings,
  })
  .refine((d) => d.host !== undefined || d.id !== undefined, {
    message: 'set host, or id to have it looked for',
  })
  .meta({ title: 'Kasa or Tapo device', description: 'A plug, strip, switch or bulb' });

export const config = z
  .strictObject({
    ...pollSettings,
    ...networkSettings,
    ...loginSettings,
    devices: z.array(device).default([]).meta({
      title: 'Devices',
      description: 'Devices with an address or a name of their own; others are found in the networks',
      reload: 'live',
    }),
    ports: z
      .strictObject({
        local: port.default(9_999).meta({
          title: 'Local port',
          description: 'Where devices with older firmware listen, TCP and UDP',
          reload: 'restart',
        }),
        http: port.default(80).meta({
          title: 'Encrypted port',
          description: 'Where devices with newer firmware listen',
          reload: 'restart',
        }),
        discovery: z.array(port).default([20_002, 20_004]).meta({
          title: 'Discovery ports',
          description: 'Where devices with newer firmware answer who they are, UDP',
          reload: 'restart',
        }),
      })
      .prefault({})
      .meta({ title: 'Ports', description: 'For devices behind a port forwarding, and for simulated ones' }),
  })
  .meta({
    title: 'Kasa and Tapo',
    description: 'Plugs, strips, switches and bulbs of TP-Link, asked in the own network',
  });

export type KasaConfig = z.infer<typeof config>;

export const example = {
  networks: ['192.0.2.0/24'],
  username: 'alex@example.com',
  devices: [{ host: '192.0.2.7', name: 'Kettle' }],
};

export const traits: Traits = { cadence: { everyMs: 30_000 }, needs: ['network'] };

type DeviceConfig = KasaConfig['devices'][number];

const loginOf = ({ username, password }: Pick<DeviceConfig, 'username' | 'password'>): Login | undefined =>
  username === undefined || password === undefined ? undefined : { username, password };

/** What the settings say about one device; the fallback for what it does not say itself is the driver's own login. */
function settingsOf(entry: DeviceConfig, config: KasaConfig): Omit<KasaTarget, 'host'> {
  const { id, name, poll_interval_seconds: seconds } = entry;
  const own = { username: entry.username ?? config.username, password: entry.password ?? config.password };
  const digits = macDigits(id);
  return {
    id: digits,
    mac: digits === undefined ? undefined : macText(digits),
    name,
    pollIntervalMs: seconds === undefined ? undefined : seconds * 1000,
    login: entry.username === undefined && entry.password === undefined ? undefined : loginOf(own),
  };
}

// The fleet makes a new station after a hang; what the one before found out about its target stays with the target.
const memories = new WeakMap<KasaTarget, WayMemory>();

function memoryOf(target: KasaTarget): WayMemory {
  const memory = memories.get(target) ?? {};
  memories.set(target, memory);
  return memory;
}

/** Kasa and Tapo: how the fleet finds, opens and polls them. */
export const protocol: Protocol<KasaConfig, KasaTarget> = {
  kind: 'kasa',
  configured: (settings) =>
    settings.devices.flatMap((entry) =>
      entry.host === undefined ? [] : [{ ...settingsOf(entry, settings), host: entry.host }],
    ),
  async *discover(settings, { signal, progress }) {
    for await (const heard of search({
      networks: searchable(settings.networks),
      ports: settings.ports,
      random: Math.random,
      signal,
      progress,
    }))
      yield { target: targetOf(heard, settings), found: foundOf(heard, settings) };
  },
  open: (target, settings, { clock }) =>
    new KasaStation({
      target,
      login: loginOf(settings),
      ports: settings.ports,
      clock,
      memory: memoryOf(target),
      timeoutMs: settings.timeout_seconds * 1000,
    }),
};

function targetOf(heard: Heard, settings: KasaConfig): KasaTarget {
  const entry = settings.devices.find((d) => macDigits(d.id) === heard.id && heard.id !== undefined);
  const { way, family, port: ownPort, host, mac } = heard;
  const named = entry ?? settings.devices.find((d) => d.host === host && d.id === undefined);
  const own = named === undefined ? {} : settingsOf(named, settings);
  return {
    ...own,
    id: heard.id ?? host,
    mac: mac === undefined ? undefined : macText(mac),
    host,
    way,
    family,
    port: ownPort,
  };
}

function foundOf(heard: Heard, settings: KasaConfig) {
  const { id, host, mac, name, model, firmware, metered, way } = heard;
  const hasLogin = loginOf(settings) !== undefined && (way === 'klap' || way === 'aes');
  return {
    kind: 'kasa',
    id: `kasa:${id ?? host}`,
    host,
    name,
    model,
    mac: mac === undefined ? undefined : macText(mac),
    firmware,
    metered,
    needs: hasLogin ? undefined : heard.needs,
  };
}
