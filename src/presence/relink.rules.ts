import { distance } from 'fastest-levenshtein';
import type { Evidence } from '#kernel/event.ts';
import type { LanDevice } from '#devices/model.ts';
import type { Suggestion } from './model.ts';

/** A phone that belongs to somebody, under the address by which we know it. */
export interface KnownPhone {
  readonly person: string;
  readonly device: LanDevice;
  /** What Home Assistant or Tado says of its owner, and since when (epoch ms); undefined without such a source. */
  readonly report: { readonly state: 'home' | 'away'; readonly since: number } | undefined;
}

/** Confidence from which a link has proved safe to make without asking; see the simulated rotations in the test. */
export const autoLinkAbove = 0.98;
/** Below this a link is not worth mentioning. */
export const mentionAbove = 0.1;

// Phones rotate about every two weeks; strangers' phones are counted as on an evening with guests, the worst case.
const rotationsPerDay = 1 / 14;
const strangersPerDay = 2;
// Beyond this the newcomer is no news, and a rotation would have been noticed.
const newcomerMs = 24 * 3_600_000;
// Two frames of one instant may be stamped in either order.
const overlapMs = 5_000;

// Until a phone without a name of its own has been here this long, a sleeper may wake or somebody be reported away.
const patienceMs = 8 * 60_000;
const impatient = 0.95;

/** P(observed | the same phone) and P(observed | a stranger's phone) for names and fingerprints. */
const odds = {
  sameOwnName: { same: 0.95, stranger: 0.0005 },
  sameModelName: { same: 0.95, stranger: 0.25 },
  similarName: { same: 0.03, stranger: 0.003 },
  otherName: { same: 0.02, stranger: 0.75 },
  sameDhcp: { same: 0.97, stranger: 0.3 },
  otherDhcp: { same: 0.03, stranger: 0.7 },
  sameIpv6: { same: 0.3, stranger: 0.0001 },
} as const;

/** Names that phones have by default; sharing one says the model, not the owner. */
const modelName =
  /^(iphone|ipad|apple-?watch|watch|android(-[0-9a-f]+)?|galaxy|samsung|sm-[a-z0-9]+|pixel|oneplus|xiaomi|redmi|poco|huawei|honor|moto|motorola|nokia|phone|localhost|unknown)([-_ ][a-z]?\d{0,3}[a-z]{0,5})*$/i;

/**
 * Links between unassigned addresses and the phones they may have replaced, most confident first.
 *
 * For each pair the likelihood of everything observed is compared between "this is that phone under a new address"
 * and "this is a stranger's phone"; the alternatives (another owner, another newcomer, nobody) share one unit of
 * probability, so two equally good owners get at most a half each.
 */
export function suggestRelinks(
  known: readonly KnownPhone[],
  unassigned: readonly LanDevice[],
  now: number,
): Suggestion[] {
  const newcomers = unassigned.filter((d) => d.randomised && now - d.firstSeen <= newcomerMs);
  const pairs = newcomers.flatMap((device) =>
    known.flatMap((phone) => {
      const evidence = weigh(phone, device, known, now);
      return evidence === undefined ? [] : [{ phone, device, evidence, odds: oddsOf(evidence) }];
    }),
  );
  return pairs
    .map(({ phone, device, evidence, odds: own }): Suggestion => {
      const rivals = pairs
        .filter((p) => (p.device === device) !== (p.phone === phone))
        .reduce((sum, p) => sum + p.odds, 0);
      return {
        id: `relink-mac:${phone.device.mac}:${device.mac}`,
        kind: 'relink-mac',
        person: phone.person,
        mac: device.mac,
        replaces: phone.device.mac,
        confidence: Math.min(own / (1 + own + rivals), mostConfident(phone, device, known, now)),
        evidence,
        at: now,
        status: 'open',
      };
    })
    .filter((s) => s.confidence >= mentionAbove)
    .toSorted((a, b) => b.confidence - a.confidence);
}

