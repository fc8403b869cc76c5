import { LaresError } from '#kernel/errors.ts';

/** An IPv4 network, normalised: host bits cleared. Addresses are unsigned 32-bit numbers. */
export interface Network {
  /** `192.0.2.0/24`. */
  readonly cidr: string;
  readonly base: number;
  readonly prefix: number;
}

/** The widest network that is asked address by address: 65,534 addresses. */
export const widestPrefix = 16;

/** An address in dotted decimal as a number, or undefined. Leading zeros are refused: some systems read them as octal. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  const octets = match.slice(1);
  if (octets.some((octet) => Number(octet) > 255 || (octet.length > 1 && octet.startsWith('0'))))
    return undefined;
  return octets.reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

export function formatIpv4(ip: number): string {
  return [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255].join('.');
}

const mask = (prefix: number) => (prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0);

/** What is wrong with a network as a person wrote it, as a sentence with the cure; undefined when nothing is. */
export function networkProblem(text: string): string | undefined {
  const [address = '', length, ...rest] = text.trim().split('/');
  const ip = parseIpv4(address);
  const found = JSON.stringify(text.slice(0, 60));
  if (ip === undefined || rest.length > 0)
    return `expected a network like 192.0.2.0/24, found ${found}${address.includes(':') ? '; IPv6 cannot be swept, name the IPv4 network' : ''}`;
  if (length === undefined) return `${found} has no prefix length; write ${address}/24`;
  if (!/^\d{1,2}$/.test(length) || Number(length) > 32)
    return `expected a prefix length from ${widestPrefix} to 32, found ${found}`;
  if (Number(length) < widestPrefix)
    return `${found} has ${(2 ** (32 - Number(length))).toLocaleString('en')} addresses, too many to ask one by one; name networks of /${widestPrefix} or smaller, such as ${address}/24`;
  if (ip >>> 28 >= 14 || ip >>> 24 === 0 || ip >>> 24 === 127)
    return `${found} is not a network of devices (multicast, loopback or reserved)`;
  return undefined;
}

/** Reads a network; throws CONFIG_INVALID with the sentence of `networkProblem`. */
export function parseNetwork(text: string): Network {
  const problem = networkProblem(text);
  if (problem !== undefined) throw new LaresError('CONFIG_INVALID', problem);
  return networkOf(text);
}

/** A network in CIDR notation that a schema has checked, of any width and loopback too. */
export function networkOf(cidr: string): Network {
  const [address = '', length] = cidr.trim().split('/');
  const prefix = Number(length);
  const base = ((parseIpv4(address) ?? 0) & mask(prefix)) >>> 0;
  return { cidr: `${formatIpv4(base)}/${prefix}`, base, prefix };
}

export function contains(network: Network, ip: number): boolean {
  return (ip & mask(network.prefix)) >>> 0 === network.base;
}

/** True when every address of `inner` is one of `outer`. */
export function encloses(outer: Network, inner: Network): boolean {
  return outer.prefix <= inner.prefix && contains(outer, inner.base);
}

/** Every address that a host can have: without the network and broadcast address, except in /31 (RFC 3021) and /32. */
export function hostsOf(network: Network): number[] {
  const size = 2 ** (32 - network.prefix);
  const edge = size > 2 ? 1 : 0;
  return Array.from({ length: size - 2 * edge }, (_, i) => network.base + edge + i);
}

/** The address that reaches every host of the network. */
export function broadcastOf({ base, prefix }: Network): string {
  return formatIpv4(base + 2 ** (32 - prefix) - 1);
}

/** The prefix length of a netmask such as `255.255.255.0`. */
export function prefixOf(netmask: string): number {
  const bits = parseIpv4(netmask) ?? 0;
  return Math.clz32(~bits >>> 0);
}
