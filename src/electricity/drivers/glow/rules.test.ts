import { expect, test } from 'vitest';
import { start } from './fixture.ts';
import { judge } from './rules.ts';

test.each([
  ['just now', 'electricity', start - 10_000, false, undefined, 'new', start - 10_000],
  ['kept by the broker, but of now', 'electricity', start - 10_000, true, undefined, 'new', start - 10_000],
  ['kept for hours', 'electricity', start - 7_200_000, true, undefined, 'old', start - 7_200_000],
  ['kept, without an instant', 'electricity', undefined, true, undefined, 'old', start],
  ['live, without an instant', 'electricity', undefined, false, undefined, 'new', start],
  ['told before', 'electricity', start - 10_000, false, start - 10_000, 'again', start - 10_000],
  ['a display that runs ahead', 'electricity', start + 3_600_000, false, start - 1, 'new', start],
  [
    'a gas meter that sleeps half an hour',
    'gas',
    start - 1_900_000,
    false,
    undefined,
    'new',
    start - 1_900_000,
  ],
] as const)('age of a message: %s', (_, medium, at, retained, told, age, of) =>
  expect(judge({ at, medium }, retained, told, start)).toEqual({ age, at: of }),
);
