import { expect, test } from 'vitest';
import { convert } from './convert.rules.ts';
import { centernetHead, nanodetHead, type Head } from './heads.rules.ts';
import { ints, picture, plain, ramp, raw, run, size, text, TfGraph } from './tf-graph.fixture.ts';

/** The peaks of a map of `columns` by 8 places, worked out the plain way: places with their best class, best first. */
function peaksOf(heat: Float32Array, classes: number, columns: number) {
  const places = heat.length / classes;
  const row = (place: number) => [...heat.subarray(place * classes, (place + 1) * classes)];
  const best = Array.from({ length: places }, (_, place) => Math.max(...row(place)));
  const isPeak = (place: number) =>
    best.every((score, other) => {
      const across = Math.abs((other % columns) - (place % columns));
      const down = Math.abs(Math.floor(other / columns) - Math.floor(place / columns));
      return across > 1 || down > 1 || score <= best[place]!;
    });
  return best
    .flatMap((score, place) =>
      isPeak(place) ? [{ place, score: 1 / (1 + Math.exp(-score)), index: row(place).indexOf(score) }] : [],
    )
    .toSorted((a, b) => b.score - a.score);
}

test('the head of CenterNet gives the places that are surer than all around them, for any number of pictures', async () => {
  const wide = { width: 64, height: 32 };
  const g = new TfGraph();
  g.input('x', [1, 32, 64, 3]);
  const noise = (length: number) => Array.from({ length }, (_, i) => Math.sin(i * 12.9898) / 1000);
  g.floats('hot', [5, 5, 3, 7], noise(525));
  g.floats('far', [5, 5, 3, 4], noise(300));
  const quarter = { strides: ints(1, 4, 4, 1), padding: text('SAME') };
  g.op('Conv2D', 'heat', ['x', 'hot'], quarter);
  g.op('Conv2D', 'sides', ['x', 'far'], quarter);
  const head: Head = (t, s) => [
    ...centernetHead('heat', 'sides')(t, s),
    ...['heat', 'sides'].map((name) => ({ ...raw(name)(t, s)[0]!, name })),
  ];
  const { onnx } = convert(g.json, g.bytes, { ...plain, head }, wide);
  const pictures = [3, 5].map((step) =>
    picture(64, 32, (x, y, c) => (x * x * step + y * 31 * c + x * y * 7) % 256),
  );
  const out = await run(onnx, Uint8Array.from(pictures.flatMap((p) => [...p])), [2, 32, 64, 3]);
  const [columns, places] = [16, 128];
  expect(['boxes', 'scores', 'classes'].map((name) => out[name]!.dims)).toEqual([
    [2, places, 4],
    [2, places],
    [2, places],
  ]);
  for (const number of [0, 1]) {
    const part = (name: string, each: number) =>
      out[name]!.data.subarray(number * places * each, (number + 1) * places * each);
    const sides = part('sides', 4);
    const wanted = peaksOf(part('heat', 7), 7, columns);
    expect(wanted.length).toBeGreaterThan(5);
    for (const [i, { place, score, index }] of wanted.entries()) {
      const [x, y] = [4 * (place % columns), 4 * Math.floor(place / columns)];
      const [left, top, right, bottom] = sides.subarray(4 * place, 4 * place + 4);
      expect(part('scores', 1)[i]).toBeCloseTo(score, 5);
      expect(part('classes', 1)[i]).toBe(index);
      const box = [x - left!, y - top!, x + right!, y + bottom!];
      part('boxes', 4)
        .subarray(4 * i, 4 * i + 4)
        .forEach((value, k) => expect(value).toBeCloseTo(box[k]!, 3));
    }
    expect([...part('scores', 1).subarray(wanted.length)].every((score) => score === 0)).toBe(true);
  }
});

