/** One instruction of classic BPF (linux/filter.h): operation, operand, and labels to go to when true or false. */
type Step = readonly [op: keyof typeof operations, k: number, yes?: string | undefined, no?: string];

const operations = {
  /** A = half word / byte at k. */
  ldh: 0x28,
  ldb: 0x30,
  /** X = 4 × (low nibble of the byte at k): the length of an IPv4 header. */
  ldxLength: 0xb1,
  /** A = half word at X + k. */
  ldhX: 0x48,
  jumpEqual: 0x15,
  jumpSet: 0x45,
  return: 0x06,
} as const;

const whole = 0x40000;

/** ARP, DHCP requests, mDNS, and IPv6 neighbour discovery; everything else never leaves the kernel. */
const program: readonly (Step | string)[] = [
  ['ldh', 12],
  ['jumpEqual', 0x0806, 'accept'],
  ['jumpEqual', 0x0800, 'ipv4'],
  ['jumpEqual', 0x86dd, 'ipv6', 'reject'],
  'ipv4',
  ['ldb', 23],
  ['jumpEqual', 17, undefined, 'reject'],
  ['ldh', 20],
  ['jumpSet', 0x1fff, 'reject'],
  ['ldxLength', 14],
  ['ldhX', 16],
  ['jumpEqual', 67, 'accept'],
  ['jumpEqual', 5353, 'accept', 'reject'],
  'ipv6',
  ['ldb', 20],
  ['jumpEqual', 58, 'icmpv6'],
  ['jumpEqual', 17, undefined, 'reject'],
  ['ldh', 56],
  ['jumpEqual', 5353, 'accept', 'reject'],
  'icmpv6',
  ['ldb', 54],
  ['jumpEqual', 133, 'accept'],
  ['jumpEqual', 135, 'accept'],
  ['jumpEqual', 136, 'accept', 'reject'],
  'accept',
  ['return', whole],
  'reject',
  ['return', 0],
];

/** The filter as an array of `struct sock_filter`, 8 bytes each, in the byte order of this machine. */
export function assembleFilter(): Uint8Array {
  const steps = program.filter((line): line is Step => typeof line !== 'string');
  const labels = new Map<string, number>();
  let at = 0;
  for (const line of program) {
    if (typeof line === 'string') labels.set(line, at);
    else at += 1;
  }
  const bytes = new DataView(new ArrayBuffer(steps.length * 8));
  for (const [i, [op, k, yes, no]] of steps.entries()) {
    const jump = (label: string | undefined) => (label === undefined ? 0 : (labels.get(label) ?? 0) - i - 1);
    bytes.setUint16(i * 8, operations[op], true);
    bytes.setUint8(i * 8 + 2, jump(yes));
    bytes.setUint8(i * 8 + 3, jump(no));
    bytes.setUint32(i * 8 + 4, k, true);
  }
  return new Uint8Array(bytes.buffer);
}
