import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Identity } from '../model.ts';
import { vote, withReading } from './vote.rules.ts';

const face = (name: string | undefined, confidence = 0.8): Identity => ({
  kind: 'face',
  ...(name !== undefined && { name }),
  confidence,
});
const plate = (text: string, confidence: number, name?: string): Identity => ({
  kind: 'plate',
  text,
  ...(name !== undefined && { name }),
  confidence,
});

test('one picture names nobody', () => {
  expect(vote([face('alex')], 2)).toBeUndefined();
  expect(vote([], 1)).toBeUndefined();
});

test('a name is told once as many pictures as asked for agree and outnumber the others', () => {
  expect(vote([face('alex', 0.6), face('alex', 0.8)], 2)).toEqual(face('alex', 0.7));
  expect(vote([face('alex'), face(undefined), face('alex')], 2)).toEqual(face('alex'));
  expect(vote([face('alex'), face('sam'), face('alex'), face('sam')], 2)?.name).toBeUndefined();
});

test('pictures of a face that nobody knows make a stranger', () => {
  expect(vote([face(undefined, 0.7), face(undefined, 0.9)], 2)).toEqual({ kind: 'face', confidence: 0.8 });
});

test('of several readings of an unknown plate the one with most behind it is told, for as much as it is worth', () => {
  const identity = vote([plate('AB123', 0.9), plate('A8123', 0.9), plate('AB123', 0.7)], 2);
  expect(identity).toEqual({ kind: 'plate', text: 'AB123', confidence: (0.8 * 2) / 3 });
});

test('a known plate keeps its name where single characters were misread', () => {
  const identity = vote([plate('AB123', 0.9, 'car'), plate('A8123', 0.8, 'car')], 2);
  expect(identity).toMatchObject({ name: 'car', text: 'AB123' });
});

const reading = fc
  .record({
    name: fc.option(fc.constantFrom('alex', 'sam'), { nil: undefined }),
    confidence: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ name, confidence }) => face(name, confidence));

test('a name that is told was said by more than half of the pictures and by enough of them', () => {
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 12 }), fc.integer({ min: 1, max: 10 }), (list, agreeing) => {
      const said = vote(list, agreeing);
      if (list.length < agreeing) return said === undefined;
      if (said === undefined) return list.length === 0;
      const those = list.filter((r) => r.name === said.name);
      return (
        said.confidence >= 0 &&
        said.confidence <= 1 + 1e-9 &&
        (said.name === undefined || (those.length >= agreeing && those.length * 2 > list.length))
      );
    }),
  );
});

test('the order of the pictures does not matter for the name', () => {
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 10 }), fc.integer({ min: 1, max: 4 }), (list, agreeing) => {
      expect(vote(list.toReversed(), agreeing)?.name).toBe(vote(list, agreeing)?.name);
    }),
  );
});

test('what a long stay showed at its beginning no longer counts', () => {
  let readings: readonly Identity[] = [];
  for (let i = 0; i < 30; i += 1) readings = withReading(readings, face(i < 20 ? 'sam' : 'alex'));
  expect(readings).toHaveLength(12);
  expect(vote(readings, 2)?.name).toBe('alex');
});
