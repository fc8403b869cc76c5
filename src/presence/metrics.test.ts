import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSeries } from '#kernel/reading.ts';
import { reservedNames } from './config.ts';
import { extras, presenceReadings } from './metrics.ts';
import type { PersonView, PresenceView } from './model.ts';

const at = Date.parse('2026-01-31T08:00:00Z');

function person(name: string, over: Partial<PersonView> = {}): PersonView {
  return {
    person: name,
    name,
    state: 'away',
    probability: 0.02,
    since: at - 3_600_000,
    lastSeen: at - 90_000,
    from: { wifi: 0, homeassistant: 0, tado: 0 },
    evidence: [],
    conflict: undefined,
    ...over,
  };
}

function view(people: readonly PersonView[], over: Partial<PresenceView> = {}): PresenceView {
  const countHome = people.filter((p) => p.state === 'home').length;
  return { at, people, countHome, devicesPresent: 0, guests: 0, ...over };
}

const names = ['alex', 'sam', 'jo', 'kit', 'max', 'robin'];

test('six people give exactly the 27 readings that dashboards and alerts are built on', () => {
  const leaves = ['is_home', 'from_wifi', 'from_homeassistant', 'from_tado'];
  const golden = [
    ...names.flatMap((name) => leaves.map((leaf) => `home.presence.${name}.${leaf}`)),
    'home.presence.count_home',
    'home.presence.anyone_home',
    'home.presence.wifi.devices_present_count',
  ];
  const readings = presenceReadings(view(names.map((name) => person(name))));
  expect(readings.map((r) => r.series)).toEqual(golden);
  expect(golden).toHaveLength(27);
});

test('values of one instant are 0 or 1, and the house agrees with its people', () => {
  const readings = presenceReadings(
    view(
      [
        person('alex', { state: 'home', from: { wifi: 1, homeassistant: 0, tado: 0 } }),
        person('sam', { state: 'unknown', from: { wifi: 0, homeassistant: 1, tado: 0 } }),
      ],
      { devicesPresent: 14 },
    ),
  );
  expect(readings.map((r) => [r.series, r.value])).toEqual([
    ['home.presence.alex.is_home', 1],
    ['home.presence.alex.from_wifi', 1],
    ['home.presence.alex.from_homeassistant', 0],
    ['home.presence.alex.from_tado', 0],
    ['home.presence.sam.is_home', 0],
    ['home.presence.sam.from_wifi', 0],
    ['home.presence.sam.from_homeassistant', 1],
    ['home.presence.sam.from_tado', 0],
    ['home.presence.count_home', 1],
    ['home.presence.anyone_home', 1],
    ['home.presence.wifi.devices_present_count', 14],
  ]);
  expect(new Set(readings.map((r) => r.at))).toEqual(new Set([at]));
});

test('extras come only when asked for, and freshness is left out for somebody never seen', () => {
  const home = view([person('alex', { lastSeen: undefined }), person('sam', { probability: 0.4 })], {
    guests: 2,
  });
  const plain = new Set(presenceReadings(home).map((r) => r.series));
  const added = presenceReadings(home, 'home.presence', extras).filter((r) => !plain.has(r.series));
  expect(added.map((r) => [r.series, r.value])).toEqual([
    ['home.presence.alex.probability', 0.02],
    ['home.presence.sam.probability', 0.4],
    ['home.presence.sam.seen_age_seconds', 90],
    ['home.presence.wifi.guest_devices_count', 2],
  ]);
});

test('for any people count_home is the sum of is_home and anyone_home follows from it', () => {
  const bit = fc.constantFrom<0 | 1>(0, 1);
  const anyone = fc.record({
    state: fc.constantFrom('home', 'away', 'unknown'),
    from: fc.record({ wifi: bit, homeassistant: bit, tado: bit }),
    probability: fc.double({ min: -1, max: 2, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(anyone, { maxLength: 12 }), fc.nat(300), fc.nat(9), (people, devices, wrong) => {
      const picture = view(
        people.map((p, i) => person(`p${i}`, p)),
        // A count that disagrees with the people must not reach the readings.
        { devicesPresent: devices, countHome: wrong },
      );
      const readings = presenceReadings(picture, 'flat.presence', ['probability']);
      const value = (series: string) => readings.find((r) => r.series === series)?.value;
      const sum = readings.filter((r) => r.series.endsWith('.is_home')).reduce((n, r) => n + r.value, 0);
      expect(value('flat.presence.count_home')).toBe(sum);
      expect(value('flat.presence.anyone_home')).toBe(sum > 0 ? 1 : 0);
      expect(readings).toHaveLength(5 * people.length + 3);
      expect(readings.every((r) => isSeries(r.series) && r.at === at && Number.isFinite(r.value))).toBe(true);
      expect(
        readings
          .filter((r) => /\.(is_home|from_\w+)$/.test(r.series))
          .every((r) => r.value === 0 || r.value === 1),
      ).toBe(true);
    }),
  );
});

test('every node that the house uses itself is a name that no person may have', () => {
  const nodes = presenceReadings(view([]), 'home.presence', extras).map((r) => r.series.split('.')[2] ?? '');
  expect(nodes.filter((node) => !(reservedNames as readonly string[]).includes(node))).toEqual([]);
});
