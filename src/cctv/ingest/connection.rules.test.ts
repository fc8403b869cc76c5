import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DecodeOrder } from './order.rules.ts';
import { Outage, together } from './outage.rules.ts';
import { parameterSets } from './parameters.rules.ts';
import { Reception } from './reception.rules.ts';
import { retryDelay } from './retry.rules.ts';

/** What one connection to a camera goes by. */

describe('retries', () => {
  test('start soon, double, and never wait longer than two seconds, however long the outage', () => {
    const most = [0, 1, 2, 3, 4, 50, 5000].map((tries) => retryDelay('RTSP_STALLED', tries, () => 1));
    expect(most).toEqual([200, 400, 800, 1600, 2000, 2000, 2000]);
    expect(retryDelay('RTSP_STALLED', 9, () => 0)).toBe(1200);
  });

  test('are rare where each could lock the account', () => {
    for (const cause of ['RTSP_AUTH', 'CODEC_UNSUPPORTED'] as const)
      expect([0, 1].map((r) => Math.round(retryDelay(cause, 9 * r, () => r)))).toEqual([24_000, 36_000]);
  });
});

describe('reception', () => {
  const fed = (everyMs: number, frames: number, key = true) => {
    const reception = new Reception(0);
    for (let i = 0; i < frames; i += 1) {
      reception.packet(i * everyMs, key && i % 10 === 0);
      if (key) reception.frame(i * everyMs);
    }
    return reception;
  };

  test('is sound while packets come, and stalled 1.5 s after the last', () => {
    const reception = fed(100, 30);
    expect(reception.trouble(4300)).toBeUndefined();
    expect(reception.trouble(4450)).toMatchObject({ cause: 'RTSP_STALLED', hopeless: true });
  });

  test('waits longer for a camera of one frame a second', () => {
    const reception = fed(1000, 10);
    expect(reception.trouble(9000 + 2900)).toBeUndefined();
    expect(reception.trouble(9000 + 3100)?.cause).toBe('RTSP_STALLED');
  });

  test('tells silence from a missing keyframe and from garbage', () => {
    expect(new Reception(0).trouble(4100)?.cause).toBe('RTSP_SILENT');
    expect(fed(100, 41, false).trouble(4050)).toMatchObject({ cause: 'NO_KEYFRAME', hopeless: false });
    expect(fed(100, 301, false).trouble(30_050)).toMatchObject({
      cause: 'NO_KEYFRAME',
      hopeless: true,
    });
    const garbage = new Reception(0);
    for (let i = 0; i < 40; i += 1) garbage.packet(i * 100, i === 0);
    expect(garbage.trouble(3950)).toBeUndefined();
    garbage.decoding(0);
    expect(garbage.trouble(3950)?.cause).toBe('RTSP_GARBAGE');
  });

  test('expects pictures only from the keyframe on at which somebody began to decode', () => {
    const reception = fed(100, 600);
    const go = (from: number, to: number) => {
      const told = [];
      for (let at = from; at < to; at += 100) {
        reception.packet(at, at % 1000 === 0);
        told.push(reception.trouble(at)?.cause);
      }
      return new Set(told);
    };
    expect(go(60_000, 70_000)).toEqual(new Set([undefined]));
    reception.decoding(70_000);
    expect(go(70_000, 73_000)).toEqual(new Set([undefined]));
    expect(go(73_000, 74_000)).toContain('RTSP_GARBAGE');
    reception.decoding(undefined);
    expect(go(74_000, 80_000)).toEqual(new Set([undefined]));
  });

  test('blames no camera for the time in which nobody asked, because the machine slept', () => {
    const reception = fed(100, 30);
    expect(reception.trouble(3000)).toBeUndefined();
    expect(reception.trouble(63_000)).toBeUndefined();
    expect(reception.trouble(63_200)).toBeUndefined();
    // Nothing came after it woke either.
    for (let at = 63_400; at < 64_300; at += 200) expect(reception.trouble(at)).toBeUndefined();
    expect(reception.trouble(64_600)?.cause).toBe('RTSP_STALLED');
    // The gap says nothing of the rate.
    const other = fed(100, 30);
    other.trouble(3000);
    other.packet(63_000, true);
    other.trouble(63_010);
    for (let at = 63_200; at < 65_000; at += 200) other.trouble(at);
    expect(other.trouble(65_000)?.cause).toBe('RTSP_STALLED');
    // A machine that is always late finds it, too.
    const late = fed(100, 30);
    expect([3000, 5000, 7000].map((at) => late.trouble(at)?.cause)).toEqual([
      undefined,
      undefined,
      'RTSP_STALLED',
    ]);
  });

  test('measures the keyframe interval and the rate', () => {
    const reception = fed(100, 30);
    expect([reception.keyframeSeconds, reception.fps, reception.keyframes]).toEqual([1, 10, 3]);
  });
});

