import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { lineReader } from '#devices/lan/raw-protocol.ts';
import type { LanSignal } from '#devices/lan/driver.ts';
import { canMakeLan, emulatedLan, someHosts, type AirHost, type Namespace } from '../servers/lan.ts';
import { stop, until } from '../servers/process.ts';

interface Said {
  readonly signal?: LanSignal;
  readonly line?: string;
  readonly stopped?: string;
}

const watchFile = fileURLToPath(new URL('../servers/lan-watch.ts', import.meta.url));
const network = '10.77.0.0/24';
const hosts = someHosts(12);
const [first, second] = hosts as [AirHost, AirHost];

function watching(hub: Namespace, settings: object, tracked: readonly AirHost[] = []) {
  const args = [
    JSON.stringify({ networks: [network], resolve_names: false, ...settings }),
    JSON.stringify(tracked),
  ];
  const child = hub.spawn([process.execPath, watchFile, ...args], 'nobody-with-net-raw');
  const said: Said[] = [];
  child.stdout?.on(
    'data',
    lineReader((line) => void said.push(JSON.parse(line) as Said)),
  );
  const signals = () => said.flatMap((s) => s.signal ?? []);
  return {
    child,
    said,
    signals,
    sweeps: () => signals().flatMap((s) => (s.kind === 'sweep' ? s.result : [])),
    sightings: () => signals().flatMap((s) => (s.kind === 'sighting' ? s.sighting : [])),
    lines: () => said.flatMap((s) => s.line ?? []),
    [Symbol.asyncDispose]: () => stop(child),
  };
}

const title = canMakeLan ? '' : ' (skipped: needs root, iproute2 and util-linux)';

describe.skipIf(!canMakeLan)(`the LAN driver under its supervisor${title}`, () => {
  test('it sweeps, probes the phones of people in between, and stops when told', async () => {
    await using lan = await emulatedLan({ network, hosts });
    await using watch = watching(
      lan.hub,
      { listen: false, scan_interval_seconds: 300, probe_interval_seconds: 2 },
      [first],
    );
    await until(() => watch.sweeps().length >= 1);
    expect(
      watch
        .sweeps()[0]
        ?.found.map((s) => s.mac)
        .toSorted(),
    ).toEqual(hosts.map((h) => h.mac).toSorted());
    await until(() => watch.sightings().length >= 2);
    expect(new Set(watch.sightings().map((s) => `${s.mac} ${s.via}`))).toEqual(
      new Set([`${first.mac} arp-reply`]),
    );
    await stop(watch.child);
    expect(watch.said.at(-1)).toEqual({ stopped: 'off' });
  });

  test('after its scanner process was killed it goes on, and says so in one line each', async () => {
    await using lan = await emulatedLan({ network, hosts });
    await using watch = watching(lan.hub, { scan_interval_seconds: 5 });
    await until(() => watch.sweeps().length >= 1);
    const { pid } = watch.child;
    process.kill(Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()), 'SIGKILL');
    await until(() => watch.sweeps().length >= 2 && watch.lines().length >= 2);
    expect(watch.lines().map((line) => line.replace(/^[^|]*\|/, ''))).toEqual([
      expect.stringMatching(
        /^WARN\|wifi\|UNREACHABLE\|wifi error: wifi scan error: the scanner process ended \(SIGKILL\)/,
      ),
      expect.stringMatching(/^INFO\|wifi\|.*wifi works again/),
    ]);
    lan.tell({ do: 'announce', ip: second.ip, mac: '02:aa:00:00:ff:01' });
    await until(() => watch.sightings().some((s) => s.mac === '02:aa:00:00:ff:01'));
  });

  test('a link that goes down and comes back is one error and one recovery', async () => {
    await using lan = await emulatedLan({ network, hosts });
    await using watch = watching(lan.hub, { scan_interval_seconds: 5 });
    await until(() => watch.sweeps().length >= 1);
    await lan.hub.ip('link', 'set', 'eth0', 'down');
    await until(
      () => watch.lines().some((line) => /wifi scan error: .*eth0 is down/.test(line)),
      () => JSON.stringify(watch.lines()),
    );
    const before = watch.sweeps().length;
    await lan.hub.ip('link', 'set', 'eth0', 'up');
    await until(
      () => watch.sweeps().length > before,
      () => JSON.stringify(watch.lines()),
    );
    expect(watch.sweeps()[before]?.found).toHaveLength(hosts.length);
  });
});
