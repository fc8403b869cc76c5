import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Reading } from '#kernel/reading.ts';
import type { Store } from '#store/model.ts';
import type { ElectricityConfig } from './config.ts';
import { houseId, type Totals } from './energy/model.ts';
import type { EnergySlot } from './model.ts';
import { compose, sumOfPower, type Composition } from './household.rules.ts';
import { electricityReadings } from './metrics.ts';
import type { Cost } from './money/model.ts';
import {
  quantities,
  type Announcement,
  type Device,
  type ElectricitySignal,
  type Quantity,
  type Values,
} from './model.ts';
import type { Watched } from './insight/service.ts';
import { assignPath, type Names } from './naming.rules.ts';
import { isMeant, overridden } from './override.rules.ts';
import type { Control, DeviceView, ElectricityView, HouseView } from './view.model.ts';

/** The ledger as the service needs it; `Ledger` is one. */
export interface EnergyLedger {
  observe(device: Pick<Device, 'id' | 'wrapsAtWh' | 'medium'>, at: number, values: Values): void;
  remember(id: string, slots: readonly EnergySlot[]): Promise<void>;
  houseOf(ids: readonly string[]): void;
  totals(id: string, now: number): Totals | undefined;
}

/** What money knows now; absent answers mean that there is no tariff, or no price at that instant. */
export interface Money {
  readonly currency: () => string | undefined;
  readonly priceAt: (at: number) => number | undefined;
  readonly carbonAt: (at: number) => number | undefined;
  /** Money of the present local day of one device, from the last minute. */
  readonly costToday: (id: string) => Cost | undefined;
}

export interface ElectricityParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Pick<Bus, 'on'>;
  readonly store: Pick<Store, 'journal' | 'state'>;
  readonly ledger: EnergyLedger;
  readonly money: Money;
  readonly baseLoadWatts: () => number | undefined;
}

interface Known {
  announcement: Announcement;
  path: string;
  values: Values;
  measuredAt: number | undefined;
  problem: string | undefined;
  lastSeen: number;
}

/** What is kept of a device over restarts, so that history and money still have its name. */
export interface KeptDevice {
  readonly device: Device;
  readonly lastSeen: number;
}

/** Where names and devices are kept in the state store. */
export const namesKey = 'electricity.names';
export const devicesKey = 'electricity.devices';
const forgetAfterMs = 90 * 86_400_000;
const usualEveryMs = 60_000;
const shortestHoldMs = 15_000;
// One lost poll must not tear a hole into a chart; two in a row must not be hidden.
const holdIntervals = 2.5;
const longestAheadMs = 2_000;

export interface Switched {
  readonly device: string;
  readonly path: string;
  /** What the device itself says after the command. */
  readonly isOn: boolean;
  /** Id of the journal event. */
  readonly event: string;
}

/** Everything electric in the house: what there is, what it says now, what it used, and switching it. */
export class ElectricityService {
  readonly #parts: ElectricityParts;
  readonly #devices = new Map<string, Known>();
  readonly #listeners = new Set<() => void>();
  #config: ElectricityConfig;
  #names: Names = {};
  #composition: Composition = { basis: 'none', parts: [], explaining: [] };
  #saving: Promise<void> = Promise.resolve();
  #unsubscribe: () => void = () => {};

  constructor(config: ElectricityConfig, parts: ElectricityParts) {
    this.#config = config;
    this.#parts = parts;
  }

