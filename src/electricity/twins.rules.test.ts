import { expect, test } from 'vitest';
import { findTwins } from './twins.rules.ts';

const day = 86_400_000;
const now = 100 * day;
const heard = (id: string, mac: string | undefined, ago = 0) => ({
  device: { id, source: id.split(':')[0]!, mac },
  lastSeen: now - ago,
});
const twins = (...devices: ReturnType<typeof heard>[]) => {
  const { hidden, replaced } = findTwins(devices, now);
  return { hidden: [...hidden], replaced: [...replaced] };
};

test('of a thing that is read directly and told by Home Assistant the direct one counts, however the address is spelt', () => {
  expect(
    twins(
      heard('homeassistant:1', '02:00:00:00:00:0A'),
      heard('shelly:1', '02000000000a'),
      heard('homeassistant:2', '02:00:00:00:00:0b'),
      heard('homeassistant:3', undefined),
      heard('kasa:1', undefined),
    ),
  ).toEqual({ hidden: ['homeassistant:1'], replaced: [] });
});

test('every socket of a strip has its address, and all that Home Assistant tells of it is hidden', () => {
  const mac = '02:00:00:00:00:0a';
  expect(
    twins(
      heard('kasa:1/00', mac),
      heard('kasa:1/01', mac, 2 * day),
      heard('homeassistant:1', mac),
      heard('homeassistant:2', mac),
    ),
  ).toEqual({ hidden: ['homeassistant:1', 'homeassistant:2'], replaced: [] });
});

test('after a day of silence Home Assistant stands in, unless it is silent too', () => {
  const mac = '02:00:00:00:00:0a';
  expect(twins(heard('kasa:1', mac, day), heard('homeassistant:1', mac)).hidden).toEqual(['homeassistant:1']);
  expect(twins(heard('kasa:1', mac, day + 1), heard('homeassistant:1', mac))).toEqual({
    hidden: [],
    replaced: ['kasa:1'],
  });
  expect(twins(heard('kasa:1', mac, day + 1), heard('homeassistant:1', mac, 2 * day))).toEqual({
    hidden: ['homeassistant:1'],
    replaced: [],
  });
});

test('two things that are read directly are two things, whatever they say of their address', () => {
  const mac = '02:00:00:00:00:0a';
  expect(twins(heard('kasa:1', mac), heard('tasmota:1', mac))).toEqual({ hidden: [], replaced: [] });
});
