import type { Mac } from '../../model.ts';

/** Ethertypes that we read (IEEE 802 numbers). */
export const etherType = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;

export const broadcastMac: Mac = 'ff:ff:ff:ff:ff:ff';

export interface EthernetFrame {
  readonly to: Mac;
  readonly from: Mac;
  readonly type: number;
  readonly payload: Uint8Array;
}

export function macAt(bytes: Uint8Array, offset: number): Mac {
  let text = '';
  for (let i = 0; i < 6; i += 1)
    text += `${i === 0 ? '' : ':'}${(bytes[offset + i] ?? 0).toString(16).padStart(2, '0')}`;
  return text;
}

/** The six bytes of a normalised address. */
export function macBytes(mac: Mac): Uint8Array {
  return Uint8Array.from(mac.split(':'), (octet) => Number.parseInt(octet, 16));
}

export const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
export const u32 = (bytes: Uint8Array, at: number): number =>
  ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0;

/** Splits an Ethernet II frame; one 802.1Q tag is skipped. Undefined for anything shorter than a header. */
export function parseEthernet(frame: Uint8Array): EthernetFrame | undefined {
  if (frame.length < 14) return undefined;
  const tagged = u16(frame, 12) === etherType.vlan;
  const start = tagged ? 18 : 14;
  if (frame.length < start) return undefined;
  return {
    to: macAt(frame, 0),
    from: macAt(frame, 6),
    type: u16(frame, start - 2),
    payload: frame.subarray(start),
  };
}

export function buildEthernet(to: Mac, from: Mac, type: number, payload: Uint8Array): Uint8Array {
  // 60 bytes is the shortest frame of IEEE 802.3 without its checksum.
  const frame = new Uint8Array(Math.max(60, 14 + payload.length));
  frame.set(macBytes(to), 0);
  frame.set(macBytes(from), 6);
  frame[12] = type >> 8;
  frame[13] = type & 255;
  frame.set(payload, 14);
  return frame;
}

/** The payload of a UDP datagram in an IPv4 or IPv6 packet, with its ports. Undefined for fragments and anything else. */
export interface Datagram {
  /** Dotted or colon text is left to the caller: 4 or 16 raw bytes. */
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly payload: Uint8Array;
}

export function parseUdp(type: number, packet: Uint8Array): Datagram | undefined {
  const v4 = type === etherType.ipv4;
  const header = v4 ? ((packet[0] ?? 0) & 15) * 4 : 40;
  const protocol = v4 ? packet[9] : packet[6];
  const fragment = v4 && (u16(packet, 6) & 0x3fff) !== 0;
  if ((packet[0] ?? 0) >> 4 !== (v4 ? 4 : 6) || protocol !== 17 || fragment || header < 20) return undefined;
  if (packet.length < header + 8) return undefined;
  const length = u16(packet, header + 4);
  if (length < 8 || packet.length < header + length) return undefined;
  return {
    source: v4 ? packet.subarray(12, 16) : packet.subarray(8, 24),
    sourcePort: u16(packet, header),
    targetPort: u16(packet, header + 2),
    payload: packet.subarray(header + 8, header + length),
  };
}
