import { defineDriver, type Driver } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import type { Access, EntityAnswer } from '#platform/homeassistant/model.ts';
import type { DriverParts, ElectricityContext } from '../../driver.ts';
import type { ElectricitySignal, Quantity, Values } from '../../model.ts';
import { config, example, type HomeAssistantEnergyConfig } from './config.ts';
import { isOn, valueOf } from './entity.rules.ts';
import { planDevices, type Plan, type Planned } from './plan.rules.ts';
import { noRegistry, type Registry } from './registry.codec.ts';
import { readRegistry } from './registry.ts';
import { switchOf } from './switch.ts';

export { config, example };
export type { HomeAssistantEnergyConfig } from './config.ts';

const socketRetryMs = 60_000;
// Clocks of two machines differ; an instant further off than this says nothing.
const trustedSkewMs = 60_000;

/** Power, energy and switches that Home Assistant knows: pushed over its WebSocket, read over REST while there is none. */
export function makeHomeAssistantEnergyDriver(
  parts: DriverParts,
): Driver<'homeassistant', HomeAssistantEnergyConfig, ElectricitySignal> {
  return defineDriver({
    kind: 'homeassistant',
    title: 'Energy from Home Assistant',
    config,
    example,
    traits: { cadence: 'push', needs: ['network'] },
    run: async (settings, context) => {
      if (parts.homeassistant === undefined)
        throw new LaresError(
          'CONFIG_INVALID',
          'electricity.homeassistant needs to know where Home Assistant is; set homeassistant.url and HOMEASSISTANT_TOKEN',
        );
      const { url, token, verifyTls = true } = parts.homeassistant;
      await new Source(settings, context, { url, token, verifyTls }).run();
    },
  });
}

class Source {
  readonly #settings: HomeAssistantEnergyConfig;
  readonly #context: ElectricityContext;
  readonly #access: Access;
  readonly #client: HomeAssistant;
  readonly #table = new Map<string, EntityAnswer>();
  readonly #silent = new Set<string>();
  readonly #said = new Set<string>();
  /** Instant of the newest values told of each device, epoch ms. */
  readonly #toldAt = new Map<string, number>();
  #watched: ReadonlySet<string> = new Set();
  #plan: Plan = { devices: [], problems: [] };
  #pushed = false;
  #socketTrouble = '';

  constructor(settings: HomeAssistantEnergyConfig, context: ElectricityContext, access: Access) {
    this.#settings = settings;
    this.#context = context;
    this.#access = access;
    this.#client = new HomeAssistant(access);
  }

