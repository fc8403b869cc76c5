import { expect, test } from 'vitest';
import { drivers } from '../index.ts';
import { hostAndPortSetting, hostSetting } from './host.rules.ts';

test.each([
  ['192.0.2.7', true, true],
  ['plug-3.lan', true, true],
  ['tasmota_0A1B2C', true, true],
  ['2001:db8::7', true, false],
  ['[2001:db8::7]', false, true],
  ['[2001:db8::7]:8080', false, true],
  ['192.0.2.7:8080', false, true],
  ['plug.lan:65535', false, true],
  ['192.0.2.7:65536', false, false],
  ['192.0.2.7:0', false, false],
  ['192.0.2.7:', false, false],
  ['192.0.2.700', false, false],
  ['192.0.2', false, false],
  ['http://192.0.2.7/', false, false],
  ['192.0.2.7/24', false, false],
  ['alex@plug.lan', false, false],
  ['two words', false, false],
  ['-plug', false, false],
  ['', false, false],
])('%j as a host: %s; where a port may follow: %s', (text, alone, withPort) => {
  expect([hostSetting.safeParse(text).success, hostAndPortSetting.safeParse(text).success]).toEqual([
    alone,
    withPort,
  ]);
});

const unit = { unit: 1, name: 'Oven', template: 'sdm120' };
const [mac, sameMac] = ['02:00:00:00:00:01', '02-00-00-00-00-01'];
const [id, otherId] = ['bf0123456789abcdefghij', 'bf0123456789abcdefghik'];

test.each([
  ['kasa', 'devices', [{ host: 'http://10.0.0.1/' }], [0, 'host']],
  ['shelly', 'devices', [{ host: '10.0.0.1:99999' }], [0, 'host']],
  ['tuya', 'devices', [{ id, host: '10.0.0.1:6668' }], [0, 'host']],
  ['tasmota_http', 'devices', [{ host: 'http://10.0.0.1' }], [0, 'host']],
  ['modbus', 'buses', [{ host: '10.0.0.1:502', units: [unit] }], [0, 'host']],
  ['kasa', 'devices', [{ host: '10.0.0.1' }, { host: '10.0.0.1' }], [1, 'host']],
  ['kasa', 'devices', [{ id: mac }, { id: sameMac }], [1, 'id']],
  ['shelly', 'devices', [{ host: 'a.lan' }, { host: 'A.lan' }], [1, 'host']],
  [
    'shelly',
    'devices',
    [
      { host: 'a', mac },
      { host: 'b', mac: sameMac },
    ],
    [1, 'mac'],
  ],
  [
    'tuya',
    'devices',
    [
      { id, host: '10.0.0.1' },
      { id: otherId, host: '10.0.0.1' },
    ],
    [1, 'host'],
  ],
  ['tasmota_http', 'devices', [{ host: 'a' }, { host: 'b' }, { host: 'a' }], [2, 'host']],
  [
    'tasmota',
    'devices',
    [
      { topic: 'a', name: 'A' },
      { topic: 'a', name: 'B' },
    ],
    [1, 'topic'],
  ],
  [
    'modbus',
    'buses',
    [
      { host: 'a', units: [unit] },
      { host: 'a', units: [unit] },
    ],
    [1, 'host'],
  ],
  [
    'modbus',
    'buses',
    [
      { name: 'x', host: 'a' },
      { name: 'x', host: 'b' },
    ],
    [1, 'name'],
  ],
  ['modbus', 'buses', [{ serial: { path: '/dev/a' } }, { serial: { path: '/dev/a' } }], [1, 'serial']],
] as const)('%s.%s refuses %j', (kind, list, entries, path) => {
  const issues = drivers[kind].config.safeParse({ [list]: entries }).error?.issues;
  expect(issues?.map((issue) => issue.path)).toEqual([[list, ...path]]);
});

test('devices that share an address by right are taken', () => {
  const gateway = { id, host: '10.0.0.1' };
  const child = { id: otherId, gateway: id, node_id: 'c1', host: '10.0.0.1' };
  expect(drivers.tuya.config.safeParse({ devices: [gateway, child] }).success).toBe(true);
  const buses = [
    { host: '10.0.0.1', port: 502 },
    { host: '10.0.0.1', port: 503 },
  ];
  expect(drivers.modbus.config.safeParse({ buses }).success).toBe(true);
});
