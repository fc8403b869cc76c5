import { scalarText } from './problems.ts';
import type { Path } from './types.ts';

/** Where each setting of the original, of its predecessor and of its environment now lives. */
export const settings: Readonly<Record<string, readonly string[]>> = {
  'home.name': ['home.name'],
  'wifi.networks': [
    'wifi.networks',
    'wifi.cidr',
    'wifi.network',
    'wifi.range',
    'wifi.network_range',
    'wifi.subnet',
    'network_range',
    'network.cidr',
    'network.range',
    'network',
  ],
  'wifi.scan_interval_seconds': [
    'wifi.scan_interval_seconds',
    'wifi.scan_interval',
    'scan_interval_seconds',
    'scan_interval',
  ],
  'presence.offline_grace_seconds': [
    'presence.offline_grace_seconds',
    'wifi.offline_grace_seconds',
    'wifi.grace_seconds',
    'wifi.grace_period_seconds',
    'offline_grace_seconds',
    'grace_period_seconds',
    'grace_seconds',
    'grace',
  ],
  'homeassistant.url': [
    'homeassistant.url',
    'homeassistant.base_url',
    'homeassistant.host',
    'homeassistant_url',
    'ha_url',
  ],
  'homeassistant.poll_interval_seconds': [
    'homeassistant.poll_interval_seconds',
    'homeassistant.poll_interval',
    'poll_interval_seconds',
    'poll_interval',
  ],
  'graphite.host': ['graphite.host', 'graphite.carbon_host', 'graphite_host', 'carbon_server', 'carbon_host'],
  'graphite.port': ['graphite.port', 'graphite.carbon_port', 'graphite_port', 'carbon_port'],
  'metrics.interval_seconds': [
    'metrics.interval_seconds',
    'metrics.send_interval_seconds',
    'metrics.send_interval',
    'graphite.send_interval_seconds',
    'graphite.interval_seconds',
    'graphite.send_interval',
    'send_interval_seconds',
    'send_interval',
  ],
  'presence.metrics.prefix': [
    'presence.metrics.prefix',
    'metrics.prefix',
    'graphite.prefix',
    'graphite.metric_prefix',
    'metric_prefix',
    'prefix',
  ],
  'presence.tado.enabled': ['presence.tado.enabled', 'tado.enabled'],
};

/** The same for the facts of a person. */
export const personSettings: Readonly<Record<string, readonly string[]>> = {
  person: ['person', 'id', 'slug'],
  name: ['name', 'display_name'],
  homeassistant_entity: ['homeassistant_entity', 'ha_entity', 'homeassistant_person', 'ha_person'],
  homeassistant_device_trackers: [
    'homeassistant_device_trackers',
    'homeassistant_device_tracker',
    'ha_device_trackers',
    'ha_device_tracker',
    'device_trackers',
    'device_tracker',
  ],
  wifi_macs: ['wifi_macs', 'wifi_mac', 'macs', 'mac', 'mac_addresses'],
  wifi_hostnames: ['wifi_hostnames', 'wifi_hostname', 'hostnames', 'hostname'],
  tado_device: ['tado_device', 'tado_device_name', 'tado_name'],
  offline_grace_seconds: ['offline_grace_seconds', 'grace_seconds', 'grace'],
};

/** Where the original may hold the token of Home Assistant. */
export const tokens = [
  'homeassistant.token',
  'homeassistant_token',
  'ha_token',
  'homeassistant.ha_token',
  'homeassistant.access_token',
];
/** Settings that are lists, also where the original had a single value. */
export const lists = new Set([
  'wifi.networks',
  'homeassistant_device_trackers',
  'wifi_macs',
  'wifi_hostnames',
]);
/** Other names of a section. */
export const sectionAliases: Readonly<Record<string, string>> = {
  home_assistant: 'homeassistant',
  ha: 'homeassistant',
  hass: 'homeassistant',
};
const yes = new Set(['true', 'yes', 'on', '1', 'y']);
/** Where the original looked for Home Assistant unless told otherwise. */
export const usualUrl = 'http://homeassistant.local:8123';

/** The words that the original knows at the level of a path. */
export const knownKeys = (path: Path): string[] =>
  path[0] === 'people'
    ? Object.values(personSettings).flat()
    : [
        'people',
        ...new Set(
          Object.values(settings)
            .flat()
            .flatMap((key) => key.split('.')),
        ),
      ];

/** The setting that a key of the original now is, or undefined. */
export const target = (table: Readonly<Record<string, readonly string[]>>, key: string) =>
  Object.keys(table).find((to) => table[to]?.includes(key));
/** PyYAML reads YAML 1.1, in which yes and on are true. */
export const isYes = (value: unknown) => yes.has(scalarText(value).toLowerCase());

const bareMac =
  /^([0-9a-f]{12}|[0-9a-f]{4}([.:-])[0-9a-f]{4}\2[0-9a-f]{4}|[0-9a-f]{6}[-:][0-9a-f]{6}|[0-9a-f]{2}([ _.])([0-9a-f]{2}\3){4}[0-9a-f]{2})$/i;

/** A MAC address in any notation, also with single-digit octets, as upper case with colons. */
export function macOf(text: string): string | undefined {
  const octets = text.trim().split(/[:-]/);
  if (octets.length === 6 && octets.every((o) => /^[0-9a-f]{1,2}$/i.test(o)))
    return octets.map((o) => o.padStart(2, '0').toUpperCase()).join(':');
  if (!bareMac.test(text.trim())) return undefined;
  return text
    .toUpperCase()
    .match(/[0-9A-F]{2}/g)
    ?.join(':');
}
