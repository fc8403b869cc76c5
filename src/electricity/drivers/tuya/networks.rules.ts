import { formatIpv4, hostsOf, parseIpv4, type Network } from '#devices/lan/codec/ipv4.ts';

// Wider networks are asked by broadcast only.
const widestSweep = 20;

/** A checked CIDR as numbers; loopback is as good as any other network. */
export function networkOf(cidr: string): Network {
  const [address = '', length = '32'] = cidr.split('/');
  const prefix = Number(length);
  const mask = prefix === 0 ? 0 : (-1 << (32 - prefix)) >>> 0;
  return { cidr, base: ((parseIpv4(address) ?? 0) & mask) >>> 0, prefix };
}

/** The address that reaches every host of the network. */
export function broadcastOf({ base, prefix }: Network): string {
  return formatIpv4((base + 2 ** (32 - prefix) - 1) >>> 0);
}

/** Every address of the networks that may be asked one by one. */
export function addressesOf(cidrs: readonly string[]): string[] {
  const networks = cidrs.map(networkOf).filter(({ prefix }) => prefix >= widestSweep);
  return [...new Set(networks.flatMap(hostsOf))].map(formatIpv4);
}
