import type { DeliveryRow, DeliveryState } from '#cctv/index.ts';
import type { AlertMessage } from './model.ts';

/** The table `deliveries` of the book, as the queue needs it. */
export interface DeliveryStore {
  /**
   * Deliveries in state `waiting` whose `dueAt` is not after `now`, the earliest first: about `limit` of each action, the
   * most severe of it.
   */
  due(now: number, limit: number): DeliveryRow[];
  /** Everything that waits is due at `now` at the latest. */
  hasten(now: number): void | Promise<void>;
  /** What became of one try: known to `due` at once, on the disk when it resolves. */
  mark(
    id: string,
    state: DeliveryState,
    change: { readonly attempts: number; readonly dueAt: number; readonly detail?: string | undefined },
  ): void | Promise<void>;
  /** How many wait, in one channel or in all. */
  waiting(channel?: string): number;
}

/** What is to be told, by the id of its alert; undefined when the book no longer has it. */
export type FindAlert = (id: string) => AlertMessage | undefined;
