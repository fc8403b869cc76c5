import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { config, type MeterConfig } from './config.ts';
import { parseBulk, parsePost } from './emoncms.codec.ts';
import { readFields } from './fields.codec.ts';
import { parseLines } from './influx.codec.ts';
import type { Fields } from './model.ts';
import { topicRoutes } from './mqtt.codec.ts';
import { parseOwn } from './own.codec.ts';

const form = (fields: Record<string, string>) => new URLSearchParams(fields);
const shown = (list: readonly Fields[]) =>
  list.map(({ values, ...rest }) => ({ ...rest, values: Object.fromEntries(values) }));
const sentence = (act: () => unknown): string => {
  try {
    act();
    return '';
  } catch (error) {
    return error instanceof LaresError && error.code === 'BAD_REPLY'
      ? error.message
      : `wrong: ${String(error)}`;
  }
};

test('our own JSON, alone and as a list', () => {
  const least = { id: 'm', total_pulses: 12, uptime_ms: 5000 };
  expect(parseOwn(JSON.stringify(least))).toEqual([{ id: 'm', report: { total: 12, uptimeMs: 5000 } }]);
  const all = {
    ...least,
    imp_per_kwh: 800,
    sequence: 3,
    boot: 4711,
    since_boot: 2,
    at: '2026-11-21T08:00:00Z',
    age_ms: 10,
    pulses: [4000, 4900],
    future: 'ignored',
  };
  expect(parseOwn(JSON.stringify([least, all]))[1]).toEqual({
    id: 'm',
    report: {
      total: 12,
      uptimeMs: 5000,
      impPerKwh: 800,
      sequence: 3,
      boot: '4711',
      sinceBoot: 2,
      at: Date.UTC(2026, 10, 21, 8),
      ageMs: 10,
      pulses: [4000, 4900],
    },
  });
  expect(parseOwn(JSON.stringify({ ...least, at: 1767225600 }))[0]!.report.at).toBe(1767225600000);
});

test.each([
  ['nonsense', 'the body is not JSON'],
  ['[]', 'expected one message or a list of 1 to 1000'],
  ['7', 'expected an object with id, total_pulses and uptime_ms'],
  ['{"total_pulses":1,"uptime_ms":1}', 'id must be a text of 1 to 64 characters; it is missing'],
  ['{"id":"m","total_pulses":1.5,"uptime_ms":1}', 'total_pulses must be a whole number from 0'],
  ['{"id":"m","total_pulses":-1,"uptime_ms":1}', 'total_pulses must be a whole number from 0'],
  ['{"id":"m","total_pulses":1e300,"uptime_ms":1}', 'total_pulses must be a whole number from 0'],
  ['{"id":"m","total_pulses":"1","uptime_ms":1}', 'total_pulses must be a whole number from 0'],
  ['{"id":"m","total_pulses":1,"uptime_ms":null}', 'uptime_ms must be a number from 0'],
  [
    '{"id":"m","total_pulses":1,"uptime_ms":1,"imp_per_kwh":1}',
    'imp_per_kwh must be a number from 10 to 100000',
  ],
  [
    '{"id":"m","total_pulses":1,"uptime_ms":1,"at":"yesterday"}',
    'at must be epoch seconds or milliseconds, or an ISO 8601 instant with a zone',
  ],
  [
    '{"id":"m","total_pulses":9,"uptime_ms":1,"pulses":[1,2]}',
    'pulses must be at most 1000 rising uptimes in ms, none after uptime_ms',
  ],
  [
    '{"id":"m","total_pulses":9,"uptime_ms":9,"pulses":[2,1]}',
    'pulses must be at most 1000 rising uptimes in ms, none after uptime_ms',
  ],
  [
    '[{"id":"m","total_pulses":1,"uptime_ms":1},{}]',
    'message 2: id must be a text of 1 to 64 characters; it is missing',
  ],
  [
    '{"__proto__":{"id":"m"},"total_pulses":1,"uptime_ms":1}',
    'id must be a text of 1 to 64 characters; it is missing',
  ],
])('%s is refused: %s', (text, why) => expect(sentence(() => parseOwn(text))).toBe(why));

