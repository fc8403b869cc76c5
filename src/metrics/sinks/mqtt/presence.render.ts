import type { PresenceView } from '#presence/index.ts';

import { availabilityTopic, node, type Message, type MqttFeed, type Naming } from './feed.ts';

const house = {
  anyone_home: {
    component: 'binary_sensor',
    value: (view: PresenceView) => (view.countHome > 0 ? 'ON' : 'OFF'),
    config: { name: 'Anyone home', device_class: 'presence' },
  },
  count_home: {
    component: 'sensor',
    value: (view: PresenceView) => String(view.countHome),
    config: { name: 'People home', state_class: 'measurement', unit_of_measurement: 'people' },
  },
  devices_present: {
    component: 'sensor',
    value: (view: PresenceView) => String(view.devicesPresent),
    config: { name: 'Devices present', state_class: 'measurement', unit_of_measurement: 'devices' },
  },
} as const;

const personTopic = ({ topic }: Naming, person: string, leaf: string) => `${topic}/person/${person}/${leaf}`;
const trackerTopic = (naming: Naming, person: string) =>
  `${naming.discovery_prefix}/device_tracker/${node(naming)}/${person}/config`;

/**
 * The Home Assistant discovery messages, one for each entity (home-assistant.io, MQTT discovery). A tracker says
 * `router`, because `gps` would claim a position and would change which tracker decides about a person.
 */
function discovery(naming: Naming, view: PresenceView): Message[] {
  const shared = {
    availability_topic: availabilityTopic(naming),
    device: { identifiers: [node(naming)], name: naming.homeName, manufacturer: 'Lares' },
    origin: { name: 'Lares' },
  };
  const trackers = view.people.map(({ person, name }) => ({
    topic: trackerTopic(naming, person),
    payload: JSON.stringify({
      name,
      unique_id: `${node(naming)}_${person}`,
      state_topic: personTopic(naming, person, 'state'),
      json_attributes_topic: personTopic(naming, person, 'attributes'),
      payload_home: 'home',
      payload_not_home: 'not_home',
      payload_reset: 'None',
      source_type: 'router',
      ...shared,
    }),
  }));
  const sensors = Object.entries(house).map(([key, { component, config }]) => ({
    topic: `${naming.discovery_prefix}/${component}/${node(naming)}/${key}/config`,
    payload: JSON.stringify({
      ...config,
      unique_id: `${node(naming)}_house_${key}`,
      state_topic: `${naming.topic}/house/${key}`,
      ...shared,
    }),
  }));
  return [...trackers, ...sensors];
}

// `None` is the reset payload: the tracker then says `unknown`.
const words = { home: 'home', away: 'not_home', unknown: 'None' } as const;

/** What is so now, one message a topic. */
function states(naming: Naming, view: PresenceView): Message[] {
  const people = view.people.flatMap(({ person, state, since, probability, from }) => [
    { topic: personTopic(naming, person, 'state'), payload: words[state] },
    {
      topic: personTopic(naming, person, 'attributes'),
      payload: JSON.stringify({
        probability: Math.round(probability * 100) / 100,
        since: since === undefined ? null : new Date(since).toISOString(),
        sources: Object.entries(from).flatMap(([source, home]) => (home === 1 ? [source] : [])),
      }),
    },
  ]);
  const sums = Object.entries(house).map(([key, { value }]) => ({
    topic: `${naming.topic}/house/${key}`,
    payload: value(view),
  }));
  return [...people, ...sums];
}

/** Everything of one person, empty: for somebody who left the settings. */
function removal(naming: Naming, person: string): Message[] {
  return [
    trackerTopic(naming, person),
    personTopic(naming, person, 'state'),
    personTopic(naming, person, 'attributes'),
  ].map((topic) => ({ topic, payload: '' }));
}

/** Topics under which the broker tells which people it still knows. */
const knownTopics = (naming: Naming): string[] => [
  trackerTopic(naming, '+'),
  personTopic(naming, '+', 'state'),
];

/** The person of a topic that matches `knownTopics`; undefined for any other topic. */
export function personOf(naming: Naming, topic: string): string | undefined {
  for (const pattern of knownTopics(naming)) {
    const [before = '', after = ''] = pattern.split('+');
    const person = topic.slice(before.length, topic.length - after.length);
    if (topic === `${before}${person}${after}` && person !== '' && !person.includes('/')) return person;
  }
  return undefined;
}

/** The presence picture and its changes; `PresenceService` is one. */
export interface PresenceSource {
  view(): PresenceView;
  /** Returns a function that unsubscribes. */
  onChange(listener: (view: PresenceView) => void): () => void;
}

/** People as trackers, and the sums. */
export function presenceFeed(source: PresenceSource): MqttFeed {
  return {
    messages: (naming) => {
      const view = source.view();
      return [...discovery(naming, view), ...states(naming, view)];
    },
    knownTopics,
    subjectOf: personOf,
    has: (person) => source.view().people.some((p) => p.person === person),
    removal,
    onChange: (listener) => source.onChange(listener),
  };
}
