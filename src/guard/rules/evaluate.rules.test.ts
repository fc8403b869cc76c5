import { expect, test } from 'vitest';
import type { Observation } from '#cctv/index.ts';
import type { Situation } from '../model.ts';
import { evaluate } from './evaluate.rules.ts';
import { house, noon, ruleOf, sight } from './fixture.ts';
import { newMemory, restoreMemory, saveMemory, type Memory } from './memory.rules.ts';

const at = (distance: number, sigma = 0, approach = 0) => ({
  references: { gate: { distance, sigma, approach } },
});
const kindOf = (
  rule: Record<string, unknown>,
  seen: Partial<Observation>,
  situation: Partial<Situation> = {},
) => evaluate(ruleOf(rule), sight(seen), house(situation), newMemory()).kind;

const gate = (operator: string, value = 5) => ({
  conditions: { distance_to_reference: { reference: 'gate', operator, value } },
});

test.each([
  ['<', 4.9, 'alert'],
  ['<', 5, 'no'],
  ['<', 5.1, 'no'],
  ['less_than', 5, 'no'],
  ['<=', 5, 'alert'],
  ['<=', 5.1, 'no'],
  ['within', 5, 'alert'],
  ['less_than_or_equal', 5, 'alert'],
  ['>', 5, 'no'],
  ['>', 5.1, 'alert'],
  ['greater_than', 5, 'no'],
  ['beyond', 5, 'no'],
  ['beyond', 5.1, 'alert'],
  ['>=', 5, 'alert'],
  ['>=', 4.9, 'no'],
  ['greater_than_or_equal', 5, 'alert'],
])('a distance %s 5 m holds at %d m: %s', (operator, distance, kind) => {
  expect(kindOf(gate(operator), at(distance))).toBe(kind);
});

test('a sum of fractions that should be the value is the value', () => {
  expect(kindOf(gate('<=', 0.3), at(0.1 + 0.2))).toBe('alert');
});

test.each([
  ['<', 5.2, 0.3, 'alert'],
  ['<', 5.3, 0.3, 'no'],
  ['>', 4.8, 0.3, 'alert'],
  ['>', 4.7, 0.3, 'no'],
  // Half of the value is the most that is granted, however little is known.
  ['<', 7.4, 50, 'alert'],
  ['<', 7.6, 50, 'no'],
  ['<', 7.6, Number.POSITIVE_INFINITY, 'no'],
])('%s 5 m seen at %d m with a standard deviation of %d m: %s', (operator, distance, sigma, kind) => {
  expect(kindOf(gate(operator), at(distance, sigma))).toBe(kind);
});

test('an alert names every gate that it passed with what was seen there', () => {
  const rule = ruleOf({
    ...gate('<'),
    cameras: ['front', 'back'],
    confidence_threshold: 0.6,
    zones: ['drive'],
  });
  const seen = sight({ ...at(4.2, 0.3, 1.2), zones: { drive: noon - 2_000 } });
  expect(evaluate(rule, seen, house(), newMemory())).toEqual({
    kind: 'alert',
    severity: 'warning',
    message: 'A person, 4 metres from the gate, coming closer',
    distance: 4.2,
    why: {
      score: 0.8,
      zones: ['drive'],
      reference: 'gate',
      distance: 4.2,
      sigma: 0.3,
      gates: expect.any(Array),
      situation: { mode: 'away', residents_home: [], arrived_lately: [], unknown_phones: 0 },
    },
    gates: [
      { gate: 'camera', passed: true, text: 'front, wanted front or back' },
      { gate: 'class', passed: true, text: 'person, wanted person' },
      { gate: 'in sight', passed: true, text: 'it is there' },
      { gate: 'confidence', passed: true, text: '0.80, wanted at least 0.60' },
      { gate: 'not a fixture', passed: true, text: 'it is no fixture of the place' },
      { gate: 'zone', passed: true, text: 'in drive, wanted drive' },
      { gate: 'distance', passed: true, text: '4.2 m ± 0.3 from gate, wanted < 5 m' },
      { gate: 'news', passed: true, text: 'not told of before' },
      { gate: 'arrival', passed: true, text: 'no resident has just arrived' },
      { gate: 'residents', passed: true, text: 'nobody is home' },
      { gate: 'cooldown', passed: true, text: 'no alert here before' },
    ],
  });
});

