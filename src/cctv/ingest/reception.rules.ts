import type { Cause } from '../model.ts';

/** What is wrong with a connection that is open. */
export interface Trouble {
  readonly cause: Cause;
  readonly detail: string;
  /** False while waiting may still help. */
  readonly hopeless: boolean;
}

/** Milliseconds. A camera of 2 frames a second or more is found stalled in the first; slower ones get three frames. */
const stallMs = 1500;
const stallFrames = 3;
const firstPacketMs = 4000;
const keyframeMs = 4000;
/** Some cameras send a keyframe only every 10 or 20 s and none when asked to play: worth a wait, not a reconnect. */
const keyframePatienceMs = 30_000;
const frameMs = 3000;
const rateShare = 0.1;
/** It is asked several times a second: a longer pause was ours (a process that was stopped, a machine that slept). */
const pauseMs = 1000;

/** Judges from arrivals alone whether a connection is alive. */
export class Reception {
  #openedAt: number;
  #askedAt: number | undefined;
  /** A pause of ours was made up for, and nothing has come since: on a machine that is always late stalls are found, too. */
  #forgiven = false;
  /** Since when frames are expected. */
  #decodingAt: number | undefined;
  #packetAt: number | undefined;
  #intervalMs: number | undefined;
  #firstKeyAt: number | undefined;
  #keyAt: number | undefined;
  #keyMs: number | undefined;
  /** Keyframes, and packets since the last. */
  #keys = 0;
  #sinceKey = 0;
  #fps: number | undefined;
  #frameAt: number | undefined;

  constructor(openedAt: number) {
    this.#openedAt = openedAt;
  }

  packet(at: number, key: boolean): void {
    if (this.#packetAt !== undefined) {
      // A longer gap is a stall or a pause of ours, and says nothing of the rate.
      const gap = Math.min(Math.max(0, at - this.#packetAt), this.#patience());
      this.#intervalMs =
        this.#intervalMs === undefined ? gap : this.#intervalMs + rateShare * (gap - this.#intervalMs);
    }
    this.#packetAt = at;
    this.#forgiven = false;
    this.#sinceKey += 1;
    if (!key) return;
    this.#keys += 1;
    if (this.#keyAt !== undefined && at > this.#keyAt) {
      this.#keyMs = at - this.#keyAt;
      this.#fps = (this.#sinceKey * 1000) / this.#keyMs;
    }
    this.#sinceKey = 0;
    this.#keyAt = at;
    this.#firstKeyAt ??= at;
  }

  frame(at: number): void {
    this.#frameAt = at;
  }

  /** Frames are expected from now on, because a decoder was made for a keyframe; with undefined none are. */
  decoding(at: number | undefined): void {
    this.#decodingAt = at;
    this.#frameAt = undefined;
  }

  /** Seconds between keyframes as last seen. */
  get keyframeSeconds(): number | undefined {
    return this.#keyMs === undefined ? undefined : this.#keyMs / 1000;
  }

  /** Keyframes so far, and frames a second between the last two. */
  get keyframes(): number {
    return this.#keys;
  }

  get fps(): number | undefined {
    return this.#fps;
  }

  /** To be asked several times a second. */
  trouble(now: number): Trouble | undefined {
    const pause = now - (this.#askedAt ?? now);
    this.#askedAt = now;
    // What came meanwhile is read before the camera is blamed.
    if (pause > pauseMs && !this.#forgiven) this.#forgive(pause, now);
    const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
    const since = now - (this.#packetAt ?? this.#openedAt);
    if (this.#packetAt === undefined) {
      if (since < firstPacketMs) return undefined;
      return {
        cause: 'RTSP_SILENT',
        detail: `no video for ${seconds(since)} after it was asked to play`,
        hopeless: true,
      };
    }
    if (since >= this.#patience())
      return { cause: 'RTSP_STALLED', detail: `no data for ${seconds(since)}`, hopeless: true };
    const open = now - this.#openedAt;
    if (this.#firstKeyAt === undefined) {
      if (open < keyframeMs) return undefined;
      return {
        cause: 'NO_KEYFRAME',
        detail: `no keyframe for ${seconds(open)}; set a keyframe interval of 1 to 4 s in the camera`,
        hopeless: open >= keyframePatienceMs,
      };
    }
    if (this.#decodingAt === undefined) return undefined;
    const blind = now - (this.#frameAt ?? this.#decodingAt);
    if (blind < frameMs + stallFrames * (this.#intervalMs ?? 0)) return undefined;
    return {
      cause: 'RTSP_GARBAGE',
      detail: `data comes but no picture for ${seconds(blind)}`,
      hopeless: true,
    };
  }

  /** Milliseconds without a packet that are no stall yet. */
  #patience(): number {
    return Math.max(stallMs, stallFrames * (this.#intervalMs ?? 0));
  }

  #forgive(pause: number, now: number): void {
    this.#forgiven = true;
    const later = (at: number | undefined) => (at === undefined ? undefined : Math.min(now, at + pause));
    this.#openedAt = Math.min(now, this.#openedAt + pause);
    this.#packetAt = later(this.#packetAt);
    this.#firstKeyAt = later(this.#firstKeyAt);
    this.#decodingAt = later(this.#decodingAt);
    this.#frameAt = later(this.#frameAt);
  }
}
