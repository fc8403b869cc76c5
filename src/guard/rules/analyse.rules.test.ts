import { expect, test } from 'vitest';
import { renderAnalysis } from './analyse.render.ts';
import { analyse, type JudgedAlert } from './analyse.rules.ts';
import { ruleOf } from './fixture.ts';

const at = (hour: number) => Date.UTC(2026, 0, 5, hour);
const alert = (over: Partial<JudgedAlert> & { score?: number } = {}): JudgedAlert => ({
  at: at(12),
  rule: 'gate',
  camera: 'front',
  label: 'person',
  why: over.score === undefined ? {} : { score: over.score },
  falsePositive: false,
  ...over,
});
const wrong = (score: number, over: Partial<JudgedAlert> = {}) =>
  alert({ score, falsePositive: true, ...over });
const gate = ruleOf({
  id: 'gate',
  confidence_threshold: 0.5,
  conditions: { distance_to_reference: { reference: 'gate', operator: '<', value: 8 } },
});
const timeZone = 'Europe/London';

const alerts = [
  wrong(0.52, { at: at(3), distance: 7.5 }),
  wrong(0.55, { at: at(3), distance: 6.6 }),
  wrong(0.61, { at: at(4), distance: 7 }),
  wrong(0.9, { camera: 'back', distance: 2 }),
  alert({ score: 0.72, distance: 4 }),
  alert({ score: 0.88, distance: 3 }),
  alert({ rule: 'dogs', label: 'dog', at: at(23) }),
];

test('alerts are counted by rule, camera, class and hour, with thresholds that would have helped', () => {
  expect(analyse(alerts, { rules: [gate], timeZone })).toEqual({
    alerts: 7,
    false: 4,
    rules: [
      { name: 'gate', alerts: 6, false: 4 },
      { name: 'dogs', alerts: 1, false: 0 },
    ],
    cameras: [
      { name: 'front', alerts: 6, false: 3 },
      { name: 'back', alerts: 1, false: 1 },
    ],
    classes: [
      { name: 'person', alerts: 6, false: 4 },
      { name: 'dog', alerts: 1, false: 0 },
    ],
    hours: [
      { name: '03', alerts: 2, false: 2 },
      { name: '04', alerts: 1, false: 1 },
      { name: '12', alerts: 3, false: 1 },
      { name: '23', alerts: 1, false: 0 },
    ],
    advice: [
      {
        rule: 'gate',
        setting: 'confidence_threshold',
        now: 0.5,
        better: 0.65,
        falseRemoved: 3,
        falseAll: 4,
        trueRemoved: 0,
        trueAll: 2,
        text: 'gate: confidence_threshold from 0.5 to 0.65 would have removed 3 of 4 false alerts and 0 of 2 others',
      },
      {
        rule: 'gate',
        setting: 'conditions.distance_to_reference.value',
        now: 8,
        better: 6.5,
        falseRemoved: 3,
        falseAll: 4,
        trueRemoved: 0,
        trueAll: 2,
        text: 'gate: conditions.distance_to_reference.value from 8 m to 6.5 m would have removed 3 of 4 false alerts and 0 of 2 others',
      },
    ],
  });
});

test('no threshold is suggested that would lose a true alert, or that rests on two false ones', () => {
  const mixed = [wrong(0.5), wrong(0.55), wrong(0.6), alert({ score: 0.5 })];
  expect(analyse(mixed, { rules: [gate] }).advice).toEqual([]);
  expect(analyse([wrong(0.5), wrong(0.5), alert({ score: 0.9 })], { rules: [gate] }).advice).toEqual([]);
});

test('a distance is advised on as the rule judges it, by one standard deviation in favour of the alert', () => {
  const far = [7, 7.2, 7.4].map((distance) => wrong(0.4, { distance, why: { sigma: 1 } }));
  const near = alert({ distance: 4, why: { sigma: 0.1 } });
  const texts = (rule: typeof gate) => analyse([...far, near], { rules: [rule] }).advice.map((a) => a.text);
  expect(texts(gate)).toEqual([
    'gate: conditions.distance_to_reference.value from 8 m to 6 m would have removed 3 of 3 false alerts and 0 of 1 others',
  ]);
  // What a rule asks for already is no advice.
  const strict = { distance_to_reference: { reference: 'gate', operator: '<', value: 4 } };
  expect(texts(ruleOf({ id: 'gate', conditions: strict }))).toEqual([]);
});

test('an alert of a rule that is gone is advised on without its setting', () => {
  const old = [wrong(0.5), wrong(0.5), wrong(0.5)].map((a) => ({ ...a, rule: 'old' }));
  expect(analyse(old, { rules: [] }).advice.map((a) => a.text)).toEqual([
    'old: confidence_threshold to 0.55 would have removed 3 of 3 false alerts and 0 of 0 others',
  ]);
});

test('the table shows shares, hours and advice', () => {
  expect(renderAnalysis(analyse(alerts, { rules: [gate], timeZone }), 30)).toBe(
    `
7 alerts in 30 days, 4 marked false (57 %)

RULE  ALERTS  FALSE  SHARE
gate  6       4      67 %
dogs  1       0      0 %

CAMERA  ALERTS  FALSE  SHARE
front   6       3      50 %
back    1       1      100 %

CLASS   ALERTS  FALSE  SHARE
person  6       4      67 %
dog     1       0      0 %

HOUR  ALERTS  FALSE
03    2       2      ###########################
04    1       1      ##############
12    3       1      ########################################
23    1       0      ##############

gate: confidence_threshold from 0.5 to 0.65 would have removed 3 of 4 false alerts and 0 of 2 others
gate: conditions.distance_to_reference.value from 8 m to 6.5 m would have removed 3 of 4 false alerts and 0 of 2 others
`.trim(),
  );
});

test('without alerts, or without marks, it says so', () => {
  expect(renderAnalysis(analyse([], { rules: [] }), 1)).toBe('no alerts in 1 day');
  expect(
    renderAnalysis(analyse([alert()], { rules: [], timeZone }), 7)
      .split('\n')
      .at(-1),
  ).toBe('nobody marked any of them as false: mark false alerts, and thresholds can be suggested');
});
