import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lineReader } from '#devices/lan/raw-protocol.ts';
import type { LanSighting, SweepResult } from '#devices/model.ts';
import {
  canMakeLan,
  emulatedLan,
  realLan,
  someHosts,
  type AirHost,
  type Namespace,
  type Privilege,
  type RealLan,
} from '../servers/lan.ts';
import { installed, scratch, stop, until } from '../servers/process.ts';
import type { ScanOrder } from '../servers/lan-scan.ts';

interface Said {
  readonly method?: string;
  readonly why?: string;
  readonly sweep?: SweepResult;
  readonly probe?: readonly LanSighting[];
  readonly heard?: LanSighting;
  readonly listening?: boolean;
  readonly name?: string;
  readonly failed?: string;
  readonly message?: string;
}

const scanFile = fileURLToPath(new URL('../servers/lan-scan.ts', import.meta.url));
const network = '10.77.0.0/24';
const scan = (hub: Namespace, order: Partial<ScanOrder>, as: Privilege = 'root') =>
  hub.script<Said>(scanFile, [JSON.stringify({ mode: 'raw', networks: [network], ...order })], as);

/** A scanner that goes on while the test does things. */
function scanning(hub: Namespace, order: Partial<ScanOrder>) {
  const child = hub.spawn([
    process.execPath,
    scanFile,
    JSON.stringify({ mode: 'raw', networks: [network], ...order }),
  ]);
  const said: Said[] = [];
  child.stdout?.on(
    'data',
    lineReader((line) => void said.push(JSON.parse(line) as Said)),
  );
  return {
    child,
    said,
    /** The LAN is as it is to be at the next sweep. */
    goOn: () => void child.stdin?.write('\n'),
    [Symbol.asyncDispose]: () => stop(child),
  };
}

const pairs = (found: readonly { ip?: string | undefined; mac: string }[] | undefined) =>
  (found ?? []).map(({ ip, mac }) => `${ip} ${mac}`).toSorted();
const sweeps = (said: readonly Said[]) => said.flatMap((line) => line.sweep ?? []);

const reason = canMakeLan ? '' : ' (skipped: needs root, iproute2 and util-linux)';

