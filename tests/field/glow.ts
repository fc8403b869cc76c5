import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseCloud, parseMessage, parseLocal, type MeterMessage } from '#electricity/drivers/glow/codec.ts';
import { reason } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import type { Suite } from './suite.ts';

/** A rule that a reading must meet, with what it says when it does not. */
type Finding = readonly [right: boolean, text: string];

const close = (a: number, b: number) => Math.abs(a - b) < 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
const at = (value: unknown, ...keys: string[]): unknown =>
  keys.reduce<unknown>(
    (v, key) => (typeof v === 'object' && v !== null ? Reflect.get(v, key) : undefined),
    value,
  );

/** A number of the message is kept to the last digit; null, 0 and the error power are absent. */
function kept(
  raw: unknown,
  value: number | undefined,
  factor: number,
  name: string,
  error?: number,
): Finding {
  const wanted = typeof raw === 'number' && raw !== 0 && raw !== error ? raw * factor : undefined;
  const right = wanted === undefined ? value === undefined : value !== undefined && close(value, wanted);
  return [right, `${name}: ${String(raw)} gave ${value ?? 'nothing'}`];
}

function localFindings(value: unknown, message: MeterMessage): Finding[] {
  const key = message.medium === 'gas' ? 'gasmeter' : 'electricitymeter';
  const bought = (...keys: string[]) => at(value, key, 'energy', 'import', ...keys);
  const power = at(value, key, 'power', 'value');
  const { values, periods } = message;
  return [
    bought('units') === 'm3'
      ? kept(bought('cumulative'), values.volume_m3, 1, 'volume')
      : kept(bought('cumulative'), values.energy_wh, 1_000, 'import'),
    kept(at(value, key, 'energy', 'export', 'cumulative'), values.export_wh, 1_000, 'export'),
    [
      power === 0 ? values.power_watts === 0 : kept(power, values.power_watts, 1_000, '', -8_388.608)[0],
      `power: ${String(power)} gave ${values.power_watts ?? 'nothing'}`,
    ],
    kept(bought('price', 'unitrate'), values.unit_price, 1, 'unit price'),
    kept(bought('price', 'standingcharge'), values.standing_charge, 1, 'standing charge'),
    ...(['day', 'week', 'month'] as const).map((name): Finding => {
      const raw = bought(name);
      const wanted = typeof raw === 'number' && bought('units') !== 'm3' ? raw : undefined;
      return [periods[name] === wanted, `${name}: ${String(raw)} gave ${periods[name] ?? 'nothing'}`];
    }),
    [
      message.at === undefined || message.at === Date.parse(String(at(value, key, 'timestamp'))),
      `instant: ${String(at(value, key, 'timestamp'))}`,
    ],
  ];
}

/** Big integers and the definition of two's complement, so that the check does not share the arithmetic of the codec. */
const integer = (raw: unknown): bigint | undefined =>
  typeof raw === 'string' && /^[0-9A-F]+$/i.test(raw) ? BigInt(`0x${raw}`) : undefined;