function mostConfident(
  { device: old, person }: KnownPhone,
  device: LanDevice,
  known: readonly KnownPhone[],
  now: number,
): number {
  const named = device.hostname !== undefined && !isModelName(device.hostname, person, known);
  const marked = old.ipv6Suffix !== undefined && old.ipv6Suffix === device.ipv6Suffix;
  return named || marked || now - device.firstSeen >= patienceMs ? 1 : impatient;
}

/** True when a host name says the model and not the owner: a default name, or one that somebody else's phone has too. */
function isModelName(hostname: string, person: string, known: readonly KnownPhone[]): boolean {
  const name = plain(hostname);
  return (
    modelName.test(name) || known.some((k) => k.person !== person && plain(k.device.hostname ?? '') === name)
  );
}

/** True when a link has proved wrong: the old address lives on beside the new one. */
export function contradicted(replaced: LanDevice, newcomer: LanDevice): boolean {
  return replaced.lastSeen > newcomer.firstSeen + overlapMs;
}

const oddsOf = (evidence: readonly Evidence[]) =>
  Math.exp(evidence.reduce((sum, e) => sum + (e.weight ?? 0), Math.log(rotationsPerDay / strangersPerDay)));

/** Undefined when it cannot be the same phone. Weights are ln(P(observed | same phone) / P(observed | stranger)). */
function weigh(
  phone: KnownPhone,
  device: LanDevice,
  known: readonly KnownPhone[],
  now: number,
): Evidence[] | undefined {
  const old = phone.device;
  if (old.network !== device.network || old.mac === device.mac || contradicted(old, device)) return undefined;
  const traits = [nameEvidence(phone, device, known), dhcpEvidence(old, device), ipv6Evidence(old, device)];
  const said = [timeEvidence(phone, device, now), absenceEvidence(phone, device, now)];
  return [...traits.map((t) => t && { at: device.firstSeen, source: 'wifi', ...t }), ...said].filter(
    (e) => e !== undefined,
  );
}

type Argument = Pick<Evidence, 'text' | 'weight'>;

const lnOdds = (row: keyof typeof odds) => Math.log(odds[row].same / odds[row].stranger);

function nameEvidence(
  { person, device: old }: KnownPhone,
  { hostname }: LanDevice,
  known: readonly KnownPhone[],
): Argument | undefined {
  if (old.hostname === undefined || hostname === undefined) return undefined;
  const [before, after] = [plain(old.hostname), plain(hostname)];
  const generic = isModelName(old.hostname, person, known);
  if (before === after)
    return generic
      ? { text: `has the host name ${hostname}, as many phones do`, weight: lnOdds('sameModelName') }
      : { text: `has the same host name ${hostname}`, weight: lnOdds('sameOwnName') };
  const longest = Math.max(before.length, after.length);
  if (!generic && distance(before, after) / longest <= 0.2)
    return { text: `its host name ${hostname} is like ${old.hostname}`, weight: lnOdds('similarName') };
  return { text: `its host name ${hostname} is not ${old.hostname}`, weight: lnOdds('otherName') };
}

