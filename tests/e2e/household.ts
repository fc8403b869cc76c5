import type { Evidence } from '#kernel/event.ts';
import { SimHouse, simPerson } from '#http/sim.ts';

const minute = 60_000;
const hour = 60 * minute;

/** Six people in the middle of an ordinary day, ending `at` (epoch ms), with one source that waits for its owner. */
export function household(at: number): SimHouse {
  const house = new SimHouse(at);
  const evidence = (source: string, text: string, age: number): Evidence => ({ at: at - age, source, text });
  const from = (wifi: 0 | 1, homeassistant: 0 | 1) => ({ wifi, homeassistant, tado: 0 as const });
  house.people = [
    simPerson('alex', {
      state: 'home',
      probability: 0.99,
      since: at - 2 * hour,
      lastSeen: at - 4_000,
      from: from(1, 1),
      evidence: [
        evidence('wifi', '02:00:5e:10:00:01 was on Wi-Fi 4 s ago', 4_000),
        evidence('homeassistant', 'person.alex is home', 2 * hour),
      ],
    }),
    simPerson('sam', {
      probability: 0.02,
      since: at - 7 * hour,
      lastSeen: at - 7 * hour,
      evidence: [evidence('homeassistant', 'person.sam is not_home', 7 * hour)],
    }),
    simPerson('jo', {
      state: 'home',
      probability: 0.86,
      since: at - 15 * hour,
      lastSeen: at - 11 * minute,
      from: from(0, 1),
      conflict: 'Wi-Fi has heard nothing for 11 min, Home Assistant says home: the phone probably sleeps',
      evidence: [
        evidence('homeassistant', 'person.jo is home', 15 * hour),
        evidence('wifi', 'silent for 11 min', 11 * minute),
      ],
    }),
    simPerson('kit', {
      probability: 0.01,
      since: at - 9 * hour,
      lastSeen: at - 9 * hour,
      evidence: [evidence('wifi', 'silent for 9 h', 9 * hour)],
    }),
    simPerson('max', { state: 'unknown', probability: 0.5 }),
    simPerson('robin', {
      state: 'home',
      probability: 0.97,
      since: at - 25 * minute,
      lastSeen: at - 9_000,
      from: from(1, 0),
      evidence: [evidence('wifi', 'phone asked for an address', 25 * minute)],
    }),
  ];
  const moved = (person: string, ageMs: number, to: 'home' | 'away', text: string) =>
    house.happened({
      at: at - ageMs,
      kind: to === 'home' ? 'presence.arrived' : 'presence.left',
      subject: `person:${person}`,
      cause: 'fusion',
      evidence: [evidence('wifi', text, ageMs)],
      data: { from: to === 'home' ? 'away' : 'home', to },
    });
  moved('jo', 15 * hour, 'home', 'phone asked for an address');
  moved('alex', 10 * hour, 'away', 'silent for 5 min');
  moved('kit', 9 * hour, 'away', 'silent for 6 min');
  moved('robin', 8.5 * hour, 'away', 'silent for 5 min');
  moved('sam', 7 * hour, 'away', 'silent for 7 min');
  moved('alex', 2 * hour, 'home', 'phone answered ARP');
  moved('robin', 25 * minute, 'home', 'phone asked for an address');
  house.guests = 1;
  house.deviceRows = Array.from({ length: 14 }, (_, i) => ({
    mac: `02:00:5e:10:00:${i.toString(16).padStart(2, '0')}`,
    ip: `192.0.2.${i + 10}`,
    network: '192.0.2.0/24',
    hostname: undefined,
    vendor: undefined,
    randomised: true,
    dhcpFingerprint: undefined,
    dhcpVendorClass: undefined,
    ipv6Suffix: undefined,
    firstSeen: at - 90 * hour,
    lastSeen: at - 20_000,
    lastVia: 'arp-reply' as const,
    person: undefined,
    present: true,
  }));
  house.health.set('wifi', 'ok', 'sweeps 192.0.2.0/24 by raw ARP every 30 s, listens in between');
  house.health.set('homeassistant', 'ok', 'subscribed to 6 entities');
  house.health.set('graphite', 'ok', 'every tick has its receipt');
  house.health.set('store', 'ok', 'SQLite, 24 MB');
  house.health.set('tado', 'parked', 'Tado refused the saved sign-in; run `lares tado login` once');
  house.sinks = [
    {
      name: 'graphite',
      target: '192.0.2.123:2003',
      connected: true,
      sentTotal: 466_560,
      failuresTotal: 0,
      reconnectsTotal: 0,
      droppedTotal: 0,
      backlog: 0,
      oldestAt: undefined,
      lastReceiptAt: at - 2_000,
    },
  ];
  return house;
}
