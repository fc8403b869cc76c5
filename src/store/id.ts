/**
 * A version 7 UUID (RFC 9562 §5.7): 48 bits of epoch milliseconds, 12 bits of `sequence` to keep the order within one
 * millisecond, and 62 of the given random bits (8 bytes). Its text sorts by time, then by sequence.
 */
export function uuid7(at: number, sequence: number, random: Uint8Array): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0').slice(-digits);
  const time = hex(Math.min(Math.max(0, Math.trunc(at)), 2 ** 48 - 1), 12);
  const tail = Buffer.from(random).toString('hex').padEnd(16, '0');
  const variant = (0x80 | ((random[0] ?? 0) & 0x3f)).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(sequence & 0xfff, 3)}-${variant}${tail.slice(2, 4)}-${tail.slice(4, 16)}`;
}
