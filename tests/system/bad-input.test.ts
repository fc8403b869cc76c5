/**
 * Bad input through the real process: each gives a clear message, and nothing is lost or crashes. The same, closer:
 * settings: src/config/load.test.ts, src/devices/config.test.ts, src/presence/metrics.test.ts · hosts that do not answer,
 * HTML, 10 MiB: src/platform/homeassistant/client.test.ts, tests/system/graphite.test.ts · host names:
 * src/devices/lan/codec/codec.test.ts, src/kernel/kernel.test.ts, tests/system/graphite.test.ts · clock jumps:
 * src/metrics/tick.test.ts, src/presence/service.test.ts, src/store/store.test.ts · disk and database:
 * src/store/recover.test.ts.
 */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { buildEthernet, etherType, macBytes } from '#devices/lan/codec/ethernet.ts';
import { openPacketSocket } from '#devices/lan/packet-socket.ts';
import type { DetailedHealthBody } from '#http/contract.ts';
import { HomeAssistantSim, type Fault } from '#platform/homeassistant/sim.ts';
import { measured, slots } from '../../bench/lib/house.ts';
import { graphiteMissing } from '../servers/graphite.ts';
import { enterNetwork, lares, type LaresProcess } from '../servers/house.ts';
import { startLab, type Lab } from '../servers/lab.ts';
import { canMakeLan } from '../servers/lan.ts';
import { installed, systemPath, until } from '../servers/process.ts';
import { Stalls } from '../servers/stalls.ts';

const missing = graphiteMissing ?? (canMakeLan ? undefined : 'root and network namespaces');
const fakeTime = installed(
  '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
  '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
);

const mount = (...args: string[]) => execFileSync('mount', args, { env: { PATH: systemPath } });
const unmount = (dir: string) => execFileSync('umount', ['-l', dir], { env: { PATH: systemPath } });