test('a distance on a camera without calibration says why the rule is silent', () => {
  const { gates } = evaluate(ruleOf(gate('<')), sight(), house(), newMemory());
  expect(gates.find((g) => g.gate === 'distance')).toEqual({
    gate: 'distance',
    passed: false,
    text: 'how far it is from gate is not known: camera front is not calibrated, or its feet are out of the picture',
  });
});

test.each([
  ['approaching', { approaching: 'gate' }, at(9, 0, 0.2), 'alert'],
  ['approaching too slowly', { approaching: 'gate' }, at(9, 0, 0.19), 'no'],
  ['leaving', { leaving: 'gate' }, at(9, 0, -0.2), 'alert'],
  ['not leaving', { leaving: 'gate' }, at(9, 0, 0.4), 'no'],
  ['to the left', { direction: 'left' }, { velocity: { x: -0.1, y: 0.02 } }, 'alert'],
  ['mostly down', { direction: 'left' }, { velocity: { x: -0.1, y: 0.2 } }, 'no'],
  ['standing', { direction: 'left' }, { velocity: { x: -0.01, y: 0 } }, 'no'],
  ['down', { direction: 'down' }, { velocity: { x: 0, y: 0.2 } }, 'alert'],
  ['fast enough', { speed: { operator: '>=', value: 7.2, unit: 'km/h' } }, { speed: 2 }, 'alert'],
  ['not fast enough', { speed: { operator: '>', value: 2 } }, { speed: 2 }, 'no'],
  ['of unknown speed', { speed: { operator: '<', value: 2 } }, {}, 'no'],
  ['standing still', { stationary: true }, { stationarySince: noon - 5_000 }, 'alert'],
  ['moving', { stationary: true }, {}, 'no'],
  ['wanted moving, standing', { stationary: false }, { stationarySince: noon - 5_000 }, 'no'],
  ['there for long enough', { dwell_seconds: 20 }, { bornAt: noon - 20_000 }, 'alert'],
  ['there for too short', { dwell_seconds: 20 }, { bornAt: noon - 19_999 }, 'no'],
])('%s', (_, conditions, seen, kind) => {
  expect(kindOf({ conditions }, seen)).toBe(kind);
});

test('loitering in a zone counts from its entry into that zone', () => {
  const rule = { zones: ['drive', 'porch'], conditions: { dwell_seconds: 10 } };
  const bornAt = noon - 60_000;
  expect(kindOf(rule, { bornAt, zones: { drive: noon - 10_000 } })).toBe('alert');
  expect(kindOf(rule, { bornAt, zones: { drive: noon - 9_000, lawn: noon - 60_000 } })).toBe('no');
  expect(kindOf(rule, { bornAt, zones: { drive: noon - 2_000, porch: noon - 11_000 } })).toBe('alert');
});

test('an outage of the camera or a restart does not begin the loitering of who stayed anew', () => {
  const rule = ruleOf({ zones: ['drive'], conditions: { dwell_seconds: 30 } });
  const distant = ruleOf({ id: 'near', conditions: { ...gate('<').conditions, dwell_seconds: 30 } });
  const kinds = (restart: boolean, left: boolean) => {
    let memory = newMemory();
    const seen = (s: number, since: number, inside = true) => {
      const zones = inside ? { drive: noon + since * 1_000 } : {};
      const o = sight({ ...at(inside ? 4 : 9), at: noon + s * 1_000, zones });
      return [rule, distant].map((r) => evaluate(r, o, house(), memory).kind);
    };
    seen(0, 0);
    seen(20, 0);
    if (left) seen(21, 21, false);
    if (restart) memory = restoreMemory(JSON.parse(JSON.stringify(saveMemory(memory, 0)))).memory;
    // Found again: its zones are counted from now on.
    return [seen(32, 32), seen(50, 32), seen(62, 32)].map(([a, b]) => (a === b ? a : [a, b]));
  };
  expect(kinds(false, false)).toEqual(['alert', 'no', 'no']);
  expect(kinds(true, false)).toEqual(['alert', 'no', 'no']);
  expect(kinds(false, true)).toEqual(['no', 'no', 'alert']);
});

