import { LaresError } from '#kernel/errors.ts';
import type { ElectricityContext } from '../../driver.ts';
import type { Switches, Values } from '../../model.ts';
import { slug, type Identity, type Part } from './codec.ts';
import { deviceOf, layout, type Unit } from './layout.rules.ts';

/** Sends a command to a device; undefined while there is no broker. */
export type Send = (command: string, payload: string) => Promise<void>;

export interface ThingParts {
  readonly topic: string;
  /** Where it takes commands. */
  readonly command: string;
  /** What the settings call it. */
  readonly name: string | undefined;
  /** How often it is asked, ms. */
  readonly everyMs: number;
  readonly context: Pick<ElectricityContext, 'emit' | 'clock' | 'signal'>;
  readonly send: Send;
}

// A device that gives its sensors new names in each message must not fill the house with devices.
const mostParts = 32;
// One that answers each question with another switch must not be asked without end.
const askAgainMs = 2_000;

/** One Tasmota that speaks over MQTT: what it is made of becomes known message by message. */
export class Thing {
  readonly topic: string;
  /** False from the moment the broker says that it is gone. */
  online = true;
  readonly #own: ThingParts;
  readonly #parts = new Set<string>();
  readonly #announced = new Map<string, string>();
  readonly #waiting = new Set<{ relay: string; heard: (on: boolean) => void }>();
  #relays: readonly string[] = [];
  /** What each relay said last. It tells every change, so this holds until it is gone. */
  readonly #on = new Map<string, boolean>();
  #identity: Identity | undefined;
  #outdated = false;
  #asking = false;

  constructor(own: ThingParts) {
    this.topic = own.topic;
    this.#own = own;
  }

  /** True once it has measured or switched something. */
  get known(): boolean {
    return this.#announced.size > 0;
  }

  get #base(): string {
    return `tasmota:${slug(this.topic)}`;
  }

  /** Asks it for everything: readings and relays. */
  async refresh(): Promise<void> {
    await this.#own.send(`${this.#own.command}/STATUS`, '11');
    await this.#own.send(`${this.#own.command}/STATUS`, '8');
  }

  /** Asks it for its readings, which say that it is there; one that measures nothing for its relays. */
  ask(): Promise<void> {
    return this.#own.send(`${this.#own.command}/STATUS`, this.#parts.size > 0 ? '8' : '11');
  }

  /** Asks at once after a switch: what it draws is another now, and it would tell that only at its next report. */
  async askAfterSwitch(): Promise<void> {
    if (this.#parts.size === 0) return;
    this.#outdated = true;
    if (this.#asking) return;
    const { clock, signal } = this.#own.context;
    this.#asking = true;
    try {
      while (this.#outdated && this.online && !signal.aborted) {
        this.#outdated = false;
        await this.ask();
        await clock.sleep(askAgainMs, signal);
      }
    } finally {
      this.#asking = false;
    }
  }

  introduce(identity: Identity): void {
    this.#identity = identity;
    if (this.known) this.#announce();
  }

  measured(parts: readonly Part[]): void {
    if (parts.length === 0) return;
    for (const { key } of parts) if (this.#parts.size < mostParts) this.#parts.add(key);
    this.online = true;
    this.#announce();
    const told = new Map(parts.map(({ key, values }) => [key, values]));
    // A relay without a meter of its own is true as before: the device would have told.
    for (const { key, relay } of this.#units()) {
      const on = relay === undefined ? undefined : this.#on.get(relay);
      const values = { ...told.get(key), ...(on === undefined ? {} : { is_on: on ? 1 : 0 }) };
      if (Object.keys(values).length > 0) this.#emit(key, values);
    }
  }

  /**
   * All relays of the device, or, with `complete` false, some of them: those of one reply. True when one is otherwise
   * than was known.
   */
  switched(relays: ReadonlyMap<string, boolean>, complete: boolean): boolean {
    if (relays.size === 0) return false;
    this.online = true;
    if (complete) this.#relays = [...relays.keys()];
    if (this.#relays.length === 0) return false;
    const told = new Map([...relays].map(([relay, on]) => [this.#relayOf(relay), on]));
    const isNews = [...told].some(([relay, on]) => this.#on.get(relay) !== on);
    for (const [relay, on] of told) this.#on.set(relay, on);
    this.#announce();
    for (const { key, relay } of this.#units()) {
      const on = relay === undefined ? undefined : told.get(relay);
      if (on !== undefined) this.#emit(key, { is_on: on ? 1 : 0 });
    }
    if (complete) return isNews;
    for (const waiter of this.#waiting) {
      const on = told.get(waiter.relay);
      if (on !== undefined) waiter.heard(on);
    }
    return isNews;
  }

  /** Says that it does not work, once for each of its devices; nothing of what is no meter and no switch. */
  trouble(error: LaresError): void {
    for (const id of this.#announced.keys())
      this.#own.context.emit({ kind: 'trouble', id, address: this.topic, error });
  }

  gone(): void {
    if (this.online)
      this.trouble(
        new LaresError('UNREACHABLE', `${this.topic} is offline: the broker has lost its connection to it`),
      );
    this.online = false;
    this.#on.clear();
  }

  /** An only relay is `POWER` or `POWER1`, and one device may use both (`SetOption26`). */
  #relayOf(relay: string): string {
    if (this.#relays.includes(relay)) return relay;
    return relay === '' ? '1' : relay === '1' ? '' : relay;
  }

  #units(): Unit[] {
    return layout(this.#parts, this.#relays);
  }

  #announce(): void {
    const units = this.#units();
    for (const unit of units) {
      const device = deviceOf(unit, units, {
        base: this.#base,
        address: this.topic,
        name: this.#own.name,
        fallback: this.topic,
        identity: this.#identity,
      });
      const shown = JSON.stringify([device, unit.relay]);
      if (this.#announced.get(device.id) === shown) continue;
      this.#announced.set(device.id, shown);
      const { relay } = unit;
      const switches = relay === undefined ? undefined : this.#switches(relay);
      const { everyMs, context } = this.#own;
      context.emit({ kind: 'device', device, everyMs, ...(switches && { switches }) });
    }
  }

  #emit(key: string, values: Values): void {
    const id = key === '' ? this.#base : `${this.#base}/${key}`;
    this.#own.context.emit({ kind: 'measured', id, at: this.#own.context.clock.now(), values });
  }

  #switches(relay: string): Switches {
    const topic = `${this.#own.command}/POWER${relay}`;
    return {
      turn: async (on, signal) => {
        let said = await this.#exchange(relay, topic, on ? 'ON' : 'OFF', signal);
        // What came first may have been under way before; what it says when asked is what counts.
        for (let more = 0; more < 2 && said !== on; more += 1)
          said = await this.#exchange(relay, topic, '', signal);
        return said;
      },
    };
  }

  /** Sends to a relay and waits for what the device says about it. */
  async #exchange(relay: string, topic: string, payload: string, signal: AbortSignal): Promise<boolean> {
    const answer = Promise.withResolvers<boolean>();
    const waiter = { relay, heard: answer.resolve };
    const abort = () =>
      answer.reject(new LaresError('TIMEOUT', `${this.topic} did not say in time whether it switched`));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    this.#waiting.add(waiter);
    try {
      await Promise.race([this.#own.send(topic, payload), answer.promise]);
      return await answer.promise;
    } finally {
      this.#waiting.delete(waiter);
      signal.removeEventListener('abort', abort);
    }
  }
}
