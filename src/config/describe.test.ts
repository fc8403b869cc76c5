import { expect, test } from 'vitest';
import { configJsonSchema, configReference, exampleConfig } from './describe.ts';
import { diffConfig } from './diff.ts';
import { fixtureSchema } from './fixture.ts';
import { loadConfig } from './load.ts';
import { nodeOf, settingsOf } from './schema.ts';

const load = (text: string) =>
  loadConfig(fixtureSchema, { file: 'lares.yaml', text, env: { HOMEASSISTANT_TOKEN: 'a-long-token' } })
    .config;

test('the reference has a row for every setting, with type, default, unit and when it takes effect', () => {
  const reference = configReference(fixtureSchema);
  const rows = reference.split('\n').filter((line) => line.startsWith('| `'));
  const areas = settingsOf(nodeOf(fixtureSchema)).filter((s) => s.path.includes('.'));
  expect(rows.map((row) => row.split('`')[1])).toEqual(areas.map((s) => s.path));
  expect(rows.filter((row) => /graphite|poll|token|people\[\]\.wifi|kind/.test(row))).toEqual([
    '| `graphite.host` | text | required |  | restart | Host: Where Carbon runs | `192.0.2.123` |',
    '| `graphite.port` | whole number from 1 to 65535 | `2003` |  | restart | Port: Plaintext port |  |',
    '| `homeassistant.token` | secret text | required |  | live | Token: Long-lived access token |  |',
    '| `homeassistant.poll_interval_seconds` | whole number from 10 to 900 | `300` | s | live | Poll interval: How often everything is read |  |',
    '| `presence.people[].wifi_macs` | list (each text) | `[]` |  | live | Wi-Fi addresses: MAC addresses of their phones | `[AA:BB:CC:DD:EE:FF]` |',
    '| `cameras.<name>.kind` | rtsp or file | required |  | restart |  |  |',
  ]);
});

test('the JSON schema describes what may be written and carries no words of ours that editors do not know', () => {
  const json = configJsonSchema(fixtureSchema) as {
    properties: Record<string, { properties: Record<string, unknown> }>;
  };
  expect(json.properties['homeassistant']?.properties).toEqual({
    url: {
      type: 'string',
      format: 'uri',
      title: 'Address',
      description: 'Base address. Takes effect at once.',
      examples: ['http://homeassistant.local:8123'],
    },
    token: {
      type: 'string',
      minLength: 8,
      title: 'Token',
      description: 'Long-lived access token. Takes effect at once. Write !secret NAME.',
    },
    poll_interval_seconds: {
      type: 'integer',
      minimum: 10,
      maximum: 900,
      default: 300,
      title: 'Poll interval',
      description: 'How often everything is read. Unit: s. Takes effect at once.',
    },
  });
  expect(JSON.stringify(json)).not.toMatch(/"(secret|reload|unit)":/);
});

test('the starter file is valid as it stands and sets nothing', () => {
  expect(load(exampleConfig(fixtureSchema))).toEqual(load('{}'));
});

test('every section of the starter file is valid once it is no comment any more', () => {
  const open = exampleConfig(fixtureSchema)
    .split('\n')
    .slice(3)
    .map((line) => (/^# ([a-z]+:|  )/.test(line) ? line.slice(2) : line))
    .filter((line) => !line.includes('enabled') || line.startsWith('    enabled'))
    .join('\n');
  const { people, tado } = load(open).presence;
  expect(tado).toEqual({ enabled: false });
  expect(people).toEqual([{ person: 'alex', name: 'Alex', wifi_macs: ['aa:bb:cc:dd:ee:ff'] }]);
  expect(load(open).homeassistant).toEqual({
    url: 'http://homeassistant.local:8123',
    token: 'a-long-token',
    poll_interval_seconds: 300,
  });
});

test('a difference names its setting and whether it takes effect at once', () => {
  const old = load(
    'graphite: {host: a}\nwifi: {scan_interval_seconds: 30}\npresence: {people: [{person: alex}, {person: sam}]}\n',
  );
  const next = load(
    'graphite: {host: b}\nlog: {level: debug, json: true}\npresence: {people: [{person: alex, name: Alex}, {person: sam}]}\n',
  );
  expect(diffConfig(fixtureSchema, old, next)).toEqual({
    changed: ['log.level', 'log.json', 'graphite.host', 'presence.people[0].name'],
    live: ['log.level', 'presence.people[0].name'],
    needRestart: ['log.json', 'graphite.host'],
  });
  expect(diffConfig(fixtureSchema, old, old)).toEqual({ changed: [], live: [], needRestart: [] });
});

test('a list that grew and a section that appeared are one difference each', () => {
  const old = load('presence: {people: [{person: alex}]}\n');
  const next = load('presence: {people: [{person: alex}, {person: sam}]}\ngraphite: {host: a}\n');
  expect(diffConfig(fixtureSchema, old, next)).toEqual({
    changed: ['presence.people', 'graphite'],
    live: ['presence.people'],
    needRestart: ['graphite'],
  });
});
