import { XMLParser, XMLValidator } from 'fast-xml-parser';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chartSvg, ticksOf, type Panel } from './chart.render.ts';

const hour = 3_600_000;
const now = Date.UTC(2026, 0, 31, 12);
const options = { title: 'Cameras', from: now - 24 * hour, to: now, timeZone: 'Europe/Berlin', gapMs: hour };

const panel = (lines: Panel['lines'], kind: Panel['kind'] = 'lines'): Panel => ({
  title: 'Frames looked at',
  unit: '1/s',
  kind,
  lines,
});

test('axes are labelled in round numbers and local time, a gap stays open, and a lonely point can be seen', () => {
  const points = [
    { at: now - 10 * hour, value: 2 },
    { at: now - 9.5 * hour, value: 5 },
    { at: now - 2 * hour, value: 4 },
  ];
  const svg = chartSvg([panel([{ name: 'front', points }])], options);
  const words = [...svg.matchAll(/<text class="axis"[^>]*>([^<]*)</g)].map((m) => m[1]);
  expect(words).toEqual([
    '0',
    '2',
    '4',
    '6',
    '15:00',
    '18:00',
    '21:00',
    '00:00',
    '03:00',
    '06:00',
    '09:00',
    '12:00',
    'front',
  ]);
  expect(/ d="([^"]*)"/.exec(svg)?.[1]).toBe('M579.8 115.3h0.1L598 54.3M871.2 74.7h0.1');
});

test('bars stand side by side, one a day, from zero', () => {
  const from = now - 2 * 24 * hour;
  const line = (name: string, value: number) => ({ name, points: [{ at: from, value }] });
  const svg = chartSvg([panel([line('events', 10), line('alerts', 5)], 'bars')], { ...options, from });
  const bars = [...svg.matchAll(/<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g)]
    .map((m) => m.slice(1).map(Number))
    .filter(([, , width]) => width !== 10);
  expect(bars).toEqual([
    [113.7, 34, 174.8, 122],
    [288.5, 95, 174.8, 61],
  ]);
});

test('nothing stored is said in words', () => {
  expect(chartSvg([panel([])], options)).toContain('>nothing was stored in this time<');
});

test('any names and values give well-formed XML with every name as it was, or without what XML cannot hold', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          name: fc.string({ unit: 'binary', maxLength: 20 }),
          values: fc.array(fc.double({ min: -1e12, max: 1e12, noNaN: true }), { maxLength: 5 }),
        }),
        { maxLength: 4 },
      ),
      fc.constantFrom<Panel['kind']>('lines', 'bars'),
      (all, kind) => {
        const lines = all.map(({ name, values }) => ({
          name,
          points: values.map((value, i) => ({ at: options.from + i * hour, value })),
        }));
        const svg = chartSvg([panel(lines, kind)], options);
        expect(XMLValidator.validate(svg)).toBe(true);
        expect(svg).not.toMatch(/NaN|Infinity/);
        expect(new XMLParser().parse(svg)).toHaveProperty('svg.g');
      },
    ),
    { numRuns: 200 },
  );
});

test('ticks are round, cover everything from zero on, and are few', () => {
  expect(ticksOf(0, 0.3)).toEqual([0, 0.1, 0.2, 0.3]);
  expect(ticksOf(0, 1234)).toEqual([0, 500, 1000, 1500]);
  fc.assert(
    fc.property(
      fc.integer({ min: -1e9, max: 0 }),
      fc.double({ min: 1e-3, max: 1e9, noNaN: true }),
      (least, most) => {
        const ticks = ticksOf(least, most);
        expect(ticks[0]).toBeLessThanOrEqual(least);
        expect(ticks.at(-1)! + (most - least) * 1e-6).toBeGreaterThanOrEqual(most);
        expect(ticks).toContain(0);
        expect(ticks.length).toBeLessThanOrEqual(8);
      },
    ),
  );
});
