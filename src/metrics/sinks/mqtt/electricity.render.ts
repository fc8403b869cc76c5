import { deviceMetrics, type DeviceView, type ElectricityView } from '#electricity/index.ts';
import { availabilityTopic, node, type Message, type MqttFeed, type Naming } from './feed.ts';

/** How Home Assistant calls a reading of ours: device class, unit, state class (home-assistant.io, sensor). */
const classes: Readonly<Record<string, readonly [deviceClass: string, unit: string, stateClass: string]>> = {
  power_watts: ['power', 'W', 'measurement'],
  voltage_volts: ['voltage', 'V', 'measurement'],
  current_amps: ['current', 'A', 'measurement'],
  frequency_hertz: ['frequency', 'Hz', 'measurement'],
  energy_today_kwh: ['energy', 'kWh', 'total_increasing'],
  energy_total_kwh: ['energy', 'kWh', 'total_increasing'],
  export_total_kwh: ['energy', 'kWh', 'total_increasing'],
};
const shown = deviceMetrics.filter(({ leaf }) => leaf in classes);

const place = (naming: Naming, path: string) => `${naming.topic}/electricity/${path.replaceAll('.', '/')}`;
const slug = (path: string) => path.replaceAll('.', '_');
const configTopic = (naming: Naming, path: string) =>
  `${naming.discovery_prefix}/device/${node(naming)}_electricity/${slug(path)}/config`;
const setTopic = (naming: Naming, path: string) => `${place(naming, path)}/set`;

/** One device with all its entities in one message (home-assistant.io, MQTT device discovery, since 2024.11). */
function discovery(naming: Naming, { device, path, control }: DeviceView, tellsOn: boolean): Message {
  const id = `${node(naming)}_${slug(path)}`;
  const state = `${place(naming, path)}/state`;
  const sensors = shown.map(({ leaf, title }) => {
    const [deviceClass, unit, stateClass] = classes[leaf]!;
    return [
      leaf,
      {
        platform: 'sensor',
        unique_id: `${id}_${leaf}`,
        name: title,
        device_class: deviceClass,
        unit_of_measurement: unit,
        state_class: stateClass,
        value_template: `{{ value_json.${leaf} | default(None) }}`,
      },
    ] as const;
  });
  const isOn = {
    unique_id: `${id}_is_on`,
    value_template: '{{ value_json.is_on | default(None) }}',
    payload_on: 'ON',
    payload_off: 'OFF',
  };
  const onOff =
    control === 'allowed'
      ? [
          [
            'is_on',
            { platform: 'switch', name: 'Switch', command_topic: setTopic(naming, path), ...isOn },
          ] as const,
        ]
      : !tellsOn
        ? []
        : [
            [
              'is_on',
              { platform: 'binary_sensor', name: 'Switched on', device_class: 'power', ...isOn },
            ] as const,
          ];
  return {
    topic: configTopic(naming, path),
    payload: JSON.stringify({
      device: {
        identifiers: [id],
        name: device.name,
        ...(device.model === undefined ? {} : { model: device.model }),
        via_device: node(naming),
      },
      origin: { name: 'Lares' },
      state_topic: state,
      availability: [{ topic: availabilityTopic(naming) }, { topic: `${place(naming, path)}/availability` }],
      availability_mode: 'all',
      components: Object.fromEntries([...sensors, ...onOff]),
    }),
  };
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;

function states(naming: Naming, view: DeviceView): Message[] {
  const readings = shown.flatMap(({ leaf, read }) => {
    const value = read(view);
    return value === undefined ? [] : [[leaf, rounded(value)] as const];
  });
  const isOn = view.values.is_on;
  const state = {
    ...Object.fromEntries(readings),
    ...(isOn === undefined ? {} : { is_on: isOn === 1 ? 'ON' : 'OFF' }),
  };
  return [
    { topic: `${place(naming, view.path)}/state`, payload: JSON.stringify(state) },
    {
      topic: `${place(naming, view.path)}/availability`,
      payload: view.state === 'ok' ? 'online' : 'offline',
    },
  ];
}

/** The path in a topic that has it between `before` and `after`; undefined for any other topic. */
function pathIn(topic: string, before: string, after: string): string | undefined {
  if (!topic.startsWith(`${before}/`) || !topic.endsWith(after)) return undefined;
  const path = topic.slice(before.length + 1, topic.length - after.length);
  return path === '' ? undefined : path.replaceAll('/', '.');
}

/** Electricity and its changes; `ElectricityService` is one. */
export interface ElectricitySource {
  view(): ElectricityView;
  /** Switches by path; what fails is in its journal. */
  turn(path: string, on: boolean, actor: string, why: string, signal: AbortSignal): Promise<unknown>;
  onChange(listener: () => void): () => void;
}

const switchLimitMs = 10_000;

/** Plugs and meters as devices of Home Assistant, with switches where switching is allowed. */
export function electricityFeed(source: ElectricitySource): MqttFeed {
  const mine = (naming: Naming) => `${naming.topic}/electricity`;
  // What once said whether it is on has that entity for good, also while it does not say it.
  const tellOn = new Set<string>();
  const messages = (naming: Naming, view: DeviceView): Message[] => {
    const { id } = view.device;
    if (view.values.is_on !== undefined) tellOn.add(id);
    return [discovery(naming, view, tellOn.has(id)), ...states(naming, view)];
  };
  return {
    messages: (naming) => source.view().devices.flatMap((view) => messages(naming, view)),
    knownTopics: (naming) => [
      configTopic(naming, '+'),
      `${mine(naming)}/+/+/state`,
      `${mine(naming)}/+/state`,
    ],
    subjectOf: (naming, topic) =>
      pathIn(topic, mine(naming), '/state') ??
      source.view().devices.find((d) => configTopic(naming, d.path) === topic)?.path ??
      goneConfig(naming, topic),
    has: (subject) => source.view().devices.some((d) => d.path === subject),
    removal: (naming, path) =>
      [configTopic(naming, path), `${place(naming, path)}/state`, `${place(naming, path)}/availability`].map(
        (topic) => ({ topic, payload: '' }),
      ),
    commands: {
      topics: (naming) => [`${mine(naming)}/+/+/set`, `${mine(naming)}/+/set`],
      hear: (naming, topic, payload) => {
        const path = pathIn(topic, mine(naming), '/set');
        if (path === undefined) return false;
        if (payload === 'ON' || payload === 'OFF')
          source
            .turn(path, payload === 'ON', 'mqtt', 'asked over MQTT', AbortSignal.timeout(switchLimitMs))
            .catch(() => {});
        return true;
      },
    },
    onChange: (listener) => source.onChange(listener),
  };
}

/** A discovery message of ours for a device that is gone: its slug stands for the path, which nobody knows any more. */
function goneConfig(naming: Naming, topic: string): string | undefined {
  const [before = '', after = ''] = configTopic(naming, '+').split('+');
  if (!topic.startsWith(before) || !topic.endsWith(after)) return undefined;
  const gone = topic.slice(before.length, topic.length - after.length);
  return gone === '' || gone.includes('/') ? undefined : gone;
}
