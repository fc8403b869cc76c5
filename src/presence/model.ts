import type { Evidence } from '#kernel/event.ts';

/** Sources that a person's metrics name. `wifi` is derived from LAN sightings, the others report for themselves. */
export const reportSources = ['homeassistant', 'tado'] as const;
export type ReportSource = (typeof reportSources)[number];
export const sources = ['wifi', ...reportSources] as const;
export type Source = (typeof sources)[number];

/** A person as configured. */
export interface PersonConfig {
  /** The slug in metrics and logs. */
  readonly person: string;
  readonly name?: string | undefined;
  readonly homeassistant_entity?: string | undefined;
  readonly homeassistant_device_trackers: readonly string[];
  readonly wifi_macs: readonly string[];
  /** Case-insensitive globs or substrings. */
  readonly wifi_hostnames: readonly string[];
  readonly tado_device?: string | undefined;
  readonly offline_grace_seconds?: number | undefined;
}

/** What Home Assistant or Tado says about a person. `unknown` is no information, never "away". */
export interface Report {
  readonly source: ReportSource;
  readonly person: string;
  readonly state: 'home' | 'away' | 'unknown';
  /** Epoch ms of the peer's last change, or of our reading. */
  readonly at: number;
  /** The entity or device that said it: `person.alex`, `device_tracker.alex_phone`. */
  readonly entity: string;
  /** A satellite position, which is slower but independent of the LAN. */
  readonly gps: boolean;
}

export type PersonState = 'home' | 'away' | 'unknown';

/** One person as the house believes now. */
export interface PersonView {
  readonly person: string;
  readonly name: string;
  readonly state: PersonState;
  /** Probability of being home, 0 to 1. */
  readonly probability: number;
  /** Epoch ms of the last transition. */
  readonly since: number | undefined;
  /** Epoch ms of the last proof of presence by any source. */
  readonly lastSeen: number | undefined;
  /** What each source says now: 1 home, 0 not. Held between polls. */
  readonly from: Readonly<Record<Source, 0 | 1>>;
  /** Everything the belief rests on, strongest first. */
  readonly evidence: readonly Evidence[];
  /** A sentence when two sources contradict each other. */
  readonly conflict: string | undefined;
}

/** A proposal to the person who runs the box; never acted upon silently above what the config allows. */
export interface Suggestion {
  readonly id: string;
  readonly kind: 'relink-mac' | 'assign-device';
  readonly person: string;
  readonly mac: string;
  /** The address that it replaces. */
  readonly replaces: string | undefined;
  /** 0 to 1. */
  readonly confidence: number;
  readonly evidence: readonly Evidence[];
  /** Epoch ms. */
  readonly at: number;
  readonly status: 'open' | 'accepted' | 'rejected' | 'applied';
}

/** The whole presence picture at one instant; metrics, HTTP and MQTT all read this. */
export interface PresenceView {
  readonly at: number;
  readonly people: readonly PersonView[];
  readonly countHome: number;
  /** Distinct devices that the last sweep or listener saw. */
  readonly devicesPresent: number;
  readonly guests: number;
}
