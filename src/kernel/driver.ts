/** Time as an argument. Tests and the demo house bring their own. */
export interface Clock {
  /** Wall clock, epoch milliseconds. May jump. */
  now(): number;
  /** Milliseconds since some fixed instant. Never jumps. */
  monotonic(): number;
  /** Resolves after `ms` of this clock's time; early, without an error, when the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Log {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
  /** A log whose lines carry `component`. */
  child(component: string): Log;
}

/** Everything that a source may touch besides its own socket. */
export interface Context<Signal> {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly random: () => number;
  /** Reports what was observed. Counts as a sign of life for the staleness watch. */
  readonly emit: (signal: Signal) => void;
  /** Says that the source works although it has nothing to report: resets back-off and staleness. */
  readonly alive: (detail?: string) => void;
}

/** Any validator with zod's `parse` will do; the kernel does not import zod. */
export interface Schema<T> {
  parse(input: unknown): T;
}

export type Need = 'raw-socket' | 'cloud' | 'network';

export interface Traits {
  /** How often it reports, so that the supervisor knows when it has gone stale. */
  readonly cadence: { readonly everyMs: number } | 'push';
  readonly needs: readonly Need[];
}

/** The one contract of everything that speaks an outside protocol. It has no retry code: the supervisor does that. */
export interface Driver<Kind extends string, Config, Signal> {
  readonly kind: Kind;
  readonly title: string;
  /** Refuses unknown keys. */
  readonly config: Schema<Config>;
  /** Must validate; docs, forms and the contract test read it. */
  readonly example: unknown;
  readonly traits: Traits;
  /** Runs until the signal aborts. Throwing asks the supervisor for a restart with back-off. */
  run(config: Config, context: Context<Signal>): Promise<void>;
}

export function defineDriver<const Kind extends string, Config, Signal>(
  driver: Driver<Kind, Config, Signal>,
): Driver<Kind, Config, Signal> {
  return driver;
}
