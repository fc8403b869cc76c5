import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Box, Detection, Track } from '../model.ts';
import { aspect, at, ids, states } from './fixture.ts';
import { Tracker } from './tracker.rules.ts';

describe('whatever a detector says', () => {
  const box = fc.record({
    left: fc.double({ min: -0.2, max: 1, noNaN: true }),
    top: fc.double({ min: -0.2, max: 1, noNaN: true }),
    width: fc.double({ min: 0.001, max: 0.6, noNaN: true }),
    height: fc.double({ min: 0.001, max: 0.9, noNaN: true }),
  });
  const detection = fc.record({
    box,
    label: fc.constantFrom('person', 'car', 'truck'),
    score: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  const frames = fc.array(
    fc.record({
      wait: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.constantFrom(0, -500, 60_000)),
      detections: fc.array(detection, { maxLength: 8 }),
    }),
    { minLength: 1, maxLength: 25 },
  );
  type Frames = readonly { wait: number; detections: Detection[] }[];
  const run = (script: Frames, change = (d: Detection[]): Detection[] => d) => {
    const tracker = new Tracker({ aspect });
    let now = 1_700_000_000_000;
    return script.map(({ wait, detections }) => tracker.step((now += wait), change(detections)));
  };
  const numbersOf = ({ box: b, velocity, score, bornAt, seenAt, hits }: Track) => [
    b.left,
    b.top,
    b.width,
    b.height,
    velocity.x,
    velocity.y,
    score,
    bornAt,
    seenAt,
    hits,
  ];

  test('ids are unique, numbers are numbers, and what has ended never comes back', () => {
    fc.assert(
      fc.property(frames, (script) => {
        const over = new Set<number>();
        const alive = new Set<number>();
        for (const { tracks, ended } of run(script)) {
          expect(new Set(ids(tracks)).size).toBe(tracks.length);
          expect(tracks.flatMap((t) => numbersOf(t)).every(Number.isFinite)).toBe(true);
          for (const t of tracks) {
            expect(over.has(t.id)).toBe(false);
            expect(t.box.width > 0 && t.box.height > 0 && t.bornAt <= t.seenAt).toBe(true);
            if (t.state !== 'tentative') alive.add(t.id);
          }
          for (const id of ended) {
            expect(alive.delete(id)).toBe(true);
            over.add(id);
          }
          const now = new Set(ids(tracks));
          expect([...alive].every((id) => now.has(id))).toBe(true);
        }
      }),
      { numRuns: 150 },
    );
  });

  test('people on ways of their own are as many as they are, however boxes wobble and frames fail', () => {
    const way = fc.record({
      speed: fc.double({ min: -0.06, max: 0.06, noNaN: true }),
      errors: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 3, maxLength: 17 }),
      misses: fc.array(fc.boolean(), { minLength: 5, maxLength: 13 }),
    });
    fc.assert(
      fc.property(
        fc.array(way, { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom(100, 150, 200, 300), { minLength: 40, maxLength: 80 }),
        (ways, waits) => {
          const tracker = new Tracker({ aspect });
          const believed = new Set<number>();
          let now = 0;
          for (const [i, wait] of waits.entries()) {
            now += wait;
            const seen = ways.flatMap(({ speed, errors, misses }, lane) => {
              // Never missed in the first second, and never twice in a row.
              if (i > 8 && i % 2 === 1 && misses[i % misses.length]!) return [];
              const error = errors[i % errors.length]!;
              const left = 0.48 + (speed * now) / 2000 + error * 0.004;
              return [at('person', left, 0.02 + lane * 0.25, 0.05 + error * 0.004, 0.2 + error * 0.008, 0.8)];
            });
            for (const t of tracker.step(now, seen).tracks) if (t.state === 'confirmed') believed.add(t.id);
          }
          expect(believed.size).toBe(ways.length);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('the order in which it says it does not matter', () => {
    fc.assert(
      fc.property(frames, (script) => {
        expect(run(script, (d) => d.toReversed())).toEqual(run(script));
      }),
      { numRuns: 60 },
    );
  });

  test('a mirrored world gives mirrored tracks', () => {
    const flip = (b: Box): Box => ({ ...b, left: 1 - b.left - b.width });
    fc.assert(
      fc.property(frames, (script) => {
        const mirrored = run(script, (all) => all.map((d) => ({ ...d, box: flip(d.box) })));
        for (const [i, { tracks, ended }] of run(script).entries()) {
          expect(mirrored[i]!.ended).toEqual(ended);
          expect(states(mirrored[i]!.tracks)).toEqual(states(tracks));
          for (const [k, t] of tracks.entries()) {
            expect(mirrored[i]!.tracks[k]!.box.left).toBeCloseTo(flip(t.box).left, 6);
            expect(mirrored[i]!.tracks[k]!.velocity.x).toBeCloseTo(-t.velocity.x, 6);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