  /** Ends when the signal does; throws when nothing can be heard any more. */
  async run(): Promise<void> {
    const { signal } = this.#context;
    try {
      this.#plan = await this.#look(signal);
      while (!signal.aborted) {
        this.#announce();
        this.#tellAll();
        await this.#listenUntilItChanges(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** What there is, from the states and, as far as it is told, the registry. */
  async #look(signal: AbortSignal): Promise<Plan> {
    const states = await this.#client.states(signal);
    const plan = planDevices(this.#settings, states, await this.#registry(signal));
    this.#read(states);
    for (const problem of plan.problems) this.#warnOnce(problem);
    return plan;
  }

  async #registry(signal: AbortSignal): Promise<Registry> {
    try {
      return await readRegistry(this.#access, signal);
    } catch (error) {
      // Without it the devices of `auto` would get other names and ids, and Lares might read itself.
      if (signal.aborted || this.#settings.auto || isRefusal(error)) throw error;
      this.#warnOnce(`it did not tell its devices: ${reason(error)}; the entities are read all the same`);
      return noRegistry;
    }
  }

  /** Resolves when another set of devices is to be heard, or with the signal. */
  async #listenUntilItChanges(signal: AbortSignal): Promise<void> {
    const round = new AbortController();
    const until = AbortSignal.any([signal, round.signal]);
    try {
      await Promise.race([this.#listen(until), this.#tellOnAndOn(until), this.#lookOnAndOn(until)]);
    } finally {
      round.abort();
    }
  }

  async #lookOnAndOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#context.clock.sleep(this.#settings.discovery_interval_seconds * 1000, signal);
      if (signal.aborted) return;
      const plan = await this.#look(signal).catch((error: unknown) => {
        if (signal.aborted || isRefusal(error)) throw error;
        this.#warnOnce(`the search for devices failed: ${reason(error)}`);
        return this.#plan;
      });
      if (JSON.stringify(plan.devices) === JSON.stringify(this.#plan.devices)) continue;
      this.#plan = plan;
      return;
    }
  }

  /** Keeps the WebSocket open. One that stood and fell is a reason to start again; one that never stood is not. */
  async #listen(signal: AbortSignal): Promise<void> {
    this.#watched = new Set(this.#plan.devices.flatMap(entitiesOf));
    const entities = [...this.#watched];
    if (entities.length === 0) return this.#context.clock.sleep(Number.MAX_SAFE_INTEGER, signal);
    while (!signal.aborted) {
      try {
        await this.#client.watch(
          entities,
          (answers) => this.#heard(answers),
          () => {
            this.#pushed = true;
            this.#socketTrouble = '';
            this.#alive();
          },
          signal,
        );
      } catch (error) {
        if (this.#pushed || isRefusal(error)) throw error;
        this.#socketTrouble = reason(error);
        this.#warnOnce(
          `nothing is pushed: ${this.#socketTrouble}; it is read every ${this.#settings.report_interval_seconds} s instead`,
        );
        await this.#context.clock.sleep(socketRetryMs, signal);
      }
    }
  }

  /** What does not change is still true: it is told again while Home Assistant stands by it. */
  async #tellOnAndOn(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#context.clock.sleep(this.#settings.report_interval_seconds * 1000, signal);
      if (signal.aborted) return;
      if (!this.#pushed) this.#read(await this.#client.states(signal));
      this.#tellAll();
    }
  }

  /** Takes what was read over REST, which is older by now than what is pushed. */
  #read(states: readonly EntityAnswer[]): void {
    for (const state of states)
      if (!this.#pushed || !this.#watched.has(state.entity)) this.#table.set(state.entity, state);
  }

  #announce(): void {
    const everyMs = this.#settings.report_interval_seconds * 1000;
    for (const { device, switch: entity } of this.#plan.devices)
      this.#context.emit({
        kind: 'device',
        device,
        everyMs,
        ...(entity === undefined ? {} : { switches: switchOf(this.#access, entity) }),
      });
  }

  #tellAll(): void {
    const now = this.#context.clock.now();
    for (const planned of this.#plan.devices) this.#tell(planned, entitiesOf(planned), now);
    this.#alive();
  }

  #heard(answers: readonly EntityAnswer[]): void {
    const now = this.#context.clock.now();
    const fresh = answers.filter((a) => !sameState(this.#table.get(a.entity), a));
    for (const answer of answers) this.#table.set(answer.entity, answer);
    for (const planned of this.#plan.devices) {
      const own = fresh.filter((a) => entitiesOf(planned).includes(a.entity));
      if (own.length > 0)
        this.#tell(
          planned,
          own.map((a) => a.entity),
          instantOf(own, now),
        );
    }
    this.#alive();
  }

  #tell(planned: Planned, entities: readonly string[], at: number): void {
    const { device } = planned;
    const values = this.#valuesOf(planned, entities);
    if (Object.keys(values).length > 0) {
      this.#silent.delete(device.id);
      // What changed a little before the last report and came after it is newer all the same.
      const newest = Math.min(Math.max(at, this.#toldAt.get(device.id) ?? at), this.#context.clock.now());
      this.#toldAt.set(device.id, newest);
      this.#context.emit({ kind: 'measured', id: device.id, at: newest, values });
      return;
    }
    if (this.#silent.has(device.id) || Object.keys(this.#valuesOf(planned, entitiesOf(planned))).length > 0)
      return;
    this.#silent.add(device.id);
    const [first] = entitiesOf(planned);
    const error = new LaresError(
      'UNREACHABLE',
      `${first} is unavailable in Home Assistant; is the device switched on and in reach?`,
    );
    this.#context.emit({ kind: 'trouble', id: device.id, address: first ?? '', error });
  }

  #valuesOf({ sensors, switch: switching }: Planned, entities: readonly string[]): Values {
    const said = sensors
      .filter((s) => entities.includes(s.entity))
      .map((s): [Quantity, number | undefined] => [s.quantity, valueOf(this.#table.get(s.entity), s.factor)]);
    const on =
      switching !== undefined && entities.includes(switching) ? isOn(this.#table.get(switching)) : undefined;
    return Object.fromEntries([...said, ['is_on', on] as const].filter(([, value]) => value !== undefined));
  }

  #warnOnce(sentence: string): void {
    if (this.#said.has(sentence)) return;
    this.#said.add(sentence);
    this.#context.log.warn(`homeassistant error: ${sentence}`);
  }

  #alive(): void {
    const way = this.#pushed ? 'pushed' : `read every ${this.#settings.report_interval_seconds} s`;
    const trouble = this.#socketTrouble === '' ? '' : `; no push: ${this.#socketTrouble}`;
    this.#context.alive(`${this.#plan.devices.length} devices, ${way}${trouble}`);
  }
}

const entitiesOf = ({ sensors, switch: switching }: Planned): string[] => [
  ...sensors.map((s) => s.entity),
  ...(switching === undefined ? [] : [switching]),
];

const sameState = (a: EntityAnswer | undefined, b: EntityAnswer) =>
  a !== undefined &&
  !('missing' in a) &&
  !('missing' in b) &&
  a.state === b.state &&
  a.changedAt === b.changedAt;

/** When the newest of them changed, as far as the clock of Home Assistant can be trusted. */
function instantOf(answers: readonly EntityAnswer[], now: number): number {
  const changed = Math.max(...answers.map((a) => ('missing' in a ? now : (a.changedAt ?? now))));
  return Math.abs(now - changed) > trustedSkewMs ? now : Math.min(changed, now);
}

const isRefusal = (error: unknown) => error instanceof LaresError && error.code === 'AUTH_REFUSED';
