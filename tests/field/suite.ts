/** What a field suite found in one folder of real material. */
export interface SuiteResult {
  /** How many things were judged, and how many were right; the suite says what that means. */
  readonly items: number;
  readonly right: number;
  /** Flat names, one figure each; undefined where there was nothing to measure. */
  readonly scores: Readonly<Record<string, number | undefined>>;
  /** For people. */
  readonly report: string;
}

/** Checks one part of Lares against material that nobody on the project wrote. It lives in `tests/field/<name>.ts`. */
export interface Suite {
  readonly name: string;
  /** The folder below the data folder that it reads. */
  readonly folder: string;
  /** Runs on `dir`, the full path of that folder. Undefined when it holds nothing that the suite can read. */
  run(dir: string): Promise<SuiteResult | undefined>;
}
