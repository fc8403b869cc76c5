import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { HouseEvent } from '#kernel/event.ts';
import type { PersonState, PersonView } from './model.ts';
import { staysOf } from './stays.rules.ts';

const hour = 3_600_000;
const alex = (state: PersonState, since: number | undefined): PersonView => ({
  person: 'alex',
  name: 'Alex',
  state,
  probability: 0.5,
  since,
  lastSeen: undefined,
  from: { wifi: 0, homeassistant: 0, tado: 0 },
  evidence: [],
  conflict: undefined,
});
const change = (at: number, from: PersonState, to: PersonState): HouseEvent => ({
  id: String(at),
  at,
  kind: 'presence.arrived',
  subject: 'person:alex',
  cause: 'fusion',
  evidence: [],
  data: { from, to },
});

test('transitions cut the day into stays, and the last one is still going on', () => {
  const events = [change(8 * hour, 'home', 'away'), change(17 * hour, 'away', 'home')];
  expect(staysOf(alex('home', 17 * hour), events, 0, 24 * hour)).toEqual([
    { person: 'alex', state: 'home', from: 0, to: 8 * hour },
    { person: 'alex', state: 'away', from: 8 * hour, to: 17 * hour },
    { person: 'alex', state: 'home', from: 17 * hour, to: undefined },
  ]);
});

test('a span that ended long ago ends its last stay', () => {
  expect(staysOf(alex('home', 9 * hour), [change(2 * hour, 'away', 'home')], 0, 4 * hour)).toEqual([
    { person: 'alex', state: 'away', from: 0, to: 2 * hour },
    { person: 'alex', state: 'home', from: 2 * hour, to: 4 * hour },
  ]);
});

test('without a transition the state of now reaches back only to when it began', () => {
  expect(staysOf(alex('away', 20 * hour), [], 0, 24 * hour)).toEqual([
    { person: 'alex', state: 'away', from: 20 * hour, to: undefined },
  ]);
  expect(staysOf(alex('away', 30 * hour), [], 0, 24 * hour)).toEqual([]);
});

test('a span without a transition has the state from which the next one led away', () => {
  const next = change(30 * hour, 'home', 'away');
  expect(staysOf(alex('away', 30 * hour), [], 4 * hour, 8 * hour, next)).toEqual([
    { person: 'alex', state: 'home', from: 4 * hour, to: 8 * hour },
  ]);
});

test('stays never overlap, leave no hole after the first and lie within the span', () => {
  const state = fc.constantFrom<PersonState>('home', 'away', 'unknown');
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(100), state)), state, fc.nat(100), (raw, last, to) => {
      const events = raw.toSorted((a, b) => a[0] - b[0]).map(([at, s]) => change(at, 'unknown', s));
      const stays = staysOf(alex(last, undefined), events, 0, to);
      stays.forEach((stay, i) => {
        expect(stay.from).toBeGreaterThanOrEqual(0);
        expect(stay.from).toBeLessThan(Math.max(to, 1));
        expect(stay.to).toBe(stays[i + 1]?.from);
      });
    }),
  );
});
