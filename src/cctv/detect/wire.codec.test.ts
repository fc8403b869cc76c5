import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import * as wire from './wire.codec.ts';

const float = fc.float({ min: 0, max: 1, noNaN: true });
const id = fc.nat(2 ** 32 - 1);
const box = fc.record({ left: float, top: float, width: float, height: float });
const found = fc.array(fc.array(fc.record({ index: fc.nat(65_535), score: float, box }), { maxLength: 5 }), {
  maxLength: 4,
});
const model = fc.record({
  name: fc.string({ maxLength: 40 }),
  width: fc.integer({ min: 1, max: 2_000 }),
  height: fc.integer({ min: 1, max: 2_000 }),
  threshold: float,
  classes: fc.array(fc.string({ maxLength: 10 }), { maxLength: 20 }),
});

/** A message as bytes, and what must come out of them. */
const messages: fc.Arbitrary<[Buffer, wire.Message]> = fc.oneof(
  fc
    .string({ unit: 'grapheme-ascii', maxLength: 50 })
    .map((camera): [Buffer, wire.Message] => [
      wire.encodeHello(camera),
      { kind: 'hello', version: 1, camera },
    ]),
  model.map((m): [Buffer, wire.Message] => [wire.encodeModel(m), { kind: 'model', model: m }]),
  id.map((n): [Buffer, wire.Message] => [wire.encodeSkipped(n), { kind: 'skipped', id: n }]),
  fc
    .tuple(id, fc.string({ maxLength: 100 }))
    .map(([n, message]): [Buffer, wire.Message] => [
      wire.encodeFailed(n, message),
      { kind: 'failed', id: n, message },
    ]),
  fc
    .tuple(id, float, found)
    .map(([n, inferMs, f]): [Buffer, wire.Message] => [
      wire.encodeFound(n, inferMs, f),
      { kind: 'found', id: n, inferMs, found: f },
    ]),
  fc
    .tuple(
      id,
      float,
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 3 }),
    )
    .chain(([n, threshold, width, height, count]) =>
      fc
        .uint8Array({ minLength: count * width * height * 3, maxLength: count * width * height * 3 })
        .map((pixels): [Buffer, wire.Message] => {
          const request = { id: n, threshold, deadlineMs: 500, width, height, count };
          return [
            Buffer.concat([wire.encodeDetect(request), pixels]),
            { kind: 'detect', ...request, pixels },
          ];
        }),
    ),
);

const plain = (message: wire.Message) =>
  message.kind === 'detect' ? { ...message, pixels: new Uint8Array(message.pixels) } : message;

test('messages come out whole and in order however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(messages, { maxLength: 6 }),
      fc.array(fc.nat(60), { minLength: 1 }),
      (list, cuts) => {
        const stream = Buffer.concat(list.map(([bytes]) => bytes));
        const reader = new wire.MessageReader(() => 1e6);
        const out: wire.Message[] = [];
        for (let at = 0, i = 0; at < stream.length; i += 1) {
          const next = at + 1 + cuts[i % cuts.length]!;
          for (const m of reader.push(stream.subarray(at, next))) out.push(plain(m));
          at = next;
        }
        expect(out).toEqual(list.map(([, m]) => m));
      },
    ),
  );
});

test('bytes that are no messages are refused in one way only, and never take more memory than allowed', () => {
  const longest = 300;
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc
      .tuple(fc.integer({ min: 0, max: 7 }), fc.uint8Array({ maxLength: 60 }))
      .map(([kind, body]) => Buffer.concat([Buffer.from([body.length + 1, 0, 0, 0, kind]), body])),
    fc.tuple(messages, fc.nat(80), fc.nat(255)).map(([[data], at, value]) => {
      const copy = Buffer.from(data);
      copy[at % copy.length] = value;
      return copy;
    }),
  );
  fc.assert(
    fc.property(fc.array(bytes), (chunks) => {
      let most = 0;
      const reader = new wire.MessageReader(
        () => longest,
        (n) => {
          most = Math.max(most, n);
          return Buffer.alloc(n);
        },
      );
      let code: unknown;
      try {
        for (const chunk of chunks) for (const message of reader.push(Buffer.from(chunk))) void message;
      } catch (error) {
        code = error instanceof LaresError ? error.code : error;
      }
      expect([undefined, 'BAD_REPLY']).toContain(code);
      expect(most).toBeLessThanOrEqual(longest);
    }),
    { numRuns: 2_000 },
  );
});
