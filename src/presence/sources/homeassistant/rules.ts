import type { EntityAnswer } from '#platform/homeassistant/model.ts';
import type { Report } from '../../model.ts';

/** Says nothing about where somebody is. Everything else that is not home is some other place. */
const noInformation = new Set(['unknown', 'unavailable', '']);

/** The report that one entity makes about its person. No information is `unknown`, never away. */
export function toReport(person: string, answer: EntityAnswer, now: number): Report {
  const base = { source: 'homeassistant', person, entity: answer.entity } as const;
  if ('missing' in answer) return { ...base, state: 'unknown', at: now, gps: false };
  const { attributes, changedAt } = answer;
  return {
    ...base,
    state: whereabouts(answer.state, attributes['in_zones']),
    // Clocks of two machines differ; a change is never in our future.
    at: Math.min(changedAt ?? now, now),
    // A person carries `gps_accuracy` only while a position decides.
    gps: attributes['source_type'] === 'gps' || typeof attributes['gps_accuracy'] === 'number',
  };
}

// Since 2026 a scanner may sit in another zone and a zone may overlap home; `in_zones` then still lists zone.home.
function whereabouts(state: string, zones: unknown): Report['state'] {
  const atHome = state === 'home' || (Array.isArray(zones) && zones.includes('zone.home'));
  if (atHome) return 'home';
  return noInformation.has(state.trim().toLowerCase()) ? 'unknown' : 'away';
}
