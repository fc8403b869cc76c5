import type { Via } from '../model.ts';

/**
 * How a phone on Wi-Fi behaves, as assumed: nobody has measured these on air for this project.
 * `suspendedShare`, the reply probabilities and the radio-off episodes follow a Monte Carlo whose results fit
 * the complaints in public trackers; that broadcasts reach a dozing phone worse than unicast, and UDP 5353 best,
 * follows "All or None?" (INFOCOM 2015) and the 802.11 rule that broadcasts go out once, unacknowledged.
 */
export interface PhoneHabits {
  /** Share of the time at home that the phone is suspended. */
  readonly suspendedShare: number;
  /** Probability that an awake phone answers one probe, of whatever kind. */
  readonly awake: Readonly<Record<Probe, number>>;
  /** The same while it is suspended, outside radio-off episodes. */
  readonly suspended: Readonly<Record<Probe, number>>;
  /** Episodes per hour at home in which the radio is off and nothing is answered. */
  readonly offPerHour: number;
  /** Length of an episode: lognormal with this median (ms) … */
  readonly offMedianMs: number;
  /** … and this standard deviation of its logarithm. */
  readonly offSigma: number;
  /** Mean interval of the frames that a phone sends by itself (ms), exponentially distributed. */
  readonly frameEveryMs: number;
  /** Probability of a frame right at the end of an episode, when the phone rejoins. */
  readonly frameAfterOff: number;
}

/** Ways of asking: one broadcast ARP request, one unicast ARP request, one datagram to the mDNS port. */
export type Probe = 'broadcast' | 'unicast' | 'udp5353';

export const phoneHabits: PhoneHabits = {
  suspendedShare: 0.75,
  awake: { broadcast: 0.98, unicast: 0.995, udp5353: 0.995 },
  suspended: { broadcast: 0.7, unicast: 0.9, udp5353: 0.95 },
  offPerHour: 0.5,
  offMedianMs: 90_000,
  offSigma: 1.2,
  frameEveryMs: 180_000,
  frameAfterOff: 0.9,
};

/** Twice as many radio-off episodes, twice as long: the stress case of the back-test. */
export const sleepierHabits: PhoneHabits = { ...phoneHabits, offPerHour: 1, offMedianMs: 180_000 };

/** Epoch ms, `from` inclusive, `to` exclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** A frame that the phone sends by itself. */
export interface Frame {
  readonly at: number;
  readonly via: Via;
}

/** One unbroken time on the Wi-Fi, with everything about it that does not depend on who asks. */
export interface Stay extends Span {
  /** Radio-off episodes, in order and apart from each other. */
  readonly off: readonly Span[];
  /** In order. */
  readonly frames: readonly Frame[];
}

// A joining phone gets an address (DHCP), then claims it (ARP probe or announcement), then looks for services.
const joining: readonly { readonly afterMs: number; readonly via: Via }[] = [
  { afterMs: 200, via: 'dhcp' },
  { afterMs: 500, via: 'arp-heard' },
  { afterMs: 1_500, via: 'mdns' },
];

/** Uniform numbers in [0, 1) that depend on the seed alone (mulberry32 over an FNV-1a hash of the text). */
export function seeded(seed: string | number): () => number {
  let state = hash(String(seed));
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value | 0;
}

/** An exponentially distributed interval with this mean. */
function exponential(mean: number, random: () => number): number {
  return -mean * Math.log(1 - random());
}

/** A standard normal number (Box and Muller). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/**
 * Draws one stay. `joins` says that the phone enters the Wi-Fi at `from`, rather than having been there before,
 * and so announces itself at once.
 */
export function planStay(span: Span, joins: boolean, habits: PhoneHabits, random: () => number): Stay {
  const off = episodes(span, habits, random);
  const arrival = joins ? joining.map((f) => ({ at: span.from + f.afterMs, via: f.via })) : [];
  const woken = off
    .filter(() => random() < habits.frameAfterOff)
    .map((episode): Frame => ({ at: episode.to, via: 'arp-heard' }));
  const own: Frame[] = [];
  let at = span.from + exponential(habits.frameEveryMs, random);
  for (; at < span.to; at += exponential(habits.frameEveryMs, random))
    if (!within(off, at)) own.push({ at, via: random() < 0.5 ? 'mdns' : 'arp-heard' });
  const frames = [...arrival, ...woken, ...own].filter((f) => f.at < span.to).toSorted((a, b) => a.at - b.at);
  return { from: span.from, to: span.to, off, frames };
}

/** Radio-off episodes begin as a Poisson process; those that overlap are one. */
function episodes(span: Span, habits: PhoneHabits, random: () => number): Span[] {
  const merged: { from: number; to: number }[] = [];
  if (habits.offPerHour <= 0) return merged;
  const everyMs = 3_600_000 / habits.offPerHour;
  let at = span.from + exponential(everyMs, random);
  for (; at < span.to; at += exponential(everyMs, random)) {
    const to = Math.min(span.to, at + habits.offMedianMs * Math.exp(habits.offSigma * normal(random)));
    const last = merged.at(-1);
    if (last !== undefined && at < last.to) last.to = Math.max(last.to, to);
    else merged.push({ from: at, to });
  }
  return merged;
}

/** True when one of the ordered spans contains `at`. */
export function within(spans: readonly Span[], at: number): boolean {
  const next = firstAfter(spans, at, (s) => s.from);
  return next > 0 && at < spans[next - 1]!.to;
}

/** Index of the first item of an ordered list whose key is later than `at`. */
export function firstAfter<T>(items: readonly T[], at: number, key: (item: T) => number): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (key(items[middle]!) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether the phone answers one probe at `at`. Probes meet a suspended phone independently of each other. */
export function answers(
  stay: Stay,
  at: number,
  probe: Probe,
  habits: PhoneHabits,
  random: () => number,
): boolean {
  if (at < stay.from || at >= stay.to || within(stay.off, at)) return false;
  const table = random() < habits.suspendedShare ? habits.suspended : habits.awake;
  return random() < table[probe];
}

/** Whether it answers a directed re-probe, which is a unicast ARP request and a datagram to port 5353 together. */
export function answersDirected(stay: Stay, at: number, habits: PhoneHabits, random: () => number): boolean {
  if (at < stay.from || at >= stay.to || within(stay.off, at)) return false;
  const table = random() < habits.suspendedShare ? habits.suspended : habits.awake;
  return random() < 1 - (1 - table.unicast) * (1 - table.udp5353);
}

/** The private address of a phone after its `turn`th rotation: locally administered, unicast, stable per seed. */
export function privateMac(phone: string, turn: number): string {
  const random = seeded(`${phone}#${turn}`);
  const bytes = Array.from({ length: 6 }, () => Math.floor(random() * 256));
  bytes[0] = (bytes[0]! & 0xfc) | 0x02;
  return bytes.map((b) => b.toString(16).padStart(2, '0')).join(':');
}
