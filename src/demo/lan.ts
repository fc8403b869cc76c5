import type { Clock } from '#kernel/driver.ts';
import type { OpenScanner } from '#devices/lan/choose.ts';
import { formatIpv4, parseNetwork } from '#devices/lan/codec/ipv4.ts';
import { phoneHabits, privateMac } from '#devices/lan/phone-model.ts';
import { mainsHabits, simulatedScanner, type SimulatedDevice } from '#devices/lan/sim.ts';
import { household, visits, whereabouts, type Calendar } from './schedule.ts';

const ios = { hostname: 'iPhone', dhcpFingerprint: '1,121,3,6,15,108,114,119,252' };
const android = { dhcpFingerprint: '1,3,6,15,26,28,51,58,59,43,114,108', dhcpVendorClass: 'android-dhcp-14' };

/** What hangs on mains; the first three bytes are of makers of such things. */
const things = [
  { name: 'router', host: 1, mac: '24:65:11:00:00:01', hostname: 'router' },
  { name: 'tv', host: 10, mac: '10:30:47:00:00:10', hostname: 'living-room-tv' },
  { name: 'printer', host: 11, mac: '18:60:24:00:00:11', hostname: 'printer' },
  { name: 'speaker', host: 12, mac: '00:0e:58:00:00:12', hostname: 'kitchen-speaker' },
  { name: 'plug-kettle', host: 20, mac: '14:08:08:00:00:20', hostname: 'plug-kettle' },
  { name: 'plug-washer', host: 21, mac: '14:08:08:00:00:21', hostname: 'plug-washer' },
  { name: 'plug-desk', host: 22, mac: '18:69:45:00:00:22', hostname: 'plug-desk' },
] as const;
const guestSlots = 3;
const firstPhone = 100;
const firstGuest = 90;

/** A person's phone as the demo house's configuration knows it. Every second one is of the model with the most common name. */
export function phoneOf(person: string, seed: string): { readonly mac: string; readonly hostname: string } {
  const common = roleNumber(person) % 2 === 0;
  return { mac: privateMac(`${seed}:${person}`, 0), hostname: common ? ios.hostname : `${person}-phone` };
}

const roleNumber = (person: string) => household(6).indexOf(person) + Number(/\d+$/.exec(person)?.[0] ?? 0);

export interface DemoLan {
  readonly names: readonly string[];
  readonly seed: string;
  readonly calendar: Calendar;
  readonly clock: Clock;
  /** CIDR. */
  readonly network: string;
}

/** Opens a scanner over the demo house's LAN: what hangs on mains, a phone for each person, and the phones of guests. */
export function demoScanner({ names, seed, calendar, clock, network }: DemoLan): OpenScanner {
  const devices = demoDevices(network, names, seed, calendar);
  return async ({ networks }) => {
    for (const asked of networks) parseNetwork(asked);
    return simulatedScanner({ network, devices, clock, seed });
  };
}

/** The devices of the demo house. */
export function demoDevices(
  network: string,
  people: readonly string[],
  seed: string,
  calendar: Calendar,
): SimulatedDevice[] {
  const { base } = parseNetwork(network);
  const ip = (host: number) => formatIpv4(base + host);
  const always = () => ({ here: true, since: 0, until: Number.MAX_SAFE_INTEGER });
  return [
    ...things.map(({ name, host, mac, hostname }) => ({
      name,
      mac,
      ip: ip(host),
      hostname,
      habits: mainsHabits,
      presence: always,
    })),
    ...people.map((person, i) => ({
      name: `${person}-phone`,
      ip: ip(firstPhone + (i % 100)),
      ...(phoneOf(person, seed).hostname === ios.hostname ? ios : android),
      ...phoneOf(person, seed),
      habits: phoneHabits,
      presence: (at: number) => homeSpan(person, at, calendar),
    })),
    ...Array.from({ length: guestSlots }, (_, slot) => ({
      name: `guest${slot + 1}-phone`,
      mac: (since: number) => privateMac(`${seed}:guest${slot}`, since),
      ip: ip(firstGuest + slot),
      ...(slot === 1 ? { ...android, hostname: 'Pixel-8' } : ios),
      habits: phoneHabits,
      presence: (at: number) => guestSpan(slot, at, calendar),
    })),
  ];
}

/** Being asleep is being home, so both make one stay. */
function homeSpan(person: string, at: number, calendar: Calendar) {
  const now = whereabouts(person, at, calendar);
  const here = now.place !== 'away';
  let { since, until } = now;
  if (!here) return { here, since, until };
  for (
    let before = whereabouts(person, since - 1, calendar);
    before.place !== 'away' && at - since < longest;
  ) {
    since = before.since;
    before = whereabouts(person, since - 1, calendar);
  }
  for (let after = whereabouts(person, until, calendar); after.place !== 'away' && until - at < longest;) {
    until = after.until;
    after = whereabouts(person, until, calendar);
  }
  return { here, since, until };
}

// Nobody's stay is followed further than this; the demo's habits end every stay sooner, except in long holidays.
const longest = 7 * 86_400_000;

/** Visits may end after midnight, so the day before counts too. */
function guestSpan(slot: number, at: number, calendar: Calendar) {
  const dayMs = 86_400_000;
  const near = [at - dayMs, at, at + dayMs].flatMap((day) => visits(day, calendar)[slot] ?? []);
  const now = near.find((v) => at >= v.from && at < v.to);
  if (now !== undefined) return { here: true, since: now.from, until: now.to };
  const ended = near.filter((v) => v.to <= at).at(-1)?.to ?? at - dayMs;
  const next = near.find((v) => v.from > at)?.from ?? at + dayMs / 2;
  return { here: false, since: ended, until: next };
}
