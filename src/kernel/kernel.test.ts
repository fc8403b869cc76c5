import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bus } from './bus.ts';
import { LaresError, reason } from './errors.ts';
import { isSeries, normaliseNode } from './reading.ts';

test.each([
  ['Living Room Lamp', 'living_room_lamp'],
  ['Küche', 'kuche'],
  ['tv-stick', 'tvstick'],
  ['a.b;c/../d\nhome.presence.x 1 1', 'abcd_homepresencex_1_1'],
  ['💡', 'unnamed'],
])('the node for %j is %s', (name, node) => expect(normaliseNode(name)).toBe(node));

test('no name from outside makes a path that is not one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 4_000 }), (name) => {
      expect(isSeries(`home.test.${normaliseNode(name)}`)).toBe(true);
    }),
  );
});

test.each(['home', 'home..x', 'home.X', 'home.x y', 'home.x\n', '.home.x', `home.${'x'.repeat(121)}`])(
  '%j is not a series',
  (path) => expect(isSeries(path)).toBe(false),
);

test('a listener that throws is reported and the others still hear', () => {
  const failures: string[] = [];
  const heard: number[] = [];
  const bus = new Bus<{ n: number }>((error, topic) => failures.push(`${topic}: ${reason(error)}`));
  bus.on('n', () => {
    throw new Error('broken');
  });
  const off = bus.on('n', (n) => heard.push(n));
  bus.emit('n', 1);
  off();
  bus.emit('n', 2);
  expect([heard, failures]).toEqual([[1], ['n: broken', 'n: broken']]);
});

test('an error says what to do about it, and its cause', () => {
  const errno = Object.assign(new Error('connect failed'), { code: 'ECONNREFUSED' });
  expect([
    new LaresError('AUTH_REFUSED', 'x').remedy,
    reason(errno),
    reason(new Error('', { cause: errno })),
    reason('text'),
  ]).toEqual(['fix-config', 'connect failed (ECONNREFUSED)', 'connect failed (ECONNREFUSED)', 'text']);
});
