import { describe, expect, test } from 'vitest';
import { compare, diagnose, type Rendered } from './audit.rules.ts';

const t = 1_767_225_600;
const batch = (second: number, ...series: string[]) => ({
  at: second * 1000,
  values: new Map(series.map((name) => [name, 1])),
});
const shows = (target: string, step: number, values: readonly (number | null)[]): Rendered => ({
  target,
  datapoints: values.map((value, i) => [value, t + i * step]),
});
const sent = [
  batch(t, 'home.a', 'home.b'),
  batch(t + 5, 'home.a', 'home.b'),
  batch(t + 10, 'home.a', 'home.b'),
];

describe('the comparison of what was sent with what Graphite shows', () => {
  test('finds nothing when every point is there', () => {
    expect(compare(sent, [shows('home.a', 5, [1, 1, 1]), shows('home.b', 5, [0, 0, 0])], 5)).toEqual({
      holes: [],
      missingSeries: [],
      stepSeconds: 5,
    });
  });

  test('finds the tick of a single missing point', () => {
    expect(compare(sent, [shows('home.a', 5, [1, 1, 1]), shows('home.b', 5, [0, null, 0])], 5)).toEqual({
      holes: [{ from: (t + 5) * 1000, to: (t + 5) * 1000 + 1 }],
      missingSeries: [],
      stepSeconds: 5,
    });
  });

  test('a series that is not shown at all makes every one of its ticks a hole', () => {
    const found = compare(sent, [shows('home.a', 5, [1, 1, 1])], 5);
    expect(found.missingSeries).toEqual(['home.b']);
    expect(found.holes).toHaveLength(3);
  });

  test('points that fall between coarse slots are not taken for lost', () => {
    const found = compare(sent, [shows('home.a', 60, [1, null]), shows('home.b', 60, [1, null])], 5);
    expect(found).toEqual({ holes: [], missingSeries: [], stepSeconds: 60 });
  });

  test('slots finer than the tick do not hide or invent points', () => {
    const fine = (missing: number) =>
      Array.from({ length: 11 }, (_, i) => (i % 5 === 0 && i !== missing ? 1 : null));
    const found = compare(sent, [shows('home.a', 1, fine(-1)), shows('home.b', 1, fine(10))], 5);
    expect(found.holes).toEqual([{ from: (t + 10) * 1000, to: (t + 10) * 1000 + 1 }]);
  });
});

describe('the diagnosis of an unsuitable Carbon', () => {
  test('is silent when all is well', () => {
    expect(diagnose({ missingSeries: [], stepSeconds: 5 }, 5)).toEqual([]);
    expect(diagnose({ missingSeries: [], stepSeconds: 1 }, 5)).toEqual([]);
  });

  test('names the retention and the create limit, each with its fix', () => {
    expect(diagnose({ missingSeries: ['home.a', 'home.b'], stepSeconds: 60 }, 5)).toEqual([
      'Graphite keeps one point per 60 s of the one per 5 s that it gets: put deploy/graphite/storage-schemas.conf before the default rule and resize existing files with whisper-resize',
      '2 series are confirmed but missing in Graphite, first home.a: raise MAX_CREATES_PER_MINUTE in carbon.conf (Debian: 50) and look at creates.log',
    ]);
  });
});
