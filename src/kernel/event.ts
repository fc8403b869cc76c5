/** Something that happened, kept for good in the journal. */
export interface HouseEvent {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  /** `<area>.<what happened>`: `presence.arrived`, `device.discovered`. */
  readonly kind: string;
  /** Whom or what it is about: `person:alex`, `device:02:00:00:00:00:01`. */
  readonly subject: string;
  /** Who or what made it happen: `fusion`, `user:cli`, `scan:lan`. */
  readonly cause: string;
  /** Ids of events, or descriptions of the readings and sightings it rests on. */
  readonly evidence: readonly Evidence[];
  readonly data: Readonly<Record<string, unknown>>;
}

/** One reason for believing something, in words for people and numbers for machines. */
export interface Evidence {
  /** Epoch milliseconds of the observation itself. */
  readonly at: number;
  /** `wifi`, `homeassistant`, `tado`, `camera.front`, … */
  readonly source: string;
  /** A short sentence: `silent for 131 s`, `person.alex is home`. */
  readonly text: string;
  /** Natural logarithm of the likelihood ratio home : away; positive speaks for home. */
  readonly weight?: number;
  /** Id of a journal event or name of a series that proves it. */
  readonly ref?: string;
}

export type NewEvent = Omit<HouseEvent, 'id'>;
