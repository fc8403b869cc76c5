import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate, judge } from './evaluate.rules.ts';
import { house, noon, ruleOf, sight } from './fixture.ts';
import { newMemory, restoreMemory, saveMemory } from './memory.rules.ts';

const home = { mode: 'home', residentsHome: ['alex'] } as const;
const at = (distance: number, sigma = 0, approach = 0) => ({
  references: { gate: { distance, sigma, approach } },
});
const gate = (operator: string, value = 5) => ({
  conditions: { distance_to_reference: { reference: 'gate', operator, value } },
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
      const { memory: again, at: savedAt } = restoreMemory(saveMemory(one, noon));
      expect(saveMemory(again, savedAt)).toEqual(saveMemory(one, noon));
    }),
  );
});
