import { BlockList, isIP } from 'node:net';

/** Addresses that belong to one wire or to the machine's own cloud: no name of the outside world may lead there. */
const unreachable = new BlockList();
unreachable.addSubnet('169.254.0.0', 16, 'ipv4'); // RFC 3927; 169.254.169.254 hands out keys in most clouds
unreachable.addSubnet('0.0.0.0', 8, 'ipv4'); // Linux takes it for this machine
unreachable.addAddress('100.100.100.200', 'ipv4'); // metadata of Alibaba Cloud
unreachable.addAddress('192.0.0.192', 'ipv4'); // metadata of Oracle Cloud
unreachable.addSubnet('fe80::', 10, 'ipv6'); // RFC 4291
unreachable.addAddress('fd00:ec2::254', 'ipv6'); // metadata of Amazon
unreachable.addAddress('::', 'ipv6');

/** Whether a looked-up address is one that a webhook must not reach. IPv4 within IPv6 is judged as IPv4. */
export function forbidden(address: string): boolean {
  const version = isIP(address.replace(/%.*$/, ''));
  if (version === 0) return true;
  return unreachable.check(address.replace(/%.*$/, ''), version === 4 ? 'ipv4' : 'ipv6');
}
