import { expect, test } from 'vitest';
import { wifiConfig } from './config.ts';

test('everything but the networks has a default', () => {
  expect(wifiConfig.parse({ networks: ['192.0.2.7/24'] })).toEqual({
    networks: ['192.0.2.0/24'],
    mode: 'auto',
    scan_interval_seconds: 30,
    probe_interval_seconds: 10,
    retries: 4,
    listen: true,
    resolve_names: true,
    retention_days: 90,
  });
  expect(wifiConfig.parse(undefined).networks).toEqual([]);
});

test.each([
  [{ networks: ['10.0.0.0/8'] }, ['networks', 0], /16,777,216 addresses, too many/],
  [{ networks: ['192.0.2.0/24', '192.0.2.9/24'] }, ['networks'], /named twice/],
  [{ interface: 'eth0/../..' }, ['interface'], /name of a network interface/],
  [{ scan_interval_seconds: 0 }, ['scan_interval_seconds'], />=5/],
  [{ netwoks: [] }, [], /netwoks/],
])('%j is refused', (input, where, message) => {
  const [issue] = wifiConfig.safeParse(input).error?.issues ?? [];
  expect(issue?.path).toEqual(where);
  expect(issue?.message).toMatch(message);
});
