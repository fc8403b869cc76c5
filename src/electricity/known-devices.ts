import { reason } from '#kernel/errors.ts';
import type { ElectricityConfig } from './config.ts';
import { allCircuits, compose, isSupply, type Composition } from './household.rules.ts';
import type { Announcement, Device } from './model.ts';
import { assignPath, type Names } from './naming.rules.ts';
import { overridden } from './override.rules.ts';
import { forgetValues, type ElectricityParts, type Known, type Shown } from './service.model.ts';
import { findTwins, type Twins } from './twins.rules.ts';

/** What is kept of a device over restarts, so that history and money still have its name. */
export interface KeptDevice {
  readonly device: Device;
  readonly lastSeen: number;
  /** Name of its driver. */
  readonly kind?: string | undefined;
}

/** Where names and devices are kept in the state store. */
export const namesKey = 'electricity.names';
export const devicesKey = 'electricity.devices';
const forgetAfterMs = 90 * 86_400_000;
/** How often it is looked which of two things that are the same is gone, ms. */
const lookAgainMs = 60_000;
const keptModels = 8;
/** More than any home has; what is not heard for `forgetAfterMs` is let go at the next start. */
const mostDevices = 2_000;
/** A supply meter that was silent for this long is no longer the house, ms. */
const supplyGoneMs = 86_400_000;

/** Which devices there are, what they are called, and which of them make up the house. */
export class KnownDevices {
  readonly #parts: ElectricityParts;
  readonly #changed: () => void;
  readonly #devices = new Map<string, Known>();
  /** Every model that a device said it is. */
  readonly #models = new Map<string, Set<string>>();
  #config: ElectricityConfig;
  #names: Names = {};
  #composition: Composition = { basis: 'none', parts: [], explaining: [] };
  #twins: Twins = { hidden: new Set(), replaced: new Set() };
  #lookedAt = -Infinity;
  #saving: Promise<void> = Promise.resolve();
  #queued: Promise<void> | undefined;
  #full = false;

  constructor(config: ElectricityConfig, parts: ElectricityParts, changed: () => void) {
    this.#config = config;
    this.#parts = parts;
    this.#changed = changed;
  }

  /** Loads which devices were known before the restart. */
  async load(): Promise<void> {
    const { state } = this.#parts.store;
    this.#names = (await state.get<Names>(namesKey)) ?? {};
    const kept = (await state.get<readonly KeptDevice[]>(devicesKey)) ?? [];
    const now = this.#parts.clock.now();
    for (const { device, lastSeen, kind } of kept) {
      if (now - lastSeen > forgetAfterMs) continue;
      const path = this.#names[device.id]?.path ?? device.id;
      this.#devices.set(device.id, newKnown({ device }, path, lastSeen, kind));
      this.#isAnotherModel(device);
    }
    this.#compose();
  }

