import type { Clock, Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { Store } from '#store/model.ts';
import type { LanSignal } from './lan/driver.ts';
import { isRandomised } from './mac.ts';
import type { LanDevice, LanSighting, Mac } from './model.ts';
import { DeviceRepository, type StoredDevice } from './repository.ts';
import { Vendors } from './vendor.ts';

export interface RegistryParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: Pick<Store, 'db' | 'journal'>;
  /** How long devices that belong to nobody are remembered, in milliseconds. */
  readonly retentionMs?: number;
  /** True for a device that must not be forgotten: it belongs to a person. */
  readonly keep?: (device: LanDevice) => boolean;
}

const writeEveryMs = 10_000;
const pruneEveryMs = 3_600_000;
const ninetyDaysMs = 90 * 86_400_000;
const guestMs = 86_400_000;
const minuteMs = 60_000;
/** A flood of made-up addresses must not fill the journal … */
const mostDiscoveriesPerMinute = 60;
/** … nor the memory. */
const mostDevices = 8_192;
// Last-seen times are written this coarsely while nothing else changes, to spare SD cards.
const lastSeenStepMs = 60_000;
// What lies further in the future was stamped by a clock that ran ahead, perhaps before a restart.
const aheadMs = 1_000;

/** Every device that was ever seen on the LAN, in memory and in the table `lan_device`. */
export class DeviceRegistry {
  readonly #parts: RegistryParts;
  readonly #repository: DeviceRepository;
  readonly #vendors = new Vendors();
  readonly #devices = new Map<Mac, StoredDevice>();
  readonly #dirty = new Set<Mac>();
  readonly #writtenLastSeen = new Map<Mac, number>();
  readonly #listeners = new Set<(sighting: LanSighting) => void>();
  #discoveries = { since: 0, told: 0, untold: 0 };
  #writing: Promise<void> = Promise.resolve();
  #writesFail = false;

  constructor(parts: RegistryParts) {
    this.#parts = parts;
    this.#repository = new DeviceRepository(parts.store);
  }

  /** Loads what was known before the restart. */
  async load(): Promise<void> {
    for (const device of await this.#repository.all()) {
      this.#devices.set(device.mac, device);
      this.#writtenLastSeen.set(device.mac, device.lastSeen);
    }
    await this.#vendors.learn(this.#devices.keys());
  }

  /** Takes what the LAN driver emits. */
  take(signal: LanSignal): void {
    if (signal.kind === 'sighting') this.observe(signal.sighting);
    else if (signal.kind === 'sweep') for (const sighting of signal.result.found) this.observe(sighting);
    else this.#rename(signal.mac, signal.hostname);
  }

