import { expect, test } from 'vitest';
import { compose, sumOfPower } from './household.rules.ts';
import type { Device, Values } from './model.ts';

const device = (id: string, source: string, more: Partial<Device> = {}): Device => ({
  id,
  source,
  name: id,
  ...more,
});
const strip = device('strip', 'kasa');
const sockets = ['s1', 's2'].map((id) => device(id, 'kasa', { parent: 'strip-not-announced' }));
const circuit = device('c1', 'circuit');
const meter = device('m', 'meter');
const gas = device('g', 'glow', { medium: 'gas' });

test('the meter is the house, and everything else explains it', () => {
  expect(compose([...sockets, strip, meter, gas])).toEqual({
    basis: 'meter',
    parts: ['m'],
    explaining: [[], ['s1', 's2', 'strip']],
  });
});

test('one measured circuit is not the whole house, unless the settings say that the circuits are', () => {
  expect(compose([strip, circuit])).toEqual({
    basis: 'devices',
    parts: ['c1', 'strip'],
    explaining: [['c1'], ['strip']],
  });
  expect(compose([strip, circuit], 'circuits')).toEqual({
    basis: 'circuits',
    parts: ['c1'],
    explaining: [['c1'], ['strip']],
  });
});

test('without meter and circuits the devices are, and a socket inside a measuring strip is not counted twice', () => {
  const inside = device('inside', 'kasa', { parent: 'strip' });
  expect(compose([strip, inside]).parts).toEqual(['strip']);
  expect(compose([]).basis).toBe('none');
});

test('a gas meter is never electricity', () => {
  expect(compose([gas])).toEqual({ basis: 'none', parts: [], explaining: [[], []] });
});

test('the settings may name any device as the main meter', () => {
  const em = device('em', 'shelly');
  expect(compose([em, strip], 'em')).toEqual({ basis: 'meter', parts: ['em'], explaining: [[], ['strip']] });
});

test('a clamp at the supply that the settings name is no load, and the meter where there is no other', () => {
  // A channel of a thing that is never announced itself.
  const clamp = device('clamp', 'shelly', { wholeHouse: true, parent: 'shelly:1' });
  expect(compose([clamp, strip, meter])).toEqual({
    basis: 'meter',
    parts: ['m'],
    explaining: [[], ['strip']],
  });
  expect(compose([clamp, strip])).toEqual({ basis: 'meter', parts: ['clamp'], explaining: [[], ['strip']] });
});

test('a sum that must be whole is unknown when a part is; another one leaves it out', () => {
  const values = new Map<string, Values>([
    ['a', { power_watts: 10 }],
    ['b', {}],
  ]);
  expect(sumOfPower(['a', 'b'], values, true)).toBeUndefined();
  expect(sumOfPower(['a', 'b'], values, false)).toBe(10);
  expect(sumOfPower(['b'], values, false)).toBeUndefined();
});
