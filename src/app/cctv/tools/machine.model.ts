import type { CpuTimes, Gpu, Memory } from './proc.codec.ts';

/** What part of the house a process is. */
export type Part = 'core' | 'cameras' | 'detector' | 'other';
export const parts = ['core', 'cameras', 'detector', 'other'] as const satisfies readonly Part[];

export interface PartFigures {
  /** Seconds of processor time since each process began. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly processes: number;
}

export interface Snapshot {
  /** Epoch ms. */
  readonly at: number;
  readonly parts: Readonly<Record<Part, PartFigures>>;
  readonly cpu: CpuTimes;
  readonly load: number;
  readonly memory: Memory;
  /** Of the disk that holds the data directory. */
  readonly disk: { readonly totalBytes: number; readonly freeBytes: number } | undefined;
  /** The hottest of the machine; undefined where it has no sensor. */
  readonly celsius: number | undefined;
  readonly gpu: Gpu | undefined;
}
