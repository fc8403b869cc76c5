import type { Role } from '../model.ts';
import type { DeviceInformation } from './soap.ts';

/** One stream of a camera, as measured. */
export interface ProbedStream {
  /** Without user name and password. */
  readonly url: string;
  /** What the camera calls it. */
  readonly name?: string;
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly fps?: number;
  readonly keyframeSeconds?: number;
}

export interface Probe extends DeviceInformation {
  /** Of the largest stream and of the smaller one, when there are two. Without user name and password. */
  readonly urls: { readonly main: string; readonly sub?: string };
  /** Of the main stream. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly fps?: number;
  readonly keyframeSeconds?: number;
  readonly streams: readonly ProbedStream[];
  /** Which stream serves which use; `live` is absent when no stream is H.264. */
  readonly roles: Readonly<Partial<Record<Role, string>>>;
  readonly snapshotUrl?: string;
  readonly clockDriftSeconds?: number;
  /** Sentences for the person who adds the camera: what is wrong and what to do. */
  readonly warnings: readonly string[];
}
