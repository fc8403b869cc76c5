import { defineDriver, type Driver, type Schema } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { DriverParts, ElectricityContext, PollConfig, Protocol, Target } from '../driver.ts';
import type { ElectricitySignal } from '../model.ts';
import { Member } from './member.ts';
import { phase } from './schedule.rules.ts';

// A device that stopped answering may have moved; looking for it is cheap, but not at every failure.
const lookAgainMs = 30_000;
const failuresBeforeLooking = 2;
const signOfLifeMs = 15_000;
const mostNamed = 3;
/** What a search may add, and what may wait for a person: one hostile host can announce any number of devices. */
export const mostFound = 1_000;

/** What a polled protocol says about itself besides how to speak. */
export interface PolledDriver<Kind extends string, Config extends PollConfig, T extends Target> {
  readonly kind: Kind;
  readonly title: string;
  readonly config: Schema<Config>;
  readonly example: unknown;
  readonly protocol: Protocol<Config, T>;
}

/**
 * Any number of stations of one protocol, each polled on its own: a slow or dead one delays nobody. Finds them again
 * when their address changes. Never throws for a device: its trouble is a signal, and the others go on.
 */
export function polledDriver<const Kind extends string, Config extends PollConfig, T extends Target>(
  driver: PolledDriver<Kind, Config, T>,
  parts: Pick<DriverParts, 'whereIs'> = {},
): Driver<Kind, Config, ElectricitySignal> {
  const { kind, title, config, example } = driver;
  return defineDriver({
    kind,
    title,
    config,
    example,
    traits: { cadence: { everyMs: 30_000 }, needs: ['network'] },
    run: (settings, context) => new Fleet(driver.protocol, settings, context, parts).run(),
  });
}

