import type { PersonConfig } from './model.ts';

/** Who carries which device. Built once per configuration. */
export interface Owners {
  readonly byMac: ReadonlyMap<string, string>;
  readonly patterns: readonly { readonly person: string; readonly matches: (hostname: string) => boolean }[];
  /** Host name patterns that several people claim; they are ignored, because they would bring everybody home. */
  readonly ambiguous: readonly { readonly pattern: string; readonly people: readonly string[] }[];
}

/** A case-insensitive glob with `*` and `?`; without either, the pattern may stand anywhere in the name. */
export function hostnamePattern(pattern: string): (hostname: string) => boolean {
  const glob = /[*?]/.test(pattern);
  const body = pattern
    .toLowerCase()
    .replaceAll(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    // Runs of stars are one star: a pattern from a file must not make matching slow.
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.');
  const expression = new RegExp(glob ? `^${body}$` : body);
  return (hostname) => expression.test(hostname.toLowerCase().slice(0, 255));
}

export function ownersOf(people: readonly PersonConfig[]): Owners {
  const byMac = new Map<string, string>();
  const claims = new Map<string, string[]>();
  for (const { person, wifi_macs, wifi_hostnames } of people) {
    for (const mac of wifi_macs) if (!byMac.has(mac)) byMac.set(mac, person);
    for (const pattern of new Set(wifi_hostnames.map((p) => p.toLowerCase())))
      claims.set(pattern, [...(claims.get(pattern) ?? []), person]);
  }
  const shared = [...claims].filter(([, claimed]) => claimed.length > 1);
  const own = [...claims].filter(([, claimed]) => claimed.length === 1);
  return {
    byMac,
    patterns: own.flatMap(([pattern, [person]]) =>
      person === undefined ? [] : [{ person, matches: hostnamePattern(pattern) }],
    ),
    ambiguous: shared.map(([pattern, claimed]) => ({ pattern, people: claimed })),
  };
}

/** The person who carries this device: by address first, else by host name when exactly one person's pattern matches. */
export function ownerOf(owners: Owners, mac: string, hostname: string | undefined): string | undefined {
  const known = owners.byMac.get(mac);
  if (known !== undefined || hostname === undefined) return known;
  const matching = new Set(owners.patterns.filter((p) => p.matches(hostname)).map((p) => p.person));
  return matching.size === 1 ? [...matching][0] : undefined;
}
