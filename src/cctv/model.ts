/**
 * The vocabulary of the cameras. Every box, point and polygon is in fractions of the picture (0 to 1, origin top
 * left), so that the small stream that is looked at and the large one that is kept speak of the same place.
 */

/** A point of a picture: fractions of its width and height. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A closed outline, at least three corners. */
export type Polygon = readonly Point[];

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** One object that a detector saw in one frame. */
export interface Detection {
  readonly box: Box;
  /** A name of the model's class list: `person`, `car`. */
  readonly label: string;
  /** 0 to 1. */
  readonly score: number;
  /** Its colours (`lookOf` of track/look.rules.ts), where whoever has the pixels added them: helps to tell people apart. */
  readonly look?: ArrayLike<number>;
}

/** What kind of thing is followed at the moment: not yet believed, seen lately, or out of sight and remembered. */
export type TrackState = 'tentative' | 'confirmed' | 'lost';

/** One object followed through frames of one camera. */
export interface Track {
  /** Counts up within one run of a camera. */
  readonly id: number;
  readonly label: string;
  /** Median of its last scores: the score that thresholds are held against. */
  readonly score: number;
  /** Where it is believed to be at the instant of the frame. */
  readonly box: Box;
  /** Movement of the foot point, fractions of the picture a second. */
  readonly velocity: Point;
  /** Epoch milliseconds of the first and of the last frame in which a detection belonged to it. */
  readonly bornAt: number;
  readonly seenAt: number;
  readonly hits: number;
  readonly state: TrackState;
  /** Epoch milliseconds since when it has not moved; absent while it moves. */
  readonly stationarySince?: number;
  /** Why an object is believed to be a thing of the place, not an event: it stood there before, or never moved. */
  readonly furniture?: boolean;
}

/** A place on the ground, metres from the origin of the calibration, with one standard deviation. */
export interface Ground {
  readonly x: number;
  readonly y: number;
  readonly sigma: number;
  /** The feet were hidden and their place is inferred from the usual height of such an object. */
  readonly inferred?: boolean;
}

/** How an object stands to one named reference. */
export interface ToReference {
  /** Metres to the nearest point of it; 0 within a polygon. */
  readonly distance: number;
  readonly sigma: number;
  /** Metres a second towards it; negative when it goes away. */
  readonly approach: number;
  /** Seconds until it is reached at this approach; absent when it does not come closer. */
  readonly arrivesIn?: number;
}

/** Who or what an object is, said by recognition. */
export interface Identity {
  readonly kind: 'face' | 'plate';
  /** The enrolled person or known plate; absent when it was read but is not known. */
  readonly name?: string;
  /** The text of a plate as read. */
  readonly text?: string;
  /** 0 to 1. */
  readonly confidence: number;
}

/** One believed object at one instant with all that is known of it: what rules judge and the book keeps. */
export interface Observation {
  readonly camera: string;
  /** Id of its event in the book; the same for the whole life of the object, also over a restart. */
  readonly event: string;
  /** Epoch milliseconds at which the frame was captured. */
  readonly at: number;
  readonly label: string;
  readonly score: number;
  readonly box: Box;
  readonly bornAt: number;
  /** Fractions of the picture a second. */
  readonly velocity: Point;
  readonly stationarySince?: number;
  readonly furniture?: boolean;
  readonly ground?: Ground;
  /** Metres a second over the ground. */
  readonly speed?: number;
  /** By name of the reference. */
  readonly references: Readonly<Record<string, ToReference>>;
  /** Zones in which its foot point stands, and since when (epoch milliseconds). */
  readonly zones: Readonly<Record<string, number>>;
  readonly identity?: Identity;
  /** The object is out of sight: this is the last observation of the event. */
  readonly ended?: boolean;
}

/** Why a camera gives no pictures, in words that tell what to do. */
export type Cause =
  | 'RTSP_CONNECT'
  | 'RTSP_DNS'
  | 'RTSP_AUTH'
  | 'RTSP_NOT_FOUND'
  | 'RTSP_SESSION'
  | 'RTSP_REFUSED'
  | 'RTSP_STALLED'
  | 'RTSP_SILENT'
  | 'RTSP_GARBAGE'
  | 'RTSP_ENDED'
  | 'CODEC_UNSUPPORTED'
  | 'NO_KEYFRAME'
  | 'DECODER_DIED';

export type CameraState = 'off' | 'connecting' | 'live' | 'down';

/** What one stream of a camera is used for. */
export type Role = 'detect' | 'record' | 'live';

export interface StreamInfo {
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  /** Frames a second as announced or measured; absent while unknown. */
  readonly fps?: number;
  /** Seconds between keyframes, as measured; absent while unknown. */
  readonly keyframeSeconds?: number;
  /** What a browser calls the codec: `avc1.64001f`. */
  readonly mime?: string;
  readonly audio?: string;
}

/** Counters since the start of the process, and rates of the last period. */
export interface CameraStats {
  /** Frames a second that were decoded, and that were looked at. */
  readonly decodedFps: number;
  readonly fps: number;
  readonly frames: number;
  readonly detections: number;
  /** Frames that should have been looked at and were not, because the detector was busy. */
  readonly dropped: number;
  readonly decodeErrors: number;
  readonly reconnects: number;
  /** Mean milliseconds of an inference, and from capture to tracks, in the last period. */
  readonly inferMs: number;
  readonly latencyMs: number;
  /** Share of frames with motion in the last period. */
  readonly motion: number;
  /** Bytes of video that came in. */
  readonly bytes: number;
}
