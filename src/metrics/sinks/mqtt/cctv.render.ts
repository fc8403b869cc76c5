import type { CameraView, CctvView } from '#cctv/index.ts';
import { availabilityTopic, node, type Message, type MqttFeed, type Naming } from './feed.ts';

/** The last alert of a camera. */
export interface LastAlert {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly text: string;
}

/** What the cameras see and its changes. */
export interface CctvSource {
  view(): CctvView;
  lastAlert(camera: string): LastAlert | undefined;
  /** Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void;
}

/** The longest state that Home Assistant takes (home-assistant.io, "State object"). */
const longestState = 255;

const place = ({ topic }: Naming, camera: string) => `${topic}/cctv/${camera}`;
const configTopic = (naming: Naming, camera: string) =>
  `${naming.discovery_prefix}/device/${node(naming)}_cctv/${camera}/config`;

interface Entity {
  readonly config: Readonly<Record<string, string | number>>;
  /** It means something only while the camera gives pictures. */
  readonly live: boolean;
}

const onOff = { payload_on: 'ON', payload_off: 'OFF' };

/** The entities of a camera by the key of their value in its state. */
const entities: Readonly<Record<string, Entity>> = {
  connected: {
    config: { platform: 'binary_sensor', name: 'Connected', device_class: 'connectivity', ...onOff },
    live: false,
  },
  person: {
    config: { platform: 'binary_sensor', name: 'Person', device_class: 'occupancy', ...onOff },
    live: true,
  },
  car: {
    config: { platform: 'binary_sensor', name: 'Car', device_class: 'occupancy', ...onOff },
    live: true,
  },
  fps: {
    config: {
      platform: 'sensor',
      name: 'Frames looked at',
      unit_of_measurement: 'fps',
      state_class: 'measurement',
      suggested_display_precision: 1,
      entity_category: 'diagnostic',
    },
    live: true,
  },
  last_alert: { config: { platform: 'sensor', name: 'Last alert', icon: 'mdi:alert' }, live: false },
};

/** One camera with all its entities in one message (home-assistant.io, MQTT device discovery, since 2024.11). */
function discovery(naming: Naming, { id, name }: CameraView): Message {
  const device = `${node(naming)}_camera_${id}`;
  const ours = { topic: availabilityTopic(naming) };
  const components = Object.entries(entities).map(([key, { config, live }]) => [
    key,
    {
      unique_id: `${device}_${key}`,
      ...config,
      value_template: `{{ value_json.${key} | default(None) }}`,
      availability: live ? [ours, { topic: `${place(naming, id)}/availability` }] : [ours],
      availability_mode: 'all',
      ...(key === 'last_alert'
        ? {
            json_attributes_topic: `${place(naming, id)}/state`,
            json_attributes_template: '{{ {"at": value_json.last_alert_at} | tojson }}',
          }
        : {}),
    },
  ]);
  return {
    topic: configTopic(naming, id),
    payload: JSON.stringify({
      device: { identifiers: [device], name, manufacturer: 'Lares', via_device: node(naming) },
      origin: { name: 'Lares' },
      state_topic: `${place(naming, id)}/state`,
      components: Object.fromEntries(components),
    }),
  };
}

const sees = ({ objects }: CameraView, label: string) =>
  objects.some((object) => object.label === label) ? 'ON' : 'OFF';

function states(naming: Naming, camera: CameraView, alert: LastAlert | undefined): Message[] {
  const live = camera.state === 'live';
  const state = {
    connected: live ? 'ON' : 'OFF',
    ...(live && {
      person: sees(camera, 'person'),
      car: sees(camera, 'car'),
      ...(camera.stats && { fps: Math.round(camera.stats.fps * 10) / 10 }),
    }),
    ...(alert && {
      last_alert: alert.text.slice(0, longestState),
      last_alert_at: new Date(alert.at).toISOString(),
    }),
  };
  return [
    { topic: `${place(naming, camera.id)}/state`, payload: JSON.stringify(state) },
    { topic: `${place(naming, camera.id)}/availability`, payload: live ? 'online' : 'offline' },
  ];
}

/** Cameras as devices of Home Assistant. Disabled ones are none. */
export function cctvFeed(source: CctvSource): MqttFeed {
  const cameras = () => source.view().cameras.filter((camera) => camera.enabled);
  const patterns = (naming: Naming) => [configTopic(naming, '+'), `${place(naming, '+')}/state`];
  return {
    messages: (naming) =>
      cameras().flatMap((camera) => [
        discovery(naming, camera),
        ...states(naming, camera, source.lastAlert(camera.id)),
      ]),
    knownTopics: patterns,
    subjectOf: (naming, topic) => {
      for (const pattern of patterns(naming)) {
        const [before = '', after = ''] = pattern.split('+');
        const camera = topic.slice(before.length, topic.length - after.length);
        if (topic === `${before}${camera}${after}` && camera !== '' && !camera.includes('/')) return camera;
      }
      return undefined;
    },
    has: (subject) => cameras().some((camera) => camera.id === subject),
    removal: (naming, camera) =>
      [
        configTopic(naming, camera),
        `${place(naming, camera)}/state`,
        `${place(naming, camera)}/availability`,
      ].map((topic) => ({ topic, payload: '' })),
    onChange: (listener) => source.onChange(listener),
  };
}
