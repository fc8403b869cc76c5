import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LanDevice } from '#devices/model.ts';
import { countGuests, keepBook, looksLikePhone, strangers, type GuestBook } from './guests.rules.ts';

const minute = 60_000;
const hour = 60 * minute;
const start = Date.UTC(2026, 0, 5, 18);

const phone = (seen: Partial<LanDevice>): LanDevice => ({
  mac: '02:00:5e:10:00:01',
  ip: '192.0.2.50',
  network: '192.0.2.0/24',
  hostname: 'iPhone',
  vendor: undefined,
  randomised: true,
  dhcpFingerprint: undefined,
  dhcpVendorClass: undefined,
  ipv6Suffix: undefined,
  firstSeen: start,
  lastSeen: start,
  lastVia: 'dhcp',
  ...seen,
});

/** Counts once a minute while a device is seen during `stays` (minutes from the start). */
function follow(stays: readonly (readonly [from: number, to: number])[], until: number, device = phone({})) {
  let book: GuestBook = {};
  const counts: number[] = [];
  const kept: number[] = [];
  for (let m = 0; m <= until; m += 1) {
    const seen = stays.filter(([from]) => from <= m).map(([, to]) => Math.min(to, m));
    const lastSeen = seen.length === 0 ? undefined : start + Math.max(...seen) * minute;
    const now = start + m * minute;
    const first = start + (stays[0]?.[0] ?? 0) * minute;
    book = keepBook(book, lastSeen === undefined ? [] : [{ ...device, firstSeen: first, lastSeen }], now);
    counts.push(countGuests(book, now));
    kept.push(Object.keys(book).length);
  }
  return { counts, kept };
}

test('a guest counts after ten minutes and stops counting fifteen minutes after the last sign', () => {
  const { counts } = follow([[5, 125]], 200);
  expect(counts.map((c, m) => (c === 1 ? m : -1)).filter((m) => m >= 0)).toEqual(
    Array.from({ length: 126 }, (_, i) => 15 + i),
  );
});

test('somebody who rings the bell is not a guest', () => {
  expect(follow([[5, 12]], 60).counts.filter((c) => c > 0)).toEqual([]);
});

test('a guest whose phone dozes for ten minutes does not leave and come again', () => {
  const { counts } = follow(
    [
      [0, 40],
      [50, 90],
    ],
    90,
  );
  expect(counts.slice(10)).toEqual(counts.slice(10).map(() => 1));
});

test('who comes again after an hour must stay ten minutes again', () => {
  const { counts } = follow(
    [
      [0, 30],
      [200, 230],
    ],
    230,
  );
  expect(counts[205]).toBe(0);
  expect(counts[210]).toBe(1);
});

test('the address of a guest is forgotten a day after the last sign', () => {
  const { kept } = follow([[0, 60]], 60 + 24 * 60 + 1);
  expect(kept[60 + 24 * 60]).toBe(1);
  expect(kept[60 + 24 * 60 + 1]).toBe(0);
});

test('what has been here for days without a break lives here', () => {
  const { counts } = follow([[0, 6 * 24 * 60]], 6 * 24 * 60);
  expect(counts[2 * 24 * 60]).toBe(1);
  expect(counts[4 * 24 * 60]).toBe(0);
});

test('a device that gets an owner is no guest any more', () => {
  const device = phone({ lastSeen: start + hour });
  const book = keepBook({ [device.mac]: { from: start, lastSeen: start } }, [device], start + hour);
  expect(countGuests(book, start + hour)).toBe(1);
  expect(keepBook(book, [], start + hour)).toEqual({});
});

test.each([
  [{ randomised: true, hostname: 'iPhone' }, true],
  [{ randomised: true, hostname: undefined }, true],
  [{ randomised: false, vendor: 'Samsung Electronics Co.,Ltd', hostname: 'Galaxy-S23' }, true],
  [{ randomised: false, vendor: 'Samsung Electronics Co.,Ltd', hostname: 'Samsung-TV' }, false],
  [{ randomised: false, vendor: 'Apple, Inc.', hostname: 'MacBook-Pro' }, false],
  [{ randomised: true, hostname: 'DESKTOP-1', dhcpVendorClass: 'MSFT 5.0' }, false],
  [{ randomised: false, vendor: 'Espressif Inc.', hostname: undefined }, false],
  [{ randomised: false, vendor: undefined, hostname: 'nas' }, false],
])('%o is a phone: %s', (traits, expected) => {
  expect(looksLikePhone(phone(traits))).toBe(expected);
});

test('there are never more guests than unassigned phones seen within fifteen minutes', () => {
  const device = fc.record({
    id: fc.integer({ min: 0, max: 9 }),
    age: fc.integer({ min: 0, max: 3_000 }),
    back: fc.integer({ min: 0, max: 3_000 }),
  });
  fc.assert(
    fc.property(fc.array(fc.array(device, { maxLength: 8 }), { maxLength: 12 }), (rounds) => {
      let book: GuestBook = {};
      for (const [i, round] of rounds.entries()) {
        const now = start + i * 20 * minute;
        const devices = round.map(({ id, age, back }) =>
          phone({
            mac: `02:00:5e:10:00:0${id}`,
            lastSeen: now - age * 1000,
            firstSeen: now - (age + back) * 1000,
          }),
        );
        book = keepBook(book, devices, now);
        const recent = new Set(devices.filter((d) => now - d.lastSeen <= 15 * minute).map((d) => d.mac));
        expect(countGuests(book, now)).toBeLessThanOrEqual(
          new Set([
            ...recent,
            ...Object.keys(book).filter((m) => now - (book[m]?.lastSeen ?? 0) <= 15 * minute),
          ]).size,
        );
        expect(Object.keys(book).toSorted()).toEqual([...new Set(devices.map((d) => d.mac))].toSorted());
      }
    }),
  );
});

test('a phone of nobody is a stranger from its first minute, until it is gone or lives here', () => {
  const book = (from: number, lastSeen: number): GuestBook => ({ '02:00:5e:10:00:01': { from, lastSeen } });
  const now = start + 200 * hour;
  const stranger = [{ id: '02:00:5e:10:00:01', since: now - minute }];
  expect(strangers(book(now - minute, now), now)).toEqual(stranger);
  expect(strangers(book(now - hour, now - 16 * minute), now)).toEqual([]);
  expect(strangers(book(now - 97 * hour, now), now)).toEqual([]);
});
