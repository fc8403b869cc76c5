import { sum, type Covariance } from './linear.rules.ts';
import type { Place } from './projection.rules.ts';

/** Where something was seen to stand. */
export interface Sighting extends Place {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly noise: Covariance;
}

/** Metres a second, with what it may be wrong by. */
export interface Velocity extends Place {
  readonly covariance: Covariance;
}

/**
 * Seconds for which the foot of a box stays wrong in the same way: boxes sway with the stride. Measured on people: two
 * feet 0.2 s apart share 0.6 of their error, 0.6 s apart 0.4, 1 s apart 0.25.
 */
export const swaySeconds = 0.5;

/**
 * The velocity of the straight line through sightings, by generalised least squares for errors that fade with
 * `swaySeconds` (Prais and Winsten 1954): ten frames a second say hardly more than five.
 * @param sightings in the order of time
 * @param usual metres a second, one standard deviation of what is to be expected: as long as little was seen, the answer
 * stays near 0, more so along the line of sight, where a foot says least
 */
export function velocityOf(sightings: readonly Sighting[], usual: number): Velocity {
  const expected = { xx: usual * usual, xy: 0, yy: usual * usual };
  const last = sightings.at(-1);
  if (last === undefined || sightings.length < 2) return { x: 0, y: 0, covariance: expected };
  // Sums of 1, t and t^2, and of place and place times t, over sightings freed of what they share with the one before.
  let [s, st, stt, sx, sxt, sy, syt] = [0, 0, 0, 0, 0, 0, 0];
  let noise: Covariance = { xx: 0, xy: 0, yy: 0 };
  for (const [i, { at, x, y, noise: own }] of sightings.entries()) {
    const before = sightings[i - 1] ?? last;
    const shared = i === 0 ? 0 : Math.exp((before.at - at) / 1000 / swaySeconds);
    const weight = 1 / Math.max(1e-6, 1 - shared * shared);
    const t = (at - last.at - shared * (before.at - last.at)) / 1000;
    const [one, ownX, ownY] = [1 - shared, x - shared * before.x, y - shared * before.y];
    s += weight * one * one;
    st += weight * one * t;
    stt += weight * t * t;
    sx += weight * one * ownX;
    sxt += weight * t * ownX;
    sy += weight * one * ownY;
    syt += weight * t * ownY;
    noise = sum(noise, own);
  }
  const determinant = s * stt - st * st;
  if (!(determinant > 1e-12)) return { x: 0, y: 0, covariance: expected };
  const slope = { x: (s * sxt - st * sx) / determinant, y: (s * syt - st * sy) / determinant };
  // A box that is new grows out of a cut or a shared one: its two ends are wrong once more, each by half the noise.
  const grown = 1 / Math.max(1e-3, (last.at - sightings[0]!.at) / 1000) ** 2;
  const by = (s / determinant + grown) / sightings.length;
  return believed(slope, { xx: noise.xx * by, xy: noise.xy * by, yy: noise.yy * by }, expected.xx);
}

/** The mean of a measured velocity with 0, each weighing by its covariance. */
function believed({ x, y }: Place, noise: Covariance, usual: number): Velocity {
  const { xx, xy, yy } = { xx: noise.xx + usual, xy: noise.xy, yy: noise.yy + usual };
  const by = usual / (xx * yy - xy * xy);
  // usual (noise + usual)^-1; times the noise it is the covariance that remains.
  const [a, b, c] = [yy * by, -xy * by, xx * by];
  return {
    x: a * x + b * y,
    y: b * x + c * y,
    covariance: {
      xx: a * noise.xx + b * noise.xy,
      xy: a * noise.xy + b * noise.yy,
      yy: b * noise.xy + c * noise.yy,
    },
  };
}
