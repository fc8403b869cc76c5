import { isDeepStrictEqual } from 'node:util';
import type { Clock, Log } from '#kernel/driver.ts';
import type { Signal } from '../ingest/messages.ts';
import type { Box, Identity } from '../model.ts';
import type { Wanted } from './child.model.ts';
import type { RecognitionConfig } from './config.ts';
import { RecogniseProcess } from './process.ts';
import { recognisers, type RecogniserKind } from './registry.ts';
import { vote, withReading } from './vote.rules.ts';

/** What looks at pictures; a process, or whoever stands in for it. */
export type Looks = Pick<RecogniseProcess, 'configure' | 'look' | 'run'>;

export interface RecognitionIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  readonly random: () => number;
  /** Who or what a track is, told whenever that changes. */
  readonly identify: (camera: string, track: number, identity: Identity) => void;
  /** A process of our own unless given. */
  readonly looks?: Looks;
}

interface Followed {
  readonly camera: string;
  readonly track: number;
  readonly label: string;
  readings: readonly Identity[];
  told: Identity | undefined;
}

interface Job {
  readonly of: Followed;
  readonly recogniser: RecogniserKind;
  readonly jpeg: Uint8Array;
  readonly box: Box;
}

const mostFollowed = 1_000;
// Pictures wait here as JPEG; who comes later is looked at sooner than who waits too long.
const mostWaiting = 32;

const kinds = Object.keys(recognisers) as readonly RecogniserKind[];

/**
 * Says who and what the followed objects are, from the best pictures that their cameras give anyway. A name is told
 * once several pictures of an object agree. Does nothing, and starts nothing, while all recognisers are off.
 */
export class Recognition {
  readonly #io: RecognitionIo;
  readonly #looks: Looks;
  readonly #followed = new Map<string, Followed>();
  readonly #waiting = new Map<string, Job>();
  #config: RecognitionConfig | undefined;
  #busy = false;

  constructor(io: RecognitionIo) {
    this.#io = io;
    this.#looks = io.looks ?? new RecogniseProcess(io);
  }

  configure(config: RecognitionConfig): void {
    if (isDeepStrictEqual(this.#config, config)) return;
    this.#config = config;
    const wanted: Wanted[] = kinds
      .filter((kind) => this.#settings(kind)?.enabled === true)
      .map((kind) => ({ recogniser: kind, settings: this.#settings(kind) }));
    if (wanted.length === 0) {
      this.#followed.clear();
      this.#waiting.clear();
    }
    this.#looks.configure(wanted);
  }

  /** What the readers of cameras say; only tracks, pictures and the state of cameras matter here. */
  take(signal: Signal): void {
    if (!kinds.some((kind) => this.#settings(kind)?.enabled === true)) return;
    // After an interruption the numbers of tracks may mean others.
    if (signal.kind === 'state' && signal.state !== 'live') this.#forget((f) => f.camera === signal.camera);
    else if (signal.kind === 'tracks') this.#follow(signal);
    else if (signal.kind === 'picture') this.#picture(signal);
  }

  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#looks.run(signal);
  }

  #settings(kind: RecogniserKind) {
    return this.#config?.[recognisers[kind].section];
  }

  #follow({ camera, tracks, ended }: Extract<Signal, { kind: 'tracks' }>): void {
    for (const { id, label } of tracks) {
      const key = `${camera} ${id}`;
      if (this.#followed.has(key) || this.#followed.size >= mostFollowed) continue;
      this.#followed.set(key, { camera, track: id, label, readings: [], told: undefined });
    }
    for (const id of ended) this.#forget((f) => f.camera === camera && f.track === id);
  }

  #forget(which: (one: Followed) => boolean): void {
    for (const [key, one] of this.#followed)
      if (which(one)) {
        this.#followed.delete(key);
        this.#waiting.delete(key);
      }
  }

  #picture({ camera, track, box, clean }: Extract<Signal, { kind: 'picture' }>): void {
    if (track === undefined || box === undefined) return;
    const key = `${camera} ${track}`;
    const of = this.#followed.get(key);
    if (of === undefined) return;
    const labels = (kind: RecogniserKind): readonly string[] => recognisers[kind].labels;
    const recogniser = kinds.find((k) => labels(k).includes(of.label) && this.#settings(k)?.enabled === true);
    if (recogniser === undefined) return;
    // The newest picture of an object is its best; one that still waits is not worth the time any more.
    this.#waiting.delete(key);
    this.#waiting.set(key, { of, recogniser, jpeg: clean, box });
    if (this.#waiting.size > mostWaiting) this.#waiting.delete(this.#waiting.keys().next().value!);
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      const [key, { of, recogniser, jpeg, box }] = next;
      this.#waiting.delete(key);
      const [best] = await this.#looks.look(recogniser, jpeg, box);
      // While it was looked at the camera may have come back, and the number of the track be somebody else's.
      if (best !== undefined && this.#followed.get(key) === of) this.#learn(of, recogniser, best);
    }
    this.#busy = false;
  }

  #learn(one: Followed, recogniser: RecogniserKind, reading: Identity): void {
    const settings = this.#settings(recogniser);
    if (settings?.enabled !== true) return;
    one.readings = withReading(one.readings, reading);
    const identity = vote(one.readings, settings.agreeing_pictures);
    if (identity === undefined || isDeepStrictEqual(identity, one.told)) return;
    if (identity.name !== undefined && identity.name !== one.told?.name)
      this.#io.log.info(`camera ${one.camera}: recognised ${identity.name} by ${identity.kind}`);
    one.told = identity;
    this.#io.identify(one.camera, one.track, identity);
  }
}
