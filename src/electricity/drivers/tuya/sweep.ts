import { connect } from 'node:net';
import { systemClock } from '#platform/clock.ts';
import type { DiscoverIo } from '../../driver.ts';
import { TuyaClient } from './client.ts';
import type { TuyaConfig, TuyaDeviceConfig } from './config.ts';
import type { Version } from './model.ts';
import { addressesOf } from './networks.rules.ts';

const connectMs = 500;
const atOnce = 128;

export interface Swept {
  readonly device: TuyaDeviceConfig;
  readonly host: string;
  readonly version: Version | undefined;
}

/**
 * Finds devices that nobody hears, by their key: every address of the networks that accepts a connection is tried with
 * the keys of the missing devices, one after the other, because a device serves one client at a time.
 */
export async function* sweep(
  settings: TuyaConfig,
  missing: readonly TuyaDeviceConfig[],
  { signal, progress }: DiscoverIo,
): AsyncIterable<Swept> {
  const left = new Set(missing);
  const addresses = addressesOf(settings.networks);
  for (let at = 0; at < addresses.length && left.size > 0 && !signal.aborted; at += atOnce) {
    progress?.(at / addresses.length, `${addresses[at]} and following`);
    const batch = addresses.slice(at, at + atOnce);
    const ports = [...new Set([...left].map(({ port }) => port))];
    const doors = batch.flatMap((host) => ports.map((port) => ({ host, port })));
    const open = await Promise.all(doors.map(async (door) => ((await accepts(door, signal)) ? [door] : [])));
    for (const { host, port } of open.flat()) {
      const found = await whoIs(
        host,
        [...left].filter((d) => d.port === port),
        settings,
        signal,
      );
      if (found === undefined) continue;
      left.delete(found.device);
      yield found;
    }
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
