import { expect, test } from 'vitest';
import type { LanDevice } from '#devices/model.ts';
import { suggestOwners } from './co-arrival.rules.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const device: LanDevice = {
  mac: '06:00:5e:10:00:09',
  ip: '192.0.2.60',
  network: '192.0.2.0/24',
  hostname: undefined,
  vendor: undefined,
  randomised: true,
  dhcpFingerprint: undefined,
  dhcpVendorClass: undefined,
  ipv6Suffix: undefined,
  firstSeen: 0,
  lastSeen: 7 * day,
  lastVia: 'arp-reply',
};
const daily = (hour: number, shiftMs = 0, days = 7) =>
  Array.from({ length: days }, (_, d) => d * day + hour * 60 * minute + shiftMs);
const alex = { person: 'alex', arrivals: daily(17), departures: daily(8) };
const sam = { person: 'sam', arrivals: daily(13), departures: daily(9) };

test('a device that comes and goes with one person is proposed to them, with the count as evidence', () => {
  const watch = { device, arrivals: daily(17, minute), departures: daily(8, -2 * minute) };
  expect(suggestOwners([watch], [alex, sam], 7 * day, 7 * day)).toEqual([
    {
      id: 'assign-device:alex:06:00:5e:10:00:09',
      kind: 'assign-device',
      person: 'alex',
      mac: device.mac,
      replaces: undefined,
      confidence: expect.closeTo(1, 6),
      evidence: [
        {
          at: 7 * day,
          source: 'wifi',
          text: 'came or went with alex 14 of 14 times',
          weight: expect.any(Number),
        },
      ],
      at: 7 * day,
      status: 'open',
    },
  ]);
});

test('two people who always travel together leave the owner open', () => {
  const watch = { device, arrivals: daily(17), departures: daily(8) };
  const twin = { ...alex, person: 'jo' };
  expect(suggestOwners([watch], [alex, twin], 7 * day, 7 * day)).toEqual([]);
});

test('two coincidences are not enough, and a device with hours of its own belongs to nobody', () => {
  const twice = { device, arrivals: daily(17, 0, 1), departures: daily(8, 0, 1) };
  const own = { device, arrivals: daily(20), departures: daily(3) };
  expect(suggestOwners([twice, own], [alex, sam], 7 * day, 7 * day)).toEqual([]);
});
