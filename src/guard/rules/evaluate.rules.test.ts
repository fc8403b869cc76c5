import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Observation } from '#cctv/index.ts';
import type { Situation } from '../model.ts';
import { evaluate, judge } from './evaluate.rules.ts';
import { house, noon, ruleOf, sight } from './fixture.ts';
import { newMemory, recall, restoreMemory, saveMemory, type Memory } from './memory.rules.ts';

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

test('within its cooldown a second object is held and counted, at its end it alerts', () => {
  const rule = ruleOf({ cooldown: 30 });
  const memory = newMemory();
  const seen = (event: string, s: number) =>
    evaluate(rule, sight({ event, at: noon + s * 1000 }), house(), memory);
  expect(seen('a', 0).kind).toBe('alert');
  expect(seen('b', 10)).toMatchObject({
    kind: 'held',
    cause: 'cooldown',
    again: false,
    reason: 'last alert here 10 s ago, cooldown 30 s',
  });
  expect(seen('b', 11)).toMatchObject({ kind: 'held', again: true });
  expect(seen('c', 29.999)).toMatchObject({
    kind: 'held',
    again: false,
    reason: 'last alert here 30 s ago, 1 held since, cooldown 30 s',
  });
  expect(seen('a', 29.999).kind).toBe('no');
  const late = seen('d', 30);
  expect(late.kind).toBe('alert');
  expect(late.gates.find((g) => g.gate === 'cooldown')?.text).toBe(
    'last alert here 30 s ago, 2 held since, cooldown 30 s',
  );
});

test('a cooldown is of one class, camera and zone', () => {
  const rule = ruleOf({ classes: ['person', 'dog'], zones: ['drive', 'porch'] });
  const memory = newMemory();
  const seen = (event: string, over: Partial<Observation>) =>
    evaluate(rule, sight({ event, zones: { drive: noon }, ...over }), house(), memory).kind;
  expect(seen('a', {})).toBe('alert');
  expect(seen('b', {})).toBe('held');
  expect(seen('c', { label: 'dog' })).toBe('alert');
  expect(seen('d', { camera: 'back' })).toBe('alert');
  expect(seen('e', { zones: { porch: noon } })).toBe('alert');
  expect(seen('f', { zones: { drive: noon, porch: noon } })).toBe('held');
});

test('a clock that is set back does not make a cooldown last for hours', () => {
  const rule = ruleOf({ cooldown: 30 });
  const memory = newMemory();
  evaluate(rule, sight({ event: 'a' }), house(), memory);
  expect(evaluate(rule, sight({ event: 'b', at: noon - 3_600_000 }), house(), memory).kind).toBe('alert');
});

