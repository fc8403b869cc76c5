import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { scratch } from '../../../../tests/servers/process.ts';
import { readingsOf, wholeValues } from './answer.rules.ts';
import { single } from './plan.rules.ts';
import { loadTemplate, parseTemplate, shippedTemplates, templateProblem } from './templates.ts';
import { types } from './value.codec.ts';

const closers: (() => void)[] = [];
afterEach(() => closers.splice(0).forEach((close) => close()));

const good = `name: my-meter
manufacturer: Acme
model: M1
phases: 1
source: its manual
function: 3
registers:
  - { at: 10, quantity: power_watts, type: int16, scale: 0.1, unit: kW, missing: 0x7FFF }
`;
const refused = (text: string) => {
  try {
    parseTemplate(text, 'my.yaml');
  } catch (error) {
    return (error as Error).message;
  }
  return 'accepted';
};

test.each(shippedTemplates())(
  'the template %s is sound, is called as its file, and its registers do not overlap',
  (name) => {
    const { registers, name: called, maxBlock } = loadTemplate(name);
    expect(called).toBe(name);
    expect(registers.some((r) => r.quantity === 'power_watts')).toBe(true);
    expect(registers.some((r) => r.quantity === 'energy_wh')).toBe(true);
    expect(maxBlock).toBeLessThanOrEqual(125);
    const rows = registers.toSorted((a, b) => a.fn - b.fn || a.at - b.at);
    const overlaps = rows.filter((row, i) => {
      const next = rows[i + 1];
      return next?.fn === row.fn && row.at + types[row.type] > next.at;
    });
    expect(overlaps).toEqual([]);
  },
);

test('the Eastron meters that Lares was asked for are there', () => {
  expect(shippedTemplates()).toEqual(expect.arrayContaining(['sdm120', 'sdm230', 'sdm630', 'sdm72']));
});

test('scale and unit make watts, and a value that means nothing is left out', () => {
  const [register] = parseTemplate(good, 'my.yaml').registers;
  const block = single(register!);
  expect(readingsOf(block, Buffer.from([0x00, 0x0c]))).toEqual([['power_watts', 1200]]);
  expect(readingsOf(block, Buffer.from([0x7f, 0xff]))).toEqual([]);
});

test('a float that is no number is not measured, never 0', () => {
  const volts = single(loadTemplate('sdm120').registers[0]!);
  for (const nothing of ['7fc00000', '7f800000', 'ff800000'])
    expect(readingsOf(volts, Buffer.from(nothing, 'hex'))).toEqual([]);
  expect(readingsOf(volts, Buffer.alloc(4))).toEqual([['voltage_volts', 0]]);
});

test('decimal fractions of a counter stay decimal', () => {
  const energy = single(loadTemplate('sdm120').registers.find((r) => r.quantity === 'energy_wh')!);
  const bytes = Buffer.alloc(4);
  bytes.writeFloatBE(1551.37);
  expect(wholeValues(new Map(readingsOf(energy, bytes)), false)).toEqual({ energy_wh: 1_551_370 });
});

test.each<[string, string, string]>([
  [
    'a misspelt quantity',
    good.replace('power_watts', 'power_wats'),
    'my.yaml:8: registers[0].quantity: unknown quantity; did you mean power_watts?',
  ],
  [
    'a unit of something else',
    good.replace('kW', 'kWh'),
    'my.yaml:8: registers[0].unit: kWh does not fit power_watts; expected W, kW, MW',
  ],
  [
    'a missing key',
    good.replace('function: 3\n', ''),
    'my.yaml:1: function: expected 3 (holding registers) or 4 (input registers)',
  ],
  [
    'a scale of nothing',
    good.replace('0.1', '0'),
    'my.yaml:8: registers[0].scale: a scale of 0 makes every value 0',
  ],
  ['an unknown key', `${good}colour: red\n`, 'my.yaml:1: Unrecognized key: "colour"'],
  ['broken YAML', good.replace('phases: 1', 'phases: [1'), 'my.yaml:5'],
  [
    'a quantity given twice',
    `${good}  - { at: 12, quantity: power_watts, type: int16 }\n`,
    'my.yaml:9: registers[1].quantity: power_watts is given twice; keep one of them',
  ],
])('%s is refused with file, line and what to write', (_name, text, message) => {
  expect(refused(text).slice(0, message.length)).toBe(message);
});

test('a value wider than the longest request is refused', () => {
  expect(
    refused(good.replace('int16', 'uint64').replace('function: 3', 'function: 3\nmax_block: 2')),
  ).toMatch(/max_block: one uint64 takes 4 registers; max_block must be at least that$/);
});

test('an unknown name gets the nearest known one, a path is taken as it is', () => {
  expect(templateProblem('sdm360')).toMatch(
    /^no template is called sdm360; did you mean sdm\d+\? There are .*sdm120/,
  );
  expect(templateProblem('sdm630')).toBeUndefined();
  expect(() => loadTemplate('./nowhere/meter.yaml')).toThrow(/meter\.yaml cannot be read: .*ENOENT/);
});

test('a new meter is one file anywhere', () => {
  const { dir, remove } = scratch('template');
  closers.push(remove);
  const file = path.join(dir, 'my-meter.yaml');
  writeFileSync(file, good);
  expect(loadTemplate(file)).toEqual({
    name: 'my-meter',
    manufacturer: 'Acme',
    model: 'M1',
    phases: 1,
    maxBlock: 60,
    maxGap: 12,
    registers: [
      {
        at: 10,
        fn: 3,
        type: 'int16',
        order: 'ABCD',
        quantity: 'power_watts',
        factor: 100,
        missing: [0x7fff],
      },
    ],
  });
  expect(readFileSync(file, 'utf8')).toBe(good);
});

test('the documentation names every template, and its example is accepted', () => {
  const text = readFileSync(path.join(import.meta.dirname, '../../../../docs/modbus-templates.md'), 'utf8');
  for (const name of shippedTemplates()) expect(text).toContain(`\`${name}\``);
  const example = /```yml\n(name: my-meter\n[^`]*)```/.exec(text)?.[1] ?? '';
  expect(parseTemplate(example, 'my-meter.yaml').registers).toHaveLength(2);
});
