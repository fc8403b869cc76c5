import * as z from 'zod';
import type { EnvBindings } from '#config/load.ts';
import { wifiConfig } from '#devices/config.ts';
import { electricityConfig } from '#electricity/config.ts';
import { httpConfig } from '#http/config.ts';
import { graphiteConfig, metricsConfig } from '#metrics/config.ts';
import { mqttConfig } from '#metrics/sinks/mqtt/config.ts';
import { homeConfig, logConfig } from '#platform/config.ts';
import { brokerConfig } from '#platform/mqtt/config.ts';
import { homeassistantConfig } from '#platform/homeassistant/config.ts';
import { presenceConfig } from '#presence/config.ts';
import { storeConfig } from '#store/config.ts';

/** The whole settings tree: each area's own schema under its own key. Absent optional sections are switched off. */
export const houseConfig = z.strictObject({
  home: homeConfig,
  log: logConfig,
  http: httpConfig,
  store: storeConfig,
  wifi: wifiConfig.optional(),
  homeassistant: homeassistantConfig.optional(),
  presence: presenceConfig,
  electricity: electricityConfig.prefault({}),
  metrics: metricsConfig.prefault({}),
  graphite: graphiteConfig.optional(),
  mqtt: mqttConfig.optional(),
  broker: brokerConfig.optional(),
});

export type HouseConfig = z.infer<typeof houseConfig>;

/** Settings that the environment or an env file may give; the first name is the one to use. */
export const envBindings: EnvBindings = {
  'homeassistant.token': ['HOMEASSISTANT_TOKEN', 'HA_TOKEN'],
  'homeassistant.url': ['HOMEASSISTANT_URL', 'HA_URL'],
  'graphite.host': ['GRAPHITE_HOST'],
  'graphite.port': ['GRAPHITE_PORT'],
  'mqtt.username': ['MQTT_USERNAME'],
  'mqtt.password': ['MQTT_PASSWORD'],
  'http.port': ['LARES_HTTP_PORT'],
};

/** Where the environment of the service is kept on an installed system; the original's own file. */
export const systemEnvFile = '/etc/presence-monitoring.env';
