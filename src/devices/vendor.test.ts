import { expect, test } from 'vitest';
import { Vendors } from './vendor.ts';

test('the maker of a network card is known by the IEEE registry, the longest prefix first', async () => {
  const vendors = new Vendors();
  // MA-L of 24 bits, MA-M of 28, MA-S of 36, a randomised address, and one that nobody registered.
  const macs = [
    'b8:27:eb:00:00:01',
    '00:55:da:00:00:01',
    '00:1b:c5:00:10:01',
    '02:00:00:00:00:01',
    'fc:ff:ff:00:00:01',
  ];
  await vendors.learn(macs);
  expect(macs.map((mac) => vendors.get(mac))).toEqual([
    'Raspberry Pi Foundation',
    'Shinko Technos co.,ltd.',
    'OpenRB.com, Direct SIA',
    undefined,
    undefined,
  ]);
});
