import {
  isRandomised,
  type LanDevice,
  type LanScanner,
  type LanSighting,
  type LookupName,
} from '#devices/index.ts';
import { localTime, table } from '#platform/table.ts';
import { iso } from '#platform/wire.ts';
import type { PersonConfig } from './model.ts';
import { ownerOf, ownersOf } from './owners.rules.ts';

/** One device as `discover` lists it. */
export interface FoundDevice {
  readonly ip: string | undefined;
  readonly mac: string;
  readonly hostname: string | undefined;
  readonly vendor: string | undefined;
  readonly randomised: boolean;
  /** Epoch ms. */
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly person: string | undefined;
  /** False for a configured address that did not answer. */
  readonly present: boolean;
}

export interface DiscoverParts {
  readonly networks: readonly string[];
  readonly people: readonly PersonConfig[];
  readonly scanner: LanScanner;
  /** Devices remembered from before, by MAC address. */
  readonly known: ReadonlyMap<string, LanDevice>;
  readonly vendorOf: (mac: string) => string | undefined;
  readonly lookupName: LookupName;
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

const namesAtOnce = 8;

/** Asks every address once and lists who answered: devices of nobody first, then people's, then configured ones not seen. */
export async function discover(parts: DiscoverParts): Promise<FoundDevice[]> {
  const { networks, scanner, signal, progress } = parts;
  const sightings = new Map<string, LanSighting>();
  for (const network of networks) {
    progress(`Asking every address of ${network} (${scanner.why})`);
    const { found, tookMs } = await scanner.sweep(network, signal);
    progress(`Found ${new Set(found.map((s) => s.mac)).size} devices in ${network} in ${tookMs} ms`);
    for (const sighting of found) sightings.set(sighting.mac, sighting);
  }
  const names = await namesOf([...sightings.values()], parts);
  return sorted([
    ...[...sightings.values()].map((s) => row(s, names.get(s.mac), parts)),
    ...unseen(sightings, parts),
  ]);
}

async function namesOf(
  sightings: readonly LanSighting[],
  parts: DiscoverParts,
): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  const queue = sightings.filter(
    (s) => s.hostname === undefined && parts.known.get(s.mac)?.hostname === undefined,
  );
  if (queue.length > 0) parts.progress(`Asking ${queue.length} devices for their names`);
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const found = next.ip === undefined ? undefined : await parts.lookupName(next.ip, parts.signal);
      if (found !== undefined) names.set(next.mac, found.hostname);
    }
  };
  await Promise.all(Array.from({ length: namesAtOnce }, worker));
  return names;
}

function row(
  sighting: LanSighting,
  name: string | undefined,
  { people, known, vendorOf }: DiscoverParts,
): FoundDevice {
  const { mac, ip, at } = sighting;
  const before = known.get(mac);
  const hostname = sighting.hostname ?? name ?? before?.hostname;
  return {
    ip,
    mac,
    hostname,
    vendor: before?.vendor ?? vendorOf(mac),
    randomised: isRandomised(mac),
    firstSeen: before?.firstSeen ?? at,
    lastSeen: at,
    person: ownerOf(ownersOf(people), mac, hostname),
    present: true,
  };
}

/** Configured addresses that did not answer; their phones sleep, are away, or have a new address. */
function unseen(
  found: ReadonlyMap<string, unknown>,
  { people, known, vendorOf }: DiscoverParts,
): FoundDevice[] {
  return people.flatMap(({ person, wifi_macs }) =>
    wifi_macs
      .filter((mac) => !found.has(mac))
      .map((mac) => {
        const before = known.get(mac);
        return {
          ip: before?.ip,
          mac,
          hostname: before?.hostname,
          vendor: before?.vendor ?? vendorOf(mac),
          randomised: isRandomised(mac),
          firstSeen: before?.firstSeen ?? 0,
          lastSeen: before?.lastSeen ?? 0,
          person,
          present: false,
        };
      }),
  );
}

const rank = (d: FoundDevice) => (d.present ? (d.person === undefined ? 0 : 1) : 2);
const ipNumber = (ip = '255.255.255.255') => ip.split('.').reduce((n, part) => n * 256 + Number(part), 0);

const sorted = (devices: readonly FoundDevice[]) =>
  devices.toSorted(
    (a, b) => rank(a) - rank(b) || ipNumber(a.ip) - ipNumber(b.ip) || a.mac.localeCompare(b.mac),
  );

/** The table of the original command, with more columns to the right. */
export function renderDiscovered(devices: readonly FoundDevice[], timeZone: string | undefined): string {
  const rows = devices.map((d) => [
    d.ip ?? 'N/A',
    d.mac.toUpperCase(),
    d.hostname ?? 'N/A',
    d.vendor ?? (d.randomised ? '(private address)' : 'N/A'),
    d.firstSeen === 0 ? '' : localTime(d.firstSeen, timeZone),
    d.present ? 'now' : d.lastSeen === 0 ? 'never seen' : `not seen since ${localTime(d.lastSeen, timeZone)}`,
    d.person ?? '',
  ]);
  const present = devices.filter((d) => d.present);
  const nobodys = present.filter((d) => d.person === undefined).length;
  return [
    table(['IP Address', 'MAC Address', 'Hostname', 'Vendor', 'First seen', 'Last seen', 'Person'], rows),
    '',
    `Found ${present.length} devices, ${nobodys} of them nobody's.`,
  ].join('\n');
}

export const toDiscoveredBody = (devices: readonly FoundDevice[]) => ({
  devices: devices.map((d) => ({
    ip: d.ip ?? null,
    mac: d.mac,
    hostname: d.hostname ?? null,
    vendor: d.vendor ?? null,
    randomised: d.randomised,
    first_seen: d.firstSeen === 0 ? null : iso(d.firstSeen),
    last_seen: d.lastSeen === 0 ? null : iso(d.lastSeen),
    person: d.person ?? null,
    present: d.present,
  })),
});

/** What changed between two looks, one line each: `+` came, `-` went, `~` has another address or name. */
export function changes(before: readonly FoundDevice[], after: readonly FoundDevice[]): string[] {
  const old = new Map(before.filter((d) => d.present).map((d) => [d.mac, d]));
  const now = new Map(after.filter((d) => d.present).map((d) => [d.mac, d]));
  const text = (d: FoundDevice) =>
    [d.ip ?? 'N/A', d.mac.toUpperCase(), d.hostname ?? 'N/A', d.vendor ?? '', d.person ?? '']
      .filter((t) => t !== '')
      .join('  ');
  return [
    ...[...now.values()].filter((d) => !old.has(d.mac)).map((d) => `+ ${text(d)}`),
    ...[...old.values()].filter((d) => !now.has(d.mac)).map((d) => `- ${text(d)}`),
    ...[...now.values()]
      .filter((d) => {
        const was = old.get(d.mac);
        return was !== undefined && (was.ip !== d.ip || was.hostname !== d.hostname);
      })
      .map((d) => `~ ${text(d)}`),
  ];
}
