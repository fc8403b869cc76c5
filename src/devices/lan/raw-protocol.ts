import type { Code } from '#kernel/errors.ts';
import type { LanSighting, Mac, Target } from '../model.ts';

/** Where and as whom to ask; the parent looks it up before each task. */
export interface Place {
  readonly network: string;
  readonly interface: string;
  readonly mac: Mac;
  readonly address: number;
}

/** Tasks for the scanner process, one JSON object a line on its stdin. */
export type Task =
  | { readonly do: 'check'; readonly place: Place }
  | {
      readonly do: 'sweep';
      readonly place: Place;
      readonly framesPerSecond: number;
      readonly retries: number;
    }
  | {
      readonly do: 'probe';
      readonly place: Place;
      readonly framesPerSecond: number;
      readonly targets: readonly Target[];
    }
  | { readonly do: 'listen'; readonly places: readonly Place[] }
  | { readonly do: 'cancel'; readonly task: number };

export interface Found {
  readonly probed: number;
  readonly tookMs: number;
  readonly found: readonly LanSighting[];
}

/** Lines of its stdout. `failed` and `done` end a task; `listen` ends only by failing or being cancelled. */
export type Line =
  | { readonly task: number; readonly done: Found }
  | { readonly task: number; readonly failed: { readonly code: Code; readonly message: string } }
  | { readonly heard: LanSighting };

/** Splits a stream into lines; lines longer than a megabyte are dropped. */
export function lineReader(line: (text: string) => void): (chunk: Buffer | string) => void {
  let rest = '';
  return (chunk) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    if (rest.length > 1_000_000) rest = '';
    for (const part of parts) if (part !== '') line(part);
  };
}
