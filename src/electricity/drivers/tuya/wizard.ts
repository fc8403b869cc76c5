import { existsSync, readFileSync } from 'node:fs';
import { envName } from '#config/secrets.ts';
import { valueOf, type Edit } from '#config/edit.ts';
import { envFileBeside, withEnvLine } from '#config/init.ts';
import { writeAtomically } from '#config/write.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { TuyaCloud } from './cloud.ts';
import type { KnownDevice } from './cloud.codec.ts';
import type { TuyaConfig } from './config.ts';
import { discoverBeacons } from './discovery.ts';
import { devicesPath, planImport, type ImportPlan } from './import.rules.ts';
import type { Beacon } from './model.ts';

export interface WizardIo {
  readonly signal: AbortSignal;
  readonly progress: (text: string) => void;
}

/** Everything that the cloud knows about the devices of the linked app accounts. */
export async function askCloud(cloud: TuyaCloud, { signal, progress }: WizardIo): Promise<KnownDevice[]> {
  progress('asking the Tuya cloud for the devices …');
  const devices = await cloud.devices(signal);
  if (devices.length === 0)
    throw new LaresError(
      'NOT_FOUND',
      'the project sees no devices; link your app account to it (docs/tuya.md) and choose its region',
    );
  progress(`${devices.length} devices; asking for their MAC addresses …`);
  try {
    const macs = await cloud.macs(
      devices.filter((d) => !d.sub).map((d) => d.id),
      signal,
    );
    return devices.map((d) => ({ ...d, mac: macs.get(d.id) ?? d.mac }));
  } catch (error) {
    // Nice to have: the devices are followed by their id as well.
    if (signal.aborted) throw error;
    progress(`without MAC addresses: ${reason(error)}`);
    return devices;
  }
}

/** What the local network says: addresses and versions of devices that announce themselves. */
export async function listen(
  settings: Pick<TuyaConfig, 'networks' | 'discovery'>,
  { signal, progress }: WizardIo,
): Promise<ReadonlyMap<string, Beacon>> {
  const heard = new Map<string, Beacon>();
  progress(`listening to the network for ${settings.discovery.listen_seconds} s …`);
  for await (const beacon of discoverBeacons(settings, { signal })) heard.set(beacon.id, beacon);
  return heard;
}

/** The address that the cloud tells is the public one of the house, so only what was heard counts. */
export function withBeacons(
  devices: readonly KnownDevice[],
  heard: ReadonlyMap<string, Beacon>,
): KnownDevice[] {
  return devices.map((device) => {
    const beacon = heard.get(device.id);
    return {
      ...device,
      ip: beacon?.ip,
      version: beacon?.version ?? device.version,
      productId: device.productId ?? beacon?.productId,
    };
  });
}

export interface WriteParts {
  /** lares.yaml. */
  readonly file: string;
  /** Changes it and checks the result; nothing is written when it would not be valid. */
  readonly edit: (edits: readonly Edit[]) => void;
}

/** Plans against the settings as they are on disk. */
export function planFor(file: string, devices: readonly KnownDevice[], all: boolean): ImportPlan {
  let at: unknown = existsSync(file) ? valueOf(readFileSync(file, 'utf8')) : undefined;
  for (const segment of devicesPath) at = (at as Record<string, unknown> | null | undefined)?.[segment];
  return planImport(at, devices, all);
}

/** Writes keys into the env file (mode 0600) and the rest into lares.yaml. Returns the files. */
export function writePlan(plan: ImportPlan, { file, edit }: WriteParts): string[] {
  const envFile = envFileBeside(file);
  // The keys come first: the settings are checked with them.
  for (const [name, value] of plan.secrets) writeSecret(envFile, name, value);
  if (plan.edits.length > 0) edit(plan.edits);
  return [...(plan.secrets.length > 0 ? [envFile] : []), ...(plan.edits.length > 0 ? [file] : [])];
}

/** One secret into the env file, readable for its owner only. */
export function writeSecret(envFile: string, name: string, value: string): void {
  writeAtomically(envFile, withEnvLine(envFile, envName(name), value), 0o600);
}
