import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSeries } from '#kernel/reading.ts';
import type { Device } from './model.ts';
import { assignPath, type Names } from './naming.rules.ts';

const lamp: Device = { id: 'kasa:80aa01', source: 'kasa', name: 'Living room lamp' };

test('a device is called by its source and its name', () => {
  expect(assignPath({}, lamp)).toEqual({
    names: { 'kasa:80aa01': { path: 'kasa.living_room_lamp', asked: 'kasa.living_room_lamp' } },
    path: 'kasa.living_room_lamp',
    collided: false,
  });
});

test('the second of two devices with one name gets a number, and keeps it when the first is gone', () => {
  const { names } = assignPath({}, lamp);
  const twin = { ...lamp, id: 'kasa:80aa02' };
  const second = assignPath(names, twin);
  expect(second).toMatchObject({ path: 'kasa.living_room_lamp_2', collided: true });
  const { [lamp.id]: _, ...left } = second.names;
  expect(assignPath(left, twin).path).toBe('kasa.living_room_lamp_2');
});

test('a device that is renamed moves, and the name is free again', () => {
  const { names } = assignPath({}, lamp);
  const renamed = assignPath(names, { ...lamp, name: 'Desk' });
  expect(renamed.path).toBe('kasa.desk');
  expect(assignPath(renamed.names, { ...lamp, id: 'kasa:80aa02' }).path).toBe('kasa.living_room_lamp');
});

test('a name without a letter that Graphite knows is replaced by the tail of the id', () => {
  expect(assignPath({}, { ...lamp, name: '灯' }).path).toBe('kasa.80aa01');
  expect(assignPath({}, { ...lamp, id: 'x:/', name: '…' }).path).toBe('kasa.device');
});

test('the main meter has no name of its own, another one has', () => {
  const meter: Device = { id: 'pulse:1', source: 'meter', name: 'Meter' };
  const { names, path } = assignPath({}, meter, true);
  expect(path).toBe('meter');
  expect(assignPath(names, { ...meter, id: 'pulse:2', name: 'Garage' }).path).toBe('meter.garage');
});

test('whatever devices call themselves, paths are valid, all different, and stay the same', () => {
  const device = fc.record({
    id: fc.string({ minLength: 1, maxLength: 20 }),
    source: fc.constantFrom('kasa', 'tuya', 'circuit'),
    name: fc.string({ unit: 'binary', maxLength: 80 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(device, { selector: (d) => d.id, maxLength: 12 }), (devices) => {
      let names: Names = {};
      const paths = new Map<string, string>();
      for (const d of [...devices, ...devices]) {
        const given = assignPath(names, d);
        names = given.names;
        expect(paths.get(d.id) ?? given.path).toBe(given.path);
        paths.set(d.id, given.path);
        expect(isSeries(`home.electricity.${given.path}.power_watts`)).toBe(true);
      }
      expect(new Set(paths.values()).size).toBe(devices.length);
    }),
    { numRuns: 300 },
  );
});
