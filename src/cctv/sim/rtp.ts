import type { VideoCodec } from './clip.ts';

/** RTP payloads of one picture: RFC 6184 (H.264) and RFC 7798 (H.265), single NAL units and fragmentation units. */

// Fits an Ethernet frame with IP, UDP and RTP headers and room for a tunnel.
const largest = 1400;

interface Fragmenter {
  /** Bytes of the NAL unit's own header. */
  readonly header: number;
  readonly fragment: (nal: Buffer, first: boolean, last: boolean) => Buffer;
}

const fragmenters: Readonly<Record<VideoCodec, Fragmenter>> = {
  // FU indicator (F, NRI, type 28) and FU header (S, E, type): RFC 6184 5.8.
  h264: {
    header: 1,
    fragment: (nal, first, last) => {
      const header = nal[0] ?? 0;
      return Buffer.from([(header & 0xe0) | 28, flags(first, last) | (header & 31)]);
    },
  },
  // Payload header with type 49, then the FU header (S, E, type of 6 bits): RFC 7798 4.4.3.
  h265: {
    header: 2,
    fragment: (nal, first, last) => {
      const header = nal[0] ?? 0;
      return Buffer.from([
        (header & 0x81) | (49 << 1),
        nal[1] ?? 0,
        flags(first, last) | ((header >> 1) & 63),
      ]);
    },
  },
};

function flags(first: boolean, last: boolean): number {
  return (first ? 0x80 : 0) | (last ? 0x40 : 0);
}

/** The payloads that carry these NAL units; the marker bit belongs on the last one. */
export function payloads(codec: VideoCodec, nals: readonly Buffer[], limit: number = largest): Buffer[] {
  const { header, fragment } = fragmenters[codec];
  const out: Buffer[] = [];
  for (const nal of nals) {
    if (nal.length <= limit) {
      out.push(nal);
      continue;
    }
    const step = limit - header - 1;
    for (let from = header; from < nal.length; from += step) {
      const to = Math.min(nal.length, from + step);
      out.push(Buffer.concat([fragment(nal, from === header, to === nal.length), nal.subarray(from, to)]));
    }
  }
  return out;
}

export interface RtpHeader {
  readonly type: number;
  readonly marker: boolean;
  readonly sequence: number;
  readonly timestamp: number;
  readonly source: number;
}

/** One RTP packet (RFC 3550 5.1), without extension or padding. */
export function rtpPacket(header: RtpHeader, payload: Buffer): Buffer {
  const packet = Buffer.allocUnsafe(12 + payload.length);
  packet[0] = 0x80;
  packet[1] = header.type | (header.marker ? 0x80 : 0);
  packet.writeUInt16BE(header.sequence & 0xffff, 2);
  packet.writeUInt32BE(header.timestamp >>> 0, 4);
  packet.writeUInt32BE(header.source >>> 0, 8);
  payload.copy(packet, 12);
  return packet;
}

// Seconds between 1900 (NTP) and 1970 (Unix).
const ntpOffset = 2_208_988_800;

/** An RTCP sender report (RFC 3550 6.4.1): which wall-clock instant (epoch ms) the RTP timestamp stands for. */
export function senderReport(
  source: number,
  at: number,
  timestamp: number,
  packets: number,
  bytes: number,
): Buffer {
  const report = Buffer.alloc(28);
  report[0] = 0x80;
  report[1] = 200;
  report.writeUInt16BE(6, 2);
  report.writeUInt32BE(source >>> 0, 4);
  report.writeUInt32BE((Math.floor(at / 1000) + ntpOffset) >>> 0, 8);
  report.writeUInt32BE(Math.floor(((at % 1000) / 1000) * 2 ** 32) >>> 0, 12);
  report.writeUInt32BE(timestamp >>> 0, 16);
  report.writeUInt32BE(packets >>> 0, 20);
  report.writeUInt32BE(bytes >>> 0, 24);
  return report;
}
