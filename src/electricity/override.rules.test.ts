import { expect, test } from 'vitest';
import { electricityConfig } from './config.ts';
import type { Device } from './model.ts';
import { overridden } from './override.rules.ts';

const plug: Device = { id: 'kasa:80aa', source: 'kasa', name: 'Plug 3', mac: '02:00:00:00:00:01' };
const see = (device: object) => overridden(plug, electricityConfig.parse({ devices: [device] }).devices);

test('a device is meant by id, own name or MAC address, in any case', () => {
  for (const device of ['KASA:80aa', 'plug 3', '02:00:00:00:00:01'])
    expect(see({ device, name: 'Kettle' })).toEqual({ ...plug, name: 'Kettle' });
  expect(see({ device: 'Plug', name: 'Kettle' })).toBe(plug);
});

test('a device that measures a circuit is filed under circuit', () => {
  expect(see({ device: 'plug 3', circuit: 'Kitchen' })).toEqual({
    ...plug,
    source: 'circuit',
    name: 'Kitchen',
  });
});

test('a device that measures the whole house is marked', () => {
  expect(see({ device: 'plug 3', whole_house: true })).toEqual({ ...plug, wholeHouse: true });
});

test('an ignored device is not there', () => {
  expect(see({ device: 'plug 3', ignore: true })).toBeUndefined();
});
