import { expect, test } from 'vitest';
import type { LanDevice, LanScanner, LanSighting } from '#devices/model.ts';
import {
  changes,
  compare,
  discover,
  parseSnapshot,
  renderComparison,
  renderDiscovered,
  toComparisonBody,
  toDiscoveredBody,
  type DiscoverParts,
  type FoundDevice,
} from './discover.ts';
import type { PersonConfig } from './model.ts';

const now = Date.UTC(2026, 10, 21, 12);
const seen = (n: number, over: Partial<LanSighting> = {}): LanSighting => ({
  mac: `02:00:00:00:00:0${n}`,
  ip: `10.0.0.${n}`,
  at: now,
  via: 'arp-reply',
  network: '10.0.0.0/24',
  ...over,
});
const scanner = (found: readonly LanSighting[]): LanScanner => ({
  method: 'simulated',
  why: 'test',
  sweep: async (network) => ({ network, at: now, probed: 254, tookMs: 700, found }),
  probe: async () => [],
  close: async () => {},
});
const alex: PersonConfig = {
  person: 'alex',
  homeassistant_device_trackers: [],
  wifi_macs: ['02:00:00:00:00:02', '02:00:00:00:00:09'],
  wifi_hostnames: [],
};
const known: LanDevice = {
  ...seen(9),
  hostname: 'old-phone',
  vendor: undefined,
  randomised: true,
  dhcpFingerprint: undefined,
  dhcpVendorClass: undefined,
  ipv6Suffix: undefined,
  firstSeen: now - 86_400_000,
  lastSeen: now - 3_600_000,
  lastVia: 'arp-reply',
};
const parts = (found: readonly LanSighting[]): DiscoverParts => ({
  networks: ['10.0.0.0/24'],
  people: [alex],
  scanner: scanner(found),
  known: new Map([[known.mac, known]]),
  vendorOf: () => undefined,
  lookupName: async (ip) => (ip === '10.0.0.3' ? { hostname: 'tv', source: 'mdns' } : undefined),
  signal: new AbortController().signal,
  progress: () => {},
});

test('lists devices of nobody first, then those of people, then configured ones that did not answer', async () => {
  const found = await discover(parts([seen(2), seen(4, { hostname: 'printer' }), seen(3)]));
  expect(found.map((d) => [d.ip, d.hostname, d.person, d.present, d.lastSeen])).toEqual([
    ['10.0.0.3', 'tv', undefined, true, now],
    ['10.0.0.4', 'printer', undefined, true, now],
    ['10.0.0.2', undefined, 'alex', true, now],
    ['10.0.0.9', 'old-phone', 'alex', false, now - 3_600_000],
  ]);
  const text = renderDiscovered(found, 'UTC', '10.0.0.0/24 (test)');
  expect(text.split('\n')[0]).toMatch(/^IP Address +MAC Address +Hostname/);
  expect(text).toContain('not seen since 2026-11-21 11:00:00  alex');
  expect(text.split('\n').at(-1)).toBe("Found 3 devices, 2 of them nobody's.");
  expect(toDiscoveredBody(found, now).devices[3]).toEqual({
    ip: '10.0.0.9',
    mac: '02:00:00:00:00:09',
    hostname: 'old-phone',
    vendor: null,
    randomised: true,
    first_seen: '2026-11-20T12:00:00.000Z',
    last_seen: '2026-11-21T11:00:00.000Z',
    person: 'alex',
    present: false,
  });
});

test('says what came, went and changed while somebody toggles Wi-Fi', async () => {
  const look = (found: readonly LanSighting[]): Promise<FoundDevice[]> => discover(parts(found));
  const before = await look([seen(2), seen(3), seen(4)]);
  const after = await look([seen(2), seen(3, { ip: '10.0.0.33', hostname: 'tv' }), seen(5)]);
  expect(changes(before, after)).toEqual([
    '+ 10.0.0.5  02:00:00:00:00:05  N/A',
    '- 10.0.0.4  02:00:00:00:00:04  N/A',
    '~ 10.0.0.33  02:00:00:00:00:03  tv',
  ]);
});

test('a written discovery is compared with a new one: what was added, removed and changed', async () => {
  const before = await discover(parts([seen(2), seen(3), seen(4)]));
  const after = await discover(parts([seen(2), seen(3, { ip: '10.0.0.33', hostname: 'tv' }), seen(5)]));
  const written = parseSnapshot(JSON.stringify(toDiscoveredBody(before, now)));
  expect(written).toEqual({ at: now, devices: before });
  const found = compare(written.devices, after);
  expect(renderComparison(found, 'noon').split('\n')).toEqual([
    'Since noon:',
    'added    10.0.0.5  02:00:00:00:00:05  N/A',
    'removed  10.0.0.4  02:00:00:00:00:04  N/A',
    'changed  10.0.0.33  02:00:00:00:00:03  tv  (was 10.0.0.3  02:00:00:00:00:03  tv)',
  ]);
  const body = toComparisonBody(found);
  expect([body.added, body.removed].map((list) => list.map((d) => d.ip))).toEqual([
    ['10.0.0.5'],
    ['10.0.0.4'],
  ]);
  expect(body.changed.map((c) => [c.before.ip, c.after.ip])).toEqual([['10.0.0.3', '10.0.0.33']]);
  expect(renderComparison(compare(before, before), 'noon')).toBe(
    'Since noon:\nnothing came, went or changed',
  );
});

test.each(['', '[]', '{"devices":[{}]}', 'not json'])('%j is no discovery to compare with', (text) => {
  expect(() => parseSnapshot(text)).toThrow('this is not what `lares presence discover --json` prints');
});

test('when nothing answers, it says what was asked and where to look', async () => {
  const text = renderDiscovered(await discover(parts([])), 'UTC', '10.0.0.0/24 (raw ARP)');
  expect(text).toContain('Found 0 devices');
  expect(text).toContain(
    'Nothing answered in 10.0.0.0/24 (raw ARP). Compare the network with: ip -brief address',
  );
});