  /** Loads which devices were known before the restart. */
  async start(): Promise<void> {
    const { state } = this.#parts.store;
    this.#names = (await state.get<Names>(namesKey)) ?? {};
    const kept = (await state.get<readonly KeptDevice[]>(devicesKey)) ?? [];
    const now = this.#parts.clock.now();
    for (const { device, lastSeen } of kept) {
      if (now - lastSeen > forgetAfterMs) continue;
      this.#devices.set(device.id, newKnown({ device }, this.#names[device.id]?.path ?? device.id, lastSeen));
    }
    this.#compose();
    this.#unsubscribe = this.#parts.bus.on('clock.jumped', ({ byMs }) => {
      for (const known of this.#devices.values())
        if (known.measuredAt !== undefined) known.measuredAt += byMs;
    });
  }

  /** Writes down which devices are known. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.save();
  }

  configure(config: ElectricityConfig): void {
    this.#config = config;
    for (const known of this.#devices.values()) this.#announced(known.announcement);
    this.#compose();
  }

  /** Takes what a driver says. `kind` is the name of the driver, for the log. Never throws. */
  take(kind: string, signal: ElectricitySignal): void {
    if (signal.kind === 'device') this.#announced(signal);
    else if (signal.kind === 'measured') this.#measured(signal.id, signal.at, signal.values);
    else if (signal.kind === 'trouble') this.#troubled(kind, signal.id, signal.address, signal.error);
    else
      this.#parts.ledger.remember(signal.id, signal.slots).catch((error: unknown) => {
        this.#parts.log.warn(
          `${kind} error: what ${signal.id} remembers could not be kept: ${reason(error)}`,
        );
      });
  }

  view(): ElectricityView {
    const now = this.#parts.clock.now();
    const devices = [...this.#devices.values()]
      .flatMap((known) => this.#deviceView(known, now) ?? [])
      .toSorted((a, b) => a.path.localeCompare(b.path));
    return { at: now, devices, house: this.#houseView(devices, now) };
  }

  /** The readings of one tick. */
  readings(at: number): Reading[] {
    return electricityReadings({ ...this.view(), at }, this.#config.prefix);
  }

  /** Devices that can tell what they used while nobody asked, with that capability. */
  rememberers(): { readonly id: string; readonly remembers: NonNullable<Announcement['remembers']> }[] {
    const now = this.#parts.clock.now();
    return [...this.#devices.values()].flatMap((known) => {
      const { device, remembers } = known.announcement;
      return remembers === undefined || !fresh(known, now) ? [] : [{ id: device.id, remembers }];
    });
  }

  /** Devices as insight looks at them; gas and the meter of the house are no appliances. */
  watched(): Watched[] {
    const { prefix, devices: settings } = this.#config;
    const { basis, parts } = this.#composition;
    const meters = basis === 'meter' ? parts : [];
    return this.view()
      .devices.filter(({ device }) => device.medium !== 'gas' && !meters.includes(device.id))
      .map(({ device, path, values }) => ({
        id: device.id,
        name: device.name,
        watts: values.power_watts,
        series: `${prefix}.${path}.power_watts`,
        limitMin: settings.find((s) => isMeant(device, s.device))?.on_at_most_minutes,
      }));
  }

  /**
   * Finds a device by id, path, or name in any spelling.
   * Throws NOT_FOUND with the names there are; USAGE when several are meant.
   */
  find(name: string): DeviceView {
    const { devices } = this.view();
    const wanted = name.trim().toLowerCase();
    const exact = devices.filter((d) => d.device.id === name || d.path === wanted);
    const found =
      exact.length > 0
        ? exact
        : devices.filter(
            (d) => d.device.name.toLowerCase() === wanted || d.path.split('.').at(-1) === wanted,
          );
    const [only, ...others] = found;
    if (only === undefined)
      throw new LaresError(
        'NOT_FOUND',
        `no device is called ${JSON.stringify(name.slice(0, 80))}; known: ${devices.map((d) => d.path).join(', ') || 'none yet'}`,
      );
    if (others.length > 0)
      throw new LaresError(
        'USAGE',
        `${JSON.stringify(name)} may be ${found.map((d) => d.path).join(' or ')}; give one of these`,
      );
    return only;
  }

  /**
   * Switches a device and reads back what it says. Who did it, why and with what result goes into the journal, and so
   * does a failure. Throws NOT_FOUND, FORBIDDEN, USAGE when it has no switch, and what the device's driver throws.
   */
  async turn(name: string, on: boolean, actor: string, why: string, signal: AbortSignal): Promise<Switched> {
    const view = this.find(name);
    const { device, path } = { device: view.device, path: view.path };
    const subject = `device:${device.id}`;
    const tell = (kind: string, data: Record<string, unknown>) =>
      this.#parts.store.journal.append({
        at: this.#parts.clock.now(),
        kind,
        subject,
        cause: actor,
        evidence: [],
        data: { path, name: device.name, wanted: on, why, ...data },
      });
    const refuse = async (error: LaresError): Promise<never> => {
      await tell('electricity.switch-refused', { error: error.message });
      throw error;
    };
    if (view.control === 'forbidden')
      return refuse(
        new LaresError('FORBIDDEN', `${path} must not be switched: its settings say control: false`),
      );
    const switches = this.#devices.get(device.id)?.announcement.switches;
    if (switches === undefined)
      return refuse(new LaresError('USAGE', `${path} cannot be switched: ${whyNot(view)}`));
    const before = view.values.is_on;
    try {
      const isOn = await switches.turn(on, signal);
      const known = this.#devices.get(device.id);
      if (known !== undefined) known.values = { ...known.values, is_on: isOn ? 1 : 0 };
      if (isOn !== on)
        throw new LaresError(
          'BAD_REPLY',
          `${path} took the command but says that it is ${isOn ? 'on' : 'off'}; look at the device`,
        );
      const event = await tell('electricity.switched', {
        is_on: isOn,
        was_on: before === undefined ? null : before === 1,
      });
      this.#changed();
      return { device: device.id, path, isOn, event: event.id };
    } catch (error) {
      await tell('electricity.switch-failed', { error: reason(error) });
      throw error;
    }
  }

  /** Called after something was switched, found or lost. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when names and devices are written down; a failure is told and tried again at the next change. */
  async save(): Promise<void> {
    const { state } = this.#parts.store;
    const kept = [...this.#devices.values()].map(({ announcement, lastSeen }): KeptDevice => ({
      device: announcement.device,
      lastSeen,
    }));
    this.#saving = this.#saving.then(async () => {
      try {
        await state.set(namesKey, this.#names);
        await state.set(devicesKey, kept);
      } catch (error) {
        this.#parts.log.warn(`store error: the names of devices wait to be written: ${reason(error)}`);
      }
    });
    await this.#saving;
  }

  #announced(announcement: Announcement): void {
    const now = this.#parts.clock.now();
    const { id } = announcement.device;
    const before = this.#devices.get(id);
    const device = overridden(announcement.device, this.#config.devices);
    if (device === undefined) {
      // Kept, so that it is there again at once when the settings no longer ignore it.
      this.#devices.set(id, before ?? newKnown(announcement, id, now));
      this.#compose();
      return;
    }
    const isNew = before === undefined || this.#names[id] === undefined;
    const main = compose([...this.#all(), device], this.#mainMeter([...this.#all(), device])).parts;
    const isMainMeter = device.source === 'meter' && main.length === 1 && main[0] === device.id;
    const { names, path, collided } = assignPath(this.#names, device, isMainMeter);
    this.#names = names;
    const known = before ?? newKnown(announcement, path, now);
    if (collided && before?.path !== path)
      this.#parts.log.warn(
        `another device is called ${device.name} too; the series of ${device.id} are under ${path}`,
      );
    // As the driver said it; what the settings change is applied when it is read, so that new settings apply to the original.
    known.announcement = announcement;
    known.path = path;
    this.#devices.set(device.id, known);
    if (isNew) void this.#discovered(device, path, now);
    this.#compose();
    void this.save();
    this.#changed();
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

  #measured(id: string, saidAt: number, said: Values): void {
    const known = this.#devices.get(id);
    if (known === undefined) return;
    const now = this.#parts.clock.now();
    // A device whose clock is ahead would otherwise be fresh for ever.
    const at = saidAt > now + longestAheadMs ? now : saidAt;
    const values = clean(said);
    const device = overridden(known.announcement.device, this.#config.devices);
    if (device === undefined) return;
    this.#parts.ledger.observe(device, at, values);
    if (known.measuredAt !== undefined && at < known.measuredAt) return;
    const before = known.values.is_on;
    known.values = values;
    known.measuredAt = at;
    known.lastSeen = now;
    if (known.problem !== undefined) {
      this.#parts.log.info(`${known.path} answers again`);
      known.problem = undefined;
      this.#changed();
    }
    if (before !== undefined && values.is_on !== undefined && before !== values.is_on) {
      void this.#turned(known, values.is_on === 1, at);
      this.#changed();
    }
  }

  /** It is on or off now, and not because we said so: somebody pressed its button, or its own app did. */
  async #turned({ announcement, path }: Known, isOn: boolean, at: number): Promise<void> {
    await this.#parts.store.journal.append({
      at,
      kind: isOn ? 'electricity.turned-on' : 'electricity.turned-off',
      subject: `device:${announcement.device.id}`,
      cause: 'device',
      evidence: [
        { at, source: announcement.device.source, text: `${path} says that it is ${isOn ? 'on' : 'off'}` },
      ],
      data: { path, name: announcement.device.name },
    });
  }

  #troubled(kind: string, id: string | undefined, address: string, error: LaresError): void {
    const known = id === undefined ? undefined : this.#devices.get(id);
    const text = error.message;
    const fresh = known === undefined ? !this.#strangers.has(`${address} ${text}`) : known.problem !== text;
    if (known === undefined) this.#remember(`${address} ${text}`);
    else known.problem = text;
    if (!fresh) return;
    const name = known?.announcement.device.name ?? 'a device';
    const words = `${kind} error: ${name} (${address}): ${error.code} ${text}`;
    if (error.remedy === 'fix-config' || error.remedy === 'report-bug')
      this.#parts.log.error(words, { error });
    else this.#parts.log.warn(words, { error });
    this.#changed();
  }

  readonly #strangers = new Set<string>();
  #remember(trouble: string): void {
    // Hosts come and go for years; what was complained about need not be known for ever.
    if (this.#strangers.size > 500) this.#strangers.clear();
    this.#strangers.add(trouble);
  }

  #all(): Device[] {
    return [...this.#devices.values()].flatMap(
      ({ announcement }) => overridden(announcement.device, this.#config.devices) ?? [],
    );
  }

  #mainMeter(devices: readonly Device[]): string | undefined {
    const wanted = this.#config.main_meter?.toLowerCase();
    if (wanted === undefined) return undefined;
    return devices.find((d) => d.id.toLowerCase() === wanted || d.name.toLowerCase() === wanted)?.id;
  }

  #compose(): void {
    const devices = this.#all();
    this.#composition = compose(devices, this.#mainMeter(devices));
    this.#parts.ledger.houseOf(this.#composition.parts);
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Undefined for a device that the settings ignore. */
  #deviceView(known: Known, now: number): DeviceView | undefined {
    const { announcement, path, measuredAt, problem } = known;
    const device = overridden(announcement.device, this.#config.devices);
    if (device === undefined) return undefined;
    const holds = fresh(known, now);
    return {
      device,
      path,
      state: holds ? 'ok' : problem === undefined ? 'silent' : 'down',
      problem: holds ? undefined : (problem ?? silence(measuredAt, now)),
      control: this.#control(announcement),
      values: holds ? known.values : {},
      measuredAt,
      energy: this.#parts.ledger.totals(device.id, now),
      costToday: costOf(this.#parts.money.costToday(device.id)),
    };
  }

  #control({ device, switches }: Announcement): Control {
    if (switches === undefined) return 'impossible';
    const forbidden = this.#config.devices.some((d) => !d.control && isMeant(device, d.device));
    return forbidden ? 'forbidden' : 'allowed';
  }

  #houseView(devices: readonly DeviceView[], now: number): HouseView {
    const { ledger, money } = this.#parts;
    const { basis, parts, explaining } = this.#composition;
    const values = new Map(devices.map((d) => [d.device.id, d.values]));
    const powerWatts = sumOfPower(parts, values, basis === 'meter');
    const explained = sumOfPower(explaining, values, false);
    const known = basis === 'meter' && powerWatts !== undefined && explained !== undefined;
    return {
      basis,
      parts,
      powerWatts,
      unexplainedWatts: known ? powerWatts - explained : undefined,
      energy: ledger.totals(houseId, now),
      costToday: money.costToday(houseId),
      pricePerKwh: money.priceAt(now),
      currency: money.currency(),
      baseLoadWatts: this.#parts.baseLoadWatts(),
      carbonIntensity: money.carbonAt(now),
    };
  }
}

function newKnown(announcement: Announcement, path: string, lastSeen: number): Known {
  return { announcement, path, values: {}, measuredAt: undefined, problem: undefined, lastSeen };
}

function fresh({ announcement, measuredAt }: Known, now: number): boolean {
  const holdMs = Math.max(shortestHoldMs, holdIntervals * (announcement.everyMs ?? usualEveryMs));
  return measuredAt !== undefined && now - measuredAt <= holdMs;
}

/** Only known quantities with finite values: what is not a number was not measured. */
function clean(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => name in quantities && Number.isFinite(value)),
  ) as Partial<Record<Quantity, number>>;
}

const costOf = (cost: Cost | undefined) => (cost === undefined ? undefined : cost.import - cost.export);

function silence(measuredAt: number | undefined, now: number): string {
  if (measuredAt === undefined) return 'not heard of since Lares started';
  return `not heard of for ${Math.round((now - measuredAt) / 60_000)} min`;
}

const whyNot = (view: DeviceView) =>
  view.state === 'ok' ? 'it has no switch' : `it does not answer now (${view.problem ?? 'silent'})`;
