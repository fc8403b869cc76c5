import { connect } from 'node:net';
import { networkOf, type Network } from '#devices/lan/codec/ipv4.ts';
import { systemClock } from '#platform/clock.ts';
import type { DiscoverIo } from '../../driver.ts';
import { addressesOf } from '../shared/networks.rules.ts';
import { sweep } from '../shared/sweep.ts';
import { TuyaClient } from './client.ts';
import type { TuyaConfig, TuyaDeviceConfig } from './config.ts';
import type { Version } from './model.ts';

const connectMs = 500;
// Wider networks are asked by broadcast only.
const widestSweep = 20;

/** The networks that are narrow enough to be asked address by address. */
export const sweepable = (networks: readonly Network[]): Network[] =>
  networks.filter(({ prefix }) => prefix >= widestSweep);

export interface Swept {
  readonly device: TuyaDeviceConfig;
  readonly host: string;
  readonly version: Version | undefined;
}

/**
 * Finds devices that nobody hears, by their key: every address of the networks that accepts a connection is tried with
 * the keys of the missing devices, one after the other, because a device serves one client at a time.
 */
export async function* findByKey(
  settings: TuyaConfig,
  missing: readonly TuyaDeviceConfig[],
  io: DiscoverIo,
): AsyncIterable<Swept> {
  const left = new Set(missing);
  if (left.size === 0) return;
  const ports = [...new Set(missing.map(({ port }) => port))];
  const addresses = addressesOf(sweepable(settings.networks.map(networkOf)));
  const openPorts = async (host: string, signal: AbortSignal) => {
    const open = await Promise.all(ports.map((port) => accepts({ host, port }, signal)));
    return open.includes(true) ? { host, ports: ports.filter((_, i) => open[i]) } : undefined;
  };
  for await (const { host, ports: open } of sweep(addresses, openPorts, io)) {
    const candidates = [...left].filter(({ port }) => open.includes(port));
    const found = await whoIs(host, candidates, settings, io.signal);
    if (found === undefined) continue;
    left.delete(found.device);
    yield found;
    if (left.size === 0) return;
  }
}

async function whoIs(
  host: string,
  devices: readonly TuyaDeviceConfig[],
  settings: TuyaConfig,
  signal: AbortSignal,
): Promise<Swept | undefined> {
  for (const device of devices) {
    if (device.key === undefined || signal.aborted) continue;
    const { id, key, port, version } = device;
    const timeoutMs = settings.timeout_seconds * 1000;
    const client = new TuyaClient({ host, port, id, key, version, timeoutMs, clock: systemClock });
    try {
      await client.status(AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]), []);
      return { device, host, version: client.version };
    } catch {
      // Another device, or another key: the next one is tried.
    } finally {
      client.close();
    }
  }
  return undefined;
}

function accepts({ host, port }: { host: string; port: number }, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal: AbortSignal.any([signal, AbortSignal.timeout(connectMs)]) });
    const done = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => done(true));
    socket.on('error', () => done(false));
  });
}
