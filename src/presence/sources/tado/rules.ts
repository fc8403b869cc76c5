import type { Report } from '../../model.ts';
import type { Phone, Quota } from './model.ts';

const dayMs = 86_400_000;
// Kept back for a login and for restarts.
const reserve = 3;

/**
 * Milliseconds until the next poll of `requests` requests: the configured pace, stretched so that what remains
 * of the quota lasts until it is refilled. An hour when it is used up and nobody says until when.
 */
export function nextPollMs(configuredMs: number, requests: number, quota: Quota): number {
  const { limit, remaining, resetMs, windowMs = dayMs } = quota;
  if (remaining === 0) return Math.max(configuredMs, resetMs ?? 3_600_000);
  const overall = limit === undefined || limit === 0 ? 0 : (windowMs * requests) / limit;
  const left = Math.max(1, (remaining ?? 0) - reserve);
  const rest = remaining === undefined || resetMs === undefined ? 0 : (resetMs * requests) / left;
  return Math.min(dayMs, Math.ceil(Math.max(configuredMs, overall, rest)));
}

/** The phone that a person's `tado_device` names, by name in any case or by id. */
export function findPhone(phones: readonly Phone[], wanted: string): Phone | undefined {
  const name = wanted.trim().toLowerCase();
  return phones.find((phone) => phone.id === name || phone.name.trim().toLowerCase() === name);
}

/** What a phone says: no location, or an old one, is no information, never away. A position counts as GPS. */
export function toReport(person: string, device: string, phone: Phone | undefined, now: number): Report {
  const location = phone?.location;
  const known = location !== undefined && !location.stale;
  return {
    source: 'tado',
    person,
    state: known ? (location.atHome ? 'home' : 'away') : 'unknown',
    at: now,
    entity: device,
    gps: true,
  };
}

/** What to tell somebody who still has the old credentials in the environment; undefined when they have not. */
export function passwordNotice(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const found = ['TADO_USERNAME', 'TADO_PASSWORD'].filter((name) => (env[name] ?? '') !== '');
  if (found.length === 0) return undefined;
  return (
    `${found.join(' and ')} in the environment ${found.length === 1 ? 'is' : 'are'} not used: Tado ended logins by password ` +
    'on 2025-03-21 (410 Gone). Run `lares tado login` once, set presence.tado.enabled: true and remove them'
  );
}
