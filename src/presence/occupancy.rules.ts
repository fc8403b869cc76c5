import type { PresenceView } from './model.ts';

/** Whether anybody is home; undefined while nobody is known to be and of somebody nothing is known. */
export function anyoneHome({ people }: Pick<PresenceView, 'people'>): boolean | undefined {
  if (people.some(({ state }) => state === 'home')) return true;
  return people.length === 0 || people.some(({ state }) => state === 'unknown') ? undefined : false;
}