function cloudFindings(value: unknown, message: MeterMessage): Finding[] {
  const key = message.medium === 'gas' ? 'gasMtr' : 'elecMtr';
  const attribute = (set: string, id: string) => integer(at(value, key, '0702', set, id));
  const factor = Number(attribute('03', '01') ?? 1n) / Number(attribute('03', '02') ?? 1n);
  const { values, periods } = message;
  const sum = (raw: bigint | undefined, invalid: bigint) =>
    raw === undefined || raw === 0n || raw === invalid ? undefined : Number(raw) * factor;
  const same = (wanted: number | undefined, got: number | undefined, name: string): Finding => [
    wanted === undefined ? got === undefined : got !== undefined && close(wanted, got),
    `${name}: ${wanted ?? 'nothing'} gave ${got ?? 'nothing'}`,
  ];
  const cubic = values.volume_m3 !== undefined;
  const total = sum(attribute('00', '00'), 2n ** 48n - 1n);
  const raw = attribute('04', '00');
  const demand = raw === undefined ? undefined : BigInt.asIntN(24, raw);
  const watts =
    demand === undefined || demand === -(2n ** 23n) || cubic ? undefined : Number(demand) * factor * 1_000;
  const set = cubic ? '0C' : '04';
  const gmtime = at(value, 'gmtime');
  return [
    same(
      total === undefined || cubic ? total : total * 1_000,
      cubic ? values.volume_m3 : values.energy_wh,
      'sum',
    ),
    same(watts, values.power_watts, 'demand'),
    ...(
      [
        ['01', 'day'],
        ['30', 'week'],
        ['40', 'month'],
      ] as const
    ).map(([id, name]) => {
      const count = attribute(set, id);
      return same(
        count === undefined || count === 2n ** 24n - 1n ? undefined : Number(count) * factor,
        periods[name],
        name,
      );
    }),
    [typeof gmtime !== 'number' || message.at === gmtime * 1_000, `instant: ${String(gmtime)}`],
  ];
}

/** Rules that hold for any household. */
function plausible({ values, periods, at: instant }: MeterMessage, now: number): Finding[] {
  const { power_watts: power, unit_price: price, standing_charge: standing } = values;
  return [
    [power === undefined || Math.abs(power) <= 25_000, `a house does not draw ${power} W`],
    [price === undefined || (price > -1 && price < 3), `a kWh does not cost ${price}`],
    [standing === undefined || (standing > 0 && standing < 5), `a day does not cost ${standing}`],
    [
      (periods.day ?? 0) <= (periods.week ?? Number.POSITIVE_INFINITY) + 1e-9,
      'a day is not more than its week',
    ],
    [
      Math.max(periods.month ?? 0, periods.week ?? 0) * 1_000 <=
        (values.energy_wh ?? Number.POSITIVE_INFINITY),
      'a period is not more than the counter',
    ],
    [instant === undefined || (instant > Date.UTC(2015) && instant <= now), 'the instant lies in the past'],
    [Object.keys(values).length > 0, 'it says something'],
  ];
}

/**
 * Messages of Glow displays, local and of the cloud, one JSON document a file. An item is a message of one meter; it is
 * right when every field is kept to the last digit (error values left out) and the household rules hold.
 */
const suite: Suite = {
  name: 'glow',
  folder: 'electricity/glow',
  run: (dir) => {
    const files = globSync('**/*.{txt,json}', { cwd: dir }).toSorted();
    const rows = files.flatMap((file) => {
      try {
        const value = parseMessage(readFileSync(path.join(dir, file), 'utf8'));
        const isCloud = at(value, 'elecMtr') !== undefined || at(value, 'gasMtr') !== undefined;
        if (!isCloud && at(value, 'electricitymeter') === undefined && at(value, 'gasmeter') === undefined)
          return [];
        const messages = isCloud ? parseCloud(value) : [parseLocal(value)];
        return messages.map((message) => {
          const fields = isCloud ? cloudFindings(value, message) : localFindings(value, message);
          const wrong = [...fields, ...plausible(message, Date.now())].filter(([right]) => !right);
          return {
            file,
            medium: message.medium,
            fields: fields.length,
            wrong: wrong.map(([, text]) => text),
          };
        });
      } catch (error) {
        return [{ file, medium: '', fields: 0, wrong: [reason(error)] }];
      }
    });
    if (rows.length === 0) return Promise.resolve(undefined);
    const right = rows.filter(({ wrong }) => wrong.length === 0).length;
    return Promise.resolve({
      items: rows.length,
      right,
      scores: { fields: rows.reduce((sum, row) => sum + row.fields, 0) },
      report: table(
        ['FILE', 'METER', 'FIELDS', 'WRONG'],
        rows.map(({ file, medium, fields, wrong }) => [
          file,
          medium,
          String(fields),
          wrong.join('; ') || 'nothing',
        ]),
      ),
    });
  },
};

export default suite;
