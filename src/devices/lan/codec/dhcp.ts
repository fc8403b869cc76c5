import type { Mac } from '../../model.ts';
import { macAt, u32 } from './ethernet.ts';
import { cleanHostname } from './hostname.ts';

/** DHCP message types that a client sends (RFC 2132 §9.6). */
export const dhcpTypes = { 1: 'discover', 3: 'request', 4: 'decline', 7: 'release', 8: 'inform' } as const;
export type DhcpType = (typeof dhcpTypes)[keyof typeof dhcpTypes];

/** What a DHCP client says about itself. */
export interface DhcpRequest {
  readonly type: DhcpType;
  readonly mac: Mac;
  /** The address that it has or wants: `ciaddr`, else option 50. */
  readonly ip: number | undefined;
  /** Option 12, else the first label of option 81 (RFC 4702). */
  readonly hostname: string | undefined;
  /** Option 55 as decimal numbers with commas: it tells operating systems apart. */
  readonly fingerprint: string | undefined;
  /** Option 60. */
  readonly vendorClass: string | undefined;
  /** Option 61 in hexadecimal. */
  readonly clientId: string | undefined;
}

const cookie = 0x63_82_53_63;
const [pad, end] = [0, 255];
const longestList = 64;

/** Reads a BOOTREQUEST (RFC 2131). Undefined for replies and for anything malformed. */
export function parseDhcp(message: Uint8Array): DhcpRequest | undefined {
  if (message.length < 240 || message[0] !== 1 || message[1] !== 1 || message[2] !== 6) return undefined;
  if (u32(message, 236) !== cookie) return undefined;
  const options = readOptions(message.subarray(240));
  const type = dhcpTypes[(options.get(53)?.[0] ?? 0) as keyof typeof dhcpTypes];
  if (type === undefined) return undefined;
  const text = (code: number) => {
    const value = options.get(code);
    return value === undefined ? undefined : cleanHostname(value);
  };
  const wanted = options.get(50);
  const asked = wanted?.length === 4 ? u32(wanted, 0) : 0;
  const ip = u32(message, 12) || asked;
  // Option 81: flags, two result codes, then the name.
  const full = options.get(81)?.subarray(3);
  const id = options.get(61)?.subarray(0, longestList);
  return {
    type,
    mac: macAt(message, 28),
    ip: ip === 0 ? undefined : ip,
    hostname: text(12) ?? (full === undefined ? undefined : cleanHostname(full)?.split('.')[0]),
    fingerprint: options.get(55)?.subarray(0, longestList).join(',') || undefined,
    vendorClass: text(60),
    clientId: id === undefined ? undefined : Array.from(id, (b) => b.toString(16).padStart(2, '0')).join(''),
  };
}

function readOptions(bytes: Uint8Array): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length;) {
    const code = bytes[at] ?? end;
    if (code === end) break;
    if (code === pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) break;
    // The first of a repeated option wins; long options in parts (RFC 3396) are not needed here.
    if (!options.has(code)) options.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}