test('emoncms input/post in its four ways', () => {
  const post = (fields: Record<string, string>) => shown(parsePost(form(fields)));
  const values = { power: 252.4, pulse: 12 };
  expect(post({ node: 'emontx', fulljson: '{"power":252.4,"pulse":"12","text":"x","none":null}' })).toEqual([
    { ids: ['emontx'], values },
  ]);
  expect(post({ node: 'emontx', json: '{power:252.4,pulse:12}' })).toEqual([{ ids: ['emontx'], values }]);
  expect(post({ data: '{"power":252.4, "pulse":12}', time: '1767225600' })).toEqual([
    { ids: ['0'], at: 1767225600000, values },
  ]);
  expect(post({ csv: '252.4,12' })).toEqual([{ ids: ['0'], values: { 1: 252.4, 2: 12 } }]);
});

test('emoncms input/bulk with its four times', () => {
  const bulk = (fields: Record<string, string>) => shown(parseBulk(form(fields)));
  const data = '[[520,16,1137],[530,17,1437,3164],[535,"ct",{"pulse":7},12]]';
  const values = [{ 1: 1137 }, { 1: 1437, 2: 3164 }, { pulse: 7, 1: 12 }];
  const ids = [['16'], ['17'], ['ct']];
  const dated = (times: { ageMs?: number; at?: number }[]) =>
    times.map((time, i) => ({ ids: ids[i], ...time, values: values[i] }));
  expect(bulk({ data })).toEqual(dated([{ ageMs: 15_000 }, { ageMs: 5_000 }, { ageMs: 0 }]));
  expect(bulk({ data, sentat: '543' })).toEqual(
    dated([{ ageMs: 23_000 }, { ageMs: 13_000 }, { ageMs: 8_000 }]),
  );
  expect(bulk({ data, offset: '543' })).toEqual(
    dated([{ ageMs: 23_000 }, { ageMs: 13_000 }, { ageMs: 8_000 }]),
  );
  expect(bulk({ data, time: '1000' })).toEqual(
    dated([{ at: 1_520_000 }, { at: 1_530_000 }, { at: 1_535_000 }]),
  );
});

test.each([
  [
    () => parsePost(form({ node: 'x' })),
    'the request contains no data: expected fulljson, json, csv or data',
  ],
  [() => parsePost(form({ fulljson: '[1]' })), 'the input must be a JSON object'],
  [() => parsePost(form({ json: '{power:abc}' })), '"power:abc" is neither name:number nor a number'],
  [() => parsePost(form({ csv: '1,,2' })), '"" is neither name:number nor a number'],
  [() => parseBulk(form({ data: '{}' })), 'data must be a list of 1 to 1000 items'],
  [() => parseBulk(form({ data: '[[1,{}]]' })), 'each item of data must be [time, node, value, …]'],
])('emoncms: a wrong request is refused with a sentence', (act, why) => expect(sentence(act)).toBe(why));

test('Influx line protocol: tags, types, escapes and precisions', () => {
  const lines = [
    '# comment',
    'energy,node=house\\ meter,phase=a pulses=12i,power=431.5,note="a b, c=d",ok=t 1767225600000000000',
    '',
    'my\\,house count=3u',
  ].join('\n');
  expect(shown(parseLines(lines, null))).toEqual([
    { ids: ['house meter', 'energy'], at: 1767225600000, values: { pulses: 12, power: 431.5 } },
    { ids: ['my,house'], values: { count: 3 } },
  ]);
  const at = (precision: string) => parseLines('m v=1 1767225600', precision)[0]!.at;
  expect([at('s'), at('ms'), at('u')]).toEqual([1767225600000, 1767225600, 1767225.6]);
});

test.each(['m', 'm v', 'm v=', 'm v=abc', 'm,t v=1', ',t=1 v=1', 'm v=1 now', 'm v=1 1 1', 'm v=NaN'])(
  'Influx: %j is refused',
  (line) => expect(sentence(() => parseLines(line, null))).toBe('line 1 is not Influx line protocol'),
);

