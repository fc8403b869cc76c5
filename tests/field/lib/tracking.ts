import type { Box, Detection } from '#cctv/model.ts';
import { Tracker } from '#cctv/track/tracker.rules.ts';
import { score, type MotScore, type Sight } from './mot.ts';
import { byteTrack, norfair, sort, type Rival } from './rivals.ts';

/** Frames of one camera with what a detector saw and what is true. Boxes of both in fractions of the picture. */
export interface Footage {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  readonly frames: readonly FootageFrame[];
}

export interface FootageFrame {
  /** Milliseconds. */
  readonly at: number;
  readonly detections: readonly Detection[];
  /** Undefined where the truth does not cover the frame: it is followed, but not judged. */
  readonly truth: readonly { readonly id: number; readonly box: Box }[] | undefined;
}

export interface Found {
  readonly id: number;
  readonly box: Box;
}

/** A tracker at work: takes the frames one after the other and says what it would report. */
export type Follower = (frame: FootageFrame) => readonly Found[];
export type MakeFollower = (
  footage: Pick<Footage, 'width' | 'height'>,
  threshold: number,
  fps: number,
) => Follower;

const scaled = (b: Box, x: number, y: number): Box => ({
  left: b.left * x,
  top: b.top * y,
  width: b.width * x,
  height: b.height * y,
});

const rival =
  (make: (threshold: number, fps: number) => Rival): MakeFollower =>
  ({ width, height }, threshold, fps) => {
    const tracker = make(threshold, fps);
    return ({ detections }) =>
      tracker
        .step(detections.map((d) => ({ ...d, box: scaled(d.box, width, height) })))
        .map(({ id, box }) => ({ id, box: scaled(box, 1 / width, 1 / height) }));
  };

/** What we report of a frame: objects that are believed to be in sight and are no things of the place. */
export const ours: MakeFollower = ({ width, height }, threshold) => {
  const tracker = new Tracker({ aspect: width / height, threshold });
  return ({ at, detections }) =>
    tracker
      .step(at, detections)
      .tracks.filter((t) => t.state === 'confirmed' && t.furniture !== true)
      .map(({ id, box }) => ({ id, box }));
};

const colourless: MakeFollower = (footage, threshold, fps) => {
  const follow = ours(footage, threshold, fps);
  return (frame) =>
    follow({
      ...frame,
      detections: frame.detections.map(({ box, label, score: s }) => ({ box, label, score: s })),
    });
};

/** Ours first. Of each rival the usual settings and those that are better at few frames a second. */
export const followers = {
  ours,
  'ours, no colours': colourless,
  'Norfair as in Frigate': rival((threshold, fps) => norfair({ threshold, fps })),
  ByteTrack: rival((threshold) => byteTrack({ threshold })),
  'ByteTrack, IoU 0.05': rival((threshold) => byteTrack({ threshold, gate: 0.05 })),
  SORT: rival((threshold) => sort({ threshold })),
  'SORT, age 30': rival((threshold) => sort({ threshold, age: 30, gate: 0.1 })),
} as const satisfies Record<string, MakeFollower>;
export type FollowerName = keyof typeof followers;

/** Runs a follower over all frames; judges those that the truth covers, in pixels. */
export function judge(footage: Footage, follow: Follower): MotScore {
  const { width, height } = footage;
  const truth: Sight[] = [];
  const found: Sight[] = [];
  let frame = 0;
  for (const step of footage.frames) {
    const reported = follow(step);
    if (step.truth === undefined) continue;
    frame += 1;
    for (const t of step.truth) truth.push({ frame, id: t.id, box: scaled(t.box, width, height) });
    for (const f of reported) found.push({ frame, id: f.id, box: scaled(f.box, width, height) });
  }
  return score(truth, found);
}

/** The mean of what is known; undefined when nothing is. */
export function mean(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((v) => v !== undefined);
  return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0) / known.length;
}

/** Per cent with one digit. */
export const percent = (share: number | undefined): string =>
  share === undefined ? '-' : (share * 100).toFixed(1);
