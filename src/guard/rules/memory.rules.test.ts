import { expect, test } from 'vitest';
import type { Observation } from '#cctv/index.ts';
import { evaluate, judge } from './evaluate.rules.ts';
import { house, noon, ruleOf, sight } from './fixture.ts';
import { newMemory, recall, restoreMemory, saveMemory, type Memory } from './memory.rules.ts';

const home = { mode: 'home', residentsHome: ['alex'] } as const;

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

test('what comes back and is held again is written down again', () => {
  const rule = ruleOf({ zones: ['drive'] });
  const memory = newMemory();
  const seen = (event: string, s: number, inside = true) =>
    evaluate(
      rule,
      sight({ event, at: noon + s * 1000, zones: inside ? { drive: noon } : {} }),
      house(),
      memory,
    );
  expect(seen('other', 0).kind).toBe('alert');
  expect(seen('it', 10)).toMatchObject({ kind: 'held', again: false });
  expect(seen('it', 30).kind).toBe('alert');
  seen('it', 40, false);
  expect(seen('third', 70).kind).toBe('alert');
  expect(seen('it', 80)).toMatchObject({ kind: 'held', cause: 'cooldown', again: false });
});

test('an object whose end was missed is forgotten', () => {
  const memory = newMemory();
  const crowd = ruleOf({ conditions: { count: { operator: '>', value: 9 } } });
  evaluate(crowd, sight({ event: 'a' }), house(), memory);
  evaluate(crowd, sight({ event: 'b', at: noon + 600_000 }), house(), memory);
  expect([...memory.present.get('front')!.keys()]).toEqual(['a', 'b']);
  evaluate(crowd, sight({ event: 'c', at: noon + 600_001 }), house(), memory);
  expect([...memory.present.get('front')!.keys()]).toEqual(['b', 'c']);
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
  [
    'the same file',
    (memory: Memory) => restoreMemory(JSON.parse(JSON.stringify(saveMemory(memory, 0)))).memory,
  ],
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
    expect(restoreMemory(saved)).toEqual({ memory: newMemory(), at: Number.NEGATIVE_INFINITY });
});

test('what nobody saw for an hour is forgotten little by little, what is still there is not', () => {
  const memory = newMemory();
  const rule = ruleOf({ cooldown: 0 });
  const hour = 3_600_000;
  for (let i = 0; i < 100; i += 1) judge(rule, sight({ event: `old${i}` }), house(), memory);
  judge(rule, sight({ event: 'old7', at: noon + hour }), house(), memory);
  for (let i = 0; i < 100; i += 1)
    judge(rule, sight({ event: `new${i}`, at: noon + hour + 1 }), house(), memory);
  expect(memory.told.size).toBe(101);
  expect(evaluate(rule, sight({ event: 'old7', at: noon + hour + 2 }), house(), memory).kind).toBe('no');
});

test('a memory stays bounded, and forgets first what changed longest ago', () => {
  const memory = newMemory();
  const rule = ruleOf({ cooldown: 0 });
  for (let i = 0; i < 12_000; i += 1) judge(rule, sight({ event: `e${i}`, at: noon + i }), house(), memory);
  expect(memory.told.size).toBeLessThanOrEqual(10_000);
  expect(memory.present.get('front')!.size).toBeLessThanOrEqual(500);
  expect(evaluate(rule, sight({ event: 'e11999', at: noon + 12_000 }), house(), memory).kind).toBe('no');
});
