import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { cleanHostname } from './codec/hostname.ts';
import { buildReverseQuery, parseReverseAnswer } from './codec/mdns.ts';

export interface NameFound {
  readonly hostname: string;
  readonly source: 'mdns' | 'dns';
}

/** Finds the name behind an address; undefined when nobody knows one in time. Never throws. */
export type LookupName = (ip: string, signal: AbortSignal) => Promise<NameFound | undefined>;

const timeoutMs = 1_500;
const mdnsPort = 5353;

/**
 * Asks the device itself. The question goes to the device alone (RFC 6762 §5.5 asks responders to answer those from
 * their own link), so that the rest of the LAN is left in peace.
 */
export function askDevice(ip: string, signal: AbortSignal, port = mdnsPort): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const over = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const finish = (name: string | undefined) => {
      over.removeEventListener('abort', silent);
      socket.removeAllListeners('message');
      // Closing twice throws; finish runs once because its listeners are gone.
      socket.close();
      resolve(name);
    };
    const silent = () => finish(undefined);
    if (over.aborted) return silent();
    over.addEventListener('abort', silent, { once: true });
    // An unreachable device shows as an error of the socket; the timeout then ends the wait.
    socket.on('error', () => {});
    socket.on('message', (message, from) => {
      if (from.address !== ip) return;
      const name = parseReverseAnswer(message, ip);
      if (name !== undefined) finish(name);
    });
    socket.send(buildReverseQuery(ip, 0), port, ip, () => {});
  });
}

/** Asks the resolver that this machine is configured with. */
export async function askResolver(
  ip: string,
  signal: AbortSignal,
  servers?: readonly string[],
): Promise<string | undefined> {
  const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
  if (servers !== undefined) resolver.setServers(servers);
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const [name] = await resolver.reverse(ip);
    return name === undefined ? undefined : cleanHostname(name);
  } catch {
    return undefined;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** The device's own word first: the router's may be of an earlier owner of the address. */
export const lookupName: LookupName = async (ip, signal) => {
  const own = await askDevice(ip, signal);
  if (own !== undefined) return { hostname: own, source: 'mdns' };
  const known = signal.aborted ? undefined : await askResolver(ip, signal);
  return known === undefined ? undefined : { hostname: known, source: 'dns' };
};
