import { expect, test } from 'vitest';
import { duration, localTime, table } from './table.ts';

test('columns line up and nothing from outside reaches the terminal', () => {
  expect(
    table(
      ['IP', 'NAME'],
      [
        ['10.0.0.5', 'tv\u001b[31m'],
        ['10.0.0.15', ''],
      ],
    ),
  ).toBe('IP         NAME\n10.0.0.5   tv\uFFFD[31m\n10.0.0.15');
});

test.each([
  [59_000, '59 s'],
  [131_000, '2 min 11 s'],
  [11_520_000, '3 h 12 min'],
  [90_000_000, '1 d 1 h'],
])('%i ms reads as %s', (ms, text) => expect(duration(ms)).toBe(text));

test('instants are shown in the time zone of the home', () => {
  expect([localTime(0, 'Europe/London'), localTime(undefined)]).toEqual(['1970-01-01 01:00:00', 'never']);
});
