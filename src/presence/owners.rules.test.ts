import { expect, test } from 'vitest';
import type { PersonConfig } from './model.ts';
import { hostnamePattern, ownerOf, ownersOf } from './owners.rules.ts';

const person = (name: string, over: Partial<PersonConfig> = {}): PersonConfig => ({
  person: name,
  homeassistant_device_trackers: [],
  wifi_macs: [],
  wifi_hostnames: [],
  ...over,
});

test.each([
  ['alex-phone', 'Alex-Phone', true],
  ['alex', 'my-alex-tablet', true],
  ['alex*', 'my-alex-tablet', false],
  ['pixel-?', 'Pixel-7', true],
  ['a.c', 'abc', false],
  ['*****************************a', 'b'.repeat(250), false],
])('the pattern %s on the name %s: %s', (pattern, name, matches) => {
  expect(hostnamePattern(pattern)(name)).toBe(matches);
});

test('a pattern that two people claim brings nobody home', () => {
  const owners = ownersOf([
    person('alex', { wifi_hostnames: ['iphone'] }),
    person('sam', { wifi_hostnames: ['iPhone', 'sam-pixel'] }),
  ]);
  expect(owners.ambiguous).toEqual([{ pattern: 'iphone', people: ['alex', 'sam'] }]);
  expect(ownerOf(owners, '02:00:00:00:00:01', 'iPhone')).toBeUndefined();
  expect(ownerOf(owners, '02:00:00:00:00:01', 'SAM-pixel')).toBe('sam');
});

test('an address says more than a name', () => {
  const owners = ownersOf([
    person('alex', { wifi_macs: ['02:00:00:00:00:01'] }),
    person('sam', { wifi_hostnames: ['phone'] }),
  ]);
  expect(ownerOf(owners, '02:00:00:00:00:01', 'phone')).toBe('alex');
  expect(ownerOf(owners, '02:00:00:00:00:02', 'phone')).toBe('sam');
  expect(ownerOf(owners, '02:00:00:00:00:03', undefined)).toBeUndefined();
});