/** A DHCP request that tells this host name; options 53 and 12 of RFC 2132. */
function dhcpFrame(mac: string, name: Buffer): Uint8Array {
  const message = Buffer.alloc(240);
  message.set([1, 1, 6, 0], 0);
  message.set(macBytes(mac), 28);
  message.set([0x63, 0x82, 0x53, 0x63], 236);
  const payload = Buffer.concat([
    message,
    Buffer.from([53, 1, 3, 12, name.length]),
    name,
    Buffer.from([255]),
  ]);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(68, 0);
  udp.writeUInt16BE(67, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const ipv4 = Buffer.alloc(20);
  ipv4.writeUInt8(0x45, 0);
  ipv4.writeUInt16BE(28 + payload.length, 2);
  ipv4.writeUInt8(17, 9);
  // A bridge with a netfilter throws away what has a wrong checksum (RFC 1071).
  let sum = 0;
  for (let i = 0; i < 20; i += 2) sum += ipv4.readUInt16BE(i);
  ipv4.writeUInt16BE(~((sum & 0xffff) + (sum >> 16)) & 0xffff, 10);
  return buildEthernet('ff:ff:ff:ff:ff:ff', mac, etherType.ipv4, Buffer.concat([ipv4, udp, payload]));
}

describe.skipIf(missing !== undefined)(
  `bad input${missing === undefined ? '' : ` (needs ${missing})`}`,
  () => {
    let lab: Lab;
    let stalls: Stalls;
    beforeAll(async () => {
      lab = await startLab();
    });
    beforeEach(() => void (stalls = new Stalls()));
    afterEach(async () => {
      stalls[Symbol.dispose]();
      await lab.killAll();
    });
    afterAll(() => lab[Symbol.asyncDispose]());

    const alive = async (house: LaresProcess) => {
      const sent = house.count(/Successfully sent/);
      await until(() => house.count(/Successfully sent/) > sent + 1);
    };
    /** Every slot between first and last was measured, but for those in which the machine stood still. */
    const withoutGap = (ticks: readonly number[]) =>
      expect(slots(ticks, 1_000).length - ticks.length).toBeLessThanOrEqual(stalls.beats(1_000));
    /** Stops it, and finds every slot between first and last measured and in Graphite. */
    const nothingLost = async (house: LaresProcess, dir: string) => {
      expect(await house.stop()).toBe(0);
      const { ticks } = await measured(path.join(dir, 'data'));
      withoutGap(ticks);
      const series = 'home.presence.sam.is_home';
      await until(
        async () => {
          const shown = (await lab.graphite.points(series, ticks[0]!, ticks.at(-1)!)).get(series);
          return ticks.every((at) => shown?.has(at / 1000));
        },
        () => 'ticks of the database are missing in Graphite',
      );
    };

    const people = (list: string) => `presence:\n  people:\n${list}`;
    test.each<[string, string, RegExp]>([
      [
        'malformed YAML',
        'wifi: [unclosed\npresence:',
        /lares\.yaml:2:1 presence: expected the same indentation/,
      ],
      ['an unknown key', 'wifi:\n  netwroks: []\n', /lares\.yaml:2:3 wifi\.netwroks: .*networks/],
      [
        'two people of one name',
        people('    - person: alex\n    - person: alex\n'),
        /lares\.yaml:4:15 presence\.people\[1\]\.person: .*already person 1/,
      ],
      ['a person named wifi', people('    - person: wifi\n'), /lares\.yaml:3:15 .*"wifi" is reserved/],
      [
        'a bad MAC',
        people('    - person: alex\n      wifi_macs: ["AA:BB:CC:DD:EE:FG"]\n'),
        /lares\.yaml:4:19 .*expected a MAC address like/,
      ],
      ['a network of prefix 8', 'wifi:\n  networks: [10.0.0.0/8]\n', /lares\.yaml:2:14 .*\/16/],
    ])(
      '%s: the service refuses to start, names the place and touches nothing',
      async (_what, yaml, expected) => {
        const dir = lab.dir();
        writeFileSync(path.join(dir, 'lares.yaml'), yaml);
        for (const command of ['run', 'check']) {
          const { code, out, err } = await lares({ dir }, command);
          expect(code).toBe(2);
          expect(out + err).toMatch(expected);
          expect(out + err).not.toMatch(/ at .*\.ts:\d+/);
        }
        expect(readdirSync(path.join(dir, 'data'))).toEqual([]);
      },
    );

    test('peers that nobody answers for: the house is measured on, and each is one line', async () => {
      const dir = lab.dir({
        homeassistant: { url: 'http://10.77.0.251:8123', token: 'a-token-for-nobody' },
        graphite: { host: '10.77.0.250', timeout_seconds: 1 },
      });
      const house = lab.run({ dir });
      await house.line(/graphite error: .*10\.77\.0\.250/);
      await house.line(/homeassistant.*error: .*10\.77\.0\.251/, 60_000);
      await house.line(/Detected alex at home/);
      const backlog = async () =>
        (await house.get<DetailedHealthBody>('/health/detailed')).sinks[0]?.backlog ?? 0;
      await until(async () => (await backlog()) > 0);
      expect(house.count(/graphite error/)).toBe(1);
      expect(await house.stop()).toBe(0);
      const { ticks } = await measured(path.join(dir, 'data'));
      withoutGap(ticks);
    });

    test('Home Assistant that turns into an HTML page, 10 MiB or garbage is said clearly and seldom, and nobody is sent away', async () => {
      const faults: [Extract<Fault, string>, RegExp][] = [
        ['html', /homeassistant.*error: .*text\/html/],
        ['huge', /homeassistant.*error: .*more than 1048576 bytes/],
        ['garbage', /homeassistant.*error: .*not JSON/],
      ];
      const suffer = async ([fault, line]: (typeof faults)[number]) => {
        const sim = await new HomeAssistantSim({ token: 'a-token-nobody-may-read' }).listen();
        sim.setState('person.sam', 'home');
        const homeassistant = { url: sim.url, token: sim.token, poll_interval_seconds: 10 };
        const house = lab.run({ dir: lab.dir({ http: { port: 0 }, homeassistant }) });
        await house.line(/Detected sam at home/);
        sim.fault = fault;
        sim.socketFault = { status: 502 };
        sim.dropSockets();
        await house.line(line, 90_000);
        await alive(house);
        // One for the way that broke, one more once the other way is broken too.
        expect(house.count(line)).toBeLessThanOrEqual(2);
        expect(house.count(/sam is away|sam left/)).toBe(0);
        // The reply of 10 MiB is not kept.
        const rss = async () => (await house.get<DetailedHealthBody>('/health/detailed')).memory.rss_bytes;
        await expect.poll(rss).toBeLessThan(200 * 2 ** 20);
        sim.fault = undefined;
        sim.socketFault = undefined;
        sim.setState('person.sam', 'not_home');
        await house.line(/sam left home/, 60_000);
        expect(await house.stop()).toBe(0);
        await sim.close();
      };
      await Promise.all(faults.map(suffer));
    });

    test('host names with line breaks, dots and bytes that are no UTF-8 forge neither a log line nor a metric', async () => {
      const house = lab.run({ dir: lab.dir() });
      await house.line(/Detected alex at home/);
      const { mac, at } = lab.lan.hosts[1]!;
      const shout = (name: Buffer) => {
        const back = enterNetwork(at.name);
        const socket = openPacketSocket('eth0', false);
        socket.send(dhcpFrame(mac, name));
        socket.close();
        back();
      };
      interface Device {
        readonly mac: string;
        readonly hostname: string | null;
      }
      const named = async () => {
        const { devices } = await house.get<{ devices: Device[] }>('/api/presence/devices');
        return devices.find((d) => d.mac === mac)?.hostname ?? null;
      };
      const hostile = [
        Buffer.from([0xff, 0xfe, 0x61, 0xc3, 0x28]),
        Buffer.from('x\nhome.presence.alex.is_home 0 1\nFATAL|y\r\n'),
        Buffer.from('..evil..presence.alex..\u0007\u001b[2J'),
        Buffer.alloc(255, 'z'),
      ];
      for (const [i, name] of hostile.entries()) {
        shout(name);
        // A good name afterwards proves that the one before was heard and survived.
        await until(
          // A frame may come while nobody listens.
          async () => {
            shout(Buffer.from(`good-${i}`));
            await new Promise((resolve) => setTimeout(resolve, 200));
            return (await named()) === `good-${i}`;
          },
          () => `the name good-${i} never came`,
        );
        shout(name);
        await alive(house);
        expect((await named()) ?? '').toMatch(/^[^\p{C}\u2028\u2029]{0,255}$/u);
      }
      expect(
        house.lines.filter((line) => !/^\d{4}-[\dT:.-]+Z\|(INFO|WARN|ERROR)\|[a-z]+\|/.test(line)),
      ).toEqual([]);
      const metrics = await (await fetch(`${await house.url()}/metrics`)).text();
      expect(metrics.split('\n').filter((line) => /evil|FATAL|good/.test(line))).toEqual([]);
      const foreign = lab.graphite
        .files()
        .filter((file) => !/^home\/presence\/(alex|sam|count_home|anyone_home|wifi)(\/[a-z_]+)?$/.test(file));
      expect(foreign.filter((file) => !/test/.test(file))).toEqual([]);
      expect(await house.stop()).toBe(0);
    });

    test.skipIf(fakeTime === undefined)(
      `a clock that is set an hour on and back: one line each, ticks go on, nobody comes or goes${fakeTime === undefined ? ' (needs the Debian package faketime)' : ''}`,
      async () => {
        const dir = lab.dir();
        const clock = path.join(dir, 'clock');
        // In one step: the clock is read all the time.
        const set = (offset: string) => {
          writeFileSync(`${clock}.new`, `${offset}\n`);
          renameSync(`${clock}.new`, clock);
        };
        set('+0');
        const env = {
          LD_PRELOAD: fakeTime ?? '',
          FAKETIME_TIMESTAMP_FILE: clock,
          FAKETIME_NO_CACHE: '1',
          FAKETIME_DONT_FAKE_MONOTONIC: '1',
        };
        const house = lab.run({ dir, env });
        await house.line(/Detected alex at home/);
        await house.line(/Detected sam at home/);
        for (const [offset, seconds] of [
          ['+1h', 3_600],
          ['+0', -3_600],
          ['-1h', -3_600],
        ] as const) {
          const said = house.count(/the wall clock moved/);
          set(offset);
          await until(
            () => house.count(/the wall clock moved/) === said + 1,
            () => house.lines.slice(-20).join('\n'),
          );
          expect(house.lines.findLast((line) => line.includes('the wall clock moved'))).toContain(
            `by ${seconds} s`,
          );
          const before = (await house.get<DetailedHealthBody>('/health/detailed')).tick.count;
          await until(
            async () => (await house.get<DetailedHealthBody>('/health/detailed')).tick.count > before + 2,
          );
        }
        expect(house.count(/Detected/)).toBe(2);
        expect(house.count(/left home|is away/)).toBe(0);
        const { tick } = await house.get<DetailedHealthBody>('/health/detailed');
        expect(tick.missed).toBeLessThanOrEqual(stalls.beats(1_000));
        expect(await house.stop()).toBe(0);
      },
    );

    test('a full disk: ticks are delivered from memory, and all is written once there is room', async () => {
      const dir = lab.dir();
      const data = path.join(dir, 'data');
      mount('-t', 'tmpfs', '-o', 'size=3m,mode=0700', 'lares-process-test', data);
      try {
        const house = lab.run({ dir });
        await house.line(/Detected alex at home/);
        await alive(house);
        const ballast = path.join(data, 'ballast');
        const fd = openSync(ballast, 'w');
        expect(() => {
          for (;;) writeSync(fd, Buffer.alloc(4096, 1));
        }).toThrow('ENOSPC');
        closeSync(fd);
        await house.line(/store error: .*wait in memory/, 60_000);
        await alive(house);
        expect(house.count(/store error: readings wait in memory/)).toBe(1);
        rmSync(ballast);
        await house.line(/store works again/, 60_000);
        await alive(house);
        await nothingLost(house, dir);
      } finally {
        unmount(data);
      }
    });

    test('a read-only data directory: refused with a sentence', async () => {
      const dir = lab.dir();
      const data = path.join(dir, 'data');
      mount('-t', 'tmpfs', '-o', 'ro,size=1m', 'lares-process-test', data);
      try {
        const { code, err } = await lares({ dir }, 'run');
        expect(code).toBe(1);
        expect(err).toMatch(new RegExp(`^lares: .*${data}.*(read-only|cannot be)`));
        expect(err.trim().split('\n').length).toBe(1);
      } finally {
        unmount(data);
      }
    });

    test('a corrupt database: moved aside, said in log and health, and the house goes on', async () => {
      const dir = lab.dir();
      const first = lab.run({ dir });
      await first.line(/Detected alex at home/);
      expect(await first.stop()).toBe(0);
      const file = path.join(dir, 'data', 'lares.db');
      expect(existsSync(file)).toBe(true);
      truncateSync(file, 0);
      writeFileSync(file, 'this is no database\n'.repeat(500));
      const house = lab.run({ dir });
      await house.line(/store error: the database is damaged and was moved aside/);
      await house.line(/Detected alex at home|Successfully sent/);
      let health = '';
      await until(
        async () => {
          const { status, components } = await house.get<DetailedHealthBody>('/health/detailed');
          health = JSON.stringify(components);
          return status === 'degraded' && components.find((c) => c.name === 'store')?.state === 'degraded';
        },
        () => health,
      );
      expect(
        readdirSync(path.join(dir, 'data')).filter((name) => name.startsWith('lares.db.corrupt-')).length,
      ).toBe(1);
      await nothingLost(house, dir);
    });
  },
);
