import { expect, test } from 'vitest';
import { chooseScanner, grantsNetRaw, mayUseRaw } from './choose.ts';

test.each([
  ['CapEff:\t0000000000002000', true],
  ['CapPrm:\t0000000000002000\nCapEff:\t0000000000000000', false],
  ['CapEff:\t000001ffffffffff', true],
  ['CapEff:\t000001ffffffdfff', false],
  ['', false],
])('%j grants raw sockets: %s', (status, granted) => expect(grantsNetRaw(status)).toBe(granted));

// 198.51.100.0/24 is for documentation: no interface has an address in it, so nothing is ever sent.
test.each(['auto', 'raw', 'kernel'] as const)(
  'a network that this machine is not in is an error (%s)',
  async (mode) => {
    await expect(chooseScanner({ mode, networks: ['198.51.100.0/24'], retries: 4 })).rejects.toMatchObject({
      code: 'UNREACHABLE',
      message: expect.stringMatching(
        /^no interface has an address in 198\.51\.100\.0\/24; this machine has /,
      ),
    });
  },
);

test('the capability of this process can be read', () => expect(mayUseRaw()).toBeTypeOf('boolean'));