test('loitering at a distance counts from when it came near, and a wobble of a few seconds does not begin it anew', () => {
  const rule = ruleOf({
    conditions: { ...gate('<').conditions, dwell_seconds: 10 },
  });
  const memory = newMemory();
  const kinds = [4, 4, 6, 4, 4, 4].map(
    (metres, i) =>
      evaluate(rule, sight({ ...at(metres), at: noon + i * 2_500, bornAt: noon - 60_000 }), house(), memory)
        .kind,
  );
  expect(kinds).toEqual(['no', 'no', 'no', 'no', 'alert', 'no']);
  const again = newMemory();
  const after = [4, 6, 6, 6, 4, 4].map(
    (metres, i) =>
      evaluate(rule, sight({ ...at(metres), at: noon + i * 2_500, bornAt: noon - 60_000 }), house(), again)
        .kind,
  );
  expect(after).toEqual(['no', 'no', 'no', 'no', 'no', 'no']);
});

test('crossing holds in one direction only', () => {
  const rule = ruleOf({ conditions: { crossing: { from: 'street', to: 'garden' } } });
  const walk = (...zones: string[]) => {
    const memory = newMemory();
    return zones.map(
      (zone, i) =>
        evaluate(rule, sight({ at: noon + i * 1_000, zones: { [zone]: noon + i * 1_000 } }), house(), memory)
          .kind,
    );
  };
  expect(walk('street', 'path', 'garden')).toEqual(['no', 'no', 'alert']);
  expect(walk('garden', 'path', 'street')).toEqual(['no', 'no', 'no']);
  // Where zones overlap, the one entered first is the one it came from.
  const both = (street: number, garden: number) =>
    evaluate(rule, sight({ zones: { street, garden } }), house(), newMemory()).kind;
  expect([both(noon - 2, noon - 1), both(noon - 1, noon - 2)]).toEqual(['alert', 'no']);
});

test('a count alerts once for the whole group, and counts only what is there at the same time and place', () => {
  const rule = ruleOf({ zones: ['yard'], cooldown: 0, conditions: { count: { operator: '>=', value: 3 } } });
  const memory = newMemory();
  const seen = (event: string, ms: number, over: Partial<Observation> = {}) =>
    evaluate(rule, sight({ event, at: noon + ms, zones: { yard: noon }, ...over }), house(), memory);
  expect(seen('a', 0).kind).toBe('no');
  expect(seen('b', 100).kind).toBe('no');
  expect(seen('far', 150, { zones: {} }).kind).toBe('no');
  expect(seen('dog', 160, { label: 'dog' }).kind).toBe('no');
  expect(seen('statue', 170, { furniture: true }).kind).toBe('no');
  expect(seen('c', 200)).toMatchObject({
    kind: 'alert',
    message: '3 people in the yard',
    why: { events: ['a', 'b'] },
  });
  expect(['a', 'b', 'c'].map((event) => seen(event, 400).kind)).toEqual(['no', 'no', 'no']);
  expect(seen('late', 9_000).gates.find((g) => g.gate === 'count')?.text).toBe(
    '1 at the same time, wanted >= 3',
  );
});

test.each([
  ['known', { is: 'known' }, { kind: 'face', name: 'sam', confidence: 0.9 }, 0, 'alert'],
  ['not known', { is: 'known' }, { kind: 'face', confidence: 0.9 }, 9_000, 'no'],
  ['another one', { is: 'known', names: ['alex'] }, { kind: 'face', name: 'sam', confidence: 0.9 }, 0, 'no'],
  [
    'that plate',
    { is: 'known', names: ['ab12 cde'] },
    { kind: 'plate', name: 'AB12CDE', confidence: 0.9 },
    0,
    'alert',
  ],
  ['a stranger', { is: 'unknown' }, { kind: 'face', confidence: 0.9 }, 0, 'alert'],
  ['nobody so far', { is: 'unknown' }, undefined, 2_999, 'no'],
  ['nobody after a while', { is: 'unknown' }, undefined, 3_000, 'alert'],
  ['a resident', { is: 'unknown' }, { kind: 'face', name: 'sam', confidence: 0.9 }, 9_000, 'no'],
  [
    'a plate, not a face',
    { is: 'known', kind: 'face' },
    { kind: 'plate', name: 'X1', confidence: 0.9 },
    0,
    'no',
  ],
] as const)('identity: %s', (_, identity, seen, age, kind) => {
  const over = { bornAt: noon - age, ...(seen === undefined ? {} : { identity: seen }) };
  expect(kindOf({ identity }, over)).toBe(kind);
});

