import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quantities, type Values } from '../../model.ts';
import {
  measuredPoints,
  parsePoints,
  productMap,
  recognise,
  scaled,
  toValues,
  wantedPoints,
  type PointMap,
} from './data-points.rules.ts';
import type { DataValue } from './model.ts';
import { writePhase } from './phase.codec.ts';
import { judge, rescaled, scaleNotes, trusted, type Scales } from './plausible.rules.ts';
import { productRows } from './products.ts';
import { SimDevice, simShapes } from './sim-device.ts';

const state = (points: Record<number, DataValue>) =>
  new Map(Object.entries(points).map(([dp, value]) => [Number(dp), value]));

describe('recognising a family', () => {
  it.each([
    ['a standard plug', { 1: true, 9: 0, 18: 100, 19: 200, 20: 2300 }, 'standard plug'],
    ['an old plug', { 1: true, 2: 0, 4: 100, 5: 200, 6: 2300 }, 'old plug'],
    [
      'a breaker',
      { 1: 100, 6: writePhase({ volts: 230, amps: 1, watts: 230 }), 16: true },
      'breaker with packed phases',
    ],
    ['a dual clamp meter', { 101: 10, 105: 10, 112: 2300, 115: 20 }, 'dual clamp meter (PJ1103A)'],
    ['a switch', { 1: true, 9: 0 }, 'switch without a meter'],
    ['a thermostat', { 1: true, 4: 20, 5: 21, 6: 0 }, 'switch without a meter'],
    ['a door sensor', { 101: 'open' }, undefined],
  ])('%s', (_, points, title) => {
    expect(recognise(state(points as Record<number, DataValue>))?.title).toBe(title);
  });
});

describe('values', () => {
  it('are exact: no noise of binary fractions', () => {
    expect([scaled(2305, 10), scaled(3, 0.1), scaled(1234, 0.01), scaled(7, 1)]).toEqual([
      230.5, 30, 123_400, 7,
    ]);
  });

  it('of three packed phases add up, and one phase is the device itself', () => {
    const phase = (watts: number) => writePhase({ volts: 230, amps: Math.abs(watts) / 230, watts });
    const three = state({ 1: 12_345, 6: phase(230), 7: phase(460), 8: phase(-690), 16: false });
    expect(toValues(recognise(three)!, three)).toEqual({
      energy_wh: 123_450,
      power_watts: 0,
      is_on: 0,
      power_l1_watts: 230,
      power_l2_watts: 460,
      power_l3_watts: -690,
      voltage_l1_volts: 230,
      voltage_l2_volts: 230,
      voltage_l3_volts: 230,
      current_l1_amps: 1,
      current_l2_amps: 2,
      current_l3_amps: 3,
    } satisfies Values);
  });

  it('of a phase that says nothing are absent, and so is their sum', () => {
    const map: PointMap = { title: 'test', values: {}, phases: [6, 7] };
    expect(toValues(map, state({ 6: writePhase({ volts: 230, amps: 1, watts: 230 }) }))).toEqual({
      power_l1_watts: 230,
      voltage_l1_volts: 230,
      current_l1_amps: 1,
    });
  });

  it('take the sign of the direction', () => {
    const points = state({ 101: 500, 102: 'REVERSE', 104: 'FORWARD', 105: 200, 112: 2300, 115: -300 });
    expect(toValues(recognise(points)!, points)).toMatchObject({
      power_l1_watts: -50,
      power_l2_watts: 20,
      power_watts: -30,
    });
  });

  it('of what a device does not say are absent, never 0', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('1', '4', '5', '6', '18', '19', '20', '112', '115'),
          fc.oneof(fc.string(), fc.boolean()),
        ),
        (points) => {
          const said = state(points as Record<number, DataValue>);
          const values = toValues(parsePointsOf('I=18/1000 P=19/10 V=20/10'), said);
          expect(values).toEqual({});
        },
      ),
    );
  });

  it('of 0 volts are not measured', () => {
    const points = state({ 1: false, 18: 0, 19: 0, 20: 0 });
    expect(toValues(recognise(points)!, points)).toEqual({ is_on: 0, current_amps: 0, power_watts: 0 });
  });

  it('of every simulated shape are what the appliance draws', () => {
    for (const shape of simShapes) {
      const points = new SimDevice({ shape, power: () => 1000, now: () => 0 }).measure();
      const factor = shape === 'hundredths-plug' ? 10 : 1;
      const wanted = shape === 'switch' ? undefined : 1000 * factor;
      expect(toValues(recognise(points)!, points).power_watts).toBe(wanted);
    }
  });
});

const parsePointsOf = (text: string): PointMap => ({ title: 'test', ...parsePoints(text) });

