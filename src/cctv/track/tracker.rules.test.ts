import { expect, test } from 'vitest';
import type { Detection } from '../model.ts';
import { Tracker } from './tracker.rules.ts';

const person = (left: number, top = 0.4, score = 0.8): Detection => ({
  box: { left, top, width: 0.05, height: 0.2 },
  label: 'person',
  score,
});

test('somebody who walks through the picture is one object from the third frame on', () => {
  const tracker = new Tracker({ aspect: 4 / 3 });
  const seen = Array.from({ length: 10 }, (_, i) =>
    tracker.step(i * 200, [person(0.1 + i * 0.02)]).tracks.map(({ id, state }) => `${id} ${state}`),
  );
  expect(seen).toEqual([
    ['1 tentative'],
    ['1 tentative'],
    ...Array.from({ length: 8 }, () => ['1 confirmed']),
  ]);
});
