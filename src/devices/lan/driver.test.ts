import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import type { LanScanner, LanSighting, Target } from '../model.ts';
import { wifiConfig } from '../config.ts';
import { lanDriver, makeLanDriver, type LanParts, type LanSignal } from './driver.ts';

const start = Date.parse('2026-03-01T12:00:00Z');
const network = '192.0.2.0/24';
const phone: Target = { ip: '192.0.2.11', mac: '02:aa:bb:cc:dd:01' };

/** A LAN whose answers the test decides. */
function bench(parts: LanParts = {}, settings: object = {}) {
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const signals: LanSignal[] = [];
  const asked: string[] = [];
  const alive: (string | undefined)[] = [];
  const stop = new AbortController();
  const at = () => (clock.now() - start) / 1000;
  const air = {
    present: new Set([phone]),
    broken: undefined as LaresError | undefined,
    hangs: false,
    closed: false,
    deaf: new AbortController(),
    heard: undefined as ((sighting: LanSighting) => void) | undefined,
  };
  const seen = (target: Target, via: LanSighting['via']): LanSighting => ({
    ...target,
    at: clock.now(),
    via,
    network,
  });
  const scanner: LanScanner = {
    method: 'simulated',
    why: 'a test',
    async sweep(cidr, signal) {
      asked.push(`${at()} sweep`);
      if (air.broken !== undefined) throw air.broken;
      if (air.hangs) await clock.sleep(1e9, signal);
      return {
        network: cidr,
        at: clock.now(),
        probed: 253,
        tookMs: 0,
        found: [...air.present].map((t) => seen(t, 'arp-reply')),
      };
    },
    async probe(_, targets) {
      asked.push(`${at()} probe`);
      return [...air.present]
        .filter((p) => targets.some((t) => t.mac === p.mac))
        .map((t) => seen(t, 'arp-reply'));
    },
    async listen(_, heard, signal) {
      air.heard = heard;
      await clock.sleep(1e9, AbortSignal.any([signal, air.deaf.signal]));
    },
    async close() {
      air.closed = true;
    },
  };
  const driver = makeLanDriver(async () => scanner, parts);
  const done = driver.run(wifiConfig.parse({ networks: [network], ...settings }), {
    clock,
    log: new Logger({ write: (line) => lines.push(line), now: () => clock.now() }),
    signal: stop.signal,
    random: () => 0.5,
    emit: (signal) => signals.push(signal),
    alive: (detail) => alive.push(detail),
  });
  done.catch(() => {});
  return { clock, lines, signals, asked, alive, air, done, seen, stop: () => stop.abort() };
}

test('it sweeps each scan interval and probes those of people that were not seen for a probe interval', async () => {
  const lan = bench({ tracked: () => [phone] });
  await lan.clock.advance(60_000);
  lan.stop();
  await lan.done;
  expect(lan.asked.filter((a) => a.endsWith('sweep'))).toEqual(['0 sweep', '30 sweep', '60 sweep']);
  expect(lan.asked.filter((a) => a.endsWith('probe') && a !== '0 probe')).toEqual([
    '10 probe',
    '20 probe',
    '40 probe',
    '50 probe',
  ]);
  expect(lan.air.closed).toBe(true);
});

test('a phone that falls silent is asked three times as often', async () => {
  const lan = bench({ tracked: () => [phone] }, { probe_interval_seconds: 12 });
  await lan.clock.advance(1_000);
  lan.air.present.clear();
  await lan.clock.advance(99_000);
  lan.stop();
  await lan.done;
  const probes = lan.asked.filter((a) => a.endsWith('probe')).map((a) => Number.parseFloat(a));
  const gaps = probes.slice(1).map((t, i) => t - probes[i]!);
  expect(gaps.filter((_, i) => probes[i]! < 30 && probes[i]! > 0)).toEqual([12, 12]);
  expect(new Set(gaps.filter((_, i) => probes[i]! >= 36))).toEqual(new Set([4]));
});

test('what is overheard is told at once', async () => {
  const lan = bench();
  await lan.clock.advance(1_000);
  const heard = lan.seen(phone, 'dhcp');
  lan.air.heard?.(heard);
  expect(lan.signals.at(-1)).toEqual({ kind: 'sighting', sighting: heard });
  lan.stop();
  await lan.done;
});

test('an empty network is explained once, not every time', async () => {
  const lan = bench();
  lan.air.present.clear();
  await lan.clock.advance(100_000);
  lan.stop();
  await lan.done;
  expect(lan.lines).toHaveLength(1);
  expect(lan.lines[0]).toMatch(/wifi scan error: nobody in 192\.0\.2\.0\/24 answered 253 questions.*a test/);
});

test('when every network fails the driver ends with an error that operators can grep', async () => {
  const lan = bench();
  lan.air.broken = new LaresError('UNREACHABLE', 'interface eth0 is down');
  await expect(lan.done).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: 'wifi scan error: interface eth0 is down',
  });
  expect(lan.air.closed).toBe(true);
});

test('a sweep that hangs is ended', async () => {
  const lan = bench();
  lan.air.hangs = true;
  await lan.clock.advance(120_000);
  await expect(lan.done).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: 'wifi scan error: timeout: the sweep of 192.0.2.0/24 took longer than 63 s',
  });
});

test('a listener that ends by itself is an error', async () => {
  const lan = bench();
  await lan.clock.advance(1_000);
  lan.air.deaf.abort();
  await expect(lan.done).rejects.toMatchObject({ message: 'wifi scan error: the listener ended by itself' });
});

test('names are looked up once, for devices that did not tell theirs', async () => {
  const looked: string[] = [];
  const lan = bench({
    lookupName: async (ip) => {
      looked.push(ip);
      return { hostname: 'alex-phone', source: 'mdns' };
    },
  });
  await lan.clock.advance(90_000);
  lan.stop();
  await lan.done;
  expect(looked).toEqual([phone.ip]);
  expect(lan.signals.filter((s) => s.kind === 'named')).toEqual([
    { kind: 'named', mac: phone.mac, hostname: 'alex-phone', source: 'mdns' },
  ]);
});

test('names are not looked up where that is switched off', async () => {
  const looked: string[] = [];
  const lookupName = async (ip: string) => void looked.push(ip) as undefined;
  const lan = bench({ lookupName }, { resolve_names: false });
  await lan.clock.advance(60_000);
  lan.stop();
  await lan.done;
  expect(looked).toEqual([]);
});

test('the driver accepts its own example and refuses unknown keys', () => {
  expect(() => lanDriver.config.parse(lanDriver.example)).not.toThrow();
  expect(() => lanDriver.config.parse({ networks: [], colour: 'red' })).toThrow(/colour/);
});

test('a clock that is set back does not stop the probes', async () => {
  const lan = bench({ tracked: () => [phone] }, { scan_interval_seconds: 300 });
  await lan.clock.advance(60_000);
  lan.clock.jump(-3_600_000);
  lan.asked.length = 0;
  await lan.clock.advance(60_000);
  lan.stop();
  await lan.done;
  expect(lan.asked.filter((a) => a.endsWith('probe')).length).toBeGreaterThanOrEqual(5);
});