describe('the table of products', () => {
  it('names every product once, with quantities that exist and scales that can be', () => {
    const ids = productRows.flatMap(([names]) => names.split(' '));
    expect(new Set(ids).size).toBe(ids.length);
    for (const [names, text] of productRows) {
      const words = text.split(' ');
      const { values, phases } = parsePoints(text);
      expect(Object.keys(values).length + (phases === undefined ? 0 : 1), names).toBe(words.length);
      for (const [quantity, { dp, scale }] of Object.entries(values)) {
        expect(Object.keys(quantities)).toContain(quantity);
        expect(Number.isInteger(dp) && dp >= 1 && dp <= 255 && scale > 0, `${names} ${quantity}`).toBe(true);
      }
      expect(Object.values(values).map(({ dp }) => dp)).not.toContain(17);
    }
  });

  it('knows that some plugs say hundredths', () => {
    const map = productMap('pl28o0wkaopyft8u')!;
    expect(
      toValues(map, state({ 1: true, 18: 5000, 19: 115_000, 20: 23_000, 123: 1500, 133: 5000 })),
    ).toEqual({
      is_on: 1,
      current_amps: 5,
      power_watts: 1150,
      voltage_volts: 230,
      energy_wh: 1500,
      frequency_hertz: 50,
    });
    expect(measuredPoints(map)).toEqual([18, 19, 20, 123, 133, 134]);
    expect(wantedPoints(map)).toEqual([1, 18, 19, 20, 123, 133, 134]);
    expect([productMap(undefined), productMap('nobody')]).toEqual([undefined, undefined]);
  });
});

describe('the check of scales by physics', () => {
  const poll = (watts: number, volts: number, amps: number): Values => ({
    power_watts: watts,
    voltage_volts: volts,
    current_amps: amps,
  });
  const after = (...polls: Values[]): Scales => polls.reduce(judge, trusted);
  const wrong = poll(20_000, 230, 9);

  it('corrects after three polls in a row that say the same, not before', () => {
    expect(after(wrong, wrong)).toMatchObject({ volts: 0, watts: 0 });
    expect(after(wrong, wrong, wrong)).toEqual({ volts: 0, watts: 1, candidate: undefined });
    expect(after(wrong, wrong, poll(2000, 230, 9), wrong, wrong)).toMatchObject({ watts: 0 });
  });

  it('goes back in the same way', () => {
    const right = poll(2000, 230, 9);
    expect(after(wrong, wrong, wrong, right, right)).toMatchObject({ watts: 1 });
    expect(after(wrong, wrong, wrong, right, right, right)).toEqual(trusted);
  });

  it('learns nothing from an idle device, nor forgets', () => {
    const idle = poll(0, 230, 0);
    const tiny = poll(0.4, 230, 0.06);
    expect(after(idle, idle, idle, tiny, tiny, tiny)).toEqual(trusted);
    expect(after(wrong, wrong, wrong, idle, idle, idle, tiny, tiny, tiny)).toMatchObject({ watts: 1 });
  });

  it.each([
    ['hundredths of a volt', poll(2000, 2300, 9), { volts: 1, watts: 0 }],
    ['whole volts where tenths were expected', poll(2000, 23, 9), { volts: -1, watts: 0 }],
    ['power a hundred times too large', poll(200_000, 230, 9), { volts: 0, watts: 2 }],
    ['a tenth of the power', poll(200, 230, 9), { volts: 0, watts: -1 }],
    ['both', poll(20_000, 2300, 9), { volts: 1, watts: 1 }],
    ['American mains', poll(1000, 120, 8.5), { volts: 0, watts: 0 }],
    ['a motor with a poor power factor', poll(500, 230, 9), { volts: 0, watts: 0 }],
    ['power that is fed back', poll(-2000, 230, 9), { volts: 0, watts: 0 }],
    ['no mains at all', poll(2000, 500, 9), { volts: 0, watts: 0 }],
  ])('decides on %s', (_, values, wanted) => {
    expect(after(values, values, values, values)).toMatchObject(wanted);
  });

  it('never touches a plausible device, whatever it draws', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            volts: fc.double({ min: 90, max: 260, noNaN: true }),
            amps: fc.double({ min: 0, max: 16, noNaN: true }),
            factor: fc.double({ min: 0.13, max: 1, noNaN: true }),
          }),
          { maxLength: 20 },
        ),
        (polls) => {
          const scales = after(
            ...polls.map(({ volts, amps, factor }) => poll(volts * amps * factor, volts, amps)),
          );
          expect(scales).toEqual(trusted);
        },
      ),
    );
  });

  it('finds any power of ten of a load that is worth the name', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 300, max: 3000 }),
        fc.integer({ min: 0, max: 2 }),
        fc.integer({ min: 0, max: 1 }),
        (watts, p, v) => {
          const amps = watts / 230 / 0.9;
          const said = poll(watts * 10 ** p, 230 * 10 ** v, amps);
          const scales = after(said, said, said);
          const { power_watts, voltage_volts } = rescaled(said, scales);
          expect(power_watts).toBeCloseTo(watts, 6);
          expect(voltage_volts).toBeCloseTo(230, 6);
        },
      ),
    );
  });

  it('tells people which data point and what it was taken for', () => {
    const map = productMap('pl28o0wkaopyft8u')!;
    expect(scaleNotes(map, trusted)).toEqual([]);
    expect(scaleNotes(map, { volts: 0, watts: -1, candidate: undefined })).toEqual([
      'the scale of power was inferred: data point 19 divided by 10, not 100 (power against volts times amperes); say so under dps if it is right',
    ]);
  });
});
