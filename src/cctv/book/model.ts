import type { Box, Identity } from '../model.ts';

/**
 * The book of the cameras: `data/events.db`, always SQLite, with the tables `events` and `alerts` of the original, so
 * that its `sqlite3` commands work while the house runs. Instants in the tables are Unix seconds; here epoch milliseconds.
 */

/** One object from its first to its last sight. */
export interface EventRow {
  readonly id: string;
  readonly at: number;
  readonly camera: string;
  readonly label: string;
  /** Best score so far. */
  readonly confidence: number;
  readonly box: Box;
  /** Last sight so far; the end once `closed`. */
  readonly seenAt: number;
  readonly closed: boolean;
  readonly snapshot?: string;
  readonly clip?: string;
  readonly identity?: Identity;
  /** Nearest approach in metres by reference, zones entered, top speed: what people ask of an event. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A point of the path of an object, for replay: at most two a second. */
export interface PathPoint {
  readonly event: string;
  readonly at: number;
  readonly score: number;
  readonly box: Box;
  readonly stationary: boolean;
  readonly furniture: boolean;
  readonly ground?: { readonly x: number; readonly y: number; readonly sigma: number };
}

/** Something that people were to be told. */
export interface AlertRow {
  readonly id: string;
  readonly at: number;
  readonly rule: string;
  readonly camera: string;
  readonly event: string;
  readonly label: string;
  readonly message: string;
  readonly severity: string;
  /** Metres to the reference of the rule, where it has one. */
  readonly distance?: number;
  readonly snapshot?: string;
  /** What was decided and from what: the gates passed, with their values. */
  readonly why: Readonly<Record<string, unknown>>;
}

/** An alert that a rule would have made and that somebody's presence, a mode or a cooldown held back. */
export interface SuppressedRow {
  readonly at: number;
  readonly rule: string;
  readonly camera: string;
  readonly event: string;
  readonly reason: string;
}

export type DeliveryState = 'waiting' | 'done' | 'failed' | 'given-up';

/** One alert on its way over one channel. Written with the alert in one transaction: told once, also after a crash. */
export interface DeliveryRow {
  readonly id: string;
  readonly alert: string;
  readonly channel: string;
  /** The action of the rule, as in the settings, without secrets. */
  readonly action: Readonly<Record<string, unknown>>;
  readonly state: DeliveryState;
  readonly attempts: number;
  /** Epoch milliseconds of the next try. */
  readonly dueAt: number;
  readonly detail?: string;
}

/** What is asked of a list; all instants epoch milliseconds. */
export interface BookQuery {
  /** Inclusive. */
  readonly from?: number | undefined;
  /** Exclusive. */
  readonly to?: number | undefined;
  readonly camera?: string | undefined;
  readonly label?: string | undefined;
  /** Alerts and suppressed ones only. */
  readonly rule?: string | undefined;
  /** Alerts and suppressed ones only: those of one event. */
  readonly event?: string | undefined;
  /** Newest first unless `asc`. */
  readonly order?: 'asc' | 'desc' | undefined;
  /** 100 unless told otherwise, at most 1000. */
  readonly limit?: number | undefined;
  /** `next` of the page before. */
  readonly page?: string | undefined;
}

export interface Page<T> {
  readonly rows: readonly T[];
  /** Asks for the page that follows; absent when this was the last. */
  readonly next?: string;
}

export interface StoredEvent extends EventRow {
  /** The file of the snapshot was let go or removed. */
  readonly snapshotGone: boolean;
}

export interface StoredAlert extends AlertRow {
  /** Somebody said that it was a false alarm. */
  readonly falsePositive: boolean;
}

/** A file of recorded video. */
export interface SegmentRow {
  readonly camera: string;
  /** Absolute. */
  readonly file: string;
  readonly startAt: number;
  readonly endAt: number;
  readonly bytes: number;
  readonly closed: boolean;
  readonly events: readonly string[];
}

/** What is said of an event that goes on. */
export interface EventTouch {
  readonly seenAt: number;
  readonly confidence?: number;
  readonly label?: string;
  readonly box?: Box;
  readonly identity?: Identity;
  /** Replaces the data as a whole. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export interface DeliveryChange {
  readonly attempts?: number;
  readonly dueAt?: number;
  readonly detail?: string | undefined;
}

/** Figures for metrics and health. */
export interface BookCounts {
  readonly events: number;
  readonly openEvents: number;
  readonly alerts: number;
  readonly suppressed: number;
  readonly deliveriesWaiting: number;
  readonly segments: number;
  readonly segmentBytes: number;
  readonly pathBytes: number;
  /** Main file and write-ahead log. */
  readonly bytes: number;
  /** Changes that wait in memory because the file cannot be written, and those that were lost so. */
  readonly pending: number;
  readonly dropped: number;
  readonly problem: string | undefined;
}