test('an object alerts once, also after its cooldown, unless it went away and came back', () => {
  const rule = ruleOf({ zones: ['drive'] });
  const memory = newMemory();
  const seen = (s: number, inside: boolean, over: Partial<Observation> = {}) =>
    evaluate(
      rule,
      sight({ at: noon + s * 1000, zones: inside ? { drive: noon } : {}, ...over }),
      house(),
      memory,
    ).kind;
  expect(seen(0, true)).toBe('alert');
  expect(seen(60, true)).toBe('no');
  // A wobble over the edge of the zone is no coming back.
  expect(seen(100, false)).toBe('no');
  expect(seen(110, true)).toBe('no');
  expect(seen(120, false)).toBe('no');
  expect(seen(160, true)).toBe('alert');
  // What stands still has not been away, whatever its outline did.
  const stationarySince = noon + 170_000;
  expect(seen(200, false, { stationarySince })).toBe('no');
  expect(seen(260, true, { stationarySince })).toBe('no');
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

test('an object that is gone alerts no more', () => {
  expect(kindOf({}, { ended: true })).toBe('no');
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
    'just arrived',
    { presence: { residents_home: 'alert' } },
    person,
    { ...home, arrivedLately: ['alex'] },
    'held',
    'alex has just arrived',
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

test('who was explained by an arrival stays explained when the minutes of grace are over', () => {
  const rule = ruleOf({ presence: { residents_home: 'alert' } });
  const memory = newMemory();
  const first = evaluate(rule, sight(), house({ arrivedLately: ['alex'] }), memory);
  const later = evaluate(rule, sight({ at: noon + 200_000 }), house(), memory);
  const stranger = evaluate(rule, sight({ event: 'e2', at: noon + 200_000 }), house(), memory);
  expect([first.kind, later.kind, stranger.kind]).toEqual(['held', 'held', 'alert']);
});

test('what was held because somebody was home alerts when they leave and it is still there', () => {
  const memory = newMemory();
  expect(evaluate(ruleOf(), sight(), house(home), memory).kind).toBe('held');
  expect(evaluate(ruleOf(), sight({ at: noon + 600_000 }), house(), memory).kind).toBe('alert');
});

test.each([
  ['the same file', (memory: Memory) => restoreMemory(JSON.parse(JSON.stringify(saveMemory(memory))))],
  [
    'the book alone',
    () => {
      const memory = newMemory();
      const row = { id: '1', at: noon, rule: 'rule', camera: 'front', event: 'e1', label: 'person' };
      recall(memory, [{ ...row, message: '', severity: 'warning', why: { zones: ['drive'] } }]);
      return memory;
    },
  ],
])('after a restart nothing is told twice: %s', (_, restart) => {
  const rule = ruleOf({ zones: ['drive'] });
  const before = newMemory();
  const zones = { drive: noon };
  expect(evaluate(rule, sight({ zones }), house(), before).kind).toBe('alert');
  const after = restart(before);
  expect(evaluate(rule, sight({ zones, at: noon + 60_000 }), house(), after).kind).toBe('no');
  expect(evaluate(rule, sight({ event: 'e2', zones, at: noon + 20_000 }), house(), after).kind).toBe('held');
  expect(evaluate(rule, sight({ event: 'e2', zones, at: noon + 30_000 }), house(), after).kind).toBe('alert');
});

test('a memory that cannot be read is an empty one', () => {
  for (const saved of [undefined, null, 'x', {}, { version: 2 }, { version: 1, told: [[1]] }])
    expect(restoreMemory(saved)).toEqual(newMemory());
});

test('a memory stays bounded, and forgets first what changed longest ago', () => {
  const memory = newMemory();
  const rule = ruleOf({ cooldown: 0 });
  for (let i = 0; i < 12_000; i += 1) judge(rule, sight({ event: `e${i}`, at: noon + i }), house(), memory);
  expect(memory.told.size).toBeLessThanOrEqual(10_000);
  expect(memory.present.get('front')!.size).toBeLessThanOrEqual(500);
  expect(evaluate(rule, sight({ event: 'e11999', at: noon + 12_000 }), house(), memory).kind).toBe('no');
});

const step = fc.record({
  event: fc.constantFrom('a', 'b', 'c', 'd'),
  camera: fc.constantFrom('front', 'back'),
  label: fc.constantFrom('person', 'dog'),
  gap: fc.integer({ min: 0, max: 20_000 }),
  zone: fc.option(fc.constantFrom('drive', 'porch')),
  distance: fc.integer({ min: 0, max: 20 }),
  still: fc.boolean(),
  home: fc.boolean(),
  ended: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
});
const rules = [
  ruleOf({ id: 'any', classes: ['person', 'dog'], cooldown: 30 }),
  ruleOf({ id: 'zones', zones: ['porch', 'drive'], cooldown: 45 }),
  ruleOf({ id: 'near', ...gate('<', 10), home_mode: ['away'], presence: { residents_home: 'alert' } }),
  ruleOf({ id: 'crowd', conditions: { count: { operator: '>', value: 1 } }, cooldown: 15 }),
  ruleOf({ id: 'loiter', conditions: { ...gate('<', 12).conditions, dwell_seconds: 15 } }),
];

function* story(steps: readonly (typeof step extends fc.Arbitrary<infer T> ? T : never)[]) {
  let now = noon;
  for (const s of steps) {
    now += s.gap;
    const seen = sight({
      event: `${s.camera}-${s.label}-${s.event}`,
      camera: s.camera,
      label: s.label,
      at: now,
      bornAt: noon,
      zones: s.zone === null ? {} : { [s.zone]: now },
      ...at(s.distance, 0.2),
      ...(s.still ? { stationarySince: now } : {}),
      ...(s.ended ? { ended: true } : {}),
    });
    const situation = s.home ? house({ ...home, at: now }) : house({ at: now });
    yield { seen, situation };
  }
}

test('property: no rule alerts twice within its cooldown for one class, camera and zone', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const memory = newMemory();
      const last = new Map<string, number>();
      for (const { seen, situation } of story(steps))
        for (const rule of rules) {
          if (evaluate(rule, seen, situation, memory).kind !== 'alert') continue;
          const zone = rule.zones === undefined ? '' : Object.keys(seen.zones)[0];
          const key = `${rule.id} ${seen.camera} ${seen.label} ${zone}`;
          expect(seen.at - (last.get(key) ?? -Infinity)).toBeGreaterThanOrEqual(rule.cooldown * 1000);
          last.set(key, seen.at);
        }
    }),
  );
});

test('property: the gates explain every verdict', () => {
  const holds = ['home mode', 'arrival', 'residents', 'cooldown'];
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const memory = newMemory();
      for (const { seen, situation } of story(steps))
        for (const rule of rules) {
          const { kind, gates } = evaluate(rule, seen, situation, memory);
          const failed = gates.filter((g) => !g.passed);
          const held = failed.filter((g) => holds.includes(g.gate));
          const why = held.length < failed.length ? 'no' : held.length > 0 ? 'held' : 'alert';
          expect(kind).toBe(why);
          for (const { text } of gates) expect(text).not.toMatch(/undefined|NaN|null|Infinity/);
        }
    }),
  );
});

test('property: the order of the rules does not matter, and judge says what evaluate says', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const [one, other, third] = [newMemory(), newMemory(), newMemory()];
      for (const { seen, situation } of story(steps)) {
        const forward = rules.map((r) => evaluate(r, seen, situation, one));
        const backward = rules.toReversed().map((r) => evaluate(r, seen, situation, other));
        expect(backward.toReversed()).toEqual(forward);
        const news = forward.map((v) => (v.kind === 'no' || (v.kind === 'held' && v.again) ? undefined : v));
        expect(rules.map((r) => judge(r, seen, situation, third))).toEqual(news);
      }
      expect(saveMemory(restoreMemory(saveMemory(one)))).toEqual(saveMemory(one));
    }),
  );
});
