import { LaresError } from '#kernel/errors.ts';

/** Something simulated that can be made to misbehave. */
export interface Faulty {
  /** Paths of the devices that share its fate: the sockets of a strip, the meters of a bus. */
  readonly paths: readonly string[];
  /** What it is and how it is spoken to. */
  readonly what: string;
  readonly faults: readonly string[];
  /** Misbehaves for `ms` of real time. */
  fault(name: string, ms: number): void;
}

/** Milliseconds of `30s`, `2m`, `1h`. Throws USAGE. */
export function durationMs(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)(s|m|h)$/.exec(text) ?? [];
  const ms = Number(digits) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN);
  if (ms > 0 && ms <= 86_400_000) return ms;
  throw new LaresError('USAGE', `${text}: expected how long, such as 30s, 2m or 1h; at most 24h`);
}

/** The one whose path, or the end of its path, is named. Throws NOT_FOUND, or USAGE when several are meant. */
export function findFaulty(all: readonly Faulty[], name: string): Faulty {
  const wanted = name.trim().toLowerCase();
  const exact = all.filter((f) => f.paths.includes(wanted));
  const found =
    exact.length > 0 ? exact : all.filter((f) => f.paths.some((path) => path.endsWith(`.${wanted}`)));
  const [only, ...others] = found;
  if (only === undefined)
    throw new LaresError(
      'NOT_FOUND',
      `nothing in the demo house is called ${JSON.stringify(name.slice(0, 80))}; see: lares demo fault --list`,
    );
  if (others.length > 0)
    throw new LaresError(
      'USAGE',
      `${JSON.stringify(name)} may be ${found.map((f) => f.paths[0]).join(' or ')}`,
    );
  return only;
}

/** Makes one misbehave. Throws NOT_FOUND, or USAGE with the faults that it has. */
export function inject(
  all: readonly Faulty[],
  device: string,
  fault: string,
  ms: number,
): { readonly paths: readonly string[] } {
  const meant = findFaulty(all, device);
  if (!meant.faults.includes(fault))
    throw new LaresError(
      'USAGE',
      `${meant.paths[0]} has no fault ${fault}; it has ${meant.faults.join(', ')}`,
    );
  meant.fault(fault, ms);
  return { paths: meant.paths };
}
