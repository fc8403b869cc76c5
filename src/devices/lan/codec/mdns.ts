import { Buffer } from 'node:buffer';
import packet, { type Answer } from 'dns-packet';
import { cleanHostname } from './hostname.ts';

/** The largest message that RFC 6762 §17 allows. */
const largest = 9000;

export interface AddressRecord {
  /** Cleaned host name without `.local`. */
  readonly name: string;
  /** As text: `192.0.2.7` or an IPv6 address. */
  readonly address: string;
}

function records(message: Uint8Array): Answer[] {
  if (message.length < 12 || message.length > largest) return [];
  try {
    const decoded = packet.decode(Buffer.from(message.buffer, message.byteOffset, message.byteLength));
    // A host probes for its own name in the authority section (RFC 6762 §8.1).
    return [...(decoded.answers ?? []), ...(decoded.additionals ?? []), ...(decoded.authorities ?? [])];
  } catch {
    return [];
  }
}

/** The addresses that an mDNS message announces. Empty for a malformed message. */
export function announcedAddresses(message: Uint8Array): AddressRecord[] {
  return records(message).flatMap((record) => {
    if (record.type !== 'A' && record.type !== 'AAAA') return [];
    const name = cleanHostname(record.name);
    return name === undefined ? [] : [{ name, address: String(record.data) }];
  });
}

/** `7.2.0.192.in-addr.arpa` for `192.0.2.7`. */
export const reverseName = (ip: string): string => `${ip.split('.').toReversed().join('.')}.in-addr.arpa`;

/** A one-shot question for the name behind an address (RFC 6762 §5.1), answered to the port it came from. */
export function buildReverseQuery(ip: string, id: number): Uint8Array {
  return packet.encode({
    type: 'query',
    id,
    questions: [{ type: 'PTR', class: 'IN', name: reverseName(ip) }],
  });
}

/** The name in the answer to `buildReverseQuery`, if that is what the message is. */
export function parseReverseAnswer(message: Uint8Array, ip: string): string | undefined {
  const wanted = reverseName(ip);
  const answer = records(message).find((r) => r.type === 'PTR' && r.name.toLowerCase() === wanted);
  return answer?.type === 'PTR' ? cleanHostname(answer.data) : undefined;
}