class Fleet<Config extends PollConfig, T extends Target> {
  readonly #protocol: Protocol<Config, T>;
  readonly #config: Config;
  readonly #context: ElectricityContext;
  readonly #whereIs: (mac: string) => string | undefined;
  readonly #members: Member[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #needy = new Set<string>();
  #toldFull = false;
  #searched = false;
  #look: AbortController | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(
    protocol: Protocol<Config, T>,
    config: Config,
    context: ElectricityContext,
    parts: Pick<DriverParts, 'whereIs'>,
  ) {
    this.#protocol = protocol;
    this.#config = config;
    this.#context = context;
    this.#whereIs = parts.whereIs ?? (() => undefined);
  }

  async run(): Promise<void> {
    for (const target of this.#protocol.configured(this.#config)) this.#add(target);
    await Promise.all([this.#search(), this.#tellHealth()]);
    await Promise.all(this.#running);
  }

  #add(target: T): void {
    const { signal, clock, log, random } = this.#context;
    const intervalMs = target.pollIntervalMs ?? this.#config.poll_interval_seconds * 1000;
    const member = new Member(target, {
      context: this.#context,
      intervalMs,
      timeoutMs: this.#config.timeout_seconds * 1000,
      phaseMs: phase(this.#members.length, intervalMs),
      // A member only ever carries targets of this protocol.
      open: (t) => this.#protocol.open(t as T, this.#config, { clock, log, random }),
      concurrent: this.#protocol.concurrent ?? false,
      polled: (m) => this.#polled(m),
    });
    this.#members.push(member);
    this.#running.push(member.run(signal));
  }

  async #search(): Promise<void> {
    const { clock, signal, log } = this.#context;
    const protocol = this.#protocol;
    if (protocol.discover === undefined || protocol.discoversOnDemand === true) {
      this.#searched = true;
      return;
    }
    while (!signal.aborted) {
      this.#lookedAt = clock.monotonic();
      try {
        for await (const { target } of protocol.discover(this.#config, { signal })) this.#adopt(target);
      } catch (error) {
        if (!signal.aborted)
          log.warn(`${this.#protocol.kind} error: the search for devices failed: ${reason(error)}`, {
            error,
          });
      }
      this.#searched = true;
      this.#tellWhenAllTried();
      this.#look = new AbortController();
      await clock.sleep(
        this.#config.discovery_interval_seconds * 1000,
        AbortSignal.any([signal, this.#look.signal]),
      );
    }
  }

  /** Recognises a station that is known already, at its old address or a new one; anything else is new. */
  #adopt(target: T): void {
    const { id, host } = target;
    const byId = id === undefined ? undefined : this.#members.find((m) => idOf(m) === id);
    if (byId !== undefined) {
      // The same device on two addresses at once (Wi-Fi and cable): the one that works stays.
      const moved = byId.target.host !== host && !byId.works;
      if (moved) this.#move(byId, target, 'it was found');
      return;
    }
    if (target.needs !== undefined) return this.#tellNeeds(target);
    const byHost = this.#members.find((m) => m.target.host === host);
    if (byHost === undefined) return this.#isFull(this.#members.length) ? undefined : this.#add(target);
    // Its own polls know better than a reply to a search who it is.
    if (id === undefined || byHost.identity !== undefined || byHost.target.id !== undefined) return;
    byHost.retarget({ ...target, name: byHost.target.name });
  }

  /** Nothing is gained by asking a device that only a person can open; that it is there is worth one line. */
  #tellNeeds({ id, host, needs }: Target): void {
    const key = `${id ?? host} ${needs ?? ''}`;
    if (this.#needy.has(key) || this.#isFull(this.#needy.size)) return;
    this.#needy.add(key);
    this.#context.log.info(
      `${this.#protocol.kind}: found ${id ?? 'a device'} at ${host}, which needs ${needs ?? ''}`,
    );
  }

  /** Devices that the settings name are always taken; those that a search finds only up to a bound, told once. */
  #isFull(count: number): boolean {
    if (count < mostFound) return false;
    if (!this.#toldFull)
      this.#context.log.warn(
        `${this.#protocol.kind} error: more than ${mostFound} devices answer the search; the others are left alone. ` +
          'Look for the host that announces them, and name your own devices in the settings',
      );
    this.#toldFull = true;
    return true;
  }

  #move(member: Member, target: Target, how: string): void {
    const from = member.target.host === '' ? '' : ` from ${member.target.host}`;
    this.#context.log.info(
      `${this.#protocol.kind}: ${member.target.name ?? idOf(member) ?? 'a device'} moved${from} to ${target.host} (${how})`,
    );
    member.retarget({ ...target, name: member.target.name ?? target.name });
  }

  #polled(member: Member): void {
    if (member.works) this.#forgetTwin(member);
    else if (member.breaker.failures >= failuresBeforeLooking) this.#findAgain(member);
    this.#tellWhenAllTried();
  }

  /** Two entries turned out to be one device; the later one says nothing more. */
  #forgetTwin(member: Member): void {
    const station = member.identity?.station;
    const twins = this.#members.filter((m) => m !== member && m.identity?.station === station);
    const first = twins.find((m) => m.works && this.#members.indexOf(m) < this.#members.indexOf(member));
    if (first === undefined) return;
    this.#context.log.warn(
      `${this.#protocol.kind} error: ${member.target.host} and ${first.target.host} are the same device; ${member.target.host} is left out`,
    );
    this.#members.splice(this.#members.indexOf(member), 1);
    member.retire();
  }

  #findAgain(member: Member): void {
    const mac = member.identity?.mac ?? member.target.mac;
    const host = mac === undefined ? undefined : this.#whereIs(mac);
    // A port in the address belongs to the device, not to the network.
    const [, port] = member.target.host.split(':');
    const there = port === undefined ? host : `${host}:${port}`;
    if (host !== undefined && there !== undefined && there !== member.target.host) {
      this.#move(member, { ...member.target, host: there }, 'its MAC address was seen there');
      return;
    }
    if (this.#context.clock.monotonic() - this.#lookedAt > lookAgainMs) this.#look?.abort();
  }

  /** Until everything has been tried once nobody can say how the whole is. */
  #tellWhenAllTried(): void {
    if (this.#searched && this.#members.every((m) => m.tried || m.target.host === '')) this.#tell();
  }

  #tell(): void {
    const all = this.#members.length;
    const working = this.#members.filter((m) => m.works).length;
    const waiting = this.#needy.size === 0 ? '' : `, ${this.#needy.size} found that need something first`;
    if (all === 0) this.#context.alive(`no device found or configured yet${waiting}`);
    else if (working > 0) this.#context.alive(`${working} of ${all} answer${waiting}${this.#silent()}`);
  }

  /** Those that the settings or a search say are there, and that do not answer: the first of them by name. */
  #silent(): string {
    const names = this.#members
      .filter((m) => !m.works)
      .map(({ target: { name, host } }) => [name, host].filter(Boolean).join(' at '));
    const more = names.length > mostNamed ? ` and ${names.length - mostNamed} more` : '';
    return names.length === 0 ? '' : `; no answer from ${names.slice(0, mostNamed).join(', ')}${more}`;
  }

  /** Slow intervals must not look like silence. */
  async #tellHealth(): Promise<void> {
    const { clock, signal } = this.#context;
    while (!signal.aborted) {
      await clock.sleep(signOfLifeMs, signal);
      this.#tellWhenAllTried();
    }
  }
}

const idOf = (member: Member): string | undefined => member.identity?.station ?? member.target.id;
