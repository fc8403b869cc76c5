/** Addresses to ask, `first` to `last` as numbers; the broadcast address is among them. */
export interface Ipv4Network {
  readonly first: number;
  readonly last: number;
  readonly size: number;
}

// Sixteen bits of addresses are a minute of asking; a wider network is a mistake in the settings.
const widest = 16;

/** A network in CIDR notation; undefined for one that is wider than /16 or no network at all. */
export function parseNetwork(cidr: string): Ipv4Network | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (match === null) return undefined;
  const numbers = match.slice(1).map(Number);
  const bits = numbers[4]!;
  if (numbers.slice(0, 4).some((n) => n > 255) || bits > 32 || bits < widest) return undefined;
  const address = numbers.slice(0, 4).reduce((sum, n) => sum * 256 + n, 0);
  const size = 2 ** (32 - bits);
  const start = Math.floor(address / size) * size;
  // The address of the network itself belongs to nobody, except where there are only one or two.
  const first = bits >= 31 ? start : start + 1;
  return { first, last: start + size - 1, size: start + size - first };
}

/** The broadcast address first, because it may reach everybody at once; then each address. */
export function* hostsOf({ first, last }: Ipv4Network): Generator<string> {
  yield dotted(last);
  for (let address = first; address < last; address += 1) yield dotted(address);
}

function dotted(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address / 2 ** shift) & 255).join('.');
}
