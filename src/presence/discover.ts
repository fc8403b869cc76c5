import { z } from 'zod';
import {
  isRandomised,
  type LanDevice,
  type LanScanner,
  type LanSighting,
  type LookupName,
} from '#devices/index.ts';
import { normaliseMac } from '#devices/mac.ts';
import { LaresError } from '#kernel/errors.ts';
import { localTime, table } from '#platform/table.ts';
import { instant, iso } from '#platform/wire.ts';
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

/**
 * The table of the original command, with more columns to the right. `asked` names the networks and how they were
 * asked; it is said when nothing answered.
 */
export function renderDiscovered(
  devices: readonly FoundDevice[],
  timeZone: string | undefined,
  asked: string,
): string {
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
    ...(present.length > 0
      ? []
      : [
          `Nothing answered in ${asked}. Compare the network with: ip -brief address; ip route. A guest network may keep its devices apart from this machine.`,
        ]),
  ].join('\n');
}

const toDeviceBody = (d: FoundDevice) => ({
  ip: d.ip ?? null,
  mac: d.mac,
  hostname: d.hostname ?? null,
  vendor: d.vendor ?? null,
  randomised: d.randomised,
  first_seen: d.firstSeen === 0 ? null : iso(d.firstSeen),
  last_seen: d.lastSeen === 0 ? null : iso(d.lastSeen),
  person: d.person ?? null,
  present: d.present,
});

/** What `discover --json` prints, and what a snapshot holds. `at` is epoch ms. */
export const toDiscoveredBody = (devices: readonly FoundDevice[], at: number) => ({
  at: iso(at),
  devices: devices.map(toDeviceBody),
});

const snapshotBody = z.object({
  at: instant,
  devices: z.array(
    z.object({
      ip: z.string().nullable(),
      mac: z.string().transform((text) => normaliseMac(text) ?? text),
      hostname: z.string().nullable(),
      vendor: z.string().nullable(),
      randomised: z.boolean(),
      first_seen: instant.nullable(),
      last_seen: instant.nullable(),
      person: z.string().nullable(),
      present: z.boolean(),
    }),
  ),
});

/**
 * Reads what `discover --json` has written.
 * @throws LaresError BAD_REPLY when the text is anything else.
 */
export function parseSnapshot(text: string): { readonly at: number; readonly devices: FoundDevice[] } {
  let parsed: z.infer<typeof snapshotBody>;
  try {
    parsed = snapshotBody.parse(JSON.parse(text));
  } catch (cause) {
    throw new LaresError('BAD_REPLY', 'this is not what `lares presence discover --json` prints', { cause });
  }
  const instantOf = (written: string | null) => (written === null ? 0 : Date.parse(written));
  return {
    at: Date.parse(parsed.at),
    devices: parsed.devices.map((d) => ({
      ip: d.ip ?? undefined,
      mac: d.mac,
      hostname: d.hostname ?? undefined,
      vendor: d.vendor ?? undefined,
      randomised: d.randomised,
      firstSeen: instantOf(d.first_seen),
      lastSeen: instantOf(d.last_seen),
      person: d.person ?? undefined,
      present: d.present,
    })),
  };
}

/** Devices that came, went, or have another address or name, between two looks. */
export interface Comparison {
  readonly added: readonly FoundDevice[];
  readonly removed: readonly FoundDevice[];
  readonly changed: readonly { readonly before: FoundDevice; readonly after: FoundDevice }[];
}

export function compare(before: readonly FoundDevice[], after: readonly FoundDevice[]): Comparison {
  const old = new Map(before.filter((d) => d.present).map((d) => [d.mac, d]));
  const now = new Map(after.filter((d) => d.present).map((d) => [d.mac, d]));
  return {
    added: [...now.values()].filter((d) => !old.has(d.mac)),
    removed: [...old.values()].filter((d) => !now.has(d.mac)),
    changed: [...now.values()].flatMap((device) => {
      const was = old.get(device.mac);
      const differs = was !== undefined && (was.ip !== device.ip || was.hostname !== device.hostname);
      return differs ? [{ before: was, after: device }] : [];
    }),
  };
}

const oneLine = (d: FoundDevice) =>
  [d.ip ?? 'N/A', d.mac.toUpperCase(), d.hostname ?? 'N/A', d.vendor ?? '', d.person ?? '']
    .filter((t) => t !== '')
    .join('  ');

/** What changed between two looks, one line each: `+` came, `-` went, `~` has another address or name. */
export function changes(before: readonly FoundDevice[], after: readonly FoundDevice[]): string[] {
  const { added, removed, changed } = compare(before, after);
  return [
    ...added.map((d) => `+ ${oneLine(d)}`),
    ...removed.map((d) => `- ${oneLine(d)}`),
    ...changed.map((d) => `~ ${oneLine(d.after)}`),
  ];
}

/** A comparison for people: `added`, `removed` or `changed` in front of each device. */
export function renderComparison({ added, removed, changed }: Comparison, since: string): string {
  const lines = [
    ...added.map((d) => `added    ${oneLine(d)}`),
    ...removed.map((d) => `removed  ${oneLine(d)}`),
    ...changed.map(({ before, after }) => `changed  ${oneLine(after)}  (was ${oneLine(before)})`),
  ];
  return [`Since ${since}:`, ...(lines.length === 0 ? ['nothing came, went or changed'] : lines)].join('\n');
}

export const toComparisonBody = ({ added, removed, changed }: Comparison) => ({
  added: added.map(toDeviceBody),
  removed: removed.map(toDeviceBody),
  changed: changed.map(({ before, after }) => ({ before: toDeviceBody(before), after: toDeviceBody(after) })),
});
