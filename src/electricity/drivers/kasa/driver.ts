import type { Protocol } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { searchable } from '../shared/networks.rules.ts';
import { config, example, type KasaConfig, type KasaDeviceConfig } from './config.ts';
import { search, type Heard } from './discovery.ts';
import { macDigits, macText } from './iot.codec.ts';
import type { KasaTarget, Login } from './model.ts';
import { KasaStation, type WayMemory } from './station.ts';

export { config, example };

const loginOf = ({
  username,
  password,
}: Pick<KasaDeviceConfig, 'username' | 'password'>): Login | undefined =>
  username === undefined || password === undefined ? undefined : { username, password };

/** What the settings say about one device; the fallback for what it does not say itself is the driver's own login. */
function settingsOf(entry: KasaDeviceConfig, config: KasaConfig): Omit<KasaTarget, 'host'> {
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
      yield tellOf(heard, settings);
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
    needs: way === undefined ? heard.needs : undefined,
  };
}

function tellOf(heard: Heard, settings: KasaConfig): { target: KasaTarget; found: Found } {
  const { id, host, mac, name, model, firmware, metered, way } = heard;
  const target = targetOf(heard, settings);
  const hasLogin = way !== undefined && (target.login ?? loginOf(settings)) !== undefined;
  const found = {
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
  return { target, found };
}
