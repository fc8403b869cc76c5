import fc from 'fast-check';
import { expect, test } from 'vitest';
import { guardConfig } from './config.ts';
import { pastSituations, provenPeople, situationOf } from './situation.rules.ts';

const settings = guardConfig.parse({});
const timeZone = 'Europe/London';
const noon = Date.parse('2026-06-15T11:00:00Z');
const minute = 60_000;
const person = (name: string, state: 'home' | 'away' | 'unknown', since?: number) => ({ name, state, since });

test('those at home are named, with who has just come and which phones are new', () => {
  const people = [
    person('Alex', 'home', noon - 119_999),
    person('Sam', 'home', noon - 120_000),
    person('Kim', 'away', noon - 1_000),
  ];
  const phones = [
    { id: 'new', since: noon - 59 * minute },
    { id: 'old', since: noon - 60 * minute },
  ];
  expect(situationOf(settings, { at: noon, timeZone, people, phones })).toEqual({
    at: noon,
    timeZone,
    mode: 'home',
    mayBeAway: false,
    residentsHome: ['Alex', 'Sam'],
    arrivedLately: ['Alex'],
    unknownPhones: [{ id: 'new', since: noon - 59 * minute }],
  });
});

test.each([
  ['all away', [person('a', 'away'), person('b', 'away')], [], 'away', false],
  ['one away, one unknown', [person('a', 'away'), person('b', 'unknown')], undefined, 'home', true],
  ['one home, one unknown', [person('a', 'home'), person('b', 'unknown')], ['a'], 'home', false],
  ['nobody in the settings', [], undefined, 'home', false],
] as const)('who is home: %s', (_, people, residentsHome, mode, mayBeAway) => {
  expect(situationOf(settings, { at: noon, timeZone, people, phones: [] })).toMatchObject({
    residentsHome,
    mode,
    mayBeAway,
  });
});

const never = { wifi: 0, homeassistant: 0, tado: 0 } as const;
type Known = Parameters<typeof provenPeople>[0][number];
test.each<[string, Partial<Known>, Known['state']]>([
  ['proved a moment ago', { lastSeen: noon - 1 }, 'home'],
  ['proved within the time', { lastSeen: noon - 2_699_999 }, 'home'],
  ['proved too long ago, as after a restart', { lastSeen: noon - 2_700_000 }, 'unknown'],
  ['never proved', { lastSeen: undefined }, 'unknown'],
  ['a source insists', { lastSeen: noon - 9_000_000, from: { ...never, homeassistant: 1 } }, 'home'],
  ['a thermostat insists', { lastSeen: undefined, from: { ...never, tado: 1 } }, 'home'],
  ['away is not doubted', { lastSeen: undefined, state: 'away' }, 'away'],
])('somebody who is held to be home, %s, counts as %s', (_, over, state) => {
  const since = noon - 9_000_000;
  const alex: Known = { name: 'Alex', state: 'home', since, lastSeen: undefined, from: never, ...over };
  expect(provenPeople([alex], noon, 2_700_000)).toEqual([person('Alex', state, since)]);
});

test('a mode set by hand holds, whoever is home', () => {
  const people = [person('a', 'unknown')];
  const facts = { at: noon, timeZone, people, phones: [], hand: { mode: 'home' as const } };
  expect(situationOf(settings, facts)).toMatchObject({ mode: 'home', mayBeAway: false });
});

const stays = [
  { person: 'alex', state: 'home', from: noon - 600 * minute, to: noon - 60 * minute },
  { person: 'alex', state: 'away', from: noon - 60 * minute, to: noon },
  { person: 'alex', state: 'home', from: noon, to: undefined },
  { person: 'sam', state: 'away', from: noon - 600 * minute, to: noon + minute },
  { person: 'sam', state: 'unknown', from: noon + minute, to: noon + 2 * minute },
  { person: 'sam', state: 'home', from: noon + 2 * minute, to: undefined },
] as const;
const history = {
  timeZone,
  stays,
  names: new Map([['alex', 'Alex']]),
  phones: [{ id: 'p', since: noon + 5 * minute }],
};

test.each([
  // We began to look then; nobody arrived.
  [-600 * minute, ['Alex'], [], 'night', 0],
  [-61 * minute, ['Alex'], [], 'home', 0],
  [-60 * minute, [], [], 'away', 0],
  [-1, [], [], 'away', 0],
  [0, ['Alex'], ['Alex'], 'home', 0],
  [119_999, ['Alex'], ['Alex'], 'home', 0],
  // Sam comes out of the unknown, which is no arrival.
  [120_000, ['Alex', 'sam'], [], 'home', 0],
  [5 * minute, ['Alex', 'sam'], [], 'home', 1],
  [65 * minute, ['Alex', 'sam'], [], 'home', 0],
  [-601 * minute, undefined, [], 'night', 0],
])('%d ms from noon the house knew who was home', (ms, residentsHome, arrivedLately, mode, phones) => {
  const { unknownPhones, ...rest } = pastSituations(settings, history)(noon + ms);
  expect({ ...rest, phones: unknownPhones.length }).toEqual({
    at: noon + ms,
    timeZone,
    mode,
    mayBeAway: residentsHome === undefined,
    residentsHome,
    arrivedLately,
    phones,
  });
});

test('what changes within a minute is seen at its second', () => {
  const list = [
    { person: 'alex', state: 'away', from: noon - minute, to: noon + 20_000 },
    { person: 'alex', state: 'home', from: noon + 20_000, to: noon + 40_000 },
    { person: 'alex', state: 'away', from: noon + 40_000, to: undefined },
  ] as const;
  const past = pastSituations(settings, { ...history, stays: list });
  const modes = [19_999, 20_000, 39_999, 40_000].map((ms) => past(noon + ms).mode);
  expect(modes).toEqual(['away', 'home', 'home', 'away']);
});

test('modes set by hand were in force until they ran out or were taken back', () => {
  const hands = [
    { at: noon + 10_000, hand: { mode: 'away', until: noon + 15_000 } },
    { at: noon + 30_000, hand: { mode: 'night' } },
    { at: noon + 40_000, hand: undefined },
  ] as const;
  const past = pastSituations(settings, { ...history, hands });
  const modes = [9_999, 10_000, 14_999, 15_000, 30_000, 39_999, 40_000].map((ms) => past(noon + ms).mode);
  expect(modes).toEqual(['home', 'away', 'away', 'home', 'night', 'night', 'home']);
});

test('property: the past is the same in whatever order it is asked', () => {
  const instants = fc.array(fc.integer({ min: -700 * minute, max: 100 * minute }), { maxLength: 30 });
  fc.assert(
    fc.property(instants, (list) => {
      const past = pastSituations(settings, history);
      for (const ms of list) expect(past(noon + ms)).toEqual(pastSituations(settings, history)(noon + ms));
    }),
  );
});
