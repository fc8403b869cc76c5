import * as z from 'zod';
import type { EnvBindings } from '#config/load.ts';
import { camerasConfig, cctvConfig, performanceConfig } from '#cctv/config.ts';
import { processingConfig } from '#cctv/detect/config.ts';
import { wifiConfig } from '#devices/config.ts';
import { electricityConfig, type ElectricityConfig } from '#electricity/config.ts';
import { topicRoutes } from '#electricity/drivers/pulse/mqtt.codec.ts';
import { monitoringConfig, speakersConfig } from '#guard/channels/config.ts';
import { guardConfig } from '#guard/config.ts';
import { alertRulesConfig } from '#guard/rules/config.ts';
import { httpConfig } from '#http/config.ts';
import { graphiteConfig, metricsConfig } from '#metrics/config.ts';
import { mqttConfig } from '#metrics/sinks/mqtt/config.ts';
import { homeConfig, logConfig } from '#platform/config.ts';
import { brokerConfig } from '#platform/mqtt/config.ts';
import { homeassistantConfig } from '#platform/homeassistant/config.ts';
import { presenceConfig } from '#presence/config.ts';
import { storeConfig } from '#store/config.ts';

/** Sources that listen to the broker of the house: whether these settings want it, and whether one of their own will do. */
const listeners: readonly {
  readonly kind: 'glow' | 'tasmota' | 'pulse';
  readonly wants: (electricity: ElectricityConfig) => boolean;
  readonly own?: string;
}[] = [
  { kind: 'tasmota', wants: ({ tasmota }) => tasmota !== undefined },
  {
    kind: 'glow',
    wants: ({ glow }) => glow?.local === true && glow.broker === undefined,
    own: 'electricity.glow.broker',
  },
  {
    kind: 'pulse',
    wants: ({ pulse }) =>
      pulse !== undefined && pulse.mqtt?.broker === undefined && topicRoutes(pulse).size > 0,
    own: 'electricity.pulse.mqtt.broker',
  },
];

/** The whole settings tree: each area's own schema under its own key. Absent optional sections are switched off. */
export const houseConfig = z
  .strictObject({
    home: homeConfig,
    log: logConfig,
    http: httpConfig,
    store: storeConfig,
    wifi: wifiConfig.optional(),
    homeassistant: homeassistantConfig.optional(),
    presence: presenceConfig,
    electricity: electricityConfig.prefault({}),
    cameras: camerasConfig,
    cctv: cctvConfig,
    processing: processingConfig.prefault({}),
    performance: performanceConfig,
    alert_rules: alertRulesConfig,
    speakers: speakersConfig,
    monitoring: monitoringConfig,
    guard: guardConfig,
    metrics: metricsConfig.prefault({}),
    graphite: graphiteConfig.optional(),
    mqtt: mqttConfig.optional(),
    broker: brokerConfig.optional(),
  })
  .superRefine(({ electricity, mqtt, broker }, context) => {
    if (mqtt !== undefined || broker !== undefined) return;
    for (const { kind, wants, own } of listeners)
      if (wants(electricity))
        context.addIssue({
          code: 'custom',
          path: ['electricity', kind],
          message: `needs an MQTT broker: set up the section mqtt, the section broker${own === undefined ? '' : `, or ${own}`}`,
        });
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
