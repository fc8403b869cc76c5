import type { Role } from '../model.ts';
import type { CameraPlan } from './messages.ts';

/** What is needed of a camera beside its plan. */
export interface Demand {
  readonly watched: boolean;
  /** Somebody asked for a picture of now. */
  readonly picture: boolean;
}

export interface Wanted {
  readonly roles: ReadonlySet<Role>;
  /** Frames are needed of this connection, not only packets. */
  readonly decode: boolean;
}

const order: readonly Role[] = ['detect', 'live', 'record'];

/** The address for a role; a camera with fewer streams than roles uses one for several. */
export function urlFor(urls: CameraPlan['urls'], role: Role): string | undefined {
  return urls[role] ?? order.map((other) => urls[other]).find((url) => url !== undefined);
}

/** Which addresses are to be open and what for. Roles with equal addresses share one connection. */
export function wantedStreams(plan: CameraPlan, demand: Demand): ReadonlyMap<string, Wanted> {
  const roles: Role[] = [];
  if (plan.detect) roles.push('detect');
  if (plan.record.mode !== 'off') roles.push('record');
  if (demand.watched) roles.push('live');
  const wanted = new Map<string, { roles: Set<Role>; decode: boolean }>();
  const want = (role: Role | undefined, url: string | undefined, decode: boolean) => {
    if (url === undefined) return;
    const entry = wanted.get(url) ?? { roles: new Set<Role>(), decode: false };
    if (role !== undefined) entry.roles.add(role);
    entry.decode ||= decode;
    wanted.set(url, entry);
  };
  for (const role of roles) want(role, urlFor(plan.urls, role), role === 'detect');
  // A picture comes from what is decoded or at least open already; a connection of its own is the last resort.
  if (demand.picture && ![...wanted.values()].some((w) => w.decode))
    want(undefined, [...wanted.keys()][0] ?? urlFor(plan.urls, 'live'), true);
  return wanted;
}
