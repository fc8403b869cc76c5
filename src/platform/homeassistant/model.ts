/** One entity as Home Assistant last said. */
export interface EntityState {
  /** `person.alex`, `device_tracker.alex_phone`. */
  readonly entity: string;
  /** `home`, `not_home`, the name of a zone, `unknown`, `unavailable`, a number as text, … */
  readonly state: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Epoch ms of the last change of `state`; undefined when Home Assistant did not say. */
  readonly changedAt: number | undefined;
}

/** What one entity says now: a state, or nothing because Home Assistant does not know it. */
export type EntityAnswer = EntityState | { readonly entity: string; readonly missing: true };

/** Where a Home Assistant is and how we prove who we are. */
export interface Access {
  /** `http://homeassistant.local:8123`, with or without a trailing slash. */
  readonly url: string;
  /** A long-lived access token. */
  readonly token: string;
  /** False accepts a self-signed certificate. */
  readonly verifyTls: boolean;
  /** Milliseconds for one request or handshake; 10 000 unless told. */
  readonly deadlineMs?: number;
  /** Milliseconds between pings of the WebSocket; 30 000 unless told. */
  readonly pingMs?: number;
}
