import type { Clip, VideoCodec } from './clip.ts';

/** One picture of a medium that runs whether anybody watches or not. */
export interface LiveUnit {
  readonly nals: readonly Buffer[];
  readonly key: boolean;
  /** Ticks of 90 kHz since the medium began. */
  readonly time: number;
}

/** A medium that is made while it is sent: encoded once, whoever watches. */
export interface Live {
  readonly kind: 'live';
  readonly codec: VideoCodec;
  readonly fps: number;
  readonly sets: readonly Buffer[];
  /** Starts with a keyframe soon after; the answer ends it. */
  readonly subscribe: (listener: (unit: LiveUnit) => void) => () => void;
}

export type Medium = Clip | Live;

export type AuthScheme = 'digest' | 'digest-sha256' | 'basic';

export interface PathOptions {
  /** With a name the path asks for credentials. */
  readonly username?: string;
  readonly password?: string;
  /** Schemes offered, in this order; `digest` is MD5. Default `['digest']`. */
  readonly auth?: readonly AuthScheme[];
  /** The codec name in the session description instead of the true one: a codec that nobody reads. */
  readonly announce?: string;
  /** Where parameter sets stand: in the session description, in band before keyframes, or (default) in both. */
  readonly sets?: 'description' | 'band';
  /** RTP timestamp of the first picture, of 32 bits. Default: any, as RFC 3550 wants it. */
  readonly firstTimestamp?: number;
  /** Each nonce is good for one request; the next is told that it is stale. */
  readonly nonceOnce?: boolean;
  /** Where this path has moved to: requests are answered with 302. */
  readonly movedTo?: string;
}

/** What goes wrong on a path, until it is told otherwise. Each is independent of the others. */
export interface Faults {
  /** Closes the connection instead of answering. */
  readonly refuse: boolean;
  /** Accepts, and never answers. */
  readonly hang: boolean;
  /** Answers, plays, and then sends nothing: the connection stays open. */
  readonly halfOpen: boolean;
  /** Random bytes in place of pictures. */
  readonly garbage: boolean;
  /** Random bytes in place of replies. */
  readonly babble: boolean;
  /** Packets without payload and NAL units without content between the pictures. */
  readonly empty: boolean;
  /** Share of packets in which bits are flipped, and share that is not sent. */
  readonly corrupt: number;
  readonly loss: number;
  /** Sends no keyframes and no parameter sets. */
  readonly noKeyframes: boolean;
  /** Milliseconds before each reply. */
  readonly slowMs: number;
  /** Milliseconds by which timestamps lie in the past. */
  readonly lateMs: number;
  /** The status with which a method is refused: `{SETUP: 454}`. */
  readonly status: Readonly<Record<string, number>>;
}

export const noFaults: Faults = {
  refuse: false,
  hang: false,
  halfOpen: false,
  garbage: false,
  babble: false,
  empty: false,
  corrupt: 0,
  loss: 0,
  noKeyframes: false,
  slowMs: 0,
  lateMs: 0,
  status: {},
};

/** How a connection that plays is ended: with FIN, or with RST. */
export type Cut = 'fin' | 'rst';

export interface PathCounts {
  /** Connections that asked for this path: open now, ever, and the most at one time. */
  readonly connections: number;
  readonly connected: number;
  readonly mostConnections: number;
  /** Sessions that play: now, ever. */
  readonly playing: number;
  readonly played: number;
  readonly describes: number;
  readonly pictures: number;
  readonly bytes: number;
}
