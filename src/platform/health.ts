import type { Clock } from '#kernel/driver.ts';

/** `off`: not configured. `starting`: not yet heard of. `parked`: waits for a person to fix its settings. */
export type State = 'off' | 'starting' | 'ok' | 'degraded' | 'down' | 'parked';

export interface Component {
  readonly name: string;
  readonly state: State;
  /** One sentence for people: what it does now, or what is wrong and how to mend it. */
  readonly detail: string;
  /** Epoch ms when it entered this state. */
  readonly since: number;
  /** Epoch ms of its last proof of life. */
  readonly lastOk: number | undefined;
}

export interface HealthReport {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly components: readonly Component[];
}

/** Who works and who does not: the one place that `/health`, the status page and metrics read. */
export class Health {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #components = new Map<string, Component>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  set(name: string, state: State, detail = ''): void {
    const before = this.#components.get(name);
    const now = this.#clock.now();
    this.#components.set(name, {
      name,
      state,
      detail,
      since: before?.state === state ? before.since : now,
      lastOk: state === 'ok' ? now : before?.lastOk,
    });
  }

  remove(name: string): void {
    this.#components.delete(name);
  }

  get(name: string): Component | undefined {
    return this.#components.get(name);
  }

  report(): HealthReport {
    const components = [...this.#components.values()].toSorted((a, b) => a.name.localeCompare(b.name));
    const working = components.filter((c) => c.state !== 'off');
    const status = working.every((c) => c.state === 'ok' || c.state === 'starting')
      ? 'ok'
      : working.some((c) => c.state === 'ok')
        ? 'degraded'
        : 'down';
    return { status, components };
  }
}
