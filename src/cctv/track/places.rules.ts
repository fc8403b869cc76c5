import { akin, heightOf, labelOf, type Target } from './target.rules.ts';
import { tuning } from './tuning.rules.ts';

/** A place at which something of that kind stood that never moved: a statue, a post that looks like a person. */
export interface Place {
  readonly label: string;
  x: number;
  y: number;
  height: number;
  /** For how long it was seen there in all, and when last (epoch ms). */
  seconds: number;
  seenAt: number;
}

/** The same spot and about the same height, or the detector saw something else. */
const placeAt = (places: readonly Place[], t: Target): Place | undefined =>
  places.find(
    (p) =>
      akin(p.label, labelOf(t)) &&
      Math.hypot(p.x - t.still.x, p.y - t.still.y) < tuning.stillStep * p.height &&
      Math.abs(Math.log(p.height / heightOf(t))) < 0.3,
  );

/** Whether something stands there that is a thing of the place. */
export const isKnown = (places: readonly Place[], t: Target): boolean =>
  (placeAt(places, t)?.seconds ?? 0) >= tuning.furnitureSeconds;

/** Notes that a target was seen standing for `dt` more seconds. */
export function note(places: Place[], t: Target, dt: number, at: number): void {
  const old = placeAt(places, t);
  if (old !== undefined) {
    const share = 0.02;
    old.x += share * (t.still.x - old.x);
    old.y += share * (t.still.y - old.y);
    old.height += share * (heightOf(t) - old.height);
    old.seconds += dt;
    old.seenAt = at;
    return;
  }
  if (places.length >= tuning.places) {
    // What was seen least goes first: a passing error must not push out the statue.
    const least = places.reduce((a, b) => (b.seconds < a.seconds ? b : a));
    places.splice(places.indexOf(least), 1);
  }
  const { x, y } = t.still;
  places.push({ label: labelOf(t), x, y, height: heightOf(t), seconds: dt, seenAt: at });
}

export const stillRemembered = (p: Place, at: number): boolean => at - p.seenAt <= tuning.placeSeconds * 1000;
