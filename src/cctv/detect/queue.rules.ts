/** What waits for the detector. */
export interface Waiting {
  /** Who asks; one at most waits for each. */
  readonly from: number;
  /** Monotonic milliseconds after which nobody wants the answer. */
  readonly expiresAt: number;
}

/**
 * Turns for everybody: who asks again goes to the end, so a fast camera never starves a slow one, and a newer picture
 * takes the place of an older one of the same camera without losing its turn.
 */
export class FairQueue<Job extends Waiting> {
  readonly #waiting = new Map<number, Job>();

  get length(): number {
    return this.#waiting.size;
  }

  /** Gives back the older job of the same asker, which will never be done. */
  push(job: Job): Job | undefined {
    const older = this.#waiting.get(job.from);
    this.#waiting.set(job.from, job);
    return older;
  }

  /** The next job that is still wanted, and those that are no longer. */
  take(now: number): { readonly job: Job | undefined; readonly expired: readonly Job[] } {
    const expired: Job[] = [];
    for (const [from, job] of this.#waiting) {
      this.#waiting.delete(from);
      if (job.expiresAt > now) return { job, expired };
      expired.push(job);
    }
    return { job: undefined, expired };
  }

  /** Forgets what an asker waits for. */
  remove(from: number): Job | undefined {
    const job = this.#waiting.get(from);
    this.#waiting.delete(from);
    return job;
  }

  /** Empties the queue. */
  clear(): readonly Job[] {
    const jobs = [...this.#waiting.values()];
    this.#waiting.clear();
    return jobs;
  }
}
