import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { LaresError, reason } from '#kernel/errors.ts';
import { chooseScanner, isRandomised, lookupName, Vendors, type LanDevice } from '#devices/index.ts';
import { parseNetwork } from '#devices/lan/codec/ipv4.ts';
import { DeviceRepository } from '#devices/repository.ts';
import { systemClock } from '#platform/clock.ts';
import { localTime } from '#platform/table.ts';
import {
  changes,
  compare,
  discover,
  parseSnapshot,
  renderComparison,
  renderDiscovered,
  toComparisonBody,
  toDiscoveredBody,
  type FoundDevice,
} from '#presence/discover.ts';
import type { cliHouse } from './context.ts';

type House = ReturnType<typeof cliHouse>;

interface DiscoverOptions {
  readonly network?: string[];
  readonly watch?: boolean;
  /** A snapshot to compare with; true for that of the last discovery. */
  readonly compare?: string | true;
}

/** `lares presence discover`. */
export function discoverCommand(presence: Command, house: House): void {
  presence
    .command('discover')
    .description('every device on the network: address, name, maker, whose it is')
    .option('-n, --network <cidr...>', 'networks to ask; those of the settings unless given')
    .option('-w, --watch', 'go on and print what comes and goes; toggle Wi-Fi to find a phone')
    .option(
      '--compare [file]',
      'what came, went or changed since the last discovery, or since what --json wrote into a file',
    )
    .action((options: DiscoverOptions) => runDiscover(house, options));
}

/** Looks once, or on and on, and prints what is there or what changed. */
export async function runDiscover(house: House, options: DiscoverOptions): Promise<void> {
  const config = house.configFile() === undefined ? undefined : await house.config();
  const networks = options.network?.map((cidr) => parseNetwork(cidr).cidr) ?? config?.wifi?.networks ?? [];
  if (networks.length === 0)
    throw new LaresError(
      'USAGE',
      'no network is named; add wifi.networks to lares.yaml or call with --network 192.0.2.0/24',
    );
  const snapshot = readSnapshot(house, options.compare);
  const known = config === undefined ? new Map<string, LanDevice>() : await remembered(house);
  const scanner = await chooseScanner({
    mode: config?.wifi?.mode ?? 'auto',
    networks,
    interface: config?.wifi?.interface,
    maxFramesPerSecond: config?.wifi?.max_frames_per_second,
    retries: config?.wifi?.retries ?? 3,
    log: house.log,
  });
  const vendors = new Vendors();
  const { signal } = house;
  const people = config?.presence.people ?? [];
  const timeZone = config?.home.time_zone;
  const look = async (progress: (text: string) => void): Promise<FoundDevice[]> => {
    const vendorOf = (mac: string) => vendors.get(mac);
    const first = await discover({
      networks,
      people,
      scanner,
      known,
      lookupName,
      signal,
      progress,
      vendorOf,
    });
    await vendors.learn(first.map((d) => d.mac));
    return first.map((d) => ({ ...d, vendor: d.vendor ?? vendors.get(d.mac) }));
  };
  try {
    let before = await look((text) => house.progress(text));
    const body = toDiscoveredBody(before, Date.now());
    keepSnapshot(house, JSON.stringify(body));
    if (snapshot === undefined)
      house.print(body, () => renderDiscovered(before, timeZone, `${networks.join(', ')} (${scanner.why})`));
    else {
      const found = compare(snapshot.devices, before);
      house.print({ since: new Date(snapshot.at).toISOString(), ...toComparisonBody(found) }, () =>
        renderComparison(found, localTime(snapshot.at, timeZone)),
      );
    }
    while (options.watch === true && !signal.aborted) {
      await systemClock.sleep(5_000, signal);
      if (signal.aborted) break;
      const after = await look(() => {});
      const lines = changes(before, after);
      if (lines.length > 0)
        house.print({ at: new Date().toISOString(), changes: lines }, () => lines.join('\n'));
      before = after;
    }
  } finally {
    await scanner.close();
  }
}

const snapshotFile = (house: House) => path.join(house.dataDir(), 'discover.json');

function readSnapshot(house: House, compareWith: string | true | undefined) {
  if (compareWith === undefined) return undefined;
  const file = compareWith === true ? snapshotFile(house) : compareWith;
  if (compareWith === true && !existsSync(file))
    throw new LaresError(
      'NOT_FOUND',
      'there is nothing to compare with yet; run `lares presence discover` once before',
    );
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new LaresError('NOT_FOUND', `${file} cannot be read: ${reason(cause)}`, { cause });
  }
  try {
    return parseSnapshot(text);
  } catch (cause) {
    throw new LaresError('USAGE', `${file}: ${reason(cause)}`, { cause });
  }
}

/** Kept for the next `--compare`. Without settings a folder is not made just for this. */
function keepSnapshot(house: House, text: string): void {
  const file = snapshotFile(house);
  if (house.configFile() === undefined && !existsSync(house.dataDir())) return;
  try {
    mkdirSync(house.dataDir(), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  } catch (error) {
    house.log.warn(`this discovery cannot be kept for --compare: ${reason(error)}`);
  }
}

async function remembered(house: House): Promise<Map<string, LanDevice>> {
  const store = await house.store();
  try {
    const devices = await new DeviceRepository(store).all();
    return new Map(devices.map((d) => [d.mac, { ...d, vendor: undefined, randomised: isRandomised(d.mac) }]));
  } finally {
    await store.close();
  }
}
