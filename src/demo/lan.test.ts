import { expect, test } from 'vitest';
import { seeded } from '#devices/lan/phone-model.ts';
import { demoDevices, phoneOf } from './lan.ts';
import { household, visits, whereabouts, type Calendar } from './schedule.ts';

const hour = 3_600_000;
const monday = Date.UTC(2026, 0, 5);
const calendar: Calendar = { seed: 'demo', offsetMs: 0 };
const names = household(6);
const devices = demoDevices('192.0.2.0/24', names, 'demo', calendar);

test('every device has an address of its own within the network', () => {
  const macs = devices.map((d) => (typeof d.mac === 'string' ? d.mac : d.mac(monday)));
  expect(new Set(macs).size).toBe(devices.length);
  expect(new Set(devices.map((d) => d.ip)).size).toBe(devices.length);
  expect(devices.filter((d) => !/^192\.0\.2\.\d+$/.test(d.ip))).toEqual([]);
});

test('a phone is here exactly when its owner is home or asleep, in stays without a seam', () => {
  const random = seeded('probe');
  for (const person of names) {
    const phone = devices.find((d) => d.name === `${person}-phone`)!;
    expect(phone.mac).toBe(phoneOf(person, 'demo').mac);
    for (let n = 0; n < 150; n += 1) {
      const at = monday + Math.floor(random() * 60 * 24 * hour);
      const { here, since, until } = phone.presence(at);
      expect(here).toBe(whereabouts(person, at, calendar).place !== 'away');
      expect(since).toBeLessThanOrEqual(at);
      expect(until).toBeGreaterThan(at);
      expect(phone.presence(until).here).toBe(!here);
      expect(phone.presence(since - 1).here).toBe(!here);
    }
  }
});

test('each guest has a phone of their own while the visit lasts', () => {
  const evenings = Array.from({ length: 60 }, (_, d) => visits(monday + d * 24 * hour + hour, calendar));
  const first = evenings.flatMap((e) => e.slice(0, 1));
  const slot = devices.find((d) => d.name === 'guest1-phone')!;
  const macs = first.map((visit) => {
    const middle = slot.presence((visit.from + visit.to) / 2);
    expect(middle).toEqual({ here: true, since: visit.from, until: visit.to });
    expect(slot.presence(visit.from - 1).here).toBe(false);
    expect(slot.presence(visit.to).here).toBe(false);
    return typeof slot.mac === 'string' ? slot.mac : slot.mac(middle.since);
  });
  expect(new Set(macs).size).toBe(first.length);
  expect(first.length).toBeGreaterThan(10);
});
