import type { Movement } from '#kernel/bus.ts';
import type { Evidence } from '#kernel/event.ts';
import type { PersonState, ReportSource, Source } from './model.ts';

/** Numbers that the decision rests on. Times in ms. */
export interface Tuning {
  /** `learned` weighs all evidence; `fixed` is the original rule: away when nothing saw them for the grace period. */
  readonly policy: 'learned' | 'fixed';
  /** No departure without exit evidence before this silence. */
  readonly graceMs: number;
  /** With exit evidence this silence is enough. */
  readonly exitGraceMs: number;
  /** After this silence they are away unless a source insists that they are home. */
  readonly longestSilenceMs: number;
  /** A report from a source that has gone quiet is believed this long. */
  readonly reportTtlMs: Readonly<Record<ReportSource, number>>;
  /** Away below this probability of being home; home above `homeAbove`. Between the two nothing changes. */
  readonly awayBelow: number;
  readonly homeAbove: number;
  /** Exits through a watched door by anybody, per day; how surprising an exit is when nobody went. */
  readonly exitsPerDay: number;
}

export const defaultTuning: Tuning = {
  policy: 'learned',
  graceMs: 300_000,
  exitGraceMs: 180_000,
  longestSilenceMs: 45 * 60_000,
  reportTtlMs: { homeassistant: 600_000, tado: 45 * 60_000 },
  awayBelow: 0.1,
  homeAbove: 0.6,
  exitsPerDay: 8,
};

/** What is known of the house besides the person. */
export interface Surroundings {
  /** Epoch ms. */
  readonly now: number;
  /** Local hour of day, 0 to 23. */
  readonly hour: number;
  /** Door evidence of the last hour. */
  readonly movements: readonly Movement[];
  /** True when some camera or door sensor watches the exits, so that no exit seen is news too. */
  readonly exitsWatched: boolean;
  /**
   * Epoch ms of the span in which the LAN was watched without a break, up to now or up to when the scanner failed.
   * Silence before or after it proves nothing: we were not listening.
   */
  readonly watched: { readonly from: number; readonly to: number };
  /** Whether any Wi-Fi device of this person is known at all. */
  readonly hasDevices: boolean;
}

export interface Judgement {
  readonly probability: number;
  readonly state: PersonState;
  readonly evidence: readonly Evidence[];
  readonly conflict: string | undefined;
  readonly from: Readonly<Record<Source, 0 | 1>>;
  readonly lastSeen: number | undefined;
}
