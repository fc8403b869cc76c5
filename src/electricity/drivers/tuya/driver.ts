import { LaresError } from '#kernel/errors.ts';
import type { DiscoverIo, Protocol, Station } from '../../driver.ts';
import type { Found } from '../../model.ts';
import { config, example, type TuyaConfig, type TuyaDeviceConfig } from './config.ts';
import { discoverBeacons } from './discovery.ts';
import { tuyaPort, type Beacon } from './model.ts';
import { TuyaStation, type TuyaTarget } from './station.ts';
import { findByKey } from './sweep.ts';

export { config, example, type TuyaConfig };

/** Tuya devices on the local network, versions 3.1 to 3.5. */
export const protocol: Protocol<TuyaConfig, TuyaTarget> = {
  kind: 'tuya',
  configured: (settings) =>
    settings.devices
      .filter((d) => d.gateway === undefined)
      .flatMap((d) => (d.host === undefined ? [] : [targetOf(settings, d, d.host)])),
  discover,
  open: (target, settings, { clock }): Station => {
    const key = settings.devices.find((d) => d.id === target.deviceId)?.key;
    return key === undefined
      ? new Keyless(target)
      : new TuyaStation(target, key, settings.timeout_seconds * 1000, clock);
  },
};

/** The target of a device of the settings at an address; a beacon adds what the settings leave open. */
function targetOf(settings: TuyaConfig, device: TuyaDeviceConfig, host: string, beacon?: Beacon): TuyaTarget {
  const subs = settings.devices.filter((d) => d.gateway === device.id);
  return {
    id: device.id,
    deviceId: device.id,
    host,
    port: device.port,
    name: device.name,
    mac: device.mac?.toLowerCase(),
    version: device.version,
    saidVersion: beacon?.version,
    pollIntervalMs:
      device.poll_interval_seconds === undefined ? undefined : device.poll_interval_seconds * 1000,
    parts: [
      { settings: keyless(device), id: device.id, productId: device.product_id ?? beacon?.productId },
      ...subs.map((sub) => ({
        settings: keyless(sub),
        id: sub.id,
        cid: sub.node_id,
        productId: sub.product_id,
      })),
    ],
  };
}

/** Targets are handed around and may be shown; keys are not. */
const keyless = (device: TuyaDeviceConfig): TuyaDeviceConfig => ({ ...device, key: undefined });

/** Listens for broadcasts, asks the named networks for more, and, where that is wanted, tries their addresses one by one. */
async function* discover(
  settings: TuyaConfig,
  io: DiscoverIo,
): AsyncIterable<{ readonly target: TuyaTarget; readonly found: Found }> {
  const seen = new Set<string>();
  for await (const beacon of discoverBeacons(settings, io)) {
    if (seen.has(beacon.id)) continue;
    seen.add(beacon.id);
    yield fromBeacon(settings, beacon);
  }
  if (!settings.discovery.sweep) return;
  const missing = settings.devices.filter(
    (d) => d.key !== undefined && d.gateway === undefined && d.host === undefined && !seen.has(d.id),
  );
  for await (const { device, host, version } of findByKey(settings, missing, io)) {
    const beacon = { id: device.id, ip: host, version, productId: undefined };
    yield fromBeacon(settings, beacon);
  }
}

function fromBeacon(settings: TuyaConfig, beacon: Beacon): { target: TuyaTarget; found: Found } {
  const known = settings.devices.find((d) => d.id === beacon.id);
  const target =
    known === undefined
      ? {
          id: beacon.id,
          deviceId: beacon.id,
          host: beacon.ip,
          port: tuyaPort,
          saidVersion: beacon.version,
          parts: [{ settings: undefined, id: beacon.id, productId: beacon.productId }],
          needs: needsKey,
        }
      : targetOf(settings, known, beacon.ip, beacon);
  const found: Found = {
    kind: 'tuya',
    id: beacon.id,
    host: beacon.ip,
    name: known?.name,
    model: beacon.productId,
    firmware: beacon.version === undefined ? undefined : `protocol ${beacon.version}`,
    ...(known?.key === undefined && { needs: needsKey }),
  };
  return { target, found };
}

const needsKey = 'its local key: lares tuya wizard';

/** A device that was heard but cannot be read. */
class Keyless implements Station {
  readonly #target: TuyaTarget;

  constructor(target: TuyaTarget) {
    this.#target = target;
  }

  poll(): Promise<never> {
    const { deviceId, host } = this.#target;
    return Promise.reject(
      new LaresError('CONFIG_INVALID', `Tuya device ${deviceId} at ${host} needs ${needsKey}`),
    );
  }

  close(): void {}
}