test('a fixture never alerts; with stationary it does once, if it was ever seen to come', () => {
  expect(kindOf({}, { furniture: true })).toBe('no');
  const parking = ruleOf({ classes: ['car'], conditions: { stationary: true } });
  const seen = (memory: Memory, s: number, furniture: boolean) =>
    evaluate(
      parking,
      sight({ label: 'car', at: noon + s * 1000, stationarySince: noon, furniture }),
      house(),
      memory,
    ).kind;
  const statue = newMemory();
  expect(seen(statue, 0, true)).toBe('no');
  const parked = newMemory();
  expect([seen(parked, 0, false), seen(parked, 60, true), seen(parked, 3_600, true)]).toEqual([
    'alert',
    'no',
    'no',
  ]);
});

test('an object that is gone alerts no more, also when it is found again', () => {
  expect(kindOf({}, { ended: true })).toBe('no');
  const memory = newMemory();
  const seen = (s: number, over = {}) =>
    evaluate(ruleOf(), sight({ at: noon + s * 1000, ...over }), house(), memory).kind;
  expect([seen(0), seen(1, { ended: true }), seen(60)]).toEqual(['alert', 'no', 'no']);
});

const person = {};
const dog = { label: 'dog' };
const dogRule = { classes: ['dog'] };
const home = { mode: 'home', residentsHome: ['alex'] } as const;
test.each<[string, Record<string, unknown>, Partial<Observation>, Partial<Situation>, string, string?]>([
  ['nobody home', {}, person, {}, 'alert'],
  ['nobody can tell who is home', {}, person, { mode: 'home', residentsHome: undefined }, 'alert'],
  ['a resident is home', {}, person, home, 'held', 'alex is home'],
  [
    'two are home',
    {},
    person,
    { mode: 'home', residentsHome: ['alex', 'sam'] },
    'held',
    'alex and sam are home',
  ],
  ['a resident is home, at night', {}, person, { ...home, mode: 'night' }, 'alert'],
  [
    'at night, told to log',
    { presence: { residents_home: 'log' } },
    person,
    { ...home, mode: 'night' },
    'held',
    'alex is home',
  ],
  ['told to alert', { presence: { residents_home: 'alert' } }, person, home, 'alert'],
  ['written for the mode home', { home_mode: ['home'] }, person, home, 'alert'],
  ['a dog', dogRule, dog, home, 'alert'],
  [
    'a dog, told to log',
    { ...dogRule, presence: { residents_home: 'log' } },
    dog,
    home,
    'held',
    'alex is home',
  ],
  [
    'another mode',
    { home_mode: ['away', 'night'] },
    person,
    home,
    'held',
    'the house is in mode home, wanted away or night',
  ],
  [
    'another mode, and nobody can tell who is home',
    { home_mode: ['away'] },
    person,
    { mode: 'home', residentsHome: undefined, mayBeAway: true },
    'alert',
  ],
  [
    'another mode by the hour, and nobody can tell who is home',
    { home_mode: ['home'] },
    person,
    { mode: 'night', residentsHome: undefined, mayBeAway: true },
    'held',
    'the house is in mode night, or away, for nobody can tell who is home, wanted home',
  ],
  [
    'just arrived',
    { presence: { residents_home: 'alert' } },
    person,
    { ...home, arrivedLately: ['alex'] },
    'held',
    'alex just arrived',
  ],
  [
    'two just arrived',
    { presence: { residents_home: 'alert' } },
    person,
    { ...home, arrivedLately: ['alex', 'sam'] },
    'held',
    'alex and sam just arrived',
  ],
  [
    'just arrived, and the rule does not care',
    { presence: { residents_home: 'alert', arrivals: 'ignore' } },
    person,
    { ...home, arrivedLately: ['alex'] },
    'alert',
  ],
  ['just arrived explains no dog', dogRule, dog, { ...home, arrivedLately: ['alex'] }, 'alert'],
])('who is home: %s', (_, rule, seen, situation, kind, reason) => {
  const verdict = evaluate(ruleOf(rule), sight(seen), house(situation), newMemory());
  expect({ kind: verdict.kind, reason: verdict.kind === 'held' ? verdict.reason : undefined }).toEqual({
    kind,
    reason,
  });
});

test.each([
  ['info', 'raise', 'warning'],
  ['warning', 'raise', 'critical'],
  ['critical', 'raise', 'critical'],
  ['warning', 'ignore', 'warning'],
])('an unknown phone makes %s, told to %s it, %s', (severity, unknown_phone, expected) => {
  const rule = ruleOf({ severity, presence: { unknown_phone } });
  const phones = { unknownPhones: [{ id: 'p', since: noon - 40_000 }] };
  expect(evaluate(rule, sight(), house(phones), newMemory())).toMatchObject({
    kind: 'alert',
    severity: expected,
  });
});
