import { z } from 'zod';

const label = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const hostName = new RegExp(`^${label}(?:\\.${label})*\\.?$`, 'i');
const ipv6 = z.ipv6();

/** A dotted number that is no IPv4 address is a slip of the pen, not a name. */
const isHost = (text: string): boolean =>
  /^[\d.]+$/.test(text) ? z.ipv4().safeParse(text).success : hostName.test(text);

const isPort = (text: string): boolean =>
  /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535;

function isHostAndPort(text: string): boolean {
  const [, six, name, port] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(.*))?$/.exec(text) ?? [];
  const host = six === undefined ? isHost(name ?? '') : ipv6.safeParse(six).success;
  return host && (port === undefined || isPort(port));
}

const text = z.string().min(1).max(253);

/** Where a device is, for sources whose port is a setting of its own. */
export const hostSetting = text.refine((host) => isHost(host) || ipv6.safeParse(host).success, {
  error: 'expected an IP address or a host name and nothing else, like 192.0.2.7 or plug.lan',
});

/** Where a device is, for sources that are spoken to over HTTP: the port may stand behind it. */
export const hostAndPortSetting = text.refine(isHostAndPort, {
  error:
    'expected an IP address or a host name, with a port from 1 to 65535 where it has its own, like 192.0.2.7, plug.lan:8080 or [2001:db8::7]:8080',
});

/**
 * Complains about entries of a list that name the same thing; `keys` tell by setting what an entry is known by, or
 * undefined where it does not say.
 */
export function noneTwice<T>(
  keys: Readonly<Record<string, (entry: T) => string | undefined>>,
): (entries: readonly T[], context: z.RefinementCtx<readonly T[]>) => void {
  return (entries, context) => {
    for (const [key, of] of Object.entries(keys)) {
      const known = entries.map((entry) => of(entry)?.toLowerCase());
      known.forEach((one, index) => {
        const first = known.indexOf(one);
        if (one === undefined || first === index) return;
        context.addIssue({
          code: 'custom',
          path: [index, key],
          message: `is the same as in entry ${first + 1} of this list; leave one of them out`,
        });
      });
    }
  };
}
