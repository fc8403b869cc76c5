import { expect, test } from 'vitest';
import { speakersConfig } from './config.ts';

test.each([
  [[{ id: 'a', device: '-D x' }], 'a device does not begin with -'],
  [[{ id: 'a', device: 'x;y' }], 'expected a name as aplay -L prints it'],
  [[{ id: 'a', voice: '-w/etc/passwd' }], 'expected a language or voice'],
  [[{ id: 'a', type: 'bluetooth' }], 'a Bluetooth speaker needs its address'],
  [[{ id: 'a', type: 'bluetooth', mac: 'nonsense' }], 'expected a MAC address'],
  [[{ id: 'a' }, { id: 'a' }], 'there are two speakers a'],
  [[{ id: 'a', fallback: 'b' }], 'there is no speaker b'],
  [
    [
      { id: 'a', fallback: 'b' },
      { id: 'b', fallback: 'a' },
    ],
    'the fallback of a leads back to itself',
  ],
  [[{ id: 'a', volume: 101 }], 'volume'],
  [[{ id: 'a', loudness: 1 }], 'loudness'],
])('the speakers %j are refused', (raw, why) => {
  expect(() => speakersConfig.parse(raw)).toThrow(why);
});