  observe(sighting: LanSighting): void {
    const { mac, at } = sighting;
    const before = this.#devices.get(mac);
    const older = before !== undefined && before.lastSeen > at && !this.#isAhead(before.lastSeen);
    this.#devices.set(mac, {
      mac,
      ip: older ? before.ip : (sighting.ip ?? before?.ip),
      network: older ? before.network : sighting.network,
      hostname: sighting.hostname ?? before?.hostname,
      dhcpFingerprint: sighting.dhcpFingerprint ?? before?.dhcpFingerprint,
      dhcpVendorClass: sighting.dhcpVendorClass ?? before?.dhcpVendorClass,
      ipv6Suffix: sighting.ipv6Suffix ?? before?.ipv6Suffix,
      firstSeen: Math.min(at, before?.firstSeen ?? at),
      lastSeen: older ? before.lastSeen : at,
      lastVia: older ? before.lastVia : sighting.via,
    });
    const after = this.#devices.get(mac)!;
    if (before === undefined) this.#discovered(after);
    if (before === undefined || differs(before, after) || this.#lastSeenIsOld(after)) this.#dirty.add(mac);
    for (const listener of this.#listeners) listener(sighting);
  }

  /** Called with every sighting, those of sweeps included. Returns a function that unsubscribes. */
  onSighting(listener: (sighting: LanSighting) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Every known device, the one seen last first. */
  devices(): readonly LanDevice[] {
    return [...this.#devices.values()].map((d) => this.#view(d)).toSorted((a, b) => b.lastSeen - a.lastSeen);
  }

  /** Devices with proof of life within the last `withinMs`. */
  present(withinMs: number): readonly LanDevice[] {
    const since = this.#parts.clock.now() - withinMs;
    return [...this.#devices.values()]
      .filter((d) => d.lastSeen >= since && !this.#isAhead(d.lastSeen))
      .map((d) => this.#view(d));
  }

  /**
   * The wall clock was set by `byMs`. Set back, what was seen lately moves with it: nobody who has left may count as
   * present until the old time comes again. Set forward, everything is merely older; the next sweep corrects it.
   */
  clockJumped(byMs: number): void {
    if (byMs >= 0) return;
    const now = this.#parts.clock.now();
    for (const device of this.#devices.values()) {
      if (device.lastSeen <= now) continue;
      const [lastSeen, firstSeen] = [device.lastSeen + byMs, device.firstSeen];
      this.#devices.set(device.mac, { ...device, lastSeen, firstSeen: Math.min(firstSeen, lastSeen) });
      this.#dirty.add(device.mac);
    }
  }

  #isAhead(at: number): boolean {
    return at > this.#parts.clock.now() + aheadMs;
  }

  get(mac: Mac): LanDevice | undefined {
    const device = this.#devices.get(mac);
    return device === undefined ? undefined : this.#view(device);
  }

  /** Writes in batches and forgets what is old, until the signal aborts; then writes once more. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    let prunedAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      await clock.sleep(writeEveryMs, signal);
      await this.flush();
      if (clock.monotonic() - prunedAt < pruneEveryMs) continue;
      prunedAt = clock.monotonic();
      await this.prune();
    }
  }

  /** Writes what has changed since the last time; what cannot be written stays for the next time. */
  flush(): Promise<void> {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  /** Forgets devices that belong to nobody and were not seen within the retention. Returns how many. */
  async prune(): Promise<number> {
    const { clock, retentionMs = ninetyDaysMs, keep = () => false, log } = this.#parts;
    const now = clock.now();
    // A private address that belongs to nobody was a guest's phone; it is nobody's business the day after.
    const ageLimit = (mac: Mac) => (isRandomised(mac) ? Math.min(guestMs, retentionMs) : retentionMs);
    const old = [...this.#devices.values()].filter(
      (d) => now - d.lastSeen > ageLimit(d.mac) && !keep(this.#view(d)),
    );
    return this.#forget(
      old.map((d) => d.mac),
      (error) => log.warn(`devices error: old devices could not be removed: ${reason(error)}`),
    );
  }

  async #write(): Promise<void> {
    await this.#vendors.learn(this.#dirty);
    if (this.#devices.size > mostDevices) await this.#shed();
    const macs = [...this.#dirty];
    const rows = macs.flatMap((mac) => this.#devices.get(mac) ?? []);
    this.#dirty.clear();
    try {
      await this.#repository.save(rows);
      for (const row of rows) this.#writtenLastSeen.set(row.mac, row.lastSeen);
      if (this.#writesFail) this.#parts.log.info('devices are written again');
      this.#writesFail = false;
    } catch (error) {
      for (const mac of macs) this.#dirty.add(mac);
      if (!this.#writesFail) this.#parts.log.warn(`devices error: cannot be written: ${reason(error)}`);
      this.#writesFail = true;
    }
  }

  /** Keeps the devices that belong to people and, of the rest, those that were seen last. */
  async #shed(): Promise<void> {
    const { keep = () => false, log } = this.#parts;
    const spare = this.devices().filter((d) => !keep(d));
    const excess = spare.slice(Math.max(0, mostDevices - (this.#devices.size - spare.length)));
    const shed = await this.#forget(
      excess.map((d) => d.mac),
      () => undefined,
    );
    log.warn(`wifi scan error: more than ${mostDevices} devices are known; forgot the ${shed} oldest`);
  }

  async #forget(macs: readonly Mac[], failed: (error: unknown) => void): Promise<number> {
    for (const mac of macs) {
      this.#devices.delete(mac);
      this.#dirty.delete(mac);
      this.#writtenLastSeen.delete(mac);
    }
    await this.#repository.remove(macs).catch(failed);
    return macs.length;
  }

  #rename(mac: Mac, hostname: string): void {
    const device = this.#devices.get(mac);
    if (device === undefined || device.hostname === hostname) return;
    this.#devices.set(mac, { ...device, hostname });
    this.#dirty.add(mac);
  }

  #lastSeenIsOld(device: StoredDevice): boolean {
    return device.lastSeen - (this.#writtenLastSeen.get(device.mac) ?? 0) >= lastSeenStepMs;
  }

  #view(device: StoredDevice): LanDevice {
    return { ...device, vendor: this.#vendors.get(device.mac), randomised: isRandomised(device.mac) };
  }

  #discovered(device: StoredDevice): void {
    const { store, clock, log } = this.#parts;
    const now = clock.monotonic();
    if (now - this.#discoveries.since >= minuteMs || this.#discoveries.since === 0) {
      const { untold } = this.#discoveries;
      if (untold > 0)
        log.warn(`wifi scan error: ${untold} more new devices within a minute were not recorded`);
      this.#discoveries = { since: now || 1, told: 0, untold: 0 };
    }
    if (this.#discoveries.told >= mostDiscoveriesPerMinute) {
      this.#discoveries.untold += 1;
      return;
    }
    this.#discoveries.told += 1;
    const { mac, ip, network, hostname, firstSeen: at, lastVia } = device;
    // The journal is for good: a phone under a private address is recorded without what would name its owner.
    if (isRandomised(mac)) {
      void store.journal.append({
        at,
        kind: 'device.discovered',
        subject: 'device:private',
        cause: 'scan:lan',
        evidence: [
          { at, source: 'wifi', text: `a device with a private address joined ${network} (${lastVia})` },
        ],
        data: { network, randomised: true },
      });
      return;
    }
    void store.journal.append({
      at,
      kind: 'device.discovered',
      subject: `device:${mac}`,
      cause: 'scan:lan',
      evidence: [
        { at, source: 'wifi', text: `${lastVia} from ${ip ?? 'an address not known yet'} in ${network}` },
      ],
      data: { mac, ip, network, hostname, randomised: false },
    });
  }
}

/** True when anything but the time and way of the last sighting has changed. */
function differs(a: StoredDevice, b: StoredDevice): boolean {
  const traits = (d: StoredDevice) =>
    [d.ip, d.network, d.hostname, d.dhcpFingerprint, d.dhcpVendorClass, d.ipv6Suffix].join('|');
  return traits(a) !== traits(b);
}