/** Host names compare without case, domain and the spelling of spaces. Long ones are cut; DNS allows 63. */
const plain = (hostname: string) =>
  hostname
    .toLowerCase()
    .replace(/\.(local|lan|home|internal|home\.arpa)\.?$/, '')
    .replaceAll(/[\s_']+/g, '-')
    .slice(0, 63);

function dhcpEvidence(old: LanDevice, device: LanDevice): Argument | undefined {
  const compared = (['dhcpFingerprint', 'dhcpVendorClass'] as const).flatMap((key) =>
    old[key] === undefined || device[key] === undefined ? [] : [old[key] === device[key]],
  );
  if (compared.length === 0) return undefined;
  // Both options follow from the operating system, so together they count once.
  return compared.every(Boolean)
    ? { text: 'asks DHCP for the same options', weight: lnOdds('sameDhcp') }
    : { text: 'asks DHCP for other options', weight: lnOdds('otherDhcp') };
}

/** Most phones change the IPv6 suffix with the address, so only an equal one says something. */
const ipv6Evidence = (old: LanDevice, device: LanDevice): Argument | undefined =>
  old.ipv6Suffix !== undefined && old.ipv6Suffix === device.ipv6Suffix
    ? { text: 'uses the same IPv6 suffix', weight: lnOdds('sameIpv6') }
    : undefined;

// What a phone at home does that did not rotate: it leaves, or it sleeps.
const departuresPerMs = 0.15 / 3_600_000;
const silencesPerMs = 0.5 / 3_600_000;
// Between two probes, ten seconds apart, every phone is silent.
const unprobed = (ms: number) => (1 / 10_000) * Math.exp(-ms / 8_000);
// Share of sleeping phones still silent after `ms`: log-logistic, close to a lognormal of median 90 s and sigma 1.2.
const stillAsleep = (ms: number) => 1 / (1 + (ms / 90_000) ** 1.4);
// A position report follows a departure or an arrival after an exponentially distributed time of this mean.
const reportLagMs = 300_000;
const wrongReport = 0.02;
// A rejoin takes seconds, and the last probe before it was answered within a minute; or it ends a sleep.
const rejoin = { share: 0.85, meanMs: 25_000, longestMs: 600_000 };
// The report of an arrival and the first frame of the phone lie this far apart: on average, at most, and by chance.
const arrivalLagMs = 150_000;
const arrivalMs = 600_000;
const arrivalsPerMs = 2 / 86_400_000;
// A known phone whose owner has come home joins within this time, except when its Wi-Fi is off.
const joinMs = 40_000;
const wifiOff = 0.05;

const minutes = (ms: number) =>
  ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;

/** How well the silence of the old address fits the appearance of the new one. */
function timeEvidence(
  { person, device: old, report }: KnownPhone,
  device: LanDevice,
  now: number,
): Evidence | undefined {
  const gap = Math.max(0, device.firstSeen - old.lastSeen);
  const silence = Math.max(0, now - old.lastSeen);
  const cameHome = report?.state === 'home' && Math.abs(report.since - device.firstSeen) <= arrivalMs;
  if (cameHome && report.since > old.lastSeen && gap > rejoin.longestMs) {
    const apart = Math.abs(report.since - device.firstSeen);
    const waited = Math.max(0, now - Math.max(device.firstSeen, report.since));
    const notJoined = wifiOff + (1 - wifiOff) * Math.exp(-waited / joinMs);
    return {
      at: report.since,
      source: 'homeassistant',
      text: `${person} came home within ${minutes(apart)} of its first frame, and ${old.mac} has not joined`,
      weight: Math.log(Math.exp(-apart / arrivalLagMs) / arrivalLagMs / (arrivalsPerMs * notJoined)),
    };
  }
  if (gap > rejoin.longestMs) return undefined;
  const expected =
    (rejoin.share / rejoin.meanMs) * Math.exp(-gap / rejoin.meanMs) + (1 - rejoin.share) / rejoin.longestMs;
  // Where their position report still says home long after the silence began, they have not left.
  const left =
    report?.state === 'home' ? wrongReport + (1 - wrongReport) * Math.exp(-silence / reportLagMs) : 1;
  const byChance = departuresPerMs * left + silencesPerMs * stillAsleep(silence) + unprobed(silence);
  return {
    at: old.lastSeen,
    source: 'wifi',
    text: `${old.mac} fell silent ${minutes(gap)} before its first frame and has been so for ${minutes(silence)}`,
    weight: Math.log(expected / byChance),
  };
}

/** A report that its owner is away speaks against a phone of theirs being here, the more the longer it stands. */
function absenceEvidence(
  { person, report }: KnownPhone,
  device: LanDevice,
  now: number,
): Evidence | undefined {
  if (report?.state !== 'away') return undefined;
  const here = Math.max(0, now - Math.max(device.firstSeen, report.since));
  const asSame = wrongReport + (1 - wrongReport) * Math.exp(-here / reportLagMs);
  return {
    at: report.since,
    source: 'homeassistant',
    text: `${person} is reported away`,
    weight: Math.log(asSame),
  };
}