  /** Resolves when names and devices are written down; a failure is told and tried again at the next change. */
  save(): Promise<void> {
    // Many devices appear at once; what waits to be written takes them all along.
    this.#queued ??= this.#saving.then(async () => {
      this.#queued = undefined;
      await this.#write();
    });
    this.#saving = this.#queued;
    return this.#queued;
  }

  async #write(): Promise<void> {
    const { state } = this.#parts.store;
    const kept = [...this.#devices.values()].map(({ announcement, lastSeen, kind }): KeptDevice => ({
      device: announcement.device,
      lastSeen,
      kind,
    }));
    try {
      await state.set(namesKey, this.#names);
      await state.set(devicesKey, kept);
    } catch (error) {
      this.#parts.log.warn(`store error: the names of devices wait to be written: ${reason(error)}`);
    }
  }

  configure(config: ElectricityConfig): void {
    this.#config = config;
    for (const known of this.#devices.values()) this.announced(known.announcement, known.kind);
    this.#compose();
  }

  /** Which devices make up the house. */
  get composition(): Composition {
    this.#look();
    return this.#composition;
  }

  get(id: string): Known | undefined {
    return this.#devices.get(id);
  }

  all(): Iterable<Known> {
    return this.#devices.values();
  }

  /** Every device as the settings want it seen; without those that they ignore and those that are another one. */
  shown(): Shown[] {
    this.#look();
    return [...this.#devices.values()].flatMap((known) => {
      const device = this.#seen(known.announcement.device);
      return device === undefined ? [] : [{ known, device }];
    });
  }

  /** One device as the settings want it seen; undefined where it is left out. */
  show(known: Known): Device | undefined {
    this.#look();
    return this.#seen(known.announcement.device);
  }

  /** Takes note that a device was heard. */
  heard(known: Known, now: number): void {
    known.lastSeen = now;
    if (this.#twins.replaced.has(known.announcement.device.id)) this.#compose();
  }

  announced(announcement: Announcement, kind?: string): void {
    if (this.#isOneTooMany(announcement.device.id)) return;
    const now = this.#parts.clock.now();
    const { id } = announcement.device;
    const before = this.#devices.get(id);
    if (this.#isAnotherModel(announcement.device)) {
      this.#parts.log.info(`${before?.path ?? id} is another device now: its counter begins anew`);
      this.#parts.ledger.replaced(id);
      if (before !== undefined) forgetValues(before);
    }
    // Kept in any case, so that it is there at once when it is no longer ignored or hidden.
    const known = before ?? newKnown(announcement, this.#names[id]?.path ?? id, now, kind);
    known.announcement = announcement;
    known.kind = kind ?? known.kind;
    this.#devices.set(id, known);
    this.#compose();
    const device = this.#seen(announcement.device);
    if (device === undefined) return;
    this.#name(known, device, before === undefined || this.#names[id] === undefined, now);
    void this.save();
    this.#changed();
  }

  /** Whoever can send a message could invent devices without end. */
  #isOneTooMany(id: string): boolean {
    if (this.#devices.size < mostDevices || this.#devices.has(id)) return false;
    if (!this.#full)
      this.#parts.log.warn(
        `${mostDevices} devices are known; ${id.slice(0, 80)} and further ones are left out until some are gone`,
      );
    this.#full = true;
    return true;
  }

  /** Gives a device its path, and tells of it when it is new. */
  #name(known: Known, device: Device, isNew: boolean, now: number): void {
    const { basis, parts } = this.#composition;
    const isMainMeter = device.source === 'meter' && basis === 'meter' && parts[0] === device.id;
    const { names, path, collided } = assignPath(this.#names, device, isMainMeter);
    this.#names = names;
    if (collided && known.path !== path)
      this.#parts.log.warn(
        `another device is called ${device.name} too; the series of ${device.id} are under ${path}`,
      );
    known.path = path;
    if (isNew) void this.#discovered(device, path, now);
  }

  async #discovered(device: Device, path: string, at: number): Promise<void> {
    const model = device.model === undefined ? '' : ` (${device.model})`;
    this.#parts.log.info(
      `discovered ${path}${model}${device.address === undefined ? '' : ` at ${device.address}`}`,
    );
    await this.#parts.store.journal.append({
      at,
      kind: 'electricity.discovered',
      subject: `device:${device.id}`,
      cause: `scan:${device.source}`,
      evidence: [],
      data: { path, name: device.name, model: device.model ?? null, address: device.address ?? null },
    });
  }

  /** True when something else hangs under the same id. A model that it was called before is another spelling. */
  #isAnotherModel({ id, model }: Device): boolean {
    if (model === undefined) return false;
    let models = this.#models.get(id);
    if (models === undefined) this.#models.set(id, (models = new Set()));
    if (models.has(model)) return false;
    if (models.size >= keptModels) models.clear();
    models.add(model);
    return models.size > 1;
  }

  #seen(device: Device): Device | undefined {
    if (this.#twins.hidden.has(device.id)) return undefined;
    return overridden(device, this.#config.devices);
  }

  #mainMeter(devices: readonly Device[]): string | undefined {
    const wanted = this.#config.main_meter?.toLowerCase();
    if (wanted === undefined || wanted === allCircuits) return wanted;
    return devices.find((d) => d.id.toLowerCase() === wanted || d.name.toLowerCase() === wanted)?.id;
  }

  /** A source that the settings no longer have, and a meter that was taken away, must not blank the house. */
  #counts({ kind, lastSeen, announcement }: Known, now: number): boolean {
    if (kind !== undefined && this.#parts.runs?.(kind) === false) return false;
    const device = overridden(announcement.device, this.#config.devices);
    return device === undefined || !isSupply(device) || now - lastSeen <= supplyGoneMs;
  }

  /** Things that are gone make place for what stands in for them, without anybody telling. */
  #look(): void {
    const now = this.#parts.clock.now();
    if (now >= this.#lookedAt && now - this.#lookedAt < lookAgainMs) return;
    this.#compose();
  }

  #compose(): void {
    const now = this.#parts.clock.now();
    this.#lookedAt = now;
    const { hidden } = this.#twins;
    // What the settings ignore hides nothing.
    const wanted = [...this.#devices.values()]
      .filter(({ announcement }) => overridden(announcement.device, this.#config.devices) !== undefined)
      .map(({ announcement, lastSeen }) => ({ device: announcement.device, lastSeen }));
    this.#twins = findTwins(wanted, now);
    const devices = [...this.#devices.values()].flatMap((known) =>
      this.#twins.replaced.has(known.announcement.device.id) || !this.#counts(known, now)
        ? []
        : (this.#seen(known.announcement.device) ?? []),
    );
    this.#composition = compose(devices, this.#mainMeter(devices));
    this.#parts.ledger.houseOf(this.#composition.parts);
    for (const id of hidden) {
      const known = this.#devices.get(id);
      const device = known && this.#seen(known.announcement.device);
      if (device === undefined) continue;
      // What its counter counted meanwhile was counted by the other one.
      this.#parts.ledger.replaced(id);
      this.#name(known!, device, this.#names[id] === undefined, now);
    }
  }
}

function newKnown(
  announcement: Announcement,
  path: string,
  lastSeen: number,
  kind: string | undefined,
): Known {
  return {
    announcement,
    path,
    said: new Map(),
    measuredAt: undefined,
    turning: undefined,
    problem: undefined,
    lastSeen,
    kind,
  };
}
