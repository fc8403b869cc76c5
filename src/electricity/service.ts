import { LaresError, reason } from '#kernel/errors.ts';
import type { Reading } from '#kernel/reading.ts';
import type { ElectricityConfig } from './config.ts';
import { isSupply } from './household.rules.ts';
import type { Watched } from './insight/service.ts';
import { KnownDevices } from './known-devices.ts';
import { electricityReadings } from './metrics.ts';
import {
  quantities,
  type Announcement,
  type ElectricitySignal,
  type Quantity,
  type Values,
} from './model.ts';
import { isMeant } from './override.rules.ts';
import { picture } from './picture.ts';
import {
  isFresh,
  shiftReadings,
  takeReading,
  type ElectricityParts,
  type Known,
  type Shown,
} from './service.model.ts';
import { switchDevice, type Switched } from './switching.ts';
import type { DeviceView, ElectricityView } from './view.model.ts';

export { namesKey } from './known-devices.ts';
export type { Switched } from './switching.ts';

const longestAheadMs = 2_000;

/** Everything electric in the house: what there is, what it says now, what it used, and switching it. */
export class ElectricityService {
  readonly #parts: ElectricityParts;
  readonly #known: KnownDevices;
  readonly #listeners = new Set<() => void>();
  #config: ElectricityConfig;
  #unsubscribe: () => void = () => {};

  constructor(config: ElectricityConfig, parts: ElectricityParts) {
    this.#config = config;
    this.#parts = parts;
    this.#known = new KnownDevices(config, parts, () => this.#changed());
  }

  /** Loads which devices were known before the restart. */
  async start(): Promise<void> {
    await this.#known.load();
    this.#unsubscribe = this.#parts.bus.on('clock.jumped', ({ byMs }) => {
      const now = this.#parts.clock.now();
      for (const known of this.#known.all()) shiftReadings(known, byMs, now);
    });
  }

  /** Writes down which devices are known. */
  async stop(): Promise<void> {
    this.#unsubscribe();
    await this.save();
  }

  configure(config: ElectricityConfig): void {
    this.#config = config;
    this.#known.configure(config);
  }

  /** Takes what a driver says. `kind` is the name of the driver, for the log. Never throws. */
  take(kind: string, signal: ElectricitySignal): void {
    if (signal.kind === 'device') this.#known.announced(signal, kind);
    else if (signal.kind === 'measured') this.#measured(signal.id, signal.at, signal.values);
    else if (signal.kind === 'trouble') this.#troubled(kind, signal.id, signal.address, signal.error);
    else if (this.#shows(signal.id))
      this.#parts.ledger.remember(signal.id, signal.slots).catch((error: unknown) => {
        this.#parts.log.warn(
          `${kind} error: what ${signal.id} remembers could not be kept: ${reason(error)}`,
        );
      });
  }

  view(): ElectricityView {
    const now = this.#parts.clock.now();
    const { devices } = this.#config;
    const mayControl = ({ known }: Shown) =>
      !devices.some((d) => !d.control && isMeant(known.announcement.device, d.device));
    return picture(this.#known.shown(), this.#known.composition, mayControl, this.#parts, now);
  }

  /** The readings of one tick. */
  readings(at: number): Reading[] {
    return electricityReadings({ ...this.view(), at }, this.#config.prefix);
  }

  /** Devices that can tell what they used while nobody asked, with that capability. */
  rememberers(): { readonly id: string; readonly remembers: NonNullable<Announcement['remembers']> }[] {
    const now = this.#parts.clock.now();
    return this.#known.shown().flatMap(({ known, device }) => {
      const { remembers } = known.announcement;
      return remembers === undefined || !isFresh(known, now) ? [] : [{ id: device.id, remembers }];
    });
  }

  /** Devices as insight looks at them; gas and the meter of the house are no appliances. */
  watched(): Watched[] {
    const { prefix, devices: settings } = this.#config;
    const { basis, parts } = this.#known.composition;
    const meters = basis === 'meter' ? parts : [];
    return this.view()
      .devices.filter(
        ({ device }) => device.medium !== 'gas' && !isSupply(device) && !meters.includes(device.id),
      )
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
    const known = this.#known.get(view.device.id);
    const switched = await switchDevice(view, known, { on, actor, why }, this.#parts, signal);
    this.#changed();
    return switched;
  }

  /** Called after something was switched, found or lost. Returns a function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when names and devices are written down; a failure is told and tried again at the next change. */
  async save(): Promise<void> {
    await this.#known.save();
  }

  #measured(id: string, saidAt: number, said: Values): void {
    const known = this.#known.get(id);
    if (known === undefined) return;
    const now = this.#parts.clock.now();
    const device = this.#known.show(known);
    if (device === undefined) return void (known.lastSeen = now);
    // A device whose clock is ahead would otherwise be fresh for ever.
    const at = saidAt > now + longestAheadMs ? now : saidAt;
    const values = clean(said);
    this.#parts.ledger.observe(device, at, values);
    const before = known.said.get('is_on');
    if (!takeReading(known, at, values)) return;
    this.#known.heard(known, now);
    if (known.problem !== undefined) {
      this.#parts.log.info(`${known.path} answers again`);
      known.problem = undefined;
      this.#changed();
    }
    const after = known.said.get('is_on');
    if (before !== undefined && after !== undefined && before.value !== after.value) {
      const isOn = after.value === 1;
      if (known.turning !== isOn) void this.#turned(known, isOn, at);
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
    const known = id === undefined ? undefined : this.#known.get(id);
    const text = error.message;
    const before = known?.problem;
    const stranger = `${address} ${gist(text)}`;
    const isNew =
      known === undefined
        ? !this.#strangers.has(stranger)
        : before === undefined || gist(before) !== gist(text);
    if (known === undefined) this.#remember(stranger);
    else known.problem = text;
    if (!isNew) return;
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

  /** Whether a device is one to be shown and counted; what is not known yet may be. */
  #shows(id: string): boolean {
    const known = this.#known.get(id);
    return known === undefined || this.#known.show(known) !== undefined;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Trouble without its numbers: garbage of another length is the same trouble. */
const gist = (text: string) => text.replaceAll(/\d+/g, '#');

/** Only known quantities with finite values: what is not a number was not measured. */
function clean(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).filter(([name, value]) => name in quantities && Number.isFinite(value)),
  ) as Partial<Record<Quantity, number>>;
}
