import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { LaresError } from '#kernel/errors.ts';
import type { Mac } from '../model.ts';
import {
  contains,
  encloses,
  formatIpv4,
  hostsOf,
  parseIpv4,
  parseNetwork,
  prefixOf,
  type Network,
} from './codec/ipv4.ts';

/** The interface through which one configured network is reached directly. */
export interface Port {
  readonly name: string;
  readonly mac: Mac;
  /** Our own address there. */
  readonly address: number;
  /** The network as the interface itself is configured. */
  readonly link: Network;
}

/** Reads a file of /proc or /sys; empty where it is not there. */
function readSmall(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function ports(): Port[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).flatMap((a): Port[] => {
      const address = a.family === 'IPv4' && !a.internal ? parseIpv4(a.address) : undefined;
      if (address === undefined) return [];
      const prefix = prefixOf(a.netmask);
      const base = (address & (prefix === 0 ? 0 : -1 << (32 - prefix))) >>> 0;
      return [{ name, mac: a.mac, address, link: { cidr: `${formatIpv4(base)}/${prefix}`, base, prefix } }];
    }),
  );
}

/**
 * Finds the interface that has an address in the network: the `wanted` one, or else the one whose own network is
 * the closest fit. Throws UNREACHABLE with a sentence that names the interface and its trouble.
 */
export function portFor(network: Network, wanted?: string): Port {
  const here = ports();
  const fitting = here
    .filter((port) => wanted === undefined || port.name === wanted)
    .filter((port) => contains(network, port.address))
    .toSorted((a, b) => b.link.prefix - a.link.prefix);
  const [port] = fitting.filter((p) => encloses(p.link, network)).concat(fitting);
  if (port !== undefined) {
    const trouble = linkTrouble(port.name);
    if (trouble !== undefined) throw new LaresError('UNREACHABLE', trouble);
    return port;
  }
  if (wanted !== undefined) throw new LaresError('UNREACHABLE', whyNot(wanted, network, here));
  const known = here.map((p) => `${p.name} in ${p.link.cidr}`).join(', ');
  throw new LaresError(
    'UNREACHABLE',
    `no interface has an address in ${network.cidr}; this machine has ${known === '' ? 'no interface that is up with an IPv4 address' : known}. Name the network that the devices are in, or bring its interface up`,
  );
}

function whyNot(name: string, network: Network, here: readonly Port[]): string {
  if (readSmall(`/sys/class/net/${name}/ifindex`) === '') return `there is no interface ${name}`;
  const trouble = linkTrouble(name);
  if (trouble !== undefined) return trouble;
  const own = here.filter((p) => p.name === name).map((p) => `${formatIpv4(p.address)}/${p.link.prefix}`);
  return own.length === 0
    ? `interface ${name} has no IPv4 address`
    : `interface ${name} has no address in ${network.cidr}, only ${own.join(', ')}`;
}

/** Why an interface cannot carry frames, or undefined when it can. */
function linkTrouble(name: string): string | undefined {
  const flags = Number(readSmall(`/sys/class/net/${name}/flags`));
  if (!Number.isNaN(flags) && flags !== 0 && (flags & 1) === 0)
    return `interface ${name} is down; bring it up (ip link set ${name} up)`;
  return readSmall(`/sys/class/net/${name}/carrier`) === '0'
    ? `interface ${name} has no carrier: no cable, or not joined to the Wi-Fi`
    : undefined;
}

/** The addresses to ask in one network: all hosts but ourselves. */
export function targetsOf(network: string | Network, own: number): number[] {
  return hostsOf(typeof network === 'string' ? parseNetwork(network) : network).filter((ip) => ip !== own);
}
