import fc from 'fast-check';
import { expect, test } from 'vitest';
import { durationMs, inject, type Faulty } from './faults.ts';

function fleet() {
  const done: string[] = [];
  const make = (...paths: string[]): Faulty => ({
    paths,
    what: 'simulated',
    faults: ['drop', 'reboot'],
    fault: (name, ms) => done.push(`${paths[0]} ${name} ${ms}`),
  });
  const all = [
    make('kasa.kettle'),
    make('circuit.kitchen', 'circuit.upstairs'),
    make('tuya.kettle'),
    make('broker'),
  ];
  return { all, done };
}

test('a fault hits the device of that path, or of that name, and whatever shares its line', () => {
  const { all, done } = fleet();
  expect(inject(all, 'kasa.kettle', 'drop', 5_000)).toEqual({ paths: ['kasa.kettle'] });
  expect(inject(all, 'Upstairs', 'reboot', 0)).toEqual({ paths: ['circuit.kitchen', 'circuit.upstairs'] });
  expect(inject(all, 'broker', 'drop', 1)).toEqual({ paths: ['broker'] });
  expect(done).toEqual(['kasa.kettle drop 5000', 'circuit.kitchen reboot 0', 'broker drop 1']);
});

test('what is meant must be clear: nothing happens for an unknown or ambiguous device, or a fault that it has not', () => {
  const { all, done } = fleet();
  expect(() => inject(all, 'kettle', 'drop', 1)).toThrow(/may be kasa\.kettle or tuya\.kettle/);
  expect(() => inject(all, 'toaster', 'drop', 1)).toThrow(/nothing in the demo house is called "toaster"/);
  expect(() => inject(all, 'broker', 'hang', 1)).toThrow('broker has no fault hang; it has drop, reboot');
  expect(done).toEqual([]);
});

test('durations are numbers with s, m or h, and nothing else', () => {
  expect(['30s', '2m', '1h', '0.5s', '24h'].map(durationMs)).toEqual([
    30_000, 120_000, 3_600_000, 500, 86_400_000,
  ]);
  for (const text of ['', '30', 's', '0s', '25h', '-1s', '1d', '1e3s', ' 1s', '1s '])
    expect(() => durationMs(text)).toThrow(/expected how long/);
  fc.assert(
    fc.property(fc.string({ maxLength: 8 }), (text) => {
      fc.pre(!/^\d+(\.\d+)?[smh]$/.test(text));
      expect(() => durationMs(text)).toThrow(/expected how long/);
    }),
  );
});
