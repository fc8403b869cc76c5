import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { parseCloud, parseLocal, parseMessage, parseState } from './codec.ts';
import { electricity, start } from './fixture.ts';

test('a local message of electricity, to the last digit', () => {
  expect(parseLocal(electricity())).toEqual({
    medium: 'electricity',
    at: start,
    values: { power_watts: 431, energy_wh: 1_234_567, unit_price: 0.2703, standing_charge: 0.5351 },
    periods: { day: 3.1, week: 20.25, month: 60.4 },
    point: '1200012345678',
    supplier: 'Example Energy',
  });
});

test('error values and nulls of the display are absent, not measured', () => {
  const broken = electricity({
    power: { value: -8388.608, units: 'kW' },
    energy: {
      export: { cumulative: null },
      import: {
        cumulative: 0,
        day: null,
        units: 'kWh',
        supplier: '---',
        price: { unitrate: 0, standingcharge: 0 },
      },
    },
  });
  expect(parseLocal(broken)).toEqual({ medium: 'electricity', at: start, values: {}, periods: {} });
  expect(parseLocal(electricity({ energy: null, power: null, timestamp: '2000-01-01T00:00:00Z' }))).toEqual({
    medium: 'electricity',
    values: {},
    periods: {},
  });
});

test('what is fed back is negative power and a counter of its own', () => {
  const message = electricity({
    power: { value: -1.25, units: 'kW' },
    energy: { export: { cumulative: 12.5, units: 'kWh' }, import: { cumulative: 1, units: 'kWh' } },
  });
  expect(parseLocal(message).values).toEqual({ power_watts: -1_250, energy_wh: 1_000, export_wh: 12_500 });
});

test('gas in kWh and m³, as old and new displays write it', () => {
  const gas = (bought: object) =>
    parseLocal({ gasmeter: { timestamp: '2026-11-21T07:30:00Z', energy: { import: bought } } });
  const fresh = {
    cumulative: 2282.363,
    units: 'kWh',
    cumulativevol: 203.782,
    cumulativevolunits: 'm3',
    day: 1.5,
    mprn: '42',
  };
  expect(gas(fresh)).toEqual({
    medium: 'gas',
    at: start - 1_800_000,
    values: { energy_wh: 2_282_363, volume_m3: 203.782 },
    periods: { day: 1.5 },
    point: '42',
  });
  expect(gas({ cumulative: 203.782, units: 'm3', day: 1.5 })).toMatchObject({
    values: { volume_m3: 203.782 },
    periods: {},
  });
  expect(gas({ ...fresh, cumulativevol: 0 }).values).toEqual({ energy_wh: 2_282_363 });
});

const cloud = (attributes: object, medium = 'elecMtr') =>
  parseCloud({
    [medium]: { '0702': { '03': { '01': '00000001', '02': '000003E8', '00': '00' }, ...attributes } },
    gmtime: start / 1_000,
  });

test('a cloud message: 48-bit sums, a signed demand of 24 bits, periods and the instant', () => {
  expect(
    cloud({
      '00': { '00': '0000004D64CC', '01': '0000000003E8' },
      '04': { '00': '000009F3', '01': '001F23', '30': '004A12', '40': '011C3C' },
    }),
  ).toEqual([
    {
      medium: 'electricity',
      at: start,
      values: { power_watts: 2_547, energy_wh: 5_072_076, export_wh: 1_000 },
      periods: { day: 7.971, week: 18.962, month: 72.764 },
    },
  ]);
});

test.each([
  ['FFFFFE', -2],
  ['00FFFF38', -200],
  ['7FFFFF', 8_388_607],
  ['800000', undefined],
  ['00800000', undefined],
  ['', undefined],
])('the demand %s is %s W', (raw, watts) =>
  expect(cloud({ '04': { '00': raw } })[0]!.values.power_watts).toBe(watts),
);

test('gas of the cloud counts m³, and its periods are kWh', () => {
  const gas = { '03': { '01': '00000001', '02': '000003E8', '00': '01', '12': '00' } };
  expect(
    cloud({ ...gas, '00': { '00': '00000022D37B' }, '0C': { '01': '009A1C', '30': '015DF5' } }, 'gasMtr'),
  ).toEqual([
    { medium: 'gas', at: start, values: { volume_m3: 2_282.363 }, periods: { day: 39.452, week: 89.589 } },
  ]);
});

test('sums that are zero or all ones are unknown; a time in hexadecimal will do', () => {
  const value = {
    elecMtr: { '0702': { '00': { '00': '000000000000', '01': 'FFFFFFFFFFFF' } } },
    time: '6A200000',
  };
  expect(parseCloud(value)).toEqual([
    { medium: 'electricity', at: 0x6a20_0000 * 1_000, values: {}, periods: {} },
  ]);
});

test('the state of the display', () => {
  const state = {
    software: 'v1.8.13',
    hardware: 'GLOW-IHD-01',
    ethmac: '0123456789AB',
    han: { status: 'joined' },
  };
  expect([parseState(state), parseState('nothing')]).toEqual([
    { firmware: 'v1.8.13', model: 'GLOW-IHD-01', mac: '01:23:45:67:89:ab', link: 'joined' },
    {},
  ]);
});

test('a counter of whole Wh survives the way through kWh, written and read', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 ** 11 }), (wh) => {
      const message = electricity({ energy: { import: { cumulative: wh / 1_000, units: 'kWh' } } });
      expect(parseLocal(JSON.parse(JSON.stringify(message))).values.energy_wh).toBe(wh);
      const raw = wh.toString(16).toUpperCase().padStart(12, '0');
      expect(cloud({ '00': { '00': raw } })[0]!.values.energy_wh).toBe(wh);
    }),
  );
});

test('whatever is published, the codec gives finite values or refuses with BAD_REPLY', () => {
  const leaf = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('800000', 'FFFFFF', -8388.608, 0, '2026-11-21T08:00:00Z'),
  );
  const keyed =
    (...keys: string[]) =>
    (value: fc.Arbitrary<unknown>) =>
      fc.dictionary(fc.constantFrom(...keys), value);
  const level = keyed(
    '00',
    '01',
    '02',
    '03',
    '04',
    '0C',
    '30',
    '40',
    'cumulative',
    'units',
    'price',
    'unitrate',
    'value',
    'day',
  );
  const meter = keyed(
    '0702',
    '0708',
    'energy',
    'power',
    'import',
    'export',
    'timestamp',
  )(fc.oneof(leaf, level(fc.oneof(leaf, level(leaf))), keyed('import', 'export')(level(leaf))));
  const message = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    keyed('electricitymeter', 'gasmeter', 'elecMtr', 'gasMtr', 'gmtime', 'time')(fc.oneof(meter, leaf)),
  );
  fc.assert(
    fc.property(message, (value) => {
      for (const parse of [parseLocal, parseCloud]) {
        let numbers: number[] = [];
        try {
          numbers = [parse(value)]
            .flat()
            .flatMap(({ values, periods }) => [...Object.values(values), ...Object.values(periods)]);
        } catch (error) {
          if (!(error instanceof LaresError) || error.code !== 'BAD_REPLY') throw error;
        }
        expect(numbers.filter((number) => !Number.isFinite(number))).toEqual([]);
      }
    }),
    { numRuns: 300 },
  );
  expect(() => parseMessage('{')).toThrow('not JSON');
});
