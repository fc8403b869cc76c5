import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import { LaresError } from '#kernel/errors.ts';
import { chooseScanner, isRandomised, lookupName, Vendors, type LanDevice } from '#devices/index.ts';
import { parseNetwork } from '#devices/lan/codec/ipv4.ts';
import { homeSpans, household } from '#demo/schedule.ts';
import { DeviceRepository } from '#devices/repository.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { backtestCommand, type GenerateDays } from '#presence/backtest/cli.ts';
import { presenceCommands } from '#presence/cli.ts';
import {
  changes,
  discover,
  renderDiscovered,
  toDiscoveredBody,
  type FoundDevice,
} from '#presence/discover.ts';
import { loadHouse, type cliHouse, type GlobalOptions } from './context.ts';
import { startHouse } from './house.ts';
import { runService } from './run.ts';

type House = ReturnType<typeof cliHouse>;

export interface PresenceProgram {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  readonly options: () => GlobalOptions;
}

interface DiscoverOptions {
  readonly network?: string[];
  readonly watch?: boolean;
}

/** The people of the demo house, as a schedule for the back-test. */
const generatedDays: GenerateDays = (seed, span) =>
  household(6).map((name) => ({ name, home: homeSpans(name, span, { seed, offsetMs: 0 }) }));

/** `lares presence …`, and the original's `presence_to_graphite [--discover | --once]`. */
export function presenceProgram(program: Command, house: House, about: PresenceProgram): void {
  const presence = program
    .command('presence')
    .description('who is home; alone it runs the service, as the original command did')
    .option('--discover', 'the same as: lares presence discover')
    .option('--once', 'one cycle: scan, ask, send, and say whether it arrived')
    .action(async (options: { discover?: boolean; once?: boolean }) => {
      if (options.discover === true) return runDiscover(house, {});
      if (options.once === true) return once(house, about);
      await runService({ ...about, options: about.options(), title: 'presence_to_graphite' });
    });
  presence
    .command('discover')
    .description('every device on the network: address, name, maker, whose it is')
    .option('-n, --network <cidr...>', 'networks to ask; those of the settings unless given')
    .option('-w, --watch', 'go on and print what comes and goes; toggle Wi-Fi to find a phone')
    .action((options: DiscoverOptions) => runDiscover(house, options));
  presenceCommands(presence, house);
  backtestCommand(presence, house, generatedDays);
}

async function runDiscover(house: House, { network, watch = false }: DiscoverOptions): Promise<void> {
  const config = house.configFile() === undefined ? undefined : await house.config();
  const networks = network?.map((cidr) => parseNetwork(cidr).cidr) ?? config?.wifi?.networks ?? [];
  if (networks.length === 0)
    throw new LaresError(
      'USAGE',
      'no network is named; add wifi.networks to lares.yaml or call with --network 192.0.2.0/24',
    );
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
  const look = async (progress: (text: string) => void) => {
    const parts = {
      networks,
      people: config?.presence.people ?? [],
      scanner,
      known,
      lookupName,
      signal,
      progress,
    };
    const first = await discover({ ...parts, vendorOf: (mac) => vendors.get(mac) });
    await vendors.learn(first.map((d) => d.mac));
    return first.map((d) => ({ ...d, vendor: d.vendor ?? vendors.get(d.mac) }));
  };
  try {
    let before: FoundDevice[] = await look((text) => house.progress(text));
    house.print(toDiscoveredBody(before), () => renderDiscovered(before, config?.home.time_zone));
    while (watch && !signal.aborted) {
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

async function remembered(house: House): Promise<Map<string, LanDevice>> {
  const store = await house.store();
  try {
    const devices = await new DeviceRepository(store).all();
    return new Map(devices.map((d) => [d.mac, { ...d, vendor: undefined, randomised: isRandomised(d.mac) }]));
  } finally {
    await store.close();
  }
}

const onceTimeoutMs = 15_000;

/** One cycle of everything, beside a service that may be running: its own data directory and no fixed port. */
async function once(house: House, about: PresenceProgram): Promise<void> {
  const file = house.configFile();
  await house.config();
  if (file === undefined) return;
  const { config, secrets } = loadHouse(file, about.env);
  const log = new Logger({ level: config.log.level, format: config.log.format });
  for (const secret of secrets) log.hide(secret);
  const dataDir = mkdtempSync(path.join(tmpdir(), 'lares-once-'));
  const stop = new AbortController();
  try {
    const running = await startHouse({
      config: { ...config, http: { ...config.http, port: 0 }, mqtt: undefined },
      dataDir,
      version: about.version,
      clock: systemClock,
      log,
      openScanner: chooseScanner,
      signal: AbortSignal.any([stop.signal, house.signal]),
    });
    const sent = await running.firstReceipt(onceTimeoutMs);
    stop.abort();
    await running.stopped;
    if (config.graphite !== undefined && !sent)
      throw new LaresError(
        'UNREACHABLE',
        `Carbon at ${config.graphite.host}:${config.graphite.port} has not confirmed anything`,
      );
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}
