import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { areas } from '../cli.ts';
import { io, states } from './fixture.ts';

const device = (path: string, more: object) => ({ path, state: 'ok', problem: null, notes: [], ...more });
const answer = (devices: object[], components: object[]) => async (url: string) =>
  url === '/api/electricity' ? { house: { basis: 'meter' }, devices } : { components };

test('names each device and source that does not work, with its reason and the next step', async () => {
  const get = answer(
    [
      device('kasa.kettle', { state: 'down', problem: 'did not answer within 5 s' }),
      device('tuya.fridge', { notes: ['its power looks ten times too high; read as tenths'] }),
      device('meter', {}),
    ],
    [
      { name: 'electricity.tuya', state: 'parked', detail: 'the key of fridge is wrong' },
      { name: 'electricity.kasa', state: 'ok', detail: '1 of 2 answer; no answer from 192.0.2.7' },
      { name: 'electricity.shelly', state: 'ok', detail: '2 of 2 answer' },
      { name: 'electricity.prices', state: 'down', detail: 'import prices: cannot read agile.csv' },
      { name: 'wifi', state: 'down', detail: 'not ours' },
    ],
  );
  expect(await areas.electricity(io({}, { get }))).toEqual([
    {
      check: 'electricity',
      state: 'ok',
      text: '2 of 3 devices answer; the house is measured by the meter',
    },
    {
      check: 'electricity',
      state: 'fail',
      text: 'electricity.tuya is parked: the key of fridge is wrong',
      fix: 'change electricity.tuya in lares.yaml; what is on the network: lares electricity discover',
    },
    {
      check: 'electricity',
      state: 'fail',
      text: 'electricity.prices is down: import prices: cannot read agile.csv',
      fix: 'change electricity.tariff in lares.yaml; how a tariff is written: docs/tariffs.md',
    },
    {
      check: 'electricity',
      state: 'warn',
      text: 'electricity.kasa: 1 of 2 answer; no answer from 192.0.2.7',
      fix: 'see that they have power and network; their addresses are under electricity.kasa in lares.yaml',
    },
    {
      check: 'electricity',
      state: 'warn',
      text: 'kasa.kettle is down: did not answer within 5 s',
      fix: 'lares electricity show kasa.kettle',
    },
    {
      check: 'electricity',
      state: 'ok',
      text: 'tuya.fridge: its power looks ten times too high; read as tenths',
    },
  ]);
});

test('a house without devices and a service that does not run are no failures', async () => {
  expect(states(await areas.electricity(io({}, { get: answer([], []) })))).toEqual([
    ['ok', 'no device is known; name networks or devices under electricity'],
  ]);
  const get = async () => Promise.reject(new LaresError('UNREACHABLE', 'Lares does not answer'));
  expect(states(await areas.electricity(io({}, { get })))).toEqual([
    ['ok', 'not looked at, because the service does not run'],
  ]);
});
