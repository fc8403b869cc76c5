import { AV_PIX_FMT_YUV420P } from 'node-av/constants';
import { Frame } from 'node-av/lib';
import { expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { brightSquares, Heard, planFor } from './fixture.ts';
import { Looker } from './look.ts';
import type { CameraPlan } from './messages.ts';
import { Meter } from './meter.ts';

const [width, height] = [320, 240];
const start = Date.UTC(2026, 10, 21, 8);
const hour = 3_600_000;

/** A gray picture with a bright square of 40 pixels. */
function square(left: number, top: number): Frame {
  const picture = Buffer.alloc(width * height * 1.5, 128).fill(60, 0, width * height);
  for (let y = top; y < top + 40; y += 1) picture.fill(230, y * width + left, y * width + left + 40);
  return Frame.fromVideoBuffer(picture, { width, height, format: AV_PIX_FMT_YUV420P });
}

function watching(more: Partial<CameraPlan> = {}) {
  const clock = new ManualClock(start);
  const detector = brightSquares(width, height);
  const heard = new Heard();
  const looker = new Looker({
    plan: planFor('yard', 'rtsp://192.0.2.20/', { motionGate: false, ...more }),
    clock,
    send: heard.take,
    link: () => ({
      input: { width, height },
      detect: async (frames) => ({ detections: await detector.detect(frames, 0.5), inferMs: 1 }),
    }),
    meter: new Meter(0),
  });
  looker.resized(width, height);
  /** Five pictures a second, each looked at before the next. */
  const see = async (count: number, top = 100) => {
    for (let n = 0; n < count; n += 1) {
      const frame = square((n * 5) % 240, top);
      looker.frame(() => frame, clock.now());
      frame.free();
      await clock.advance(200);
    }
  };
  return { clock, heard, looker, see };
}

test('what is followed begins anew when the clock was set back, and grows older again at once', async () => {
  const { clock, heard, looker, see } = watching();
  await see(20);
  const before = heard.of('tracks').at(-1)!;
  expect(before.tracks.map(({ state }) => state)).toEqual(['confirmed']);
  heard.forget();
  clock.jump(-hour);
  const from = clock.now();
  await see(20);
  const [first] = heard.of('tracks');
  expect([first!.at, first!.tracks, first!.ended]).toEqual([from, [], [before.tracks[0]!.id]]);
  const last = heard.of('tracks').at(-1)!;
  expect(last.tracks.map(({ seenAt, state }) => [seenAt, state])).toEqual([[from + 19 * 200, 'confirmed']]);
  // Nothing comes any more: it goes out of sight, and is forgotten.
  for (let n = 0; n < 60; n += 1) {
    looker.tick(clock.now());
    await clock.advance(1000);
  }
  expect(heard.of('tracks').flatMap(({ ended }) => ended)).toContain(last.tracks[0]!.id);
  looker.close();
});

test('an object whose feet are cut off by the lower edge stands in the mask that ends there', async () => {
  const lower = [
    { x: 0, y: 0.5 },
    { x: 1, y: 0.5 },
    { x: 1, y: 1 },
    { x: 0, y: 1 },
  ];
  const masked = watching({ objectMasks: [lower] });
  await masked.see(10, height - 40);
  expect(masked.heard.of('tracks')).toEqual([]);
  const free = watching({ objectMasks: [lower] });
  await free.see(10, 20);
  expect(free.heard.of('tracks').at(-1)!.tracks).toHaveLength(1);
  masked.looker.close();
  free.looker.close();
});
