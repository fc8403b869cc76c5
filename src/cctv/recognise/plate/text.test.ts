import fc from 'fast-check';
import { expect, test } from 'vitest';
import { charsetFor, classesOf, parseCharset, readText } from './text.codec.ts';
import { knownPlate, normalisePlate, plateDistance } from './text.rules.ts';

const characters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.split('');
const plateText = fc.string({ unit: fc.constantFrom(...characters), minLength: 5, maxLength: 10 });

test('a plate is its letters and digits, however it is written', () => {
  expect(normalisePlate(' ab-123·c ')).toBe('AB123C');
  expect(normalisePlate('ＡＢ１２')).toBe('AB12');
  expect(normalisePlate('а123вс77')).toBe('А123ВС77');
  expect(normalisePlate('<script>'.repeat(100))).toHaveLength(16);
});

test('writing a plate in its plain form again changes nothing, and nothing but letters and digits is left', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const plain = normalisePlate(text);
      expect(plain).toMatch(/^[\p{L}\p{N}]*$/u);
      expect(Array.from(plain).length).toBeLessThanOrEqual(16);
    }),
  );
  fc.assert(fc.property(plateText, (text) => normalisePlate(normalisePlate(text)) === normalisePlate(text)));
});

test('the distance of plates is one: 0 to itself, the same both ways, and never shorter by a detour', () => {
  fc.assert(
    fc.property(plateText, plateText, plateText, (a, b, c) => {
      expect(plateDistance(a, a)).toBe(0);
      expect(plateDistance(a, b)).toBe(plateDistance(b, a));
      expect(plateDistance(a, c)).toBeLessThanOrEqual(plateDistance(a, b) + plateDistance(b, c));
    }),
  );
});

test('one misread character leaves a plate known, and what looks alike counts as the same', () => {
  const known = [
    { plate: 'AB-123-CD', name: 'family car' },
    { plate: 'XY-987-ZZ', name: 'van' },
  ];
  expect(knownPlate('A8I23CO', known, 1)).toBe(known[0]);
  expect(knownPlate('AB123CD', known, 0)).toBe(known[0]);
  expect(knownPlate('AX193CD', known, 1)).toBeUndefined();
});

test('a plate between two known ones, and a short one with a mistake, get no name', () => {
  const known = [
    { plate: 'AB1234', name: 'one' },
    { plate: 'AB1334', name: 'two' },
    { plate: 'K1', name: 'short' },
  ];
  expect(knownPlate('AB1434', known, 1)).toBeUndefined();
  expect(knownPlate('K2', known, 1)).toBeUndefined();
  expect(knownPlate('KI', known, 1)).toBe(known[2]);
});

test('the characters of a reader are one a line, or one line of all', () => {
  expect(parseCharset('0\n1\r\nA\n')).toEqual(['0', '1', 'A']);
  expect(parseCharset('\uFEFF01A_')).toEqual(['0', '1', 'A', '_']);
});

test('what the classes mean follows from how many there are', () => {
  expect(charsetFor(['0', '1'], 3)).toEqual({ characters: ['', '0', '1'], blank: 0 });
  expect(charsetFor(['0', '1'], 4)).toEqual({ characters: ['', '0', '1', ' '], blank: 0 });
  expect(charsetFor(['0', '1', '<blank>'], 3)).toEqual({ characters: ['0', '1', ''], blank: 2 });
  expect(charsetFor(['0', '_'], 2)).toEqual({ characters: ['0', ''], blank: undefined });
  expect(charsetFor(['0', '1'], 9)).toBeUndefined();
  expect(classesOf([1, 40, 97], 95)).toBe(97);
  expect(classesOf([-1, 9 * 37], 37)).toBe(37);
  expect(classesOf(['n', 'steps'], 37)).toBeUndefined();
});

/** One output whose step i is surely class `steps[i]`. */
const surely = (steps: readonly number[], classes: number, sure = 0.9) => ({
  dims: [1, steps.length, classes],
  data: Float32Array.from(
    steps.flatMap((best) =>
      Array.from({ length: classes }, (_, k) => (k === best ? sure : (1 - sure) / (classes - 1))),
    ),
  ),
});

test('repeats are one character and a blank parts two, where the network was trained so', () => {
  const charset = charsetFor(['A', 'B', '1'], 4)!;
  const read = readText(surely([0, 1, 1, 0, 1, 2, 2, 3, 0], 4), charset);
  expect(read.text).toBe('AAB1');
  expect(read.confidence).toBeCloseTo(0.9, 5);
});

test('a network with a place for each character is read place by place', () => {
  const charset = charsetFor(['A', 'B', '_'], 3)!;
  expect(readText(surely([0, 0, 1, 2, 2], 3), charset).text).toBe('AAB');
  expect(readText(surely([2, 2], 3), charset)).toEqual({ text: '', confidence: 0 });
});

test('every text comes back from the output that says it, also before the softmax', () => {
  const charset = charsetFor(characters, characters.length + 1)!;
  fc.assert(
    fc.property(plateText, fc.boolean(), (text, logits) => {
      const steps = text.split('').flatMap((c) => [characters.indexOf(c) + 1, 0]);
      const output = surely(steps, charset.characters.length);
      const data = logits ? output.data.map((p) => Math.log(p) + 3) : output.data;
      const read = readText({ ...output, data }, charset);
      expect(read.text).toBe(text);
      expect(read.confidence).toBeCloseTo(0.9, 4);
    }),
  );
});

test('whatever a network gives, the reading is a text and a number from 0 to 1', () => {
  const charset = charsetFor(['A', 'B'], 3)!;
  fc.assert(
    fc.property(fc.float32Array({ maxLength: 60 }), (data) => {
      const { text, confidence } = readText({ dims: [1, 20, 3], data }, charset);
      expect(text).toMatch(/^[AB]*$/);
      expect(confidence >= 0 && confidence <= 1).toBe(true);
    }),
  );
});
