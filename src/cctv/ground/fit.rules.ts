import { invert, type Matrix } from './linear.rules.ts';

export interface Fit {
  readonly parameters: readonly number[];
  /** Of the parameters, when residuals are in standard deviations; undefined when some are not determined. */
  readonly covariance: Matrix | undefined;
  /** Sum of squared residuals. */
  readonly cost: number;
}

/**
 * Least squares by Levenberg and Marquardt with differences for derivatives, enough for a dozen parameters.
 * @param residuals in standard deviations, the same number each time; not finite means impossible
 * @param steps by which each parameter is varied to see what it does
 */
export function leastSquares(
  residuals: (parameters: readonly number[]) => readonly number[],
  start: readonly number[],
  steps: readonly number[],
  rounds = 60,
): Fit {
  const costOf = (r: readonly number[]) => {
    const sum = r.reduce((s, v) => s + v * v, 0);
    return Number.isFinite(sum) ? sum : Number.POSITIVE_INFINITY;
  };
  let parameters = [...start];
  let rest = residuals(parameters);
  let cost = costOf(rest);
  let damping = 1e-3;
  for (let round = 0; round < rounds && damping < 1e12; round += 1) {
    const { normal, gradient } = normalEquations(residuals, parameters, rest, steps);
    let better = false;
    while (!better && damping < 1e12) {
      const damped = normal.map((row, i) => row.map((v, j) => (i === j ? v * (1 + damping) + 1e-300 : v)));
      const inverse = invert(damped);
      const next =
        inverse && parameters.map((p, i) => p - inverse[i]!.reduce((s, v, j) => s + v * gradient[j]!, 0));
      const nextRest = next && residuals(next);
      const nextCost = nextRest === undefined ? Number.POSITIVE_INFINITY : costOf(nextRest);
      if (next !== undefined && nextRest !== undefined && nextCost < cost) {
        better = true;
        if (cost - nextCost < 1e-12 * (cost + 1e-12)) round = rounds;
        [parameters, rest, cost] = [next, nextRest, nextCost];
        damping = Math.max(1e-12, damping / 8);
      } else damping *= 6;
    }
  }
  return { parameters, cost, covariance: invert(normalEquations(residuals, parameters, rest, steps).normal) };
}

function normalEquations(
  residuals: (parameters: readonly number[]) => readonly number[],
  parameters: readonly number[],
  rest: readonly number[],
  steps: readonly number[],
) {
  const slopes = parameters.map((_, i) => {
    const step = steps[i]!;
    const more = residuals(parameters.map((p, j) => (i === j ? p + step : p)));
    const less = residuals(parameters.map((p, j) => (i === j ? p - step : p)));
    return more.map((v, k) => {
      const slope = (v - less[k]!) / (2 * step);
      return Number.isFinite(slope) ? slope : 0;
    });
  });
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((s, v, k) => s + v * b[k]!, 0);
  return {
    normal: slopes.map((a) => slopes.map((b) => dot(a, b))),
    gradient: slopes.map((a) => dot(a, rest)),
  };
}

/** Weight of a residual in standard deviations: full up to `bend`, then falling, so that one wrong click spoils little. */
export const huber = (residual: number, bend = 2): number =>
  Math.abs(residual) <= bend ? 1 : bend / Math.abs(residual);
