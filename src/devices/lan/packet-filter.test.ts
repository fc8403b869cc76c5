import { expect, test } from 'vitest';
import { buildArp } from './codec/arp.ts';
import { buildEthernet, etherType } from './codec/ethernet.ts';
import { assembleFilter } from './packet-filter.ts';

/** Runs classic BPF as the kernel does (net/core/filter.c), for the operations that the filter uses. */
function passes(frame: Uint8Array): boolean {
  const program = new DataView(assembleFilter().buffer);
  const bytes = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  let [a, x] = [0, 0];
  for (let at = 0; ; at += 1) {
    const code = program.getUint16(at * 8, true);
    const k = program.getUint32(at * 8 + 4, true);
    const jump = (yes: boolean) => (at += program.getUint8(at * 8 + (yes ? 2 : 3)));
    if (code === 0x06) return k > 0;
    // The kernel drops a packet that is too short for a load.
    const loads = (code & 7) <= 1;
    if (loads && k + x + 2 > frame.length) return false;
    if (code === 0x28) a = bytes.getUint16(k);
    else if (code === 0x30) a = bytes.getUint8(k);
    else if (code === 0xb1) x = (bytes.getUint8(k) & 15) * 4;
    else if (code === 0x48) a = bytes.getUint16(x + k);
    else if (code === 0x15) jump(a === k);
    else if (code === 0x45) jump((a & k) !== 0);
    else throw new Error(`unknown operation 0x${code.toString(16)}`);
  }
}

const mac = '02:aa:bb:cc:dd:01';
const wrap = (type: number, payload: readonly number[]) =>
  buildEthernet('ff:ff:ff:ff:ff:ff', mac, type, Uint8Array.from([...payload, ...Array<number>(60).fill(0)]));
const ipv4 = (protocol: number, port: number, { fragment = 0, options = 0 } = {}) => {
  const header = [0x45 + options, 0, 0, 28, 0, 0, fragment >> 8, fragment & 255, 64, protocol];
  const rest = Array<number>(10 + 4 * options).fill(0);
  return wrap(etherType.ipv4, header.concat(rest, [0x30, 0x39, port >> 8, port & 255]));
};
const ipv6 = (next: number, head: readonly number[]) =>
  wrap(etherType.ipv6, [0x60, 0, 0, 0, 0, 32, next, 255, ...Array<number>(32).fill(0), ...head]);
const arp = { op: 'request', senderMac: mac, senderIp: 1, targetMac: mac, targetIp: 2 } as const;

test.each<[string, Uint8Array]>([
  ['ARP', buildArp(arp)],
  ['a DHCP request', ipv4(17, 67)],
  ['multicast DNS', ipv4(17, 5353)],
  ['multicast DNS behind IP options', ipv4(17, 5353, { options: 2 })],
  ['multicast DNS over IPv6', ipv6(17, [0x14, 0xe9, 0x14, 0xe9])],
  ['a router solicitation', ipv6(58, [133])],
  ['a neighbour solicitation', ipv6(58, [135])],
  ['a neighbour advertisement', ipv6(58, [136])],
])('%s reaches us', (_, frame) => expect(passes(frame)).toBe(true));

test.each<[string, Uint8Array]>([
  ['TCP', ipv4(6, 5353)],
  ['other UDP', ipv4(17, 443)],
  ['a later fragment', ipv4(17, 67, { fragment: 100 })],
  ['other UDP over IPv6', ipv6(17, [0, 53, 1, 187])],
  ['a router advertisement', ipv6(58, [134])],
  ['TCP over IPv6', ipv6(6, [0x14, 0xe9, 0x14, 0xe9])],
  ['another protocol', wrap(0x88cc, [2, 7])],
  ['a stub of a frame', Uint8Array.of(1, 2, 3)],
])('%s stays in the kernel', (_, frame) => expect(passes(frame)).toBe(false));