test('one outage is told once, however its cause changes', () => {
  const outage = new Outage();
  const told = [
    { state: 'connecting' },
    { state: 'live' },
    { state: 'down', cause: 'RTSP_STALLED' },
    { state: 'connecting' },
    { state: 'down', cause: 'RTSP_STALLED' },
    { state: 'down', cause: 'RTSP_CONNECT' },
    { state: 'live' },
  ] as const;
  expect(told.map((s) => outage.next(s)).map((s) => s && [s.state, s.cause, s.lost])).toEqual([
    ['connecting', undefined, undefined],
    ['live', undefined, undefined],
    ['down', 'RTSP_STALLED', true],
    undefined,
    undefined,
    ['down', 'RTSP_CONNECT', undefined],
    ['live', undefined, undefined],
  ]);
});

test('a camera of two connections is live when both are, and down when one is', () => {
  expect(together([{ state: 'live' }, { state: 'down', cause: 'RTSP_ENDED' }]).state).toBe('down');
  expect(together([{ state: 'live' }, { state: 'connecting' }]).state).toBe('connecting');
  expect(together([{ state: 'live' }, { state: 'live' }]).state).toBe('live');
  expect(together([]).state).toBe('off');
});

describe('the order of decoding', () => {
  const times = (shown: readonly number[]) => {
    const order = new DecodeOrder(100n);
    return shown.map((at) => Number(order.next(BigInt(at))));
  };

  test('is that of showing where no picture is shown before one that came earlier', () => {
    expect(times([10, 20, 30, 40])).toEqual([10, 20, 30, 40]);
    // A clock that was set back, and one that leapt ahead.
    expect(times([1000, 1010, 10, 20, 9000, 9010])).toEqual([1000, 1010, 10, 20, 9000, 9010]);
  });

  test('is learnt from the first B-frames, and stays', () => {
    // I0 P3 B1 B2 P6 B4 B5 P9 B7 B8
    expect(times([0, 3, 1, 2, 6, 4, 5, 9, 7, 8])).toEqual([0, 3, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('is never later than showing, and goes on once the depth is known', () => {
    const depths = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 5, maxLength: 40 });
    fc.assert(
      fc.property(depths, (groups) => {
        // Each group: one picture that is shown after the n that follow it.
        let at = 0;
        const shown = [3, ...groups].flatMap((n) => {
          const from = at;
          at += n + 1;
          return [from + n, ...Array.from({ length: n }, (_, i) => from + i)];
        });
        const decoded = times(shown);
        expect(decoded.every((time, i) => time <= shown[i]!)).toBe(true);
        const known = decoded.slice(4);
        expect(known.every((time, i) => i === 0 || time > known[i - 1]!)).toBe(true);
      }),
    );
  });
});

describe('parameter sets', () => {
  const nal = (type: number, ...rest: number[]) => Buffer.from([0, 0, 0, 1, type, ...rest]);

  test('are those that stand before the picture', () => {
    const packet = Buffer.concat([
      nal(0x09, 0xf0),
      nal(0x67, 1, 2),
      nal(0x68, 3),
      nal(0x65, 9, 9),
      nal(0x67, 7),
    ]);
    expect(parameterSets('h264', packet)).toEqual(Buffer.concat([nal(0x67, 1, 2), nal(0x68, 3)]));
    expect(parameterSets('h264', nal(0x41, 1))).toBeUndefined();
    expect(parameterSets('mjpeg', packet)).toBeUndefined();
    expect(parameterSets('__proto__', packet)).toBeUndefined();
  });

  test('never fail on what a camera sends', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom('h264', 'hevc'), (bytes, codec) => {
        const sets = parameterSets(codec, bytes);
        expect(sets === undefined || sets.length <= bytes.length * 2 + 8).toBe(true);
      }),
    );
  });
});
