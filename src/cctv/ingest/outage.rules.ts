import type { CameraState, Cause } from '../model.ts';

export interface Status {
  readonly state: CameraState;
  readonly cause?: Cause;
  readonly detail?: string;
}

/** One camera may have several connections: it is down when one of them is, and live when all are. */
export function together(statuses: readonly Status[]): Status {
  const down = statuses.find((s) => s.state === 'down');
  if (down !== undefined) return down;
  if (statuses.length === 0) return { state: 'off' };
  return statuses.find((s) => s.state === 'connecting') ?? { state: 'live' };
}

/** Turns what connections say into what is worth telling: each change once, one loss an outage. */
export class Outage {
  #told: Status = { state: 'off' };
  #lost = false;

  /** The status to tell, with `lost` on the first of an outage; undefined when nothing changed. */
  next(status: Status): (Status & { readonly lost?: true }) | undefined {
    const told = this.#told;
    // Trying again is part of the outage, not its end.
    if (this.#lost && status.state === 'connecting') return undefined;
    if (status.state === told.state && status.cause === told.cause) return undefined;
    this.#told = status;
    if (status.state !== 'down') {
      this.#lost = false;
      return status;
    }
    if (this.#lost) return status;
    this.#lost = true;
    return { ...status, lost: true };
  }
}
