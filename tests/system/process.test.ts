import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DetailedHealthBody } from '#http/contract.ts';
import { graphiteMissing } from '../servers/graphite.ts';
import { lares, runBin, type LaresOptions, type LaresProcess } from '../servers/house.ts';
import { startLab, type Lab } from '../servers/lab.ts';
import { canMakeLan } from '../servers/lan.ts';
import { until } from '../servers/process.ts';
import { Stalls } from '../servers/stalls.ts';

const missing = graphiteMissing ?? (canMakeLan ? undefined : 'root and network namespaces');
const originalCommand = fileURLToPath(new URL('../../bin/presence_to_graphite', import.meta.url));

describe.skipIf(missing !== undefined)(
  `lares as a process${missing === undefined ? '' : ` (needs ${missing})`}`,
  () => {
    let lab: Lab;
    let options: LaresOptions;
    let house: LaresProcess;
    beforeAll(async () => {
      lab = await startLab();
      await lab.phone(0, false);
      options = { dir: lab.dir() };
      house = lab.run(options);
      await house.url();
    });
    afterAll(() => lab[Symbol.asyncDispose]());
    const cli = (...args: string[]) => lares(options, ...args);

    test('a phone that joins the LAN brings its owner home in Graphite, with one log line', async () => {
      await lab.shows('sam.from_homeassistant', 1);
      await lab.shows('alex.is_home', 0);
      await lab.shows('count_home', 1);
      await lab.phone(0, true);
      await house.line(/Detected alex at home/);
      await lab.shows('alex.is_home', 1);
      await lab.shows('count_home', 2);
      expect(house.count(/Detected alex at home/)).toBe(1);
      // Four readings for each of two people, and three of the house.
      await until(() => house.count(/Successfully sent 11 metrics/) > 1);
    });

    test('the commands answer about the running house, and their exit codes say whether they worked', async () => {
      const status = await cli('presence', 'status');
      expect(status.code).toBe(0);
      expect(status.out).toMatch(/^Alex +home +9\d % .* wifi +02:aa:bb:cc:dd:01 was on Wi-Fi/m);
      const why = await cli('presence', 'why', 'alex');
      expect(why).toMatchObject({ code: 0, err: '' });
      expect(why.out).toMatch(
        /alex came home, 9\d\.\d % home\n.* wifi +home +\d\.\d +02:aa:bb:cc:dd:01 was on Wi-Fi/,
      );
      expect(await cli('presence', 'why', 'nobody')).toMatchObject({ code: 1, out: '' });
      // A part may be degraded for a moment.
      let summary = await cli('status');
      await until(
        async () => /^lares \d+\.\d+\.\d+ is ok$/m.test((summary = await cli('status')).out),
        () => summary.out,
      );
      expect(summary.code).toBe(0);
      expect(await cli('presence', 'whoops')).toMatchObject({ code: 2 });
    });

    test('discover lists the devices of the LAN with their owners, also under the original name of the command', async () => {
      const expected = [
        { ip: '10.77.0.11', mac: '02:aa:bb:cc:dd:01', person: 'alex' },
        { ip: '10.77.0.12', mac: '02:aa:bb:cc:dd:02', person: null },
      ];
      const found = await cli('presence', 'discover', '--json');
      expect(found.code).toBe(0);
      const { devices } = JSON.parse(found.out) as { devices: { ip: string }[] };
      expect(devices.toSorted((a, b) => a.ip.localeCompare(b.ip))).toMatchObject(expected);
      const original = await runBin(originalCommand, ['--discover'], options);
      expect(original.code).toBe(0);
      for (const { ip, mac } of expected) expect(original.out).toMatch(new RegExp(`${ip}.*${mac}`, 'i'));
    });

    test('graphite test reads back what it sent, and doctor finds a healthy house', async () => {
      const probe = await cli('--json', 'graphite', 'test');
      expect(probe).toMatchObject({ code: 0, err: '' });
      expect(JSON.parse(probe.out)).toMatchObject({ shown: 1 });
      // A busy machine may answer late once; what is really ill stays so.
      await expect
        .poll(async () => {
          const doctor = await cli('--json', 'doctor');
          const { findings } = JSON.parse(doctor.out) as { findings: { state: string; text: string }[] };
          return { code: doctor.code, failed: findings.filter((f) => f.state === 'fail') };
        })
        .toEqual({ code: 0, failed: [] });
    });

    test('presence --once measures, sends, waits for the receipt and ends beside the running service', async () => {
      const once = await cli('presence', '--once');
      expect(once.out).toMatch(/Successfully sent 11 metrics/);
      expect(once.code).toBe(0);
    });

    test('the self-test finds LAN, Home Assistant, Graphite and health in order', async () => {
      await expect
        .poll(async () => {
          const { code, out } = await cli('--json', 'presence', '--selftest');
          const { findings } = JSON.parse(out) as { findings: { check: string; state: string }[] };
          return { code, found: [...new Set(findings.map((f) => `${f.check} ${f.state}`))] };
        })
        .toEqual({ code: 0, found: ['discovery ok', 'homeassistant ok', 'graphite ok', 'health ok'] });
    });

    test('a phone that leaves the LAN sends its owner away after the grace period', async () => {
      await lab.phone(0, false);
      await house.line(/alex left home after \d+ s of silence/, 60_000);
      const compared = await cli('--json', 'presence', 'discover', '--compare');
      expect(JSON.parse(compared.out)).toMatchObject({
        added: [],
        removed: [{ mac: '02:aa:bb:cc:dd:01', person: 'alex' }],
        changed: [],
      });
      await lab.shows('alex.is_home', 0);
      await lab.shows('alex.from_wifi', 0);
      await lab.shows('anyone_home', 1);
    });

    test('Home Assistant that hangs or refuses, a dead Carbon and a dead link delay no tick and are one grep away', async () => {
      using stalls = new Stalls();
      const before = await house.get<DetailedHealthBody>('/health/detailed');
      const { homeAssistant, graphite, lan } = lab;
      homeAssistant.fault = 'hang';
      homeAssistant.mute = true;
      homeAssistant.dropSockets();
      await house.line(/homeassistant.*error/, 60_000);
      await graphite.kill();
      await house.line(/graphite.*error/);
      await lan.hub.ip('link', 'set', 'eth0', 'down');
      await house.line(/wifi.*error/);
      await lan.hub.ip('link', 'set', 'eth0', 'up');
      await graphite.startCarbon();
      await house.line(/graphite works again/);
      homeAssistant.fault = undefined;
      homeAssistant.mute = false;
      homeAssistant.token = 'another-token-since-it-was-revoked';
      homeAssistant.dropSockets();
      await house.line(/homeassistant.*error.*401.*token|homeassistant.*error.*refused.*token/i, 90_000);
      await until(
        async () => (await house.get<DetailedHealthBody>('/health/detailed')).sinks[0]?.backlog === 0,
      );

      const after = await house.get<DetailedHealthBody>('/health/detailed');
      const missed = after.tick.missed - before.tick.missed;
      expect(missed).toBeLessThanOrEqual(stalls.beats(1_000));
      const [from, to] = [before.tick.last_at, after.tick.last_at].map((at) => Date.parse(at ?? ''));
      const seconds = (to! - from!) / 1000 + 1 - missed;
      const name = 'home.presence.count_home';
      await until(
        async () => (await graphite.points(name, from!, to!)).get(name)?.size === seconds,
        () => `not all of the ${seconds} ticks are in Graphite`,
        30_000,
      );
      expect(house.lines.filter((line) => /exception|traceback/i.test(line))).toEqual([]);
      expect(house.lines.filter((line) => line.includes('a-token-nobody-may-read'))).toEqual([]);
    });
  },
);
