import { randomBytes } from 'node:crypto';
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { lineReader } from '#devices/lan/raw-protocol.ts';
import { installed, isRoot, stop } from './process.ts';

const ipProgram = installed('/usr/sbin/ip', '/sbin/ip', '/usr/bin/ip') ?? 'ip';
const run = promisify(execFile);
const ip = (...args: string[]) => run(ipProgram, args);

// Interface names hold 15 characters. Random, because what a killed run left behind keeps its names.
const freshPrefix = () => `ll${randomBytes(3).toString('hex')}`;

/** Test LANs live in network namespaces of their own: nothing of the machine's own network is touched. */
export const canMakeLan = isRoot && installed('/usr/bin/setpriv') !== undefined && namespacesWork();

/** False in a container that may not make namespaces. */
function namespacesWork(): boolean {
  const name = `${freshPrefix()}-try`;
  try {
    execFileSync(ipProgram, ['netns', 'add', name], { stdio: 'ignore' });
    execFileSync(ipProgram, ['netns', 'del', name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface AirHost {
  readonly ip: string;
  readonly mac: string;
  /** Hears only what is addressed to it. */
  readonly deaf?: boolean;
  readonly silent?: boolean;
}

export interface AirOptions {
  readonly network: string;
  /** Prefix length of the hub's interface where it is not that of the network. */
  readonly linkPrefix?: number;
  readonly hosts: readonly AirHost[];
  /** Probability that a broadcast does not reach a host. */
  readonly broadcastLoss?: number;
  /** Uniformly distributed. */
  readonly latencyMs?: readonly [least: number, most: number];
  readonly seed?: number;
}

/** Frames that reached the far end. */
export interface AirCounts {
  arp: number;
  /** Every address that was asked for. */
  targets: string[];
  /** Frames by ethertype other than ARP. */
  other: Record<string, number>;
}

export type AirCommand =
  | { readonly do: 'counts' }
  | { readonly do: 'change'; readonly host: AirHost }
  | { readonly do: 'announce'; readonly ip: string; readonly mac: string }
  | { readonly do: 'send'; readonly hex: string };

export type Privilege = 'root' | 'nobody' | 'nobody-with-net-raw';

const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups'] as const;

/** Whether a stranger may read this checkout; below a folder of `mktemp -d` he may not. */
function nobodyReaches(file: string): boolean {
  try {
    execFileSync('setpriv', [...asNobody, '--', 'test', '-r', file], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

// In a private checkout root itself runs with the same capabilities and no others: those are what decides, not the name.
const strippedRoot: Record<Privilege, readonly string[]> = {
  root: [],
  nobody: ['setpriv', '--inh-caps=-all', '--bounding-set=-all', '--'],
  'nobody-with-net-raw': ['setpriv', '--inh-caps=-all', '--bounding-set=-all,+net_raw', '--'],
};

const stranger: Record<Privilege, readonly string[]> = {
  root: [],
  nobody: ['setpriv', ...asNobody, '--bounding-set=-net_raw', '--'],
  'nobody-with-net-raw': [
    'setpriv',
    ...asNobody,
    '--inh-caps=-all,+net_raw',
    '--ambient-caps=+net_raw',
    '--',
  ],
};

const privileges = canMakeLan && !nobodyReaches(fileURLToPath(import.meta.url)) ? strippedRoot : stranger;

/** One end of a test LAN: a place where programs can run. */
export class Namespace {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  ip(...args: string[]): Promise<{ stdout: string }> {
    return ip('-n', this.name, ...args);
  }

  /** Starts a program inside. */
  spawn(command: readonly string[], as: Privilege = 'root'): ChildProcess {
    return spawn(ipProgram, ['netns', 'exec', this.name, ...privileges[as], ...command], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  /** Runs a TypeScript file inside to its end; resolves with the JSON lines it printed. */
  async script<T>(file: string, args: readonly string[], as: Privilege = 'root'): Promise<T[]> {
    const child = this.spawn([process.execPath, file, ...args], as);
    const lines: T[] = [];
    let complaint = '';
    child.stdout?.on(
      'data',
      lineReader((line) => void lines.push(JSON.parse(line) as T)),
    );
    child.stderr?.on('data', (chunk: Buffer) => (complaint += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`${file} ended with ${String(code)}: ${complaint}`);
    return lines;
  }

  async remove(): Promise<void> {
    await ip('netns', 'del', this.name).catch(() => undefined);
  }
}

async function namespace(name: string): Promise<Namespace> {
  await ip('netns', 'add', name);
  const made = new Namespace(name);
  await made.ip('link', 'set', 'lo', 'up');
  return made;
}

/** The hub's own address in every test LAN. */
export const hubAddress = '10.77.0.1';
export const hubMac = '02:00:00:00:00:01';

async function plug(here: Namespace, address: string, mac: string): Promise<void> {
  await here.ip('link', 'set', 'eth0', 'address', mac);
  await here.ip('addr', 'add', address, 'dev', 'eth0');
  await here.ip('link', 'set', 'eth0', 'up');
}

/** A hub and real kernels on a bridge: `10.77.0.11`, `10.77.0.12`, … with MAC `02:aa:bb:cc:dd:01`, …. */
export interface RealLan extends AsyncDisposable {
  readonly network: string;
  readonly hub: Namespace;
  readonly hosts: readonly { readonly ip: string; readonly mac: string; readonly at: Namespace }[];
}

export async function realLan(count: number): Promise<RealLan> {
  const prefix = freshPrefix();
  const made: Namespace[] = [];
  const remove = async () => {
    for (const each of made.toReversed()) await each.remove();
  };
  try {
    const add = async (name: string) => {
      const fresh = await namespace(`${prefix}-${name}`);
      made.push(fresh);
      return fresh;
    };
    const bridge = await add('sw');
    await bridge.ip('link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0');
    await bridge.ip('link', 'set', 'br0', 'up');
    const join = async (name: string, address: string, mac: string) => {
      const at = await add(name);
      await bridge.ip('link', 'add', `e-${name}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', at.name);
      await bridge.ip('link', 'set', `e-${name}`, 'master', 'br0', 'up');
      await plug(at, address, mac);
      return at;
    };
    const hub = await join('hub', `${hubAddress}/24`, hubMac);
    const hosts = [];
    for (let i = 1; i <= count; i += 1) {
      const host = { ip: `10.77.0.${10 + i}`, mac: `02:aa:bb:cc:dd:${i.toString(16).padStart(2, '0')}` };
      hosts.push({ ...host, at: await join(`h${i}`, `${host.ip}/24`, host.mac) });
    }
    return { network: '10.77.0.0/24', hub, hosts, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A hub whose cable ends in an emulator: any number of hosts, with loss and latency. */
export interface EmulatedLan extends AsyncDisposable {
  readonly network: string;
  readonly hub: Namespace;
  readonly hosts: readonly AirHost[];
  tell(command: Exclude<AirCommand, { do: 'counts' }>): void;
  counts(): Promise<AirCounts>;
}

const airPath = fileURLToPath(new URL('lan-air.ts', import.meta.url));

export async function emulatedLan(options: AirOptions): Promise<EmulatedLan> {
  const prefix = freshPrefix();
  const made: Namespace[] = [];
  let air: ChildProcess | undefined;
  const remove = async () => {
    if (air !== undefined) await stop(air);
    for (const each of made) await each.remove();
  };
  try {
    const hub = await namespace(`${prefix}-hub`);
    made.push(hub);
    const far = await namespace(`${prefix}-air`);
    made.push(far);
    await hub.ip('link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', far.name);
    await plug(hub, `${hubAddress}/${options.linkPrefix ?? options.network.split('/')[1] ?? '24'}`, hubMac);
    // The far end's own kernel stays mute: it has no address and does not speak IPv6.
    await run(ipProgram, ['netns', 'exec', far.name, 'sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1']);
    await far.ip('link', 'set', 'eth0', 'up');
    const child = far.spawn([process.execPath, airPath, 'eth0', JSON.stringify(options)]);
    air = child;
    const waiting: ((value: unknown) => void)[] = [];
    const next = <T>() => new Promise<T>((resolve) => waiting.push(resolve as (value: unknown) => void));
    child.stdout?.on(
      'data',
      lineReader((line) => waiting.shift()?.(JSON.parse(line))),
    );
    child.stderr?.pipe(process.stderr);
    const tell = (command: AirCommand) => void child.stdin?.write(`${JSON.stringify(command)}\n`);
    await next();
    return {
      network: options.network,
      hub,
      hosts: options.hosts,
      tell,
      counts: () => {
        const answer = next<AirCounts>();
        tell({ do: 'counts' });
        return answer;
      },
      [Symbol.asyncDispose]: remove,
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** `count` hosts at addresses spread over the network by a fixed rule, none of them the hub. */
export function someHosts(count: number, base = '10.77'): AirHost[] {
  return Array.from({ length: count }, (_, i) => {
    const last = 2 + ((i * 97) % 253);
    return { ip: `${base}.0.${last}`, mac: `02:aa:00:00:00:${i.toString(16).padStart(2, '0')}` };
  });
}
