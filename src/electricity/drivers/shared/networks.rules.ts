import { formatIpv4, hostsOf, networkOf, widestPrefix, type Network } from '#devices/lan/codec/ipv4.ts';
import { LaresError } from '#kernel/errors.ts';

/** Networks of the settings that are asked address by address. Throws CONFIG_INVALID for one that is too wide for that. */
export function searchable(cidrs: readonly string[]): Network[] {
  const wide = cidrs.find((cidr) => networkOf(cidr).prefix < widestPrefix);
  if (wide !== undefined)
    throw new LaresError(
      'CONFIG_INVALID',
      `${wide} is too wide to be searched; name networks of /${widestPrefix} or smaller`,
    );
  return cidrs.map(networkOf);
}

/** Every host address of the networks, once. */
export function addressesOf(networks: readonly Network[]): string[] {
  return [...new Set(networks.flatMap(hostsOf))].map(formatIpv4);
}
