import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { drawnClip } from '#cctv/sim/media.ts';
import { driveway } from '#cctv/sim/scene.rules.ts';
import { openScene } from '#cctv/sim/scene.ts';
import events from '../field/events.ts';
import { joined, judgeSpans, type Span } from '../field/lib/spans.ts';
import { readTruths } from '../field/lib/truth.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(path.join(tmpdir(), 'lares-events-test-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const put = (name: string, content: unknown) => {
  const file = path.join(data, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
};

describe('the truth of clips', () => {
  const one = { start: 1, end: 2, label: undefined };

  test.each<[string, string, unknown, object[]]>([
    ['in an object', 'events.json', { events: [{ start: 1, end: 2 }] }, [one]],
    ['in pairs', 'events.json', { label: 'car', events: [[1, 2]] }, [{ ...one, label: 'car' }]],
    [
      'with labels of their own',
      'events.json',
      { label: 'car', events: [{ start_s: 1, end_s: 2, label: 'dog' }] },
      [{ ...one, label: 'dog' }],
    ],
    ['for a named clip', 'events.json', { clip: 'a.mp4', events: [[1, 2]] }, [one]],
    ['in a list of clips', 'events.json', [{ clip: 'a.mp4', events: [[1, 2]] }], [one]],
    ['under clips', 'events.json', { clips: [{ clip: 'a.mp4', events: [[1, 2]] }] }, [one]],
    ['under the name of the clip', 'events.json', { 'a.mp4': [{ from: 1, to: 2 }] }, [one]],
    ['in a bare list', 'events.json', [[1, 2]], [one]],
    ['as times of day', 'events.json', [['0:01', '00:00:02.0']], [one]],
    ['with the label behind them', 'events.json', [[1, 2, 'person']], [{ ...one, label: 'person' }]],
    [
      'as t0 and t1 with a class',
      'events.json',
      [{ t0: 1, t1: 2, class: 'people' }],
      [{ ...one, label: 'person' }],
    ],
    ['as t1 and t2', 'events.json', { annotations: [{ t1: 1, t2: 2 }] }, [one]],
    ['in thousandths', 'events.json', { intervals: [{ start_ms: 1000, endMs: 2000 }] }, [one]],
    ['in frames', 'events.json', { fps: 5, events: [{ start_frame: 5, end_frame: 10 }] }, [one]],
    ['with a duration', 'events.json', [{ start_time: 1, duration: 1, type: 'enter' }], [one]],
    ['under a label', 'events.json', { persons: [[1, 2]] }, [{ ...one, label: 'person' }]],
    [
      'as an interval of an event',
      'events.json',
      [{ label: 'a car comes', interval: [1, 2] }],
      [{ ...one, label: 'car' }],
    ],
    ['each with its clip', 'events.json', [{ video: 'a.mp4', begin: 1, stop: 2, bbox: [1, 2] }], [one]],
    [
      'under the stem of a clip, which has a length',
      'events.json',
      { a: { start: 0, end: 9, spans: [[1, 2]] } },
      [one],
    ],
    ['of nothing', 'events.json', { clip: 'a.mp4', events: [] }, []],
    ['with another separator', 'a_events.json', [[1, 2]], [one]],
    ['in a file called after the clip', 'a.mp4.events.json', { events: [[1, 2]] }, [one]],
    ['in a file called after it without its extension', 'a.events.json', { events: [[1, 2]] }, [one]],
  ])('is read %s', (_, name, content, expected) => {
    put('deep/a.mp4', '');
    put(`deep/${name}`, content);
    const file = path.join(data, 'deep/a.mp4');
    expect(readTruths(data)).toEqual({ clips: [{ file, events: expected }], refused: [] });
  });

  test('one file speaks of several clips, wherever they lie in the data', () => {
    for (const name of ['a.mp4', 'b.avi', 'truth/c.mkv']) put(name, '');
    put('truth/events.json', {
      'a.mp4': [[1, 2]],
      b: { person: [[3, 4]] },
      clips: [{ clip: 'c', events: [[5, 6]] }],
    });
    expect(readTruths(data)).toEqual({
      clips: [
        { file: path.join(data, 'a.mp4'), events: [{ start: 1, end: 2, label: undefined }] },
        { file: path.join(data, 'b.avi'), events: [{ start: 3, end: 4, label: 'person' }] },
        { file: path.join(data, 'truth/c.mkv'), events: [{ start: 5, end: 6, label: undefined }] },
      ],
      refused: [],
    });
  });

  test.each<[string, unknown, RegExp]>([
    ['no JSON', 'events', /JSON/],
    ['other things', { temperature: 21 }, /holds no intervals/],
    ['an event that ends before it starts', { events: [[2, 1]] }, /an event ends at 1 s and starts at 2 s/],
    ['an event without an end', { events: [{ start: 3 }] }, /an event starts at 3 s and has no end/],
    [
      'frames without their rate',
      { events: [{ start_frame: 1, end_frame: 9 }] },
      /counts in frames and has no fps/,
    ],
    ['boxes and points', [{ bbox: [1, 2], center: [3, 4] }], /holds no intervals/],
    ['a clip that is not there', { clip: 'b.mp4', events: [[1, 2]] }, /there is no clip b\.mp4/],
    ['a clip elsewhere', { clip: '../../etc/passwd.mp4', events: [[1, 2]] }, /there is no clip/],
    ['no clip, beside two', { events: [[1, 2]] }, /2 clips lie beside it/],
  ])('is refused with the reason where it holds %s', (_, content, why) => {
    put('a.mp4', '');
    put('c.avi', '');
    put('events.json', content);
    const { clips, refused } = readTruths(data);
    expect([clips, refused]).toEqual([[], [expect.stringMatching(why)]]);
  });
});

describe('spans', () => {
  const spans = (...all: [number, number][]): Span[] => all.map(([start, end]) => ({ start, end }));
  const judged = (truth: Span[], found: Span[]) => {
    const { items, right, extra } = judgeSpans(truth, found, 2);
    return [items, right, extra];
  };

  test('one group over an interval is right, two are not, and none is not', () => {
    const truth = spans([10, 20]);
    expect(judged(truth, spans([11, 14], [15, 21]))).toEqual([1, 1, 0]);
    expect(judged(truth, spans([11, 13], [16, 21]))).toEqual([1, 0, 0]);
    expect(judged(truth, spans([30, 31]))).toEqual([1, 0, 1]);
    expect(judged(truth, [])).toEqual([1, 0, 0]);
  });

  test('two who come shortly after one another are two', () => {
    expect(judged(spans([10, 20], [21, 30]), spans([10, 19.5], [21, 30]))).toEqual([2, 2, 0]);
    expect(judged(spans([10, 20], [21, 30]), spans([10, 30]))).toEqual([2, 1, 0]);
  });

  test('one group that never ends finds one of two intervals, not both', () => {
    expect(judged(spans([10, 20], [50, 55]), spans([0, 100]))).toEqual([2, 1, 0]);
    expect(judged(spans([10, 20], [50, 60]), spans([0, 100]))).toEqual([2, 1, 0]);
  });

  test('errors are how much later than the truth it starts and ends', () => {
    const { startErrors, endErrors } = judgeSpans(spans([10, 20]), spans([11, 19.5]), 2);
    expect([startErrors, endErrors]).toEqual([[1], [-0.5]]);
  });

  const anySpans = fc.array(
    fc
      .tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 30 }))
      .map(([start, length]) => ({ start, end: start + length })),
    { maxLength: 12 },
  );

  test('the truth finds itself, in any order, and nothing is counted twice', () => {
    fc.assert(
      fc.property(anySpans, anySpans, (truth, found) => {
        const apart = joined(truth, 2);
        const own = judgeSpans(apart.toReversed(), apart, 2);
        expect([own.right, own.extra]).toEqual([apart.length, 0]);
        const { items, right, extra } = judgeSpans(truth, found, 2);
        expect(right).toBeLessThanOrEqual(items);
        expect(right + extra).toBeLessThanOrEqual(found.length);
      }),
    );
  });
});

