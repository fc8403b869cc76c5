import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ticks } from '../keep/mp4/boxes.codec.ts';
import { nextSlot, type Pace, type Slot } from './pace.rules.ts';

function run(times: readonly number[]): Slot[] {
  let pace: Pace | undefined;
  return times.map((time) => {
    const next = nextSlot(pace, time);
    pace = next.pace;
    return next.slot;
  });
}

test('there is never a hole or an overlap, whatever the camera does', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 10 * ticks }), { minLength: 2, maxLength: 100 }),
      (steps) => {
        let time = 0;
        const slots = run(steps.map((step) => (time += step)));
        for (const [i, slot] of slots.entries()) {
          expect(slot.duration).toBeGreaterThan(0);
          expect(slot.time).toBe(i === 0 ? 0 : slots[i - 1]!.time + slots[i - 1]!.duration);
        }
      },
    ),
  );
});

test('with jitter of half a picture the line keeps to the true times within one picture', () => {
  const step = ticks / 25;
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -step / 2, max: step / 2 }), { minLength: 200, maxLength: 200 }),
      (jitter) => {
        const times = jitter.map((j, i) => i * step + j);
        const slots = run(times);
        const errors = slots.map((slot, i) => slot.time - i * step).slice(60);
        const middle = errors.reduce((a, b) => a + b) / errors.length;
        expect(Math.max(...errors.map((error) => Math.abs(error - middle)))).toBeLessThan(step);
      },
    ),
  );
});

test('a pause is left out', () => {
  const step = ticks / 10;
  const times = Array.from({ length: 100 }, (_, i) => i * step + (i >= 50 ? 30 * ticks : 0));
  const slots = run(times);
  expect(slots.at(-1)!.time / ticks).toBeLessThan(11);
});
