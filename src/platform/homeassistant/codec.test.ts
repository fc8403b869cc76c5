import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { applyEntities, decodeMessages, parseState } from './codec.ts';
import type { EntityState } from './model.ts';
import { difference, full, rest, type Kept } from './sim.codec.ts';

const known = (state: Partial<EntityState> = {}): EntityState => ({
  entity: 'person.alex',
  state: 'home',
  attributes: {},
  changedAt: 1_000,
  ...state,
});

test('one text holds one message or several, and types of newer servers are skipped', () => {
  expect(decodeMessages('{"type":"auth_required","ha_version":"2026.11.1"}')).toEqual([
    { type: 'auth_required' },
  ]);
  expect(
    decodeMessages(
      '[{"id":3,"type":"pong"},{"id":4,"type":"result","success":false,"error":{"code":"id_reuse","message":"no"}},{"type":"news"}]',
    ),
  ).toEqual([
    { type: 'pong', id: 3 },
    { type: 'result', id: 4, success: false, error: 'id_reuse: no' },
  ]);
});

test('an event adds, changes by difference and removes', () => {
  const added = applyEntities(new Map(), {
    a: {
      'person.alex': { s: 'home', a: { source: 'device_tracker.phone', editable: true }, c: 'x', lc: 1.5 },
    },
  });
  expect(added).toEqual({
    touched: ['person.alex'],
    table: new Map([
      [
        'person.alex',
        known({ attributes: { source: 'device_tracker.phone', editable: true }, changedAt: 1_500 }),
      ],
    ]),
  });
  const moved = applyEntities(added.table, {
    c: { 'person.alex': { '+': { s: 'not_home', a: { latitude: 1 }, lc: 2 }, '-': { a: ['source'] } } },
  });
  expect([...moved.table.values()]).toEqual([
    known({ state: 'not_home', attributes: { editable: true, latitude: 1 }, changedAt: 2_000 }),
  ]);
  const updated = applyEntities(moved.table, {
    c: { 'person.alex': { '+': { a: { latitude: 2 }, lu: 3 } } },
  });
  expect(updated.table.get('person.alex')?.changedAt).toBe(2_000);
  expect(applyEntities(updated.table, { r: ['person.alex'] })).toEqual({
    touched: ['person.alex'],
    table: new Map(),
  });
});

test('a change of an entity that was never added is ignored', () => {
  expect(applyEntities(new Map(), { c: { 'person.sam': { '+': { s: 'home' } } } })).toEqual({
    touched: [],
    table: new Map(),
  });
});

const kept: fc.Arbitrary<Kept> = fc
  .record({
    state: fc.constantFrom('home', 'not_home', 'Work', 'unknown', 'unavailable', 'Straße\n'),
    attributes: fc.dictionary(fc.string({ maxLength: 8 }), fc.jsonValue({ maxDepth: 2 }), {
      maxKeys: 5,
      noNullPrototype: true,
    }),
    changed: fc.integer({ min: 0, max: 4e12 }),
    context: fc.string(),
  })
  .map((k) => ({ ...k, updated: k.changed }));

test('differences lead to the same state that REST would have told', () => {
  fc.assert(
    fc.property(fc.array(kept, { minLength: 1, maxLength: 6 }), (history) => {
      let table: ReadonlyMap<string, EntityState> = new Map();
      let before: Kept | undefined;
      for (const next of history) {
        // Home Assistant keeps the instant of the change while the state stays.
        const now =
          before !== undefined && before.state === next.state ? { ...next, changed: before.changed } : next;
        const event =
          before === undefined
            ? { a: { 'person.alex': full(now) } }
            : { c: { 'person.alex': difference(before, now) } };
        ({ table } = applyEntities(table, JSON.parse(JSON.stringify(event))));
        before = now;
      }
      const told = parseState(JSON.parse(JSON.stringify(rest('person.alex', before!))));
      expect(table.get('person.alex')).toEqual(told);
    }),
  );
});

/** `read`, or the code of the error. */
function outcome(parse: () => unknown): string {
  try {
    parse();
    return 'read';
  } catch (error) {
    return error instanceof LaresError ? error.code : String(error);
  }
}

test('nothing that a peer can send does worse than a refusal', () => {
  const message = fc.record(
    {
      type: fc.oneof(
        fc.constantFrom('event', 'result', 'pong', 'auth_invalid', '__proto__', 'constructor'),
        fc.jsonValue(),
      ),
      id: fc.jsonValue(),
      event: fc.jsonValue(),
      error: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        message.map((m) => JSON.stringify(m)),
      ),
      (body) => {
        expect(outcome(() => decodeMessages(body))).toMatch(/^(read|BAD_REPLY)$/);
        expect(outcome(() => parseState(JSON.parse(JSON.stringify(body))))).toMatch(/^(read|BAD_REPLY)$/);
      },
    ),
  );
  const part = fc.dictionary(
    fc.string(),
    fc.oneof(fc.jsonValue(), fc.record({ '+': fc.jsonValue(), '-': fc.jsonValue() })),
  );
  fc.assert(
    fc.property(fc.record({ a: part, c: part, r: fc.jsonValue() }), (event) => {
      expect(outcome(() => applyEntities(new Map([['person.alex', known()]]), event))).toBe('read');
    }),
  );
});
