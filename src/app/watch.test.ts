import { expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { Logger } from '#platform/log.ts';
import { watchHouse } from './watch.ts';

function watched() {
  const lines: string[] = [];
  const bus = new Bus(() => {});
  const now = { at: 0, cpu: 0 };
  const off = watchHouse({
    bus,
    log: new Logger({
      write: (line) => lines.push(line.split('|').slice(1, 2).concat(line.split('|')[4]!).join(' ')),
    }),
    clock: { monotonic: () => now.at },
    cpuSeconds: () => now.cpu,
    presence: () => ({ prefix: 'home.presence', people: ['alex'] }),
  });
  const tick = (count: number, cpuShare = 0.01) => {
    now.at += 5_000;
    now.cpu += 5 * cpuShare;
    const leaves = {
      'alex.is_home': 1,
      'alex.from_wifi': 1,
      'alex.from_homeassistant': 0,
      'alex.from_tado': 0,
    };
    const house = { count_home: count, anyone_home: 1, 'wifi.devices_present_count': 3 };
    const values = Object.entries({ ...leaves, ...house }).map(
      ([leaf, v]) => [`home.presence.${leaf}`, v] as const,
    );
    bus.emit('tick', { at: now.at, values: new Map(values) });
  };
  return { lines, tick, off };
}

test('a count that differs from its parts is an investigation alert, said once until it is mended', () => {
  const { lines, tick, off } = watched();
  for (const count of [1, 2, 2, 2, 1, 1, 3]) tick(count);
  off();
  tick(4);
  expect(lines).toEqual([
    'ERROR presence investigation alert: count_home is 2, but the sum of is_home is 1',
    'INFO presence metrics are consistent again',
    'ERROR presence investigation alert: count_home is 3, but the sum of is_home is 1',
  ]);
});

test('more than a tenth of a core for five minutes is a warning, and its end is said', () => {
  const { lines, tick } = watched();
  for (let i = 0; i < 100; i += 1) tick(1, 0.3);
  for (let i = 0; i < 100; i += 1) tick(1, 0.01);
  expect(lines).toEqual([
    'WARN this process used 30.0 % of a core for 5 minutes, more than 10 %; look at lares_scan_duration_seconds and at the size of wifi.networks',
    expect.stringMatching(/^INFO this process uses 9\.\d % of a core again$/),
  ]);
});