test('fields go by their usual names, or by those of the settings', () => {
  const read = (values: Record<string, number>, names = {}) =>
    readFields({ ids: [], values: new Map(Object.entries(values)) }, names);
  expect([
    read({ Pulse: 7, P: 431 }),
    read({ kWh: 1.5 }),
    read({ wh: 12, w: -30 }),
    read({ '1': 431, '2': 12 }, { power: '1', total: '2' }),
    read({ pulse: -1 }),
    read({ temperature: 20 }),
    read({ power: Number.NaN }),
  ]).toEqual([
    { total: 7, watts: 431 },
    { totalWh: 1_500 },
    { totalWh: 12, watts: -30 },
    { total: 12, watts: 431 },
    undefined,
    undefined,
    undefined,
  ]);
});

const meters = (meter: object) =>
  config.parse({ meters: [{ name: 'meter', id: 'm', imp_per_kwh: 800, ...meter }], mqtt: {} });
const on = (meter: object, topic: string, payload: string) =>
  topicRoutes(meters(meter)).get(topic)?.read(payload);

test('ESPHome: pulses a minute, totals, `nan` and the state of the line', () => {
  const esphome = { prefix: 'esp/meter', power: 'p', total: 't' };
  expect(on({ esphome }, 'esp/meter/sensor/p/state', '12.5')).toEqual([{ spacingWatts: 937.5 }]);
  expect(on({ esphome }, 'esp/meter/sensor/p/state', 'nan')).toEqual([]);
  expect(on({ esphome }, 'esp/meter/sensor/t/state', '4711')).toEqual([{ total: 4711 }]);
  expect(on({ esphome }, 'esp/meter/status', 'offline')).toEqual({ online: false });
  const converted = { ...esphome, power_unit: 'kW', total_unit: 'kWh' };
  expect(on({ esphome: converted }, 'esp/meter/sensor/p/state', '0.25')).toEqual([{ spacingWatts: 250 }]);
  expect(on({ esphome: converted }, 'esp/meter/sensor/t/state', '1.25')).toEqual([{ totalWh: 1_250 }]);
  expect(sentence(() => on({ esphome }, 'esp/meter/sensor/t/state', '-4'))).toBe(
    '"-4" is not a number from 0',
  );
});

test('Tasmota: counts, seconds between pulses that saturate, and the last will', () => {
  const tasmota = { topic: 'tas', counter: 2 };
  const sensor = (value: unknown) =>
    JSON.stringify({ Time: '2026-11-21T08:00:00', COUNTER: { C1: 1, C2: value } });
  expect(on({ tasmota }, 'tele/tas/SENSOR', sensor(4711))).toEqual([{ total: 4711 }]);
  const seconds = { ...tasmota, counter_type: 'seconds' };
  expect(on({ tasmota: seconds }, 'tele/tas/SENSOR', sensor(4.5))).toEqual([
    { spacingWatts: 1_000, scheduled: true },
  ]);
  expect(on({ tasmota: seconds }, 'tele/tas/SENSOR', sensor(4_200))).toEqual([
    { spacingWatts: 0, scheduled: true },
  ]);
  expect(on({ tasmota }, 'tele/tas/LWT', 'Online')).toEqual({ online: true });
  expect(sentence(() => on({ tasmota }, 'tele/tas/SENSOR', '{"COUNTER":{"C1":1}}'))).toMatch(
    /no COUNTER\.C2/,
  );
});

test('our own topic takes only its own id', () => {
  const text = JSON.stringify({ id: 'other', total_pulses: 1, uptime_ms: 1 });
  expect(sentence(() => on({}, 'lares/pulse/m', text))).toBe(
    'the id of the message is not that of its topic, "m"',
  );
});

test('whatever comes from the network, a parser gives what its type says or refuses with a sentence', () => {
  const meter: MeterConfig = meters({
    tasmota: { topic: 't' },
    esphome: { prefix: 'e', power: 'p', total: 't' },
  }).meters[0]!;
  const routes = topicRoutes({ meters: [meter], mqtt: {} });
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json(),
    fc.string({ unit: fc.constantFrom(...'m,=. "\\1e9i[]{}:-#\n'.split('')) }),
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const acts = [
        () => parseOwn(a),
        () => parsePost(form({ json: a, node: b })),
        () => parsePost(form({ fulljson: a })),
        () => parseBulk(form({ data: a, sentat: b })),
        () => parseLines(a, null),
        ...[...routes.values()].map((route) => () => route.read(a)),
      ];
      for (const act of acts) expect(sentence(act)).not.toMatch(/^wrong/);
    }),
    { numRuns: 2_000 },
  );
});
