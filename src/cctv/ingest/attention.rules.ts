import type { Track } from '../model.ts';

/** Milliseconds between looks at a scene in which nothing moves. */
const lostEveryMs = 1000;
const parkedEveryMs = 10_000;
/** How long a new object may make the camera look more often. */
const burstMs = 1500;
const burstFps = 10;

/** Whether a frame without motion is worth a look: something is followed whose state would otherwise grow stale. */
export function needsLook(tracks: readonly Track[], lastLookAt: number, at: number): boolean {
  const since = at - lastLookAt;
  return tracks.some((t) => {
    if (t.state === 'lost') return since >= lostEveryMs;
    if (t.state === 'confirmed' && t.stationarySince !== undefined) return since >= parkedEveryMs;
    return true;
  });
}

/** Frames a second to look at: more while a new object waits to be believed, so that an alert does not wait for the beat. */
export function lookFps(tracks: readonly Track[], fps: number, at: number): number {
  const fresh = tracks.some((t) => t.state === 'tentative' && at - t.bornAt < burstMs);
  return fresh ? Math.max(fps, burstFps) : fps;
}
