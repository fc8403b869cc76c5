import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { iou } from '../box.rules.ts';
import type { Box, Detection, Track } from '../model.ts';
import { assign } from './assign.rules.ts';
import { lookFps, needsLook } from './attention.rules.ts';
import { improves, pictureQuality } from './best.rules.ts';
import { Blame } from './blame.rules.ts';
import { planFor } from './fixture.ts';
import { fitInto, toPicture } from './letterbox.rules.ts';
import { Pace } from './pace.rules.ts';
import { mergeFound, planRegions } from './regions.rules.ts';
import { wantedStreams } from './streams.rules.ts';

const box = (left: number, top: number, width: number, height: number): Box => ({ left, top, width, height });
const person = (b: Box, score = 0.8): Detection => ({ box: b, label: 'person', score });

describe('pace', () => {
  const taken = (cameraFps: number, fps: number, skip = 0, seconds = 10) => {
    const pace = new Pace(skip);
    let count = 0;
    for (let i = 0; i < cameraFps * seconds; i += 1) if (pace.take((i * 1000) / cameraFps, fps)) count += 1;
    return count / seconds;
  };

  test('takes so many frames a second as asked for, from any rate', () => {
    expect([10, 15, 20, 25, 30].map((rate) => Math.round(taken(rate, 5)))).toEqual([5, 5, 5, 5, 5]);
    expect(taken(4, 5)).toBe(4);
  });

  test('skips frames before it counts', () => {
    expect(taken(10, 20, 1)).toBe(5);
    expect(taken(10, 20, 4)).toBe(2);
  });

  test('goes on after the clock was set back', () => {
    const pace = new Pace(0);
    pace.take(1e9, 5);
    expect([0, 200, 400, 600].map((at) => pace.take(at, 5)).filter(Boolean).length).toBeGreaterThanOrEqual(2);
  });
});

describe('streams', () => {
  const record = {
    mode: 'continuous',
    folder: '/r',
    segmentSeconds: 1,
    preSeconds: 1,
    postSeconds: 1,
  } as const;
  const plan = planFor('yard', 'rtsp://a/sub', {
    urls: { detect: 'rtsp://a/sub', record: 'rtsp://a/main' },
    record,
  });
  const shown = (p: typeof plan, demand: { watched: boolean; picture: boolean }) =>
    Object.fromEntries([...wantedStreams(p, demand)].map(([url, w]) => [url, [[...w.roles], w.decode]]));
  const nobody = { watched: false, picture: false };

  test('only what is looked at is decoded', () => {
    expect(shown(plan, nobody)).toEqual({
      'rtsp://a/sub': [['detect'], true],
      'rtsp://a/main': [['record'], false],
    });
  });

  test('a camera that has nothing to do opens nothing, until somebody watches or asks', () => {
    const idle = planFor('yard', 'rtsp://a/sub', { detect: false });
    expect(shown(idle, nobody)).toEqual({});
    expect(shown(idle, { watched: true, picture: false })).toEqual({ 'rtsp://a/sub': [['live'], false] });
    expect(shown(idle, { watched: false, picture: true })).toEqual({ 'rtsp://a/sub': [[], true] });
  });

  test('a picture is taken from what is open', () => {
    const kept = { ...plan, detect: false };
    expect(shown(kept, { watched: false, picture: true })).toEqual({ 'rtsp://a/main': [['record'], true] });
  });
});