describe.skipIf(!canMakeLan)(`a LAN of 20 real kernels${reason}`, () => {
  let lan: RealLan;
  beforeAll(async () => void (lan = await realLan(20)));
  afterAll(() => lan[Symbol.asyncDispose]());

  test.each<[string, Privilege, ScanOrder['mode'], string]>([
    ['by raw ARP as root', 'root', 'auto', 'raw'],
    ['by raw ARP as nobody with only CAP_NET_RAW', 'nobody-with-net-raw', 'auto', 'raw'],
    ['by the kernel as nobody without any capability', 'nobody', 'auto', 'kernel'],
  ])('a sweep finds all of them %s', async (_, as, mode, method) => {
    const said = await scan(lan.hub, { mode, sweeps: 1 }, as);
    expect(said[0]?.method).toBe(method);
    expect(sweeps(said).map((sweep) => [sweep.network, sweep.probed, pairs(sweep.found)])).toEqual([
      [network, 253, pairs(lan.hosts)],
    ]);
  });

  test('raw ARP without the capability is refused with the remedy', async () => {
    expect(await scan(lan.hub, { mode: 'raw' }, 'nobody')).toEqual([
      {
        failed: 'PERMISSION_MISSING',
        message: 'raw ARP needs CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW)',
      },
    ]);
  });

  test('without the capability the method says what it lacks', async () => {
    const [first] = await scan(lan.hub, { mode: 'auto' }, 'nobody');
    expect(first?.why).toMatch(/^the kernel's own ARP: no CAP_NET_RAW; grant CAP_NET_RAW/);
  });

  test.each<[string, Partial<ScanOrder>, RegExp]>([
    [
      'another network',
      { networks: ['10.78.0.0/24'] },
      /no interface has an address in 10\.78\.0\.0\/24; this machine has eth0 in 10\.77\.0\.0\/24/,
    ],
    ['an interface that does not exist', { interface: 'wlan7' }, /^there is no interface wlan7$/],
    [
      'an interface elsewhere',
      { interface: 'eth0', networks: ['10.78.0.0/24'] },
      /^interface eth0 has no address in 10\.78\.0\.0\/24, only 10\.77\.0\.1\/24$/,
    ],
  ])('%s is an error that names it', async (_, order, message) => {
    for (const mode of ['raw', 'kernel'] as const) {
      const [said] = await scan(lan.hub, { mode, sweeps: 1, ...order });
      expect(said?.failed).toBe('UNREACHABLE');
      expect(said?.message).toMatch(message);
    }
  });

  test('a network that is wider than the link is not handed to the router by the kernel method', async () => {
    const said = await scan(lan.hub, { mode: 'kernel', networks: ['10.77.0.0/22'], sweeps: 1 });
    expect(said.at(-1)).toEqual({
      failed: 'CONFIG_INVALID',
      message: '10.77.0.0/22 is wider than 10.77.0.0/24, the network of interface eth0; name 10.77.0.0/24',
    });
  });

  test('a real DHCP-less join is overheard: a kernel that takes an address announces it', async () => {
    const [host] = lan.hosts;
    await using listener = scanning(lan.hub, { listenMs: 60_000 });
    await until(() => listener.said.some((line) => line.listening === true));
    await host?.at.ip('link', 'set', 'eth0', 'down');
    await host?.at.ip('link', 'set', 'eth0', 'up');
    // Coming up, a kernel solicits its own IPv6 address, as phones do on joining.
    await until(
      () => listener.said.some((line) => line.heard?.mac === host?.mac),
      () => JSON.stringify(listener.said),
    );
  });
});

describe.skipIf(!canMakeLan)(`a lossy or changing LAN${reason}`, () => {
  const hosts: AirHost[] = someHosts(30);
  const [first, second] = hosts as [AirHost, AirHost];

  test.each(['raw', 'kernel'] as const)(
    'two %s sweeps find everybody although 3 of 10 broadcasts are lost',
    async (mode) => {
      await using lan = await emulatedLan({
        network,
        hosts,
        broadcastLoss: 0.3,
        latencyMs: [5, 250],
        seed: 11,
      });
      const found = sweeps(await scan(lan.hub, { mode, sweeps: 2 })).flatMap((sweep) => pairs(sweep.found));
      expect([...new Set(found)].toSorted()).toEqual(pairs(hosts));
    },
  );

  test.each(['ip', 'proc'] as const)(
    'a device that has left is not found again, although the kernel still has a stale entry (table from %s)',
    async (table) => {
      await using lan = await emulatedLan({ network, hosts });
      // Entries turn stale after half a second to one and a half, instead of 15 s to 45 s.
      const soon = 'net.ipv4.neigh.eth0.base_reachable_time_ms=1000';
      await stopAfter(lan.hub.spawn(['sysctl', '-qw', soon]));
      await using scanner = scanning(lan.hub, {
        mode: 'kernel',
        table,
        sweeps: 2,
        pauseMs: 2_000,
        waits: true,
      });
      await until(() => sweeps(scanner.said).length === 1);
      lan.tell({ do: 'change', host: { ...first, silent: true } });
      // Its answer says that it has heard.
      await lan.counts();
      scanner.goOn();
      await until(
        () => sweeps(scanner.said).length === 2,
        () => JSON.stringify(scanner.said),
        30_000,
      );
      const [before, after] = sweeps(scanner.said).map((sweep) => pairs(sweep.found));
      expect(before).toEqual(pairs(hosts));
      expect(after).toEqual(pairs(hosts.slice(1)));
    },
  );

  test('the kernel method probes known devices, and reports only those that answer', async () => {
    await using lan = await emulatedLan({ network, hosts: [first, { ...second, silent: true }] });
    const said = await scan(lan.hub, { mode: 'kernel', probe: [first, second] });
    expect(pairs(said.at(-1)?.probe)).toEqual(pairs([first]));
  });

  test('a sighting from the kernel carries the instant of its proof, not that of the scan', async () => {
    await using lan = await emulatedLan({ network, hosts: [first] });
    await using scanner = scanning(lan.hub, { mode: 'kernel', sweeps: 2, pauseMs: 1_000, waits: true });
    await until(() => sweeps(scanner.said).length === 1);
    lan.tell({ do: 'change', host: { ...first, silent: true } });
    // Its answer says that it has heard.
    await lan.counts();
    scanner.goOn();
    await until(
      () => sweeps(scanner.said).length === 2,
      () => JSON.stringify(scanner.said),
      30_000,
    );
    const [before, after] = sweeps(scanner.said);
    for (const sighting of after?.found ?? []) expect(sighting.at).toBeLessThan(before?.at ?? 0);
  });

  test('by raw ARP a device that has left is gone, and a new address on the same IP is seen', async () => {
    await using lan = await emulatedLan({ network, hosts });
    const changed = { ...second, mac: '06:aa:00:00:00:99' };
    await using scanner = scanning(lan.hub, { sweeps: 2, waits: true });
    await until(() => sweeps(scanner.said).length === 1);
    lan.tell({ do: 'change', host: { ...first, silent: true } });
    lan.tell({ do: 'change', host: changed });
    await lan.counts();
    scanner.goOn();
    await until(() => sweeps(scanner.said).length === 2);
    expect(sweeps(scanner.said).map((sweep) => pairs(sweep.found))).toEqual([
      pairs(hosts),
      pairs([changed, ...hosts.slice(2)]),
    ]);
  });

  test('a device that is deaf to broadcasts answers a directed probe', async () => {
    const deaf = { ...first, deaf: true };
    await using lan = await emulatedLan({ network, hosts: [deaf, second] });
    const said = await scan(lan.hub, {
      sweeps: 1,
      probe: [deaf, { ip: '10.77.0.200', mac: '02:aa:00:00:00:fe' }],
    });
    expect(pairs(sweeps(said)[0]?.found)).toEqual(pairs([second]));
    expect(pairs(said.at(-1)?.probe)).toEqual(pairs([deaf]));
  });

  test('a gratuitous ARP and a DHCP request are overheard at once, with the name', async () => {
    await using lan = await emulatedLan({ network, hosts: [] });
    await using listener = scanning(lan.hub, { listenMs: 60_000 });
    await until(() => listener.said.some((line) => line.listening === true));
    lan.tell({ do: 'announce', ip: '10.99.0.5', mac: '02:aa:00:00:00:ee' });
    lan.tell({ do: 'announce', ip: first.ip, mac: first.mac });
    lan.tell({ do: 'send', hex: dhcpRequest(second.mac, 'sam-phone') });
    const heard = () => listener.said.flatMap((line) => line.heard ?? []);
    await until(
      () => heard().length >= 2,
      () => JSON.stringify(listener.said),
    );
    expect(heard()).toEqual([
      { mac: first.mac, ip: first.ip, via: 'arp-heard', network, at: expect.any(Number) },
      { mac: second.mac, via: 'dhcp', network, hostname: 'sam-phone', at: expect.any(Number) },
    ]);
  });

  test.each(['raw', 'kernel'] as const)(
    'the %s method asks no address outside the named network',
    async (mode) => {
      const small = '10.77.0.0/28';
      const inside = { ip: '10.77.0.9', mac: '02:aa:00:00:00:09' };
      const outside = { ip: '10.77.0.77', mac: '02:aa:00:00:00:77' };
      await using lan = await emulatedLan({ network: small, linkPrefix: 24, hosts: [inside, outside] });
      const said = await scan(lan.hub, { mode, networks: [small], sweeps: 1 });
      expect(pairs(sweeps(said)[0]?.found)).toEqual(pairs([inside]));
      // The one datagram that the kernel method sends to whom it found; raw ARP sends nothing but ARP.
      const datagrams = mode === 'kernel' ? 1 : 0;
      await until(async () => ((await lan.counts()).other['0x800'] ?? 0) >= datagrams);
      const { targets, other } = await lan.counts();
      expect(targets).toEqual(Array.from({ length: 13 }, (_, i) => `10.77.0.${i + 2}`));
      expect(other['0x800'] ?? 0).toBe(datagrams);
    },
  );

  test('a link that goes down ends the listener with an error that names the interface', async () => {
    await using lan = await emulatedLan({ network, hosts: [first] });
    await using listener = scanning(lan.hub, { listenMs: 60_000 });
    await until(() => listener.said.some((line) => line.listening === true));
    await lan.hub.ip('link', 'set', 'eth0', 'down');
    await until(() => listener.said.some((line) => line.failed !== undefined));
    expect(listener.said.at(-1)).toEqual({ failed: 'UNREACHABLE', message: 'interface eth0 is down' });
    const [again] = await scan(lan.hub, { mode: 'kernel', interface: 'eth0', sweeps: 1 });
    expect(again?.message).toBe('interface eth0 is down; bring it up (ip link set eth0 up)');
  });

  test('a crash of the scanner process is an error, not a crash of its parent', async () => {
    await using lan = await emulatedLan({ network, hosts: [first] });
    await using listener = scanning(lan.hub, { listenMs: 60_000 });
    await until(() => listener.said.some((line) => line.listening === true));
    const { pid } = listener.child;
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    expect(children).toHaveLength(1);
    process.kill(Number(children[0]), 'SIGKILL');
    await until(() => listener.said.some((line) => line.failed !== undefined));
    expect(listener.said.at(-1)).toEqual({
      failed: 'UNREACHABLE',
      message: 'the scanner process ended (SIGKILL)',
    });
  });
});

const avahi = installed('/usr/sbin/avahi-daemon');
const avahiTitle = avahi === undefined ? ' (skipped: needs the Debian package avahi-daemon)' : '';

describe.skipIf(!canMakeLan)(`names${reason}`, () => {
  test.skipIf(avahi === undefined)(
    `a real multicast DNS responder is overheard with its name, and tells it when asked directly${avahiTitle}`,
    async () => {
      await using lan = await realLan(2);
      const [host, mute] = lan.hosts;
      const place = scratch('avahi');
      const config = path.join(place.dir, 'avahi.conf');
      writeFileSync(
        config,
        '[server]\nhost-name=alexs-phone\nuse-ipv6=no\nenable-dbus=no\nallow-interfaces=eth0\n[wide-area]\nenable-wide-area=no\n',
      );
      await using listener = scanning(lan.hub, { listenMs: 60_000 });
      await until(() => listener.said.some((line) => line.listening === true));
      const daemon = host!.at.spawn([avahi!, '--no-drop-root', '--no-chroot', '--no-rlimits', '-f', config]);
      let log = '';
      daemon.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
      try {
        await until(
          () => log.includes('Server startup complete'),
          () => log,
        );
        await until(
          () => listener.said.some(({ heard }) => heard?.via === 'mdns' && heard.hostname === 'alexs-phone'),
          () => JSON.stringify(listener.said),
        );
        const said = await scan(lan.hub, { names: [host!.ip, mute!.ip] });
        expect(said.slice(1)).toEqual([{ name: 'alexs-phone' }, {}]);
      } finally {
        await stop(daemon);
        place.remove();
      }
    },
  );
});

async function stopAfter(child: ReturnType<Namespace['spawn']>): Promise<void> {
  await new Promise((resolve) => child.once('exit', resolve));
}

/** A broadcast DHCP request in hexadecimal (RFC 2131), without a wanted address. */
function dhcpRequest(mac: string, hostname: string): string {
  const address = mac.replaceAll(':', '');
  const name = Buffer.from(hostname).toString('hex');
  const options = `63825363350103${'0c'}${hostname.length.toString(16).padStart(2, '0')}${name}ff`;
  const message = `01010600${'0'.repeat(48)}${address}${'0'.repeat(20)}${'0'.repeat(384)}${options}`;
  const length = message.length / 2;
  const u16 = (n: number) => n.toString(16).padStart(4, '0');
  const udp = `00440043${u16(length + 8)}0000${message}`;
  const header = `4500${u16(length + 28)}000000004011000000000000ffffffff`;
  return `ffffffffffff${address}0800${header}${udp}`;
}
