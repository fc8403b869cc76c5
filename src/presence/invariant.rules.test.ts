import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contradiction } from './invariant.rules.ts';
import { presenceReadings } from './metrics.ts';
import type { PersonState, PersonView, PresenceView } from './model.ts';

const person = (name: string, state: PersonState): PersonView => ({
  person: name,
  name,
  state,
  probability: 0.5,
  since: undefined,
  lastSeen: undefined,
  from: { wifi: 0, homeassistant: 0, tado: 0 },
  evidence: [],
  conflict: undefined,
});

const names = ['alex', 'sam', 'jo'];
const valuesOf = (states: readonly PersonState[]) => {
  const people = states.map((state, i) => person(names[i]!, state));
  const countHome = people.filter((p) => p.state === 'home').length;
  const view: PresenceView = { at: 0, people, countHome, devicesPresent: 4, guests: 0 };
  return new Map(presenceReadings(view).map((r) => [r.series, r.value]));
};
const check = (values: ReadonlyMap<string, number>) => contradiction(values, 'home.presence', names);

test('whatever the house believes, what it sends is consistent', () => {
  const states = fc.array(fc.constantFrom<PersonState>('home', 'away', 'unknown'), {
    minLength: 3,
    maxLength: 3,
  });
  fc.assert(
    fc.property(states, (all) => {
      expect(check(valuesOf(all))).toBeUndefined();
    }),
  );
});

test.each([
  ['home.presence.count_home', 3, 'count_home is 3, but the sum of is_home is 1'],
  ['home.presence.alex.is_home', 0, 'count_home is 1, but the sum of is_home is 0'],
  ['home.presence.anyone_home', 0, 'anyone_home is 0, but count_home is 1'],
])('a wrong %s is told', (series, value, sentence) => {
  expect(check(valuesOf(['home', 'away', 'away']).set(series, value))).toBe(sentence);
});

test('a metric that is not sent is told with the expected count', () => {
  const values = valuesOf(['home', 'away', 'away']);
  values.delete('home.presence.sam.from_tado');
  expect(check(values)).toBe('expected 15 metrics, 14 are sent; missing: sam.from_tado');
  expect(check(new Map())).toMatch(/^expected 15 metrics, 0 are sent; missing: alex\.is_home, .*, …$/);
});
