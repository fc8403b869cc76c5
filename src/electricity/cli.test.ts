import { Command } from 'commander';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { costText } from './cli.render.ts';
import { electricityCommands, type ElectricityHouse } from './cli.ts';

const device = (source: string) => ({
  id: `${source}:1`,
  path: `${source}.lamp`,
  name: 'Lamp',
  source,
  state: 'ok',
  values: {},
  notes: [],
  energy: null,
  cost_today: null,
});
const house = { basis: 'none', power_watts: null, unexplained_watts: null, energy: null, cost_today: null };

/** `lares electricity <words>` with this answer of the service; what it prints as data. */
async function say(words: readonly string[], body: unknown): Promise<unknown> {
  let printed: unknown;
  const electricity = new Command('electricity').option(
    '--source <kind>',
    '',
    (kind: string, before: string[]) => [...before, kind],
    [],
  );
  electricityCommands(electricity, {
    get: async () => body,
    print: (data: unknown) => (printed = data),
    configFile: () => undefined,
  } as unknown as ElectricityHouse);
  await electricity.parseAsync([...words], { from: 'user' });
  return printed;
}

const both = { house, devices: [device('kasa'), device('tuya')] };

test.each([[['devices', '--source', 'tuya']], [['--source', 'tuya', 'devices']]])(
  'lares electricity %j shows only that source',
  async (words) => {
    expect(await say(words, both)).toEqual({ house, devices: [device('tuya')] });
  },
);

test('a source that no device has is told, with those that there are', async () => {
  await expect(say(['devices', '--source', 'kaas'], both)).rejects.toThrow(
    new LaresError('NOT_FOUND', 'no device is of the source "kaas"; there are kasa, tuya'),
  );
});

test.each([
  [['cheapest', 'abc'], /^<minutes> "abc": expected a whole number from 1 to 1440$/],
  [['cheapest', '1.5'], /^<minutes> "1.5": expected a whole number from 1 to 1440$/],
  [['cheapest', '90', '--within', 'soon'], /^--within "soon": expected a number from 1 to 48$/],
  [['history', '--quantity', 'powr'], /^--quantity "powr": expected one of power_watts, voltage_volts, /],
])('lares electricity %j is refused in words before anybody is asked', async (words, message) => {
  await expect(say(words, {})).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(message),
  });
});

test('the cost leaves out what drew nothing and says of the house where nothing was recorded', () => {
  const day = (path: string, date: number, kwh: number, total: number) => ({
    path,
    from: `2026-01-0${date}T00:00:00.000Z`,
    to: `2026-01-0${date + 1}T00:00:00.000Z`,
    kwh,
    total,
    import: path === 'house' ? total - 0.6 : total,
    export: 0,
    standing: path === 'house' ? 0.6 : 0,
    unpriced_kwh: 0,
  });
  const days = [
    day('house', 1, 0, 0.6),
    day('house', 2, 4, 1.6),
    day('kasa.lamp', 1, 0, 0),
    day('kasa.lamp', 2, 2, 0.5),
    day('kasa.spare', 1, 0, 0),
    day('kasa.spare', 2, 0, 0),
  ];
  expect(costText({ currency: 'GBP', days }, 'UTC').split('\n')).toEqual([
    'PATH       DAY         DRAWN     COST',
    'house      2026-01-01  0.00 kWh  0.60 GBP  nothing recorded',
    'house      2026-01-02  4.00 kWh  1.60 GBP',
    'house      together    4.00 kWh  2.20 GBP',
    'kasa.lamp  2026-01-02  2.00 kWh  0.50 GBP',
  ]);
});
