import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { StreamInfo } from '../model.ts';
import { compared, isDue, mayLogin, nothingKnown, type Findings, type Memory } from './checkup.rules.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const now = Date.parse('2026-01-31T08:00:00Z');
const empty = nothingKnown('rtsp://192.0.2.20/stream1');
const small: StreamInfo = { codec: 'h264', width: 640, height: 360, keyframeSeconds: 2 };

/** Looks one after the other: what was news at each, and the notes that stood after it. */
function looks(...found: readonly (Partial<Findings> & { readonly after?: number })[]) {
  let memory: Memory = empty;
  let at = now;
  return found.map(({ after = day, said = {}, streams = {}, ...rest }) => {
    at += after;
    const result = compared(memory, { said, streams, ...rest }, at);
    ({ memory } = result);
    return [result.news.map((n) => n.text), memory.notes.map((n) => n.topic)];
  });
}

describe('a look', () => {
  test.each<[string, Partial<Memory>, number, boolean]>([
    ['at a camera that was never looked at', {}, now - hour, true],
    ['at one that came a moment ago', {}, now - 30_000, false],
    ['at one that stayed since the last look', { lookedAt: now - hour }, now - day, false],
    ['a day after the last', { lookedAt: now - day }, now - 5 * day, true],
    ['after an outage', { lookedAt: now - hour }, now - 2 * minute, true],
    ['at one that comes and goes', { lookedAt: now - 5 * minute }, now - 2 * minute, false],
    ['after the clock of this machine was set back', { lookedAt: now + hour }, now - hour, true],
  ])('%s is due: %#', (_, memory, liveSince, due) => {
    expect(isDue({ ...empty, ...memory }, liveSince, now)).toBe(due);
  });

  test('never comes more than once in a quarter of an hour, and a login never twice a day, however a camera comes and goes', () => {
    const gaps = fc.array(fc.integer({ min: 1, max: 12 * 60 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(gaps, (minutes) => {
        let [memory, at]: [Memory, number] = [empty, now];
        const looked: number[] = [];
        const logins: number[] = [];
        for (const gap of minutes) {
          at += gap * minute;
          if (!isDue(memory, at - 2 * minute, at)) continue;
          looked.push(at);
          if (mayLogin(memory, at)) logins.push(at);
          const said = { refused: mayLogin(memory, at) };
          ({ memory } = compared(memory, { said, streams: {} }, at));
        }
        const closest = (times: readonly number[]) =>
          Math.min(...times.slice(1).map((time, i) => time - times[i]!));
        expect(closest(looked)).toBeGreaterThanOrEqual(15 * minute);
        expect(closest(logins)).toBeGreaterThanOrEqual(day);
      }),
    );
  });
});

describe('what is said of a camera', () => {
  const ahead = (s: number) =>
    `the clock of the camera is ${Math.abs(s)} s ${s > 0 ? 'ahead' : 'behind'}; set its time server`;

  test('is a clock that is more than half a minute off, once, until it was right again', () => {
    const drifts = [30, 90, 120, undefined, 90, 2, -31];
    expect(looks(...drifts.map((s) => ({ said: s === undefined ? {} : { clockDriftSeconds: s } })))).toEqual([
      [[], []],
      [[ahead(90)], ['clock']],
      [[], ['clock']],
      [[], []],
      [[ahead(90)], ['clock']],
      [[], []],
      [[ahead(-31)], ['clock']],
    ]);
  });

  test('is a firmware that changed, for a day, also where the camera did not say it in between', () => {
    const said = (firmware: string) => ({ said: { firmware } });
    expect(
      looks(said('2.8'), said('2.8'), {}, said('2.9'), { ...said('2.9'), after: hour }, said('2.9')),
    ).toEqual([
      [[], []],
      [[], []],
      [[], []],
      [['its firmware changed from 2.8 to 2.9'], ['firmware']],
      [[], ['firmware']],
      [[], []],
    ]);
  });

  test('is a stream of another size or codec, once for all that share it', () => {
    const large = { ...small, codec: 'h265', width: 1920, height: 1080 };
    expect(
      looks(
        { streams: { detect: small, record: small } },
        { streams: { detect: { ...small, keyframeSeconds: 1, fps: 9 } } },
        { streams: { detect: large, record: large } },
      ).map(([news]) => news),
    ).toEqual([[], [], ['its stream (detect, record) changed from h264 640x360 to h265 1920x1080']]);
  });

  test('is that keyframes come late, once', () => {
    const late = { streams: { detect: { ...small, keyframeSeconds: 10 } } };
    expect(looks(late, late, { streams: { detect: small } })).toEqual([
      [[expect.stringMatching(/^the 640x360 stream has a keyframe only every 10 s/)], ['keyframes']],
      [[], ['keyframes']],
      [[], []],
    ]);
  });

  test('is a picture of another shape than that of its calibration, and not one of another size', () => {
    const wide = { streams: { detect: small } };
    const tall = { streams: { detect: { ...small, width: 704, height: 576 } } };
    const on = { calibratedAspect: 16 / 9 };
    expect(looks({ ...wide, ...on }, { ...tall, ...on }, { ...tall, ...on }).map(([news]) => news)).toEqual([
      [],
      [
        'its stream (detect) changed from h264 640x360 to h264 704x576',
        expect.stringMatching(
          /^its picture is 704x576, and it was calibrated on one 1\.78 times as wide as high/,
        ),
      ],
      [],
    ]);
  });
});
