import { expect, test } from 'vitest';
import type { Report } from '../../model.ts';
import { toReport } from './rules.ts';

const now = 2_000_000;
const report = (
  state: string,
  attributes: Record<string, unknown> = {},
  changedAt: number | undefined = 1_000_000,
) => toReport('alex', { entity: 'person.alex', state, attributes, changedAt }, now);

test.each<[string, Record<string, unknown>, Report['state']]>([
  ['home', {}, 'home'],
  ['not_home', {}, 'away'],
  ['Work', {}, 'away'],
  ['Home office', { in_zones: ['zone.office', 'zone.home'] }, 'home'],
  ['Work', { in_zones: ['zone.work'] }, 'away'],
  ['not_home', { in_zones: 'zone.home' }, 'away'],
  ['unknown', {}, 'unknown'],
  ['unavailable', {}, 'unknown'],
  ['', {}, 'unknown'],
])('state %j with %j means %s', (state, attributes, expected) => {
  expect(report(state, attributes).state).toBe(expected);
});

test('a report carries the instant of the change, or ours when there is none or it lies in our future', () => {
  expect(report('home')).toEqual({
    source: 'homeassistant',
    person: 'alex',
    entity: 'person.alex',
    state: 'home',
    at: 1_000_000,
    gps: false,
  });
  expect(report('home', {}, now + 60_000).at).toBe(now);
  expect(
    toReport('alex', { entity: 'person.alex', state: 'home', attributes: {}, changedAt: undefined }, now).at,
  ).toBe(now);
});

test('only a position counts as GPS', () => {
  expect(report('home', { source_type: 'gps' }).gps).toBe(true);
  expect(report('home', { gps_accuracy: 12 }).gps).toBe(true);
  expect(report('home', { source_type: 'router', latitude: 1, longitude: 2 }).gps).toBe(false);
});

test('an entity that is gone is no information', () => {
  expect(toReport('alex', { entity: 'person.alex', missing: true }, now)).toEqual({
    source: 'homeassistant',
    person: 'alex',
    entity: 'person.alex',
    state: 'unknown',
    at: now,
    gps: false,
  });
});
