import { expect, test } from 'vitest';
import { Backlog } from './backlog.rules.ts';

test('what waits is looked at in its order', () => {
  const backlog = new Backlog<number>(3);
  expect([1, 2, 3].map((n) => backlog.push(n))).toEqual([[], [], []]);
  expect([backlog.take(), backlog.take(), backlog.take(), backlog.take()]).toEqual([1, 2, 3, undefined]);
});

test('only the newest stays when more wait than can be caught up with, and each of the others is told', () => {
  const backlog = new Backlog<number>(3);
  const given = Array.from({ length: 10 }, (_, n) => backlog.push(n));
  expect(given).toEqual([[], [], [], [0, 1, 2], [], [], [3, 4, 5], [], [], [6, 7, 8]]);
  expect(backlog.clear()).toEqual([9]);
  expect(backlog.take()).toBeUndefined();
});
