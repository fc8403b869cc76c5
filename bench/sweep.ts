/**
 * Wall time and hosts found of our two sweeps and of the usual tools, side by side in one run: 30 living hosts of 254,
 * in network namespaces, lossless and with 30 % of the broadcasts lost and answers after 5 to 250 ms; then a /16.
 * `node bench/sweep.ts [repetitions]`, as root.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { SweepResult } from '#devices/model.ts';
import { canMakeLan, emulatedLan, someHosts, type AirOptions, type Namespace } from '../tests/servers/lan.ts';
import { installed } from '../tests/servers/process.ts';

interface Measured {
  readonly ms: number;
  readonly found: number;
}
type Rival = (hub: Namespace, network: string) => Promise<Measured>;

const repetitions = Number(process.argv[2] ?? 5);
const scanFile = fileURLToPath(new URL('../tests/servers/lan-scan.ts', import.meta.url));

/** Runs a program to its end and counts the distinct addresses of the network in its output. */
async function run(hub: Namespace, command: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const child = hub.spawn(command);
  const found = new Set<string>();
  const lines = createInterface({ input: child.stdout! });
  lines.on('line', (line) => {
    const address = /^(?:Nmap scan report for )?(10\.77\.\d+\.\d+)\b/.exec(line)?.[1];
    if (address !== undefined && address !== '10.77.0.1') found.add(address);
  });
  await new Promise((resolve) => child.once('close', resolve));
  return { ms: performance.now() - started, found: found.size };
}

/** Our sweeps as the service does them: the process runs already. Its first sweep, with nothing known, is measured. */
async function ours(hub: Namespace, mode: 'raw' | 'kernel', networks: readonly string[]): Promise<Measured> {
  const lines = await hub.script<{ sweep?: SweepResult }>(
    scanFile,
    [JSON.stringify({ mode, networks, sweeps: 1 })],
    mode === 'raw' ? 'nobody-with-net-raw' : 'nobody',
  );
  const sweep = lines.find((line) => line.sweep !== undefined)?.sweep;
  return { ms: sweep?.tookMs ?? Number.NaN, found: sweep?.found.length ?? 0 };
}

const scapy = (network: string) => `
from scapy.all import ARP, Ether, srp
answered, _ = srp(Ether(dst="ff:ff:ff:ff:ff:ff")/ARP(pdst="${network}"), iface="eth0", timeout=2, verbose=False)
for _, reply in answered: print(reply.psrc)`;

const rivals: readonly (readonly [title: string, needs: string | undefined, rival: Rival])[] = [
  ['Lares, raw ARP', undefined, (hub, network) => ours(hub, 'raw', [network])],
  ['Lares, kernel (no privilege)', undefined, (hub, network) => ours(hub, 'kernel', [network])],
  [
    'arp-scan',
    '/usr/sbin/arp-scan',
    (hub, network) => run(hub, ['/usr/sbin/arp-scan', '-I', 'eth0', '-q', '-x', network]),
  ],
  [
    'nmap -sn -PR -n',
    '/usr/bin/nmap',
    (hub, network) => run(hub, ['/usr/bin/nmap', '-sn', '-PR', '-n', network]),
  ],
  [
    'scapy srp(timeout=2)',
    '/usr/bin/python3',
    (hub, network) => run(hub, ['/usr/bin/python3', '-c', scapy(network)]),
  ],
];

const scenes: readonly (readonly [title: string, air: Partial<AirOptions>])[] = [
  ['lossless', {}],
  ['30 % of broadcasts lost, answers after 5-250 ms', { broadcastLoss: 0.3, latencyMs: [5, 250] }],
];

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const span = (values: readonly number[], digits: number) =>
  [Math.min(...values), median(values), Math.max(...values)].map((v) => v.toFixed(digits)).join(' / ');
const row = (cells: readonly string[]) => console.log(`| ${cells.join(' | ')} |`);

async function measure(title: string, air: Partial<AirOptions>): Promise<void> {
  const network = '10.77.0.0/24';
  const hosts = someHosts(30);
  console.log(
    `\n/24, ${hosts.length} of 254 alive, ${title}; ${repetitions} repetitions, min / median / max\n`,
  );
  row(['method', 'seconds', 'found', 'mean found']);
  row(['---', '---', '---', '---']);
  for (const [name, needs, rival] of rivals) {
    if (needs !== undefined && installed(needs) === undefined) {
      row([name, `not installed (${needs})`, '', '']);
      continue;
    }
    const runs: Measured[] = [];
    for (let i = 0; i < repetitions; i += 1) {
      // A fresh LAN each time: no method may profit from the memory of the one before.
      await using lan = await emulatedLan({ network, hosts, ...air, seed: 1_000 + i });
      runs.push(await rival(lan.hub, network));
    }
    const found = runs.map((r) => r.found);
    const mean = found.reduce((a, b) => a + b, 0) / (found.length * hosts.length);
    row([
      name,
      span(
        runs.map((r) => r.ms / 1000),
        2,
      ),
      span(found, 0),
      `${(mean * 100).toFixed(1)} %`,
    ]);
  }
}

async function measureLarge(title: string, air: Partial<AirOptions>): Promise<void> {
  const network = '10.77.0.0/16';
  const hosts = Array.from({ length: 300 }, (_, i) => {
    const n = 7 + i * 211;
    return {
      ip: `10.77.${n >> 8}.${n & 255}`,
      mac: `02:ab:00:00:${(i >> 8).toString(16).padStart(2, '0')}:${(i & 255).toString(16).padStart(2, '0')}`,
    };
  }).filter((host) => !host.ip.endsWith('.255'));
  await using lan = await emulatedLan({ network, hosts, ...air, seed: 77 });
  const { ms, found } = await ours(lan.hub, 'raw', [network]);
  row([title, (ms / 1000).toFixed(1), `${found} of ${hosts.length}`]);
}

if (!canMakeLan) {
  console.log('needs root, iproute2 and util-linux');
  process.exit(1);
}
for (const [title, air] of scenes) await measure(title, air);
console.log('\n/16 (65,533 addresses), raw ARP, one run each\n');
row(['air', 'seconds', 'found']);
row(['---', '---', '---']);
for (const [title, air] of scenes) await measureLarge(title, air);