test('without truth and without clips there is no data, and truth without its clip is told', async () => {
  expect(await events.run(data)).toBeUndefined();
  put('events.json', { events: [[1, 2]] });
  expect(await events.run(data)).toMatchObject({ items: 0, right: 0, scores: {} });
  expect((await events.run(data))?.report).toContain('the data is absent');
});

const fps = 5;
const size = { width: 640, height: 360 };

/** From when until when something of a kind can be seen well in the drawn scene, by its own truth. */
function truthOf(label: string, from: number, to: number): Span[] {
  const plan = openScene(driveway(0));
  const shown = Array.from({ length: (to - from) * fps }, (_, i) => i / fps).filter((second) =>
    plan
      .truthAt((from + second) * 1000)
      .some((one) => one.label === label && one.inside > 0.7 && one.visible > 0.6),
  );
  return joined(
    shown.map((start) => ({ start, end: start + 1 / fps })),
    1,
  );
}

/** Some seconds of the drawn scene as a file. Nobody filmed it, so nobody has to give it away. */
function draw(file: string, from: number, to: number): void {
  const scene = openScene(driveway(0));
  const picture = (index: number) => scene.draw(from * 1000 + (index * 1000) / fps);
  const { sets, units } = drawnClip({ codec: 'h264', ...size, fps, seconds: to - from, draw: picture });
  const start = Buffer.from([0, 0, 0, 1]);
  const nals = [...sets, ...units.flatMap((unit) => unit.nals)];
  const stream = Buffer.concat(nals.flatMap((nal) => [start, nal]));
  execFileSync('ffmpeg', ['-v', 'error', '-f', 'h264', '-r', String(fps), '-i', '-', '-c', 'copy', file], {
    input: stream,
  });
}

test(
  'the whole chain finds who walks through a drawn clip, and nothing in the gaps',
  { timeout: 180_000 },
  async () => {
    const [from, to] = [0, 50];
    mkdirSync(path.join(data, 'clips'));
    draw(path.join(data, 'clips/drive.mp4'), from, to);
    const people = truthOf('person', from, to);
    const cars = truthOf('car', from, to);
    expect([people.length, cars.length]).toEqual([1, 1]);
    put('clips/drive.events.json', {
      events: [
        ...people.map((span) => ({ ...span, label: 'person' })),
        ...cars.map((span) => ({ ...span, label: 'car' })),
      ],
    });
    const found = await events.run(data);
    // While nobody is there, somebody is claimed to be: that is not found, and who does walk there is one too many.
    put('clips/events.json', { clip: 'drive.mp4', label: 'person', events: [[32, 37]] });
    const mistaken = await events.run(data);
    expect([found, mistaken].map((result) => [result?.items, result?.right])).toEqual([
      [2, 2],
      [3, 2],
    ]);
    expect(found?.scores).toMatchObject({ centernet_found: 1, centernet_false: 0 });
    expect(mistaken?.scores).toMatchObject({ centernet_found: 2 / 3, centernet_false: 1 });
    expect(found?.scores['centernet_start_error_s']).toBeLessThan(1);
    expect(found?.scores['centernet_end_error_s']).toBeLessThan(2);
    expect(found?.report).toMatch(/centernet +2 of 2 .* works with nothing but npm/);
  },
);
