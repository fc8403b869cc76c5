/** One thing that is wrong with a configuration file, precise enough to mend it without searching. */
export interface Problem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** `presence.people[2].wifi_macs[0]`; empty for the whole file. */
  readonly path: string;
  /** What was expected and what was found, as a sentence. */
  readonly message: string;
  /** How to mend it: the nearest known key, an example. */
  readonly hint?: string;
}

/** Whether a changed setting takes effect at once or needs a restart. */
export type Reload = 'live' | 'restart';

/** The `.meta()` of every setting in an area's `config.ts`. */
// An alias, not an interface: zod's metadata wants an index signature, which only aliases get for free.
// oxlint-disable-next-line typescript/consistent-type-definitions
export type SettingMeta = {
  readonly title: string;
  readonly description: string;
  readonly unit?: string;
  readonly reload?: Reload;
  readonly secret?: boolean;
  readonly examples?: readonly unknown[];
};
