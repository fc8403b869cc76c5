import type { Detection, Track } from '../model.ts';
import type { Tracker } from './tracker.rules.ts';

/** Of the pictures that the objects of tests walk through. */
export const aspect = 4 / 3;

export const at = (
  label: string,
  left: number,
  top: number,
  width: number,
  height: number,
  score: number,
): Detection => ({
  box: { left, top, width, height },
  label,
  score,
});
export const person = (left: number, top = 0.4, score = 0.8) => at('person', left, top, 0.05, 0.2, score);
export const car = (left: number, score = 0.8, label = 'car') => at(label, left, 0.6, 0.2, 0.15, score);

/** Steps a tracker every `ms` over a list of frames; gives what it said of each. */
export const play = (tracker: Tracker, frames: readonly (readonly Detection[])[], from = 0, ms = 200) =>
  frames.map((frame, i) => tracker.step(from + i * ms, frame));

export const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));
export const ids = (tracks: readonly Track[]) => tracks.map(({ id }) => id);
export const states = (tracks: readonly Track[]) => tracks.map(({ id, state }) => `${id} ${state}`);
