import { expect, test } from 'vitest';
import { diffConfig } from '#config/diff.ts';
import { electricityConfig } from './config.ts';
import { drivers } from './drivers/index.ts';

const parse = (input: object) => electricityConfig.parse(input);
const meters = [{ name: 'meter', id: 'house', token: 'at-least-sixteen-characters' }];
const least: Record<string, object> = { pulse: { meters, mqtt: {} }, homeassistant: { auto: true } };

test.each(Object.keys(drivers))(
  'a section %s that is added or removed takes effect at once, and so it is said',
  (kind) => {
    const made = electricityConfig.safeParse({ [kind]: least[kind] ?? {} });
    if (!made.success) throw new Error(made.error.message);
    const [before, after] = [parse({}), made.data];
    for (const [old, next] of [
      [before, after],
      [after, before],
    ])
      expect(diffConfig(electricityConfig, old, next).needRestart).toEqual([]);
  },
);

test('one device has one entry', () => {
  const devices = [
    { device: 'Plug 3', name: 'Lamp' },
    { device: 'Plug 4' },
    { device: 'Plug 3', circuit: 'attic' },
  ];
  const said = electricityConfig.safeParse({ main_meter: 'Plug 3', devices }).error?.issues;
  expect(said?.map((i) => [i.path, i.message])).toEqual([
    [['devices', 2, 'device'], 'is the same as in entry 1 of this list; leave one of them out'],
  ]);
});

test.each(['kasa', 'shelly', 'tuya', 'tasmota_http'] as const)(
  'networks of %s that are too wide are refused like those of the house',
  (kind) => {
    const said = electricityConfig.safeParse({ [kind]: { networks: ['10.0.0.0/15'] } }).error?.issues;
    expect(said?.map((i) => i.path)).toEqual([[kind, 'networks', 0]]);
  },
);

test('a network that is too wide to be searched is refused before anything runs', () => {
  const said = (network: string) =>
    electricityConfig.safeParse({ networks: [network] }).error?.issues.map((i) => [i.path, i.message]);
  expect(said('10.0.0.0/16')).toBeUndefined();
  expect(said('0.0.0.0/0')).toEqual([
    [['networks', 0], 'expected a network that can be asked address by address, /16 or smaller'],
  ]);
});