describe('regions', () => {
  const picture = { width: 1920, height: 1080 };
  const input = { width: 416, height: 256 };

  test('are cut around small things at full resolution, and not where they would gain nothing', () => {
    const wish = { boxes: [box(0.5, 0.5, 0.02, 0.06)], picture, input, limit: 2, turn: 0 };
    const [crop] = planRegions(wish);
    expect([crop!.width * 1920, crop!.height * 1080].map(Math.round)).toEqual([416, 256]);
    expect(planRegions({ ...wish, boxes: [box(0.4, 0.4, 0.2, 0.4)] })).toEqual([]);
    expect(planRegions({ ...wish, picture: { width: 416, height: 256 } })).toEqual([]);
    expect(planRegions({ ...wish, limit: 0 })).toEqual([]);
  });

  test('take turns when there are more places than the limit', () => {
    const boxes = [0.05, 0.35, 0.65, 0.95].map((x) => box(x - 0.01, 0.5, 0.02, 0.05));
    const seen = [0, 1].flatMap((turn) => planRegions({ boxes, picture, input, limit: 2, turn }));
    expect(new Set(seen.map((c) => c.left)).size).toBe(4);
  });

  const unit = fc.double({ min: 0, max: 0.95, noNaN: true });
  const small = fc.tuple(unit, unit).map(([x, y]) => box(x, y, 0.02, 0.03));
  test('lie within the picture, and each small thing lies within one of them', () => {
    fc.assert(
      fc.property(fc.array(small, { maxLength: 12 }), (boxes) => {
        const crops = planRegions({ boxes, picture, input, limit: 99, turn: 0 });
        for (const c of crops) {
          expect(Math.min(c.left, c.top)).toBeGreaterThanOrEqual(0);
          expect(Math.max(c.left + c.width, c.top + c.height)).toBeLessThanOrEqual(1 + 1e-9);
        }
        const holds = (c: Box, b: Box) =>
          b.left >= c.left - 1e-9 &&
          b.top >= c.top - 1e-9 &&
          b.left + b.width <= c.left + c.width + 1e-9 &&
          b.top + b.height <= c.top + c.height + 1e-9;
        for (const b of boxes) expect(crops.some((c) => holds(c, b))).toBe(true);
      }),
    );
  });

  test('an object seen twice counts once, and a cut box loses against a whole one', () => {
    const whole = { part: box(0, 0, 1, 1), detections: [person(box(0.5, 0.5, 0.1, 0.3), 0.6)] };
    const crop = { part: box(0.4, 0.4, 0.2, 0.25), detections: [person(box(0.5, 0.5, 0.1, 0.15), 0.95)] };
    expect(mergeFound([whole, crop])).toEqual(whole.detections);
    const same = { part: box(0.4, 0.4, 0.3, 0.5), detections: [person(box(0.5, 0.5, 0.1, 0.29), 0.9)] };
    expect(mergeFound([whole, same])).toEqual(same.detections);
    const far = { part: box(0, 0, 0.3, 0.3), detections: [person(box(0.1, 0.1, 0.01, 0.03))] };
    expect(mergeFound([whole, far])).toHaveLength(2);
  });
});

test('a box found in a crop is given back where it is in the picture', () => {
  const size = fc.record({
    width: fc.integer({ min: 64, max: 4000 }),
    height: fc.integer({ min: 64, max: 4000 }),
  });
  const part = fc
    .tuple(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 60 }), fc.integer({ min: 20, max: 40 }))
    .map(([x, y, w]) => box(x / 100, y / 100, w / 100, w / 100));
  fc.assert(
    fc.property(size, part, (picture, where) => {
      const input = { width: 416, height: 256 };
      const fit = fitInto(where, picture, input);
      const { inside } = fit;
      const all = box(0, 0, inside.width / input.width, inside.height / input.height);
      const back = toPicture(all, fit)!;
      expect(iou(back, fit.part)).toBeGreaterThan(0.999);
      expect(Math.abs(fit.part.left - where.left) * picture.width).toBeLessThanOrEqual(2);
      expect(fit.crop.x % 2).toBe(0);
    }),
  );
});

