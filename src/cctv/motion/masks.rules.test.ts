import { expect, it } from 'vitest';
import { liveMask, masked } from './masks.rules.ts';

const lowerLeft = [
  { x: 0, y: 0.5 },
  { x: 0.5, y: 0.5 },
  { x: 0.5, y: 1 },
  { x: 0, y: 1 },
];

it('marks the pixels whose middle lies within a mask', () => {
  expect([...liveMask(4, 4, [lowerLeft])]).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]);
  expect([...liveMask(2, 1, [])]).toEqual([1, 1]);
});

it('copes with masks that reach out of the picture', () => {
  const huge = lowerLeft.map(({ x, y }) => ({ x: x * 9 - 2, y: y * 9 - 6 }));
  expect([...liveMask(2, 2, [huge])]).toEqual([0, 0, 0, 0]);
});

it('masks an object by where it stands, not by what it covers', () => {
  const standing = { left: 0.1, top: 0.1, width: 0.2, height: 0.6 };
  expect(masked(standing, [lowerLeft])).toBe(true);
  expect(masked({ ...standing, height: 0.3 }, [lowerLeft])).toBe(false);
  expect(masked({ ...standing, left: 0.6 }, [lowerLeft])).toBe(false);
  expect(masked(standing, [])).toBe(false);
});

it('masks an object whose box is cut by the lower edge', () => {
  expect(masked({ left: 0.1, top: 0.4, width: 0.2, height: 0.6 }, [lowerLeft])).toBe(true);
});
