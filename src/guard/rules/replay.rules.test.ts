import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AlertRow, Observation } from '#cctv/index.ts';
import { house, noon, ruleOf, sight } from './fixture.ts';
import { renderReplay } from './replay.render.ts';
import { inOrder, replay } from './replay.rules.ts';

const walk = (event: string, from: number, distances: readonly number[], over: Partial<Observation> = {}) =>
  distances.map((distance, i) =>
    sight({
      event,
      at: noon + (from + i) * 1_000,
      bornAt: noon + from * 1_000,
      references: { gate: { distance, sigma: 0, approach: 1 } },
      ...over,
    }),
  );
const near = (value: number, over = {}) =>
  ruleOf({
    id: 'gate',
    conditions: { distance_to_reference: { reference: 'gate', operator: '<', value } },
    ...over,
  });
const row = (event: string, s: number, over: Partial<AlertRow> = {}): AlertRow => ({
  id: `r-${event}`,
  at: noon + s * 1_000,
  rule: 'gate',
  camera: 'front',
  event,
  label: 'person',
  message: 'A person near',
  severity: 'warning',
  why: {},
  ...over,
});

// Each comes a minute after the other: to 2 m, to 4 m, to 8 m, and one while alex is home.
const past = [
  walk('two', 0, [9, 6, 2]),
  walk('four', 60, [9, 6, 4]),
  walk('eight', 120, [9, 8]),
  walk('home', 180, [9, 2, 2, 2]),
];
const situationAt = (at: number) =>
  at < noon + 180_000 ? house({ at }) : house({ at, mode: 'home', residentsHome: ['alex'] });
const real = [row('two', 1), row('four', 61), row('old', 70), row('two', 5, { rule: 'gone', id: 'x' })];
const run = (value: number, over = {}) =>
  replay({ rules: [near(value, over)], observations: inOrder(past), situationAt, real });

test('a replay says which alerts stay, which are new and which are gone, and why', () => {
  const { alerts, rules, objects, observations } = run(3);
  expect({ objects, observations, rules }).toEqual({
    objects: 4,
    observations: 12,
    rules: [
      { rule: 'gate', would: 1, did: 3, same: 1, appeared: 0, vanished: 2, held: { residents: 1 } },
      { rule: 'gone', would: 0, did: 1, same: 0, appeared: 0, vanished: 1, held: {} },
    ],
  });
  expect(alerts.map((a) => [a.change, a.rule, a.event, a.at - noon, a.why])).toEqual([
    ['same', 'gate', 'two', 2_000, undefined],
    ['vanished', 'gone', 'two', 5_000, 'there is no such rule any more'],
    ['vanished', 'gate', 'four', 61_000, 'distance: 6 m ± 0 from gate, wanted < 3 m'],
    ['vanished', 'gate', 'old', 70_000, 'its path is not stored, or not any more'],
  ]);
});

test('a wider rule finds more', () => {
  expect(run(8.5).alerts.map((a) => [a.change, a.event])).toEqual([
    ['same', 'two'],
    ['vanished', 'two'],
    ['same', 'four'],
    ['vanished', 'old'],
    ['appeared', 'eight'],
  ]);
});

test('what is held back now is said with its reason', () => {
  const { alerts, rules } = run(8.5, { cooldown: 600 });
  expect(rules[0]!.held).toEqual({ cooldown: 2, residents: 1 });
  expect(alerts.find((a) => a.event === 'four')).toMatchObject({
    change: 'vanished',
    why: 'last alert here 60 s ago, cooldown 600 s',
  });
});

test('a rule that is switched off gives nothing', () => {
  expect(run(8.5, { enabled: false }).rules[0]).toMatchObject({ would: 0, vanished: 3 });
});

test('the table shows a line a rule and every change', () => {
  expect(renderReplay(run(3), 30, 'Europe/London')).toBe(
    `
4 objects of 30 days, 12 sights

RULE  WOULD ALERT  DID  SAME  NEW  GONE  HELD BACK
gate  1            3    1     0    2     1 residents
gone  0            1    0     0    1

   TIME                 RULE  CAMERA  ALERT
-  2026-06-13 13:00:05  gone  front   A person near (now silent: there is no such rule any more)
-  2026-06-13 13:01:01  gate  front   A person near (now silent: distance: 6 m ± 0 from gate, wanted < 3 m)
-  2026-06-13 13:01:10  gate  front   A person near (now silent: its path is not stored, or not any more)
`.trim(),
  );
});

test('property: objects whose lists overlap come as one stream in order of time, none lost', () => {
  const object = fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(object, { maxLength: 12 }), (lists) => {
      const objects = lists
        .map((list, i) => list.toSorted((a, b) => a - b).map((at) => sight({ event: `e${i}`, at })))
        .toSorted((a, b) => (a[0]?.at ?? 0) - (b[0]?.at ?? 0));
      const stream = [...inOrder(objects)];
      expect(stream.map((o) => o.at)).toEqual(lists.flat().toSorted((a, b) => a - b));
      for (const list of objects) expect(stream.filter((o) => o.event === list[0]?.event)).toEqual(list);
    }),
  );
});
