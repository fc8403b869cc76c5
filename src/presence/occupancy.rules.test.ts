import { expect, test } from 'vitest';
import type { PersonView } from './model.ts';
import { anyoneHome } from './occupancy.rules.ts';

const people = (...states: PersonView['state'][]) => ({
  people: states.map((state): PersonView => ({
    person: 'alex',
    name: 'Alex',
    state,
    probability: 0.5,
    since: undefined,
    lastSeen: undefined,
    from: { wifi: 0, homeassistant: 0, tado: 0 },
    evidence: [],
    conflict: undefined,
  })),
});

test('one person at home is enough, and a house is empty only when everybody is known to be away', () => {
  expect(anyoneHome(people('away', 'home', 'unknown'))).toBe(true);
  expect(anyoneHome(people('away', 'away'))).toBe(false);
  expect(anyoneHome(people('away', 'unknown'))).toBeUndefined();
  expect(anyoneHome(people())).toBeUndefined();
});
