import { expect, test } from 'vitest';
import { houseConfig } from './config.ts';

const meter = { name: 'meter', id: 'house', token: 'at-least-sixteen-characters' };
const own = { url: 'mqtt://192.0.2.10:1883' };
const said = (settings: object) =>
  houseConfig.safeParse(settings).error?.issues.map((issue) => [issue.path.join('.'), issue.message]);

test.each([
  ['tasmota', {}, 'needs an MQTT broker: set up the section mqtt, the section broker'],
  [
    'glow',
    {},
    'needs an MQTT broker: set up the section mqtt, the section broker, or electricity.glow.broker',
  ],
  [
    'pulse',
    { meters: [{ ...meter, tasmota: { topic: 'meter' } }] },
    'needs an MQTT broker: set up the section mqtt, the section broker, or electricity.pulse.mqtt.broker',
  ],
])('%s without any broker is told before anything runs', (kind, section, message) => {
  const electricity = { [kind]: section };
  expect(said({ electricity })).toEqual([[`electricity.${kind}`, message]]);
  expect(said({ electricity, mqtt: own })).toBeUndefined();
  expect(said({ electricity, broker: { users: [{ name: 'esp', password: 'at-least-8' }] } })).toBeUndefined();
});

test.each([
  ['glow', { broker: own }],
  ['glow', { local: false }],
  ['pulse', { meters: [meter], mqtt: { broker: own } }],
  ['pulse', { meters: [meter], http: {} }],
])('%s with %j needs no broker of the house', (kind, section) => {
  expect(said({ electricity: { [kind]: section } })).toBeUndefined();
});
