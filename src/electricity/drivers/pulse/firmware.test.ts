import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { config } from './config.ts';
import { ingressPaths } from './ingress.ts';
import { topicRoutes } from './mqtt.codec.ts';
import { ownFields, parseOwn } from './own.codec.ts';

const root = path.join(import.meta.dirname, '../../../..');
const read = (file: string) => readFileSync(path.join(root, 'firmware', file), 'utf8');
const required = ['id', 'total_pulses', 'uptime_ms'];

test('the ESPHome configuration posts what the driver takes', () => {
  const text = read('esphome-pulse-meter.yaml');
  const secrets: string[] = [];
  const secret = { tag: '!secret', resolve: (name: string) => (secrets.push(name), `secret ${name}`) };
  const yaml = parse(text, { customTags: [secret] }) as {
    substitutions: Record<string, string>;
    globals: { id: string }[];
    sensor: { platform: string; total: { id: string } }[];
    interval: Record<string, unknown>[];
  };
  const [every] = yaml.interval;
  const post = (every!['then'] as Record<string, Record<string, unknown>>[]).find(
    (action) => 'http_request.post' in action,
  )!['http_request.post']!;
  const { lares_url: url, meter_id: id, imp_per_kwh: imp } = yaml.substitutions;
  expect([every!['interval'], post['url'], post['request_headers']]).toEqual([
    '5s',
    '${lares_url}',
    { 'Content-Type': 'application/json', Authorization: 'secret lares_authorization' },
  ]);
  expect(ingressPaths).toContain(new URL(url!).pathname);
  const fields = [...String(post['json']).matchAll(/root\["(\w+)"\]/g)].map(([, field]) => field!);
  expect(fields.filter((field) => !ownFields.includes(field))).toEqual([]);
  expect(required.filter((field) => !fields.includes(field))).toEqual([]);
  // Every id of a lambda is declared.
  const used = [...text.matchAll(/\bid\((\w+)\)/g)].map(([, name]) => name!);
  const declared = yaml.globals.map((global) => global.id);
  expect([...new Set(used)].filter((name) => !declared.includes(name))).toEqual([]);
  expect(yaml.sensor).toMatchObject([{ platform: 'pulse_meter', total: { id: 'pulses_since_boot' } }]);
  expect(
    config.parse({ meters: [{ name: 'meter', id, imp_per_kwh: Number(imp) }], http: {} }).http?.port,
  ).toBe(Number(new URL(url!).port));
});

test('the Arduino sketch sends what the driver takes, by HTTP and by MQTT', () => {
  const sketch = read('arduino/lares_pulse/lares_pulse.ino');
  const constant = (name: string) => new RegExp(`${name} = "?([^";]*)"?;`).exec(sketch)?.[1] ?? '';
  expect(ingressPaths).toContain(new URL(constant('LARES_URL')).pathname);
  expect(sketch).toMatch(/addHeader\("Authorization", String\("Bearer "\) \+ LARES_TOKEN\)/);
  const settings = config.parse({ meters: [{ name: 'meter', id: constant('METER_ID') }], mqtt: {} });
  const topic = `${/String\("(lares\/[^"]*)"\)/.exec(sketch)?.[1] ?? ''}${constant('METER_ID')}`;
  expect([...topicRoutes(settings).keys()]).toContain(topic);
  // The text between the names is C++; with a number for each value it must be one of our messages.
  const body = /String json\(const Message &m\) \{([\s\S]*?)\n\}/.exec(sketch)?.[1] ?? '';
  const fields = [...body.matchAll(/\\"(\w+)\\":/g)].map(([, field]) => field!);
  expect(fields.filter((field) => !ownFields.includes(field))).toEqual([]);
  expect(required.filter((field) => !fields.includes(field))).toEqual([]);
  const example: Record<string, unknown> = {
    ...Object.fromEntries(fields.map((field) => [field, 20])),
    id: 'm',
    pulses: [10, 20],
  };
  expect(parseOwn(JSON.stringify([example]))[0]).toMatchObject({ id: 'm', report: { total: 20, ageMs: 20 } });
});

test('no secret is written into the firmware', () => {
  expect(read('.gitignore').split('\n')).toEqual(expect.arrayContaining(['secrets.h', 'secrets.yaml']));
  expect(read('esphome-pulse-meter.yaml')).not.toMatch(/^\s*(password|ssid|Authorization): (?!!secret)/m);
});
