import type { Cause } from '../model.ts';

// Each try counts as a wrong password with the camera, and a codec does not appear by itself. A path that is missing
// does: cameras answer before their streams are ready.
const rare: ReadonlySet<Cause> = new Set(['RTSP_AUTH', 'CODEC_UNSUPPORTED']);
const rareMs = 30_000;
const firstMs = 200;
const lastMs = 2000;

/**
 * Milliseconds until the next try to connect. Doubles from 0.2 s to 2 s and stays there, so that a camera that is back
 * after a year is seen as soon as one that is back after a minute; jittered, so that many cameras do not come at once.
 * @param tries failed tries in a row before this one, from 0
 */
export function retryDelay(cause: Cause, tries: number, random: () => number): number {
  if (rare.has(cause)) return rareMs * (0.8 + 0.4 * random());
  return Math.min(lastMs, firstMs * 2 ** Math.min(tries, 10)) * (0.6 + 0.4 * random());
}
