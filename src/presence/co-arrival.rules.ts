import type { LanDevice } from '#devices/model.ts';
import type { Suggestion } from './model.ts';

/** Instants (epoch ms) at which somebody or something came and went during the period looked at. */
export interface Comings {
  readonly arrivals: readonly number[];
  readonly departures: readonly number[];
}

// Joining takes seconds and a departure is known within minutes, so pairs further apart are chance.
const windowMs = 3 * 60_000;
const pairedWhenSame = 0.8;
// One unknown phone in ten that keeps coming is the second device of somebody who lives here.
const priorOdds = 0.1;
const fewestPairs = 3;

/**
 * Unassigned devices that come and go together with one person, for whom a link is proposed, most confident first.
 * Every arrival or departure of the device counts for a person when theirs lies within three minutes of it, against
 * how often that would happen by chance in `periodMs`.
 */
export function suggestOwners(
  devices: readonly (Comings & { readonly device: LanDevice })[],
  people: readonly (Comings & { readonly person: string })[],
  periodMs: number,
  now: number,
): Suggestion[] {
  return devices
    .flatMap((unknown) => {
      const scored = people.map((person) => ({ person, ...compare(unknown, person, periodMs) }));
      const sum = scored.reduce((total, s) => total + s.odds, 1);
      return scored
        .filter((s) => s.paired >= fewestPairs && s.odds / sum > 0.5)
        .map(({ person: { person }, paired, of, odds }): Suggestion => ({
          id: `assign-device:${person}:${unknown.device.mac}`,
          kind: 'assign-device',
          person,
          mac: unknown.device.mac,
          replaces: undefined,
          confidence: odds / sum,
          evidence: [
            {
              at: now,
              source: 'wifi',
              text: `came or went with ${person} ${paired} of ${of} times`,
              weight: Math.log(odds / priorOdds),
            },
          ],
          at: now,
          status: 'open',
        }));
    })
    .toSorted((a, b) => b.confidence - a.confidence);
}

function compare(unknown: Comings, person: Comings, periodMs: number) {
  let paired = 0;
  let of = 0;
  let ln = Math.log(priorOdds);
  for (const key of ['arrivals', 'departures'] as const) {
    const chance = Math.min(0.5, Math.max(0.01, (person[key].length * 2 * windowMs) / periodMs));
    for (const at of unknown[key]) {
      const together = person[key].some((theirs) => Math.abs(theirs - at) <= windowMs);
      ln += together ? Math.log(pairedWhenSame / chance) : Math.log((1 - pairedWhenSame) / (1 - chance));
      paired += together ? 1 : 0;
      of += 1;
    }
  }
  return { paired, of, odds: Math.exp(Math.min(ln, 50)) };
}
