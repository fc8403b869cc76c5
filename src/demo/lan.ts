import type { OpenScanner } from '#devices/lan/choose.ts';
import { phoneHabits, privateMac } from '#devices/lan/phone-model.ts';
import { mainsHabits, simulatedScanner, type SimulatedDevice } from '#devices/lan/sim.ts';
import type { Clock } from '#kernel/driver.ts';
import { visits, whereabouts, type Calendar } from './schedule.ts';

/** The phone of somebody who lives here; the same in each run of the same seed. */
export function phoneOf(person: string, seed: string): { readonly mac: string; readonly hostname: string } {
  return { mac: privateMac(`${seed}:${person}`, 0), hostname: `${person}-phone` };
}

const always = { here: true, since: 0, until: Number.POSITIVE_INFINITY };

// Prefixes of real makers, so that the vendor column of the demo house has something to show.
const appliances: readonly { readonly name: string; readonly mac: string; readonly hostname?: string }[] = [
  { name: 'router', mac: '3c:a6:2f:10:00:01', hostname: 'router' },
  { name: 'television', mac: '5c:49:7d:10:00:02', hostname: 'living-room-tv' },
  { name: 'printer', mac: '3c:d9:2b:10:00:03', hostname: 'office-printer' },
  { name: 'washing machine', mac: '24:0a:c4:10:00:04', hostname: 'esp-washer' },
];

/** Everything on the Wi-Fi (a /24) of the demo house: phones that follow their owners, guests' phones, appliances. */
export function demoDevices(
  network: string,
  people: readonly string[],
  seed: string,
  calendar: Calendar,
): SimulatedDevice[] {
  const address = (host: number) => `${network.split('.').slice(0, 3).join('.')}.${host}`;
  const mains = appliances.map((a, i): SimulatedDevice => ({
    ...a,
    ip: address(i + 1),
    habits: mainsHabits,
    presence: () => always,
  }));
  const phones = people.map((person, i): SimulatedDevice => ({
    name: `${person}-phone`,
    ...phoneOf(person, seed),
    ip: address(100 + i),
    dhcpFingerprint: '1,121,3,6,15,119,252,95,44,46',
    habits: phoneHabits,
    presence: (at) => stayOf(person, at, calendar),
  }));
  const guests = [0, 1, 2].map((seat): SimulatedDevice => ({
    name: `guest${seat + 1}-phone`,
    mac: (since) => privateMac(`${seed}:guest:${seat}`, Math.floor(since / 60_000)),
    ip: address(200 + seat),
    habits: phoneHabits,
    presence: (at) => guestPresence(seat, at, calendar),
  }));
  return [...mains, ...phones, ...guests];
}

/** Home or away without a seam: falling asleep does not end a stay. */
function stayOf(person: string, at: number, calendar: Calendar) {
  const now = whereabouts(person, at, calendar);
  const here = now.place !== 'away';
  const same = (instant: number) => (whereabouts(person, instant, calendar).place !== 'away') === here;
  let { since, until } = now;
  while (same(until)) until = whereabouts(person, until, calendar).until;
  while (same(since - 1)) since = whereabouts(person, since - 1, calendar).since;
  return { here, since, until };
}

const dayMs = 86_400_000;

/** Whether the guest in this seat is here; outside visits the state is looked at again within the day. */
function guestPresence(seat: number, at: number, calendar: Calendar) {
  const near = [at - dayMs, at, at + dayMs].flatMap((day) => visits(day, calendar).slice(seat, seat + 1));
  const now = near.find((v) => at >= v.from && at < v.to);
  if (now !== undefined) return { here: true, since: now.from, until: now.to };
  const since = Math.max(at - dayMs, ...near.filter((v) => v.to <= at).map((v) => v.to));
  return {
    here: false,
    since,
    until: Math.min(at + dayMs / 24, ...near.filter((v) => v.from > at).map((v) => v.from)),
  };
}

/** A scanner for the driver of a real home that finds these devices instead of real ones. */
export const demoScanner =
  (network: string, people: readonly string[], calendar: Calendar, clock: Clock): OpenScanner =>
  async () => {
    const devices = demoDevices(network, people, calendar.seed, calendar);
    return simulatedScanner({ network, devices, clock, seed: calendar.seed });
  };
