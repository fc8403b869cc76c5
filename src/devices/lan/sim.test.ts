import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import type { LanSighting } from '../model.ts';
import { phoneHabits } from './phone-model.ts';
import { mainsHabits, simulatedScanner, type SimulatedDevice, type SimulatedScanner } from './sim.ts';

const network = '192.0.2.0/24';
const second = 1_000;
const hour = 3_600_000;
const start = Date.UTC(2026, 0, 5, 12);
const phoneMac = '02:00:5e:10:00:01';
const awake = {
  ...phoneHabits,
  suspendedShare: 0,
  offPerHour: 0,
  frameEveryMs: 1e12,
  awake: { broadcast: 1, unicast: 1, udp5353: 1 },
};

const router: SimulatedDevice = {
  name: 'router',
  mac: '24:65:11:00:00:01',
  ip: '192.0.2.1',
  hostname: 'router',
  habits: { ...mainsHabits, awake: awake.awake, frameEveryMs: 1e12 },
  presence: () => ({ here: true, since: 0, until: Number.MAX_SAFE_INTEGER }),
};
/** Comes home an hour after the start and stays for two. */
const phone: SimulatedDevice = {
  name: 'phone',
  mac: phoneMac,
  ip: '192.0.2.100',
  hostname: 'alex-phone',
  dhcpFingerprint: '1,3,6',
  habits: awake,
  presence: (at) => {
    if (at < start + hour) return { here: false, since: start - 9 * hour, until: start + hour };
    return at < start + 3 * hour
      ? { here: true, since: start + hour, until: start + 3 * hour }
      : { here: false, since: start + 3 * hour, until: Number.MAX_SAFE_INTEGER };
  },
};

let clock: ManualClock;
let scanner: SimulatedScanner;
let stop: AbortController;

beforeEach(() => {
  clock = new ManualClock(start);
  stop = new AbortController();
  scanner = simulatedScanner({ network, devices: [router, phone], clock, seed: 'test' });
});

afterEach(() => stop.abort());

/** Runs one call of the scanner while the clock passes. */
async function during<T>(work: Promise<T>, ms = second): Promise<T> {
  const settled = work.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  await clock.advance(ms);
  const result = await settled;
  if ('error' in result) throw result.error;
  return result.value;
}

const sweep = () => during(scanner.sweep(network, stop.signal));
const macs = (found: readonly LanSighting[]) => found.map((s) => s.mac);

test('a sweep finds who is here, in the time of the clock', async () => {
  expect(await sweep()).toEqual({
    network,
    at: start + 700,
    probed: 254,
    tookMs: 700,
    found: [
      {
        mac: '24:65:11:00:00:01',
        ip: '192.0.2.1',
        at: start + 700,
        via: 'arp-reply',
        network,
        hostname: 'router',
      },
    ],
  });
  await clock.advance(hour);
  expect(macs((await sweep()).found)).toEqual(['24:65:11:00:00:01', phoneMac]);
  await clock.advance(2 * hour);
  expect(macs((await sweep()).found)).toEqual(['24:65:11:00:00:01']);
});

test('a probe asks the named devices only', async () => {
  await clock.advance(2 * hour);
  const seen = await during(scanner.probe(network, [{ ip: '192.0.2.100', mac: phoneMac }], stop.signal));
  expect(macs(seen)).toEqual([phoneMac]);
});

describe('a listener', () => {
  let heard: LanSighting[];
  beforeEach(() => {
    heard = [];
    void scanner.listen!([network], (s) => heard.push(s), stop.signal);
  });

  test('hears a phone that comes home within a second, with its name and fingerprint', async () => {
    await clock.advance(hour + 250);
    expect(heard).toEqual([
      {
        mac: phoneMac,
        ip: '192.0.2.100',
        at: start + hour + 200,
        via: 'dhcp',
        network,
        hostname: 'alex-phone',
        dhcpFingerprint: '1,3,6',
      },
    ]);
    await clock.advance(2 * second);
    expect(heard.map((s) => [s.via, s.at - start - hour])).toEqual([
      ['dhcp', 200],
      ['arp-heard', 500],
      ['mdns', 1_500],
    ]);
  });

  test('hears a phone rejoin under a private address when it rotates', async () => {
    await clock.advance(2 * hour);
    heard.length = 0;
    scanner.rotate('phone');
    await clock.advance(300);
    expect(heard[0]).toMatchObject({ via: 'dhcp', hostname: 'alex-phone' });
    expect(heard[0]?.mac).toMatch(/^[0-9a-f][26ae]:/);
    expect(heard[0]?.mac).not.toBe(phoneMac);
    expect(macs((await sweep()).found)).toEqual(['24:65:11:00:00:01', heard[0]?.mac]);
  });

  test('hears nothing twice when the clock is set back', async () => {
    await clock.advance(hour + 5 * second);
    const before = heard.length;
    clock.jump(-1 * second);
    await clock.advance(20 * second);
    expect(before).toBe(3);
    expect(heard).toHaveLength(3);
  });
});

test('a dropped phone is silent for as long as asked', async () => {
  await clock.advance(2 * hour);
  scanner.drop('phone', 90 * second);
  expect(macs((await sweep()).found)).toEqual(['24:65:11:00:00:01']);
  await clock.advance(90 * second);
  expect(macs((await sweep()).found)).toEqual(['24:65:11:00:00:01', phoneMac]);
  expect(() => scanner.drop('toaster', 1)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
});

test('as many sweeps fail as asked', async () => {
  scanner.fail(2);
  for (const _ of [1, 2]) await expect(sweep()).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect((await sweep()).found).toHaveLength(1);
});

test.each([
  ['192.0.2.0', 'CONFIG_INVALID'],
  ['10.0.0.0/8', 'CONFIG_INVALID'],
  ['nonsense', 'CONFIG_INVALID'],
  ['198.51.100.0/24', 'UNREACHABLE'],
])('the network %s is refused as by a real scanner', async (text, code) => {
  await expect(during(scanner.sweep(text, stop.signal))).rejects.toMatchObject({ code });
  await expect(during(scanner.probe(text, [], stop.signal))).rejects.toMatchObject({ code });
});

test('a sweep ends early when its signal aborts', async () => {
  const result = scanner.sweep(network, stop.signal);
  stop.abort();
  expect((await result).found).toEqual([]);
});

test('the same seed gives the same answers', async () => {
  const sleepy = { ...phone, habits: phoneHabits, presence: router.presence };
  const run = async () => {
    const one = simulatedScanner({ network, devices: [sleepy], clock, seed: 'same' });
    const seen: number[] = [];
    for (let i = 0; i < 60; i += 1) seen.push((await during(one.sweep(network, stop.signal))).found.length);
    return seen;
  };
  const first = await run();
  expect(new Set(first)).toEqual(new Set([0, 1]));
  clock = new ManualClock(start);
  expect(await run()).toEqual(first);
});
