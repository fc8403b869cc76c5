import path from 'node:path';
import { scratch } from '../../../tests/servers/process.ts';
import type { SegmentRow } from '../book/model.ts';
import type { RecordPlan, Signal } from '../ingest/messages.ts';
import { makeVideo } from './fixture.ts';
import { KeepFolders } from './folders.ts';
import { makeRecorder, type Recorder } from './recorder.ts';

/** When the camera is switched on: in its time zone another day has begun. */
export const start = Date.parse('2026-03-01T23:59:58Z');

export type SomeVideos = ReturnType<typeof someVideos>;

/** A folder for videos, and one of eight seconds in it. */
export function someVideos() {
  const { dir, remove } = scratch('video');
  return { dir, h264: makeVideo(dir, 'a.mp4', { seconds: 8 }), remove };
}

export type Recordings = Awaited<ReturnType<typeof recordings>>;

/** A folder that is claimed for recordings, and recorders of the camera `yard` below it whose signals are gathered. */
export async function recordings() {
  const { dir, remove } = scratch('recordings');
  const root = path.join(dir, 'recordings');
  await new KeepFolders(path.join(dir, 'keep-folders')).claim(root);
  const signals: Signal[] = [];
  const recorder = (over: Partial<RecordPlan> = {}): Recorder =>
    makeRecorder({
      plan: {
        mode: 'continuous',
        folder: path.join(root, 'yard'),
        segmentSeconds: 3,
        preSeconds: 2,
        postSeconds: 1,
        ...over,
      },
      camera: 'yard',
      timeZone: 'Europe/Berlin',
      send: (signal) => signals.push(signal),
      clock: { now: () => start },
    });
  return { root, signals, recorder, segments: () => toldSegments(signals), remove };
}

/** The last that was told of each file. */
function toldSegments(signals: readonly Signal[]): SegmentRow[] {
  const rows = new Map<string, SegmentRow>();
  for (const signal of signals) if (signal.kind === 'segment') rows.set(signal.file, signal);
  return [...rows.values()]
    .toSorted((a, b) => a.startAt - b.startAt)
    .map(({ camera, file, startAt, endAt, bytes, closed, events }) => {
      return { camera, file, startAt, endAt, bytes, closed, events };
    });
}
