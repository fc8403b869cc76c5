/** One retained message. An empty payload removes what the broker kept. */
export interface Message {
  readonly topic: string;
  readonly payload: string;
}

export interface Naming {
  /** `lares` */
  readonly topic: string;
  /** `homeassistant` */
  readonly discovery_prefix: string;
  /** What people call the house. */
  readonly homeName: string;
}

/** What Home Assistant calls us in topics and unique ids: `lares`, `lares_cottage`. */
export const node = ({ topic }: Naming): string => topic.replaceAll('/', '_');

export const availabilityTopic = ({ topic }: Naming): string => `${topic}/status`;
/** Where Home Assistant says that it has started and wants to hear everything again. */
export const birthTopic = (naming: Naming): string => `${naming.discovery_prefix}/status`;

/** One area of the house as the broker shall show it. A subject is a person or a device: what may come and go. */
export interface MqttFeed {
  /** Every retained message that is true now. */
  messages(naming: Naming): readonly Message[];
  /** Topics, with `+`, under which the broker tells which subjects it still knows. */
  knownTopics(naming: Naming): readonly string[];
  /** The subject of a topic of ours; undefined for any other topic. */
  subjectOf(naming: Naming, topic: string): string | undefined;
  has(subject: string): boolean;
  /** Everything of one subject, empty: for one that is gone. */
  removal(naming: Naming, subject: string): readonly Message[];
  /** What others may ask of this area. */
  readonly commands?: {
    topics(naming: Naming): readonly string[];
    /** False when the topic is none of its commands. Never throws. */
    hear(naming: Naming, topic: string, payload: string): boolean;
  };
  /** Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void;
}