test('of the classes that nobody looks for nothing is left, and the others compete among themselves', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  // Three classes by colour, the last of which is surest everywhere.
  g.floats('colours', [1, 1, 3, 3], [0.01, 0, 0.02, 0, 0.01, 0.02, 0, 0, 0.02]);
  g.floats('bias', [3], [1, 0.5, 4]);
  g.op('_FusedConv2D', 'heat', ['x', 'colours', 'bias'], {
    strides: ints(1, 4, 4, 1),
    padding: text('SAME'),
    fused_ops: { list: { s: [text('BiasAdd').s] } },
  });
  g.floats(
    'four',
    [1, 1, 3, 4],
    Array.from({ length: 12 }, () => 0.1),
  );
  g.op('Conv2D', 'sides', ['x', 'four'], { strides: ints(1, 4, 4, 1), padding: text('SAME') });
  const recipe = { ...plain, head: centernetHead('heat', 'sides') };
  const look = async (kinds?: number[]) => {
    const { classes, scores } = await run(
      convert(g.json, g.bytes, recipe, size, kinds).onnx,
      ramp,
      [1, 32, 32, 3],
    );
    return { kinds: new Set(classes!.data.filter((_, i) => scores!.data[i]! > 0)), best: scores!.data[0]! };
  };
  const [all, last, two, one] = [await look(), await look([1, 2]), await look([0, 1]), await look([1])];
  expect([all.kinds, last.kinds, one.kinds]).toEqual([new Set([2]), new Set([1]), new Set([0])]);
  const pixel = (x: number, y: number) => [0, 1, 2].map((c) => ramp[(y * 32 + x) * 3 + c]!);
  const places = Array.from({ length: 64 }, (_, i) => pixel(4 * (i % 8), 4 * Math.floor(i / 8)));
  const sure = (heat: (rgb: number[]) => number) => 1 / (1 + Math.exp(-Math.max(...places.map(heat))));
  expect(one.best).toBeCloseTo(
    sure(([, green]) => 0.01 * green! + 0.5),
    4,
  );
  expect(two.best).toBeCloseTo(
    sure(([red, green]) => Math.max(0.01 * red! + 1, 0.01 * green! + 0.5)),
    4,
  );
});

test('the head of NanoDet turns distributions into boxes', async () => {
  const g = new TfGraph();
  g.input('x', [1, 32, 32, 3]);
  const bins = 3;
  const output = (name: string, places: number, columns: number, value: (i: number) => number) => {
    g.floats(
      `${name}_c`,
      [1, places, columns],
      Array.from({ length: places * columns }, (_, i) => value(i)),
    );
    g.ints(`${name}_axes`, [1, 2, 3]);
    g.op('Mean', `${name}_zero`, ['x', `${name}_axes`]);
    g.floats(`${name}_none`, [], [0]);
    g.op('Mul', `${name}_off`, [`${name}_zero`, `${name}_none`]);
    g.ints(`${name}_shape`, [1, 1, 1]);
    g.op('Reshape', `${name}_flat`, [`${name}_off`, `${name}_shape`]);
    return g.op('AddV2', name, [`${name}_flat`, `${name}_c`]);
  };
  const counts = [16, 4, 1];
  const scores = counts.map((n, i) => output(`s${i}`, n, 2, (k) => (k % 2 === 0 ? 0.25 : 0.75)));
  // Everything on the last bin: two strides to each side.
  const sides = counts.map((n, i) => output(`d${i}`, n, 4 * bins, (k) => (k % bins === 2 ? 50 : 0)));
  const recipe = { ...plain, head: nanodetHead(scores, sides, bins - 1) };
  const { onnx } = convert(g.json, g.bytes, recipe, size);
  const few = await run(convert(g.json, g.bytes, recipe, size, [0]).onnx, ramp, [1, 32, 32, 3]);
  expect([new Set(few['classes']!.data), new Set(few['scores']!.data)]).toEqual([
    new Set([0]),
    new Set([0.25]),
  ]);
  const out = await run(onnx, ramp, [1, 32, 32, 3]);
  expect([out['scores']!.dims, [...new Set(out['scores']!.data)]]).toEqual([[1, 21], [0.75]]);
  expect([...new Set(out['classes']!.data)]).toEqual([1]);
  const boxes = out['boxes']!.data;
  expect(Array.from(boxes.subarray(0, 4))).toEqual([-12, -12, 20, 20]);
  expect(Array.from(boxes.subarray(80, 84))).toEqual([-48, -48, 80, 80]);
});
