import type { ToReference } from '../model.ts';
import { along, worstSigma, type Covariance } from './linear.rules.ts';
import type { Place } from './projection.rules.ts';

/** A named place on the ground that rules measure to. Metres. A line has two or more points, a polygon three or more. */
export interface Reference {
  readonly kind: 'point' | 'line' | 'polygon';
  readonly points: readonly Place[];
}

/** What is known of an object on the ground at one instant. */
export interface GroundState extends Place {
  readonly covariance: Covariance;
  /** Metres a second. */
  readonly velocity: Place;
}

/** Metres a second below which nobody is said to come closer. */
const least = 0.15;

/** How an object stands to a reference: along the straight line to its nearest point. */
export function toReference(state: GroundState, reference: Reference): ToReference {
  if (reference.kind === 'polygon' && within(state, reference.points))
    return { distance: 0, sigma: worstSigma(state.covariance), approach: 0 };
  const near = nearest(state, reference);
  const distance = Math.hypot(near.x - state.x, near.y - state.y);
  if (distance < 1e-9) return { distance: 0, sigma: worstSigma(state.covariance), approach: 0 };
  const [x, y] = [(near.x - state.x) / distance, (near.y - state.y) / distance];
  const approach = state.velocity.x * x + state.velocity.y * y;
  return {
    distance,
    sigma: Math.sqrt(along(state.covariance, x, y)),
    approach,
    ...(approach > least ? { arrivesIn: distance / approach } : {}),
  };
}

function nearest(from: Place, { kind, points }: Reference): Place {
  const ends = kind === 'polygon' ? [...points, points[0]!] : points;
  if (ends.length === 1) return ends[0]!;
  const candidates = ends.slice(1).map((b, i) => onSegment(from, ends[i]!, b));
  const far = (p: Place) => Math.hypot(p.x - from.x, p.y - from.y);
  return candidates.reduce((best, p) => (far(p) < far(best) ? p : best));
}

function onSegment(p: Place, a: Place, b: Place): Place {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((p.x - a.x) * dx + (p.y - a.y) * dy) / length));
  return { x: a.x + t * dx, y: a.y + t * dy };
}

function within(p: Place, polygon: readonly Place[]): boolean {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [a, b] = [polygon[i]!, polygon[j]!];
    if (a.y > p.y !== b.y > p.y && p.x < ((b.x - a.x) * (p.y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}
