/**
 * One coordinate of a moving thing: position and speed with their covariance. Plain data, changed in place, because
 * a camera makes dozens of them each frame.
 */
export interface Axis {
  x: number;
  /** Units of `x` a second. */
  v: number;
  /** Variance of position, covariance, variance of speed. */
  pxx: number;
  pxv: number;
  pvv: number;
}

export const axis = (x: number, varianceOfPosition: number, varianceOfSpeed: number): Axis => ({
  x,
  v: 0,
  pxx: varianceOfPosition,
  pxv: 0,
  pvv: varianceOfSpeed,
});

/**
 * Moves an axis `dt` seconds on. The speed fades with the time constant `relax` (an Ornstein-Uhlenbeck process): who
 * is out of sight for long has stopped or turned, so a guess never runs off without bound.
 * @param jerk spectral density of the acceleration, units² / s³
 */
export function predict(a: Axis, dt: number, jerk: number, relax: number): void {
  const fade = Math.exp(-dt / relax);
  const reach = relax * (1 - fade);
  a.x += a.v * reach;
  a.v *= fade;
  const { pxx, pxv, pvv } = a;
  a.pxx = pxx + 2 * reach * pxv + reach * reach * pvv + (jerk * dt * dt * dt) / 3;
  a.pxv = fade * (pxv + reach * pvv) + (jerk * dt * dt) / 2;
  a.pvv = fade * fade * pvv + jerk * dt;
}

/** Takes in a measurement of the position with variance `noise`. */
export function update(a: Axis, measured: number, noise: number): void {
  const gain = a.pxx / (a.pxx + noise);
  const gainOfSpeed = a.pxv / (a.pxx + noise);
  const surprise = measured - a.x;
  a.x += gain * surprise;
  a.v += gainOfSpeed * surprise;
  a.pvv -= gainOfSpeed * a.pxv;
  a.pxv *= 1 - gain;
  a.pxx *= 1 - gain;
}
