import { expect, test } from 'vitest';
import { broadcastOf, networkOf } from '#devices/lan/codec/ipv4.ts';
import { addressesOf, searchable } from './networks.rules.ts';

const addresses = (...cidrs: string[]) => addressesOf(searchable(cidrs));

test('a network is its hosts, without network and broadcast address where it has them', () => {
  expect(addresses('192.0.2.9/30')).toEqual(['192.0.2.9', '192.0.2.10']);
  expect(addresses('192.0.2.8/31')).toEqual(['192.0.2.8', '192.0.2.9']);
  expect(addresses('192.0.2.9/32')).toEqual(['192.0.2.9']);
  expect(addresses('255.255.255.9/24')).toHaveLength(254);
});

test('loopback is as good as any other network', () => {
  expect(addresses('127.0.7.0/30')).toEqual(['127.0.7.1', '127.0.7.2']);
});

test('networks that overlap are asked once', () => {
  expect(addresses('192.0.2.8/30', '192.0.2.8/29')).toHaveLength(6);
});

test('a network that would take hours is refused by name', () => {
  expect(() => searchable(['192.0.2.0/24', '10.0.0.0/15'])).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      message: '10.0.0.0/15 is too wide to be searched; name networks of /16 or smaller',
    }),
  );
  expect(addresses('10.1.2.3/16')).toHaveLength(65_534);
});

test('the broadcast address is the last one, also of the last network', () => {
  expect(
    ['192.0.2.77/24', '192.0.2.77/32', '255.255.0.0/16'].map((cidr) => broadcastOf(networkOf(cidr))),
  ).toEqual(['192.0.2.255', '192.0.2.77', '255.255.255.255']);
});
