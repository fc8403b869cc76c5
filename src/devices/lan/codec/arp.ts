import type { Mac } from '../../model.ts';
import { broadcastMac, buildEthernet, etherType, macAt, macBytes, u16, u32 } from './ethernet.ts';

/** An ARP packet for IPv4 over Ethernet (RFC 826). */
export interface Arp {
  readonly op: 'request' | 'reply';
  readonly senderMac: Mac;
  readonly senderIp: number;
  readonly targetMac: Mac;
  readonly targetIp: number;
}

const operations = { 1: 'request', 2: 'reply' } as const;

export function parseArp(packet: Uint8Array): Arp | undefined {
  if (packet.length < 28 || u16(packet, 0) !== 1 || u16(packet, 2) !== etherType.ipv4) return undefined;
  if (packet[4] !== 6 || packet[5] !== 4) return undefined;
  const op = operations[u16(packet, 6) as 1 | 2];
  if (op === undefined) return undefined;
  return {
    op,
    senderMac: macAt(packet, 8),
    senderIp: u32(packet, 14),
    targetMac: macAt(packet, 18),
    targetIp: u32(packet, 24),
  };
}

/** A whole Ethernet frame that carries the packet, addressed to `to` (broadcast unless given). */
export function buildArp(arp: Arp, to: Mac = broadcastMac): Uint8Array {
  const packet = new Uint8Array(28);
  packet.set([0, 1, 8, 0, 6, 4, 0, arp.op === 'request' ? 1 : 2]);
  packet.set(macBytes(arp.senderMac), 8);
  packet.set(ipBytes(arp.senderIp), 14);
  packet.set(macBytes(arp.targetMac), 18);
  packet.set(ipBytes(arp.targetIp), 24);
  return buildEthernet(to, arp.senderMac, etherType.arp, packet);
}

const ipBytes = (ip: number) => [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255];
