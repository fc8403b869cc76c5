import { expect, test } from 'vitest';
import { alertRule, alertRulesConfig } from './config.ts';

const problems = (value: unknown) =>
  (alertRulesConfig.safeParse(value).error?.issues ?? []).map((i) => `${i.path.join('.')}: ${i.message}`);

test('a rule of the original is read as it is', () => {
  const [rule] = alertRulesConfig.parse([
    {
      id: 'person_near_gate',
      name: 'Person near the gate',
      enabled: true,
      cameras: ['camera_1'],
      classes: ['person'],
      confidence_threshold: 0.6,
      conditions: { distance_to_reference: { reference: 'gate', operator: 'less_than', value: 5.0 } },
      cooldown: 30,
      actions: [{ type: 'speak', speaker: 'living_room' }],
    },
  ]);
  expect(rule).toEqual({
    id: 'person_near_gate',
    name: 'Person near the gate',
    enabled: true,
    cameras: ['camera_1'],
    classes: ['person'],
    confidence_threshold: 0.6,
    conditions: { distance_to_reference: { reference: 'gate', operator: '<', value: 5 } },
    presence: { unknown_phone: 'raise', arrivals: 'explain' },
    cooldown: 30,
    severity: 'warning',
    actions: [{ type: 'speak', speaker: 'living_room' }],
  });
});

test('a rule needs no more than an id', () => {
  expect(alertRule.parse({ id: 'any' })).toEqual({
    id: 'any',
    enabled: true,
    confidence_threshold: 0.6,
    classes: ['person'],
    conditions: {},
    presence: { unknown_phone: 'raise', arrivals: 'explain' },
    cooldown: 30,
    severity: 'warning',
  });
});

test.each([
  [[{ id: 'Gate' }], ['0.id: expected lower-case letters, digits, _ and -, like front_door']],
  [[{ id: 'a' }, { id: 'b' }, { id: 'a' }], ['2.id: "a" is already rule 1; every rule has an id of its own']],
  [[{ id: 'a', colour: 1 }], ['0: Unrecognized key: "colour"']],
  [[{ id: 'a', confidence_threshold: 1.2 }], ['0.confidence_threshold: Too big: expected number to be <=1']],
  [
    [{ id: 'a', conditions: { direction: 'towards' } }],
    [
      '0.conditions.direction: expected one of left, right, up, down (in the picture); to say towards or away from a place, write approaching: or leaving: and its name',
    ],
  ],
  [
    [{ id: 'a', schedule: [{ from: '7:00', to: '09:00' }] }],
    ['0.schedule.0.from: expected a time of day like 22:30'],
  ],
  [[{ id: 'a', cooldown: -1 }], ['0.cooldown: Too small: expected number to be >=0']],
])('%j is refused', (value, expected) => expect(problems(value)).toEqual(expected));

test('an unknown placeholder is an error of the settings', () => {
  expect(problems([{ id: 'a', message: '{objekt} there' }])).toEqual([
    expect.stringMatching(
      /^0\.message: expected a placeholder of .*, found \{objekt\}; did you mean \{object\}\?$/,
    ),
  ]);
});