describe('attention', () => {
  const track = (more: Partial<Track>): Track => ({
    id: 1,
    label: 'person',
    score: 0.8,
    box: box(0.4, 0.4, 0.1, 0.2),
    velocity: { x: 0, y: 0 },
    bornAt: 0,
    seenAt: 0,
    hits: 5,
    state: 'confirmed',
    ...more,
  });

  test('an empty or parked scene is hardly looked at, a moving object always', () => {
    expect(needsLook([], 0, 1e6)).toBe(false);
    expect(needsLook([track({})], 0, 200)).toBe(true);
    const parked = track({ stationarySince: 0 });
    expect([5000, 10_000].map((at) => needsLook([parked], 0, at))).toEqual([false, true]);
    const lost = track({ state: 'lost' });
    expect([500, 1000].map((at) => needsLook([lost], 0, at))).toEqual([false, true]);
  });

  test('a new object is looked at more often until it is believed or gone', () => {
    const fresh = track({ state: 'tentative', bornAt: 1000 });
    expect([lookFps([fresh], 5, 1200), lookFps([fresh], 5, 9000), lookFps([track({})], 5, 1200)]).toEqual([
      10, 5, 5,
    ]);
  });
});

test('a better picture is surer, larger, whole and sharp', () => {
  const base = pictureQuality(0.8, box(0.4, 0.4, 0.1, 0.2), 10);
  expect(pictureQuality(0.9, box(0.4, 0.4, 0.1, 0.2), 10)).toBeGreaterThan(base);
  expect(pictureQuality(0.8, box(0.4, 0.4, 0.2, 0.4), 10)).toBeGreaterThan(base);
  expect(pictureQuality(0.8, box(0, 0.4, 0.1, 0.2), 10)).toBeLessThan(base);
  expect(pictureQuality(0.8, box(0.4, 0.4, 0.1, 0.2), 2)).toBeLessThan(base);
  expect(improves(undefined, { quality: 0.1, at: 0 })).toBe(true);
  expect(improves({ quality: 1, at: 0 }, { quality: 1.1, at: 5000 })).toBe(false);
  expect(improves({ quality: 1, at: 0 }, { quality: 2, at: 500 })).toBe(false);
  expect(improves({ quality: 1, at: 0 }, { quality: 2, at: 1500 })).toBe(true);
});

describe('processes', () => {
  test('cameras stay where they are when others come and go', () => {
    const five = assign(new Map(), ['a', 'b', 'c', 'd', 'e'], new Set(), 4);
    expect([...five]).toEqual([
      [0, ['a', 'b', 'c', 'd']],
      [1, ['e']],
    ]);
    expect([...assign(five, ['a', 'c', 'd', 'e', 'f'], new Set(), 4)]).toEqual([
      [0, ['a', 'c', 'd', 'f']],
      [1, ['e']],
    ]);
    expect([...assign(five, ['e'], new Set(), 4)]).toEqual([[1, ['e']]]);
  });

  test('every camera has exactly one place, and those that kill have it alone', () => {
    const ids = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'));
    fc.assert(
      fc.property(ids, ids, ids, fc.integer({ min: 1, max: 4 }), (first, second, alone, most) => {
        const groups = assign(assign(new Map(), first, new Set(), most), second, new Set(alone), most);
        expect([...groups.values()].flat().toSorted()).toEqual(second.toSorted());
        for (const group of groups.values()) {
          expect(group.length).toBeLessThanOrEqual(most);
          expect(group.length === 1 || !group.some((id) => alone.includes(id))).toBe(true);
        }
      }),
    );
  });

  test('cameras that die together twice are parted; the one that goes on dying waits longer and longer', () => {
    const blame = new Blame();
    expect(blame.died(['a', 'b'], 0)).toBe(100);
    expect([...blame.alone]).toEqual([]);
    blame.died(['a', 'b'], 1000);
    expect([...blame.alone]).toEqual(['a', 'b']);
    expect([2000, 3000, 4000].map((at) => blame.died(['b'], at))).toEqual([400, 800, 1600]);
    expect(blame.died(['b'], 200_000)).toBe(100);
  });
});
