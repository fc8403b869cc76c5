import type { Clock, Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { Period } from './energy/model.ts';
import type { EnergySlot, Remembers } from './model.ts';

export interface HealingParts {
  readonly clock: Pick<Clock, 'now'>;
  readonly log: Pick<Log, 'debug'>;
  /** Devices that answer now and can tell what they used while nobody asked. */
  readonly rememberers: () => readonly { readonly id: string; readonly remembers: Remembers }[];
  readonly ledger: {
    gaps(id: string): readonly Period[];
    remember(id: string, slots: readonly EnergySlot[]): Promise<void>;
  };
}

// A device is asked for what it remembers at most this often; its flash and its patience are small.
const askAgainMs = 600_000;
const limitMs = 30_000;

/** Fills gaps in the energy of devices from their own memory. */
export class Healing {
  readonly #parts: HealingParts;
  readonly #asked = new Map<string, number>();

  constructor(parts: HealingParts) {
    this.#parts = parts;
  }

  /** Asks devices that answer again what they used in the meantime: one after the other, and none for long. Never throws for a device. */
  async pass(signal: AbortSignal): Promise<void> {
    const { clock, log, rememberers, ledger } = this.#parts;
    for (const { id, remembers } of rememberers()) {
      const gaps = ledger.gaps(id);
      const now = clock.now();
      const [first, last] = [gaps[0], gaps.at(-1)];
      if (signal.aborted || first === undefined || last === undefined) continue;
      if (now - (this.#asked.get(id) ?? Number.NEGATIVE_INFINITY) < askAgainMs) continue;
      this.#asked.set(id, now);
      try {
        const limit = AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
        const slots = await remembers.energy(first.from, last.to, limit);
        if (slots.length > 0) await ledger.remember(id, slots);
      } catch (error) {
        log.debug(`electricity: ${id} does not say what it remembers: ${reason(error)}`);
      }
    }
  }
}
