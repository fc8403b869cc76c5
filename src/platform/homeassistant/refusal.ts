import { LaresError } from '#kernel/errors.ts';
import { retryAfterMs, shown } from '../http-client.ts';
import { tokenAdvice } from './config.ts';

// Each refused token raises a notification in Home Assistant, and may end in a ban of our address.
const refusedWaitMs = 15 * 60_000;

const sentences: Readonly<Record<number, (where: string) => LaresError>> = {
  401: (where) =>
    new LaresError('AUTH_REFUSED', `Home Assistant refused the token (401 from ${where}): ${tokenAdvice}`, {
      retryAfterMs: refusedWaitMs,
    }),
  403: (where) =>
    new LaresError(
      'AUTH_REFUSED',
      `Home Assistant has banned this machine after failed logins (403 from ${where}): remove its address from ip_bans.yaml ` +
        'in the configuration folder of Home Assistant, restart Home Assistant, then check the token',
      { retryAfterMs: refusedWaitMs },
    ),
};

/** The error for a status that speaks about us or about all of Home Assistant; undefined for any other status. */
export function refusal(
  status: number,
  url: string,
  retryAfter: string | undefined,
  now: number,
): LaresError | undefined {
  const sentence = sentences[status];
  if (sentence !== undefined) return sentence(shown(url));
  if (status === 429)
    return new LaresError('RATE_LIMITED', `Home Assistant asks for fewer requests (429 from ${shown(url)})`, {
      retryAfterMs: retryAfterMs(retryAfter, now) ?? 60_000,
    });
  if (status < 500) return undefined;
  const wait = retryAfterMs(retryAfter, now);
  return new LaresError(
    'UNREACHABLE',
    status === 503
      ? `Home Assistant is still starting or overloaded (503 from ${shown(url)})`
      : `Home Assistant failed (${status} from ${shown(url)}); its own log says why`,
    wait === undefined ? {} : { retryAfterMs: wait },
  );
}
