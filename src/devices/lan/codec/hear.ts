import { normaliseMac } from '../../mac.ts';
import type { LanSighting, Mac } from '../../model.ts';
import { parseArp } from './arp.ts';
import { parseDhcp } from './dhcp.ts';
import { etherType, parseEthernet, parseUdp, u16, u32, type EthernetFrame } from './ethernet.ts';
import { contains, formatIpv4, type Network } from './ipv4.ts';
import { announcedAddresses } from './mdns.ts';

/** A sighting before its instant is known. */
export type Heard = Omit<LanSighting, 'at'>;

/** Where the frame was heard: the interface's own address and the networks that the configuration names there. */
export interface Ear {
  readonly mac: Mac;
  readonly networks: readonly Network[];
}

/**
 * What one Ethernet frame proves about who is on the LAN, or undefined: frames of our own, of addresses outside
 * the configured networks, of other protocols, and garbage prove nothing.
 */
export function hear(bytes: Uint8Array, ear: Ear): Heard | undefined {
  const frame = parseEthernet(bytes);
  if (frame === undefined || frame.from === ear.mac || normaliseMac(frame.from) === undefined)
    return undefined;
  if (frame.type === etherType.arp) return hearArp(frame, ear);
  if (frame.type === etherType.ipv4) return hearUdp4(frame, ear);
  if (frame.type === etherType.ipv6) return hearIpv6(frame, ear);
  return undefined;
}

const networkOf = (ear: Ear, ip: number) => ear.networks.find((network) => contains(network, ip));
// Frames without an address of their own belong to a network only where there is no choice.
const onlyNetwork = (ear: Ear) => (ear.networks.length === 1 ? ear.networks[0] : undefined);

function hearArp(frame: EthernetFrame, ear: Ear): Heard | undefined {
  const arp = parseArp(frame.payload);
  // A proxy or a forger speaks for somebody else.
  if (arp === undefined || arp.senderMac !== frame.from) return undefined;
  // An ARP probe (RFC 5227) carries no sender address yet: the device is about to take the target address.
  const probing = arp.senderIp === 0;
  const network = networkOf(ear, probing ? arp.targetIp : arp.senderIp);
  if (network === undefined) return undefined;
  const answersUs = arp.op === 'reply' && frame.to === ear.mac;
  return {
    mac: arp.senderMac,
    ip: probing ? undefined : formatIpv4(arp.senderIp),
    via: answersUs ? 'arp-reply' : 'arp-heard',
    network: network.cidr,
  };
}

function hearUdp4(frame: EthernetFrame, ear: Ear): Heard | undefined {
  const datagram = parseUdp(frame.type, frame.payload);
  if (datagram?.targetPort === 67) return hearDhcp(frame, datagram.payload, ear);
  if (datagram?.targetPort !== 5353) return undefined;
  const ip = u32(datagram.source, 0);
  const network = networkOf(ear, ip);
  if (network === undefined) return undefined;
  const address = formatIpv4(ip);
  const name = announcedAddresses(datagram.payload).find((record) => record.address === address)?.name;
  return { mac: frame.from, ip: address, via: 'mdns', network: network.cidr, ...named(name) };
}

function hearDhcp(frame: EthernetFrame, message: Uint8Array, ear: Ear): Heard | undefined {
  const dhcp = parseDhcp(message);
  // Relays send for others; a release says goodbye, a decline gives an address back.
  if (dhcp === undefined || dhcp.mac !== frame.from || dhcp.type === 'release' || dhcp.type === 'decline')
    return undefined;
  const named4 = dhcp.ip === undefined ? undefined : networkOf(ear, dhcp.ip);
  const network = named4 ?? onlyNetwork(ear);
  if (network === undefined) return undefined;
  return {
    mac: dhcp.mac,
    ip: named4 !== undefined && dhcp.ip !== undefined ? formatIpv4(dhcp.ip) : undefined,
    via: 'dhcp',
    network: network.cidr,
    ...named(dhcp.hostname),
    ...(dhcp.fingerprint === undefined ? {} : { dhcpFingerprint: dhcp.fingerprint }),
    ...(dhcp.vendorClass === undefined ? {} : { dhcpVendorClass: dhcp.vendorClass }),
  };
}

// Router and neighbour solicitations and neighbour advertisements (RFC 4861).
const neighbourDiscovery = new Set([133, 135, 136]);

function hearIpv6(frame: EthernetFrame, ear: Ear): Heard | undefined {
  const packet = frame.payload;
  const network = onlyNetwork(ear);
  if (network === undefined || packet.length < 44 || (packet[0] ?? 0) >> 4 !== 6) return undefined;
  // Only link-local addresses stay the same on one network; the others are changed daily (RFC 8981).
  const linkLocal = (u16(packet, 8) & 0xffc0) === 0xfe80;
  const suffix = linkLocal ? { ipv6Suffix: hex(packet.subarray(16, 24)) } : {};
  const heard = { mac: frame.from, ip: undefined, network: network.cidr, ...suffix };
  if (packet[6] === 58)
    return neighbourDiscovery.has(packet[40] ?? 0) ? { ...heard, via: 'arp-heard' } : undefined;
  // Names are read over IPv4 only, where the sender's address shows that the name is its own.
  if (parseUdp(frame.type, packet)?.targetPort !== 5353) return undefined;
  return { ...heard, via: 'mdns' };
}

const named = (hostname: string | undefined) => (hostname === undefined ? {} : { hostname });
const hex = (bytes: Uint8Array) => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
