import type { Movement } from '#kernel/bus.ts';
import { reason } from '#kernel/errors.ts';
import type { LanSighting, Target } from '#devices/model.ts';
import type { PresenceConfig } from './config.ts';
import {
  keepDevices,
  keepReports,
  newBelief,
  renewed,
  reported,
  settled,
  shifted,
  sighted,
  type Belief,
} from './belief.rules.ts';
import { defaultTuning, type Judgement, type Surroundings, type Tuning } from './fusion.model.ts';
import { judge } from './fusion.rules.ts';
import { countGuests, keepBook, shiftedBook, strangers, type GuestBook } from './guests.rules.ts';
import type { PersonConfig, PersonView, PresenceView, Report, Suggestion } from './model.ts';
import { ownerOf, ownersOf, type Owners } from './owners.rules.ts';
import { Relinker } from './relink.ts';
import type { PresenceParts } from './service.model.ts';
import { transition } from './transition.rules.ts';

interface Saved {
  readonly savedAt: number;
  readonly beliefs: readonly Belief[];
  /** Absent in what early versions wrote. */
  readonly guests?: GuestBook;
}

/** Where beliefs are kept in the state store. */
export const beliefsKey = 'presence.beliefs';
const saveEveryMs = 60_000;
const guestsEveryMs = 60_000;
// Door evidence older than this cannot belong to a silence that is still being judged.
const movementMemoryMs = 3_600_000;

/** Who is home: keeps a belief for every person, judges it on every tick and every sighting, and tells what changed. */
export class PresenceService {
  readonly #parts: PresenceParts;
  readonly #relinker: Relinker;
  readonly #listeners = new Set<(view: PresenceView) => void>();
  #config: PresenceConfig;
  #owners: Owners;
  #beliefs = new Map<string, Belief>();
  #judgements = new Map<string, Judgement>();
  #movements: Movement[] = [];
  #watched: { from: number; to: number };
  #savedAt = 0;
  #guests: GuestBook = {};
  #guestsAt = Number.NEGATIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();
  #unsubscribe: (() => void)[] = [];

  constructor(config: PresenceConfig, parts: PresenceParts) {
    this.#config = config;
    this.#parts = parts;
    this.#owners = ownersOf(config.people);
    this.#relinker = new Relinker(parts);
    const now = parts.clock.now();
    this.#watched = { from: now, to: now };
  }

  /** Loads what was known before the restart and begins to listen. */
  async start(): Promise<void> {
    const { bus, store, clock } = this.#parts;
    const saved = await store.state.get<Saved>(beliefsKey);
    for (const belief of saved?.beliefs ?? []) this.#beliefs.set(belief.person, belief);
    this.#guests = saved?.guests ?? {};
    await this.#relinker.load();
    const now = clock.now();
    // What passed while we were not running was not watched; nobody leaves because of it.
    this.#watched = { from: now, to: now };
    this.#unsubscribe = [
      bus.on('movement', (movement) => this.moved(movement)),
      bus.on('clock.jumped', ({ byMs }) => this.#shift(byMs)),
    ];
    this.configure(this.#config);
  }

  /** Writes everything down. Call when the process ends. */
  async stop(): Promise<void> {
    for (const off of this.#unsubscribe) off();
    this.#unsubscribe = [];
    await this.#save(true);
  }

  /** Takes new settings without a restart; people who stay keep what is known of them. */
  configure(config: PresenceConfig): void {
    const before = new Set(this.#config.people.map((p) => p.person));
    this.#config = config;
    this.#owners = ownersOf(config.people);
    for (const { pattern, people } of this.#owners.ambiguous)
      this.#parts.log.warn(`host name ${pattern} is claimed by ${people.join(' and ')}; it is ignored`);
    for (const settings of config.people) {
      const { person } = settings;
      const known = this.#beliefs.get(person);
      const belief = known === undefined ? newBelief(person) : before.has(person) ? known : renewed(known);
      // The phone of somebody else proves nothing of its former owner.
      this.#beliefs.set(
        person,
        keepReports(
          keepDevices(belief, (mac) => (this.#ownerNow(mac) ?? person) === person),
          settings,
        ),
      );
    }
    const names = new Set(config.people.map((p) => p.person));
    for (const person of this.#judgements.keys()) if (!names.has(person)) this.#judgements.delete(person);
    this.#greet();
    this.#evaluateAll();
  }

  /** Counts what is on the LAN already for whom it belongs to by now, so that nobody new is first thought away. */
  #greet(): void {
    for (const { mac, ip, network, lastSeen: at, lastVia: via } of this.#parts.lan.present(this.#presentMs()))
      this.saw({ mac, ip, network, at, via });
  }

  /** A device proved to be on the LAN. */
  saw(sighting: LanSighting): void {
    const hostname = sighting.hostname ?? this.#parts.lan.get(sighting.mac)?.hostname;
    const owner = this.ownerOf(sighting.mac, hostname);
    if (owner === undefined) return;
    const hour = this.#parts.hourOf(sighting.at);
    const { mac, at } = sighting;
    this.#update(owner, (belief) => sighted(this.#inherit(belief, mac), mac, at, hour, this.#watched.from));
  }

  /** Home Assistant or Tado said something about a person. */
  report(report: Report): void {
    this.#update(report.person, (belief) => reported(belief, report, this.#parts.clock.now()));
  }

  /** Somebody passed a door. */
  moved(movement: Movement): void {
    const now = this.#parts.clock.now();
    const { ref, source, direction } = movement;
    // A camera tells a passage again once it knows who it was.
    const again = (m: Movement) =>
      ref !== undefined && m.ref === ref && m.source === source && m.direction === direction;
    this.#movements = [
      ...this.#movements.filter((m) => now - m.at < movementMemoryMs && !again(m)),
      movement,
    ];
    this.#evaluateAll();
  }

  /** The person who carries this device: as configured, or else as linked by itself. */
  ownerOf(mac: string, hostname: string | undefined): string | undefined {
    const configured = ownerOf(this.#owners, mac, hostname);
    if (configured !== undefined) return configured;
    const linked = this.#relinker.personOf(mac);
    return this.#config.people.some((p) => p.person === linked) ? linked : undefined;
  }

  #ownerNow(mac: string): string | undefined {
    return this.ownerOf(mac, this.#parts.lan.get(mac)?.hostname);
  }

  /** The devices that deserve a directed probe, those that have been silent first. */
  tracked(): Target[] {
    const rows = this.#parts.lan
      .devices()
      .filter((d) => d.ip !== undefined && this.ownerOf(d.mac, d.hostname) !== undefined)
      .toSorted((a, b) => a.lastSeen - b.lastSeen);
    return rows.flatMap(({ ip, mac }) => (ip === undefined ? [] : [{ ip, mac }]));
  }

  /** Judges everybody afresh and returns the whole picture. */
  view(): PresenceView {
    this.#evaluateAll();
    return this.#picture();
  }

  /** Called with the new picture whenever somebody's state changes. Returns a function that unsubscribes. */
  onChange(listener: (view: PresenceView) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  suggestions(): readonly Suggestion[] {
    return this.#relinker.suggestions();
  }

  /** Once a tick: looks for changed addresses and writes down what is known. Never throws. */
  async maintain(): Promise<void> {
    try {
      this.#countGuests();
      await this.#relinker.maintain(this.#config.randomised_macs, [...this.#beliefs.values()], (d) =>
        ownerOf(this.#owners, d.mac, d.hostname),
      );
      await this.#save(false);
    } catch (error) {
      this.#parts.log.warn(`presence state cannot be written: ${reason(error)}`, { error });
    }
  }

  /** Resolves when every transition so far is in the journal. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  /** A phone keeps its habits under a new address. */
  #inherit(belief: Belief, mac: string): Belief {
    const old = this.#relinker.replacedBy(mac, belief.person);
    const habit = old === undefined ? undefined : belief.habits[old];
    if (habit === undefined || belief.habits[mac] !== undefined) return belief;
    return { ...belief, habits: { ...belief.habits, [mac]: habit } };
  }

  /** Phones of nobody that are about now, by address. Counted afresh once a minute. */
  strangers(): ReturnType<typeof strangers> {
    return strangers(this.#guests, this.#parts.clock.now());
  }

  #countGuests(): void {
    const now = this.#parts.clock.now();
    if (Math.abs(now - this.#guestsAt) < guestsEveryMs) return;
    this.#guestsAt = now;
    const unassigned = this.#parts.lan.devices().filter((d) => this.ownerOf(d.mac, d.hostname) === undefined);
    this.#guests = keepBook(this.#guests, unassigned, now);
  }

  #tuning(person: PersonConfig | undefined): Tuning {
    const config = this.#config;
    return {
      ...defaultTuning,
      policy: config.policy,
      graceMs: (person?.offline_grace_seconds ?? config.offline_grace_seconds) * 1000,
      exitGraceMs: config.exit_grace_seconds * 1000,
      longestSilenceMs: config.longest_silence_seconds * 1000,
      reportTtlMs: this.#parts.reportTtlMs(),
    };
  }

  #surroundings(person: PersonConfig): Surroundings {
    const now = this.#parts.clock.now();
    return {
      now,
      hour: this.#parts.hourOf(now),
      movements: this.#movements,
      exitsWatched: this.#config.exits_watched,
      watched: this.#watched,
      hasDevices: person.wifi_macs.length + person.wifi_hostnames.length > 0,
    };
  }

  #watch(): void {
    const now = this.#parts.clock.now();
    if (!this.#parts.lanWorks()) return;
    const { scanIntervalMs } = this.#parts;
    // After a gap in watching, everybody gets their full grace again.
    const gap = now - this.#watched.to > Math.max(120_000, scanIntervalMs() * 4);
    this.#watched = gap ? { from: now, to: now } : { from: this.#watched.from, to: now };
  }

  #evaluateAll(): void {
    this.#watch();
    for (const { person } of this.#config.people) this.#update(person, (belief) => belief);
  }

  #update(person: string, change: (belief: Belief) => Belief): void {
    const config = this.#config.people.find((p) => p.person === person);
    const before = this.#beliefs.get(person);
    if (config === undefined || before === undefined) return;
    const around = this.#surroundings(config);
    const changed = change(before);
    const judgement = judge(changed, around, this.#tuning(config));
    const after = settled(changed, judgement.state, around);
    this.#beliefs.set(person, after);
    this.#judgements.set(person, judgement);
    if (after.state !== before.state) this.#announce(before, after, judgement);
  }

  #announce(before: Belief, after: Belief, judgement: Judgement): void {
    const { log, store, clock } = this.#parts;
    const { line, event } = transition(before, after, judgement, clock.now());
    log.info(line);
    this.#writing = this.#writing
      .then(() => store.journal.append(event))
      .then(() => this.#save(true))
      .catch((error: unknown) =>
        log.warn(`a transition of ${after.person} could not be kept: ${reason(error)}`, { error }),
      );
    this.#tell();
  }

  /** A listener that fails must not look like a scan that failed, nor cost the others their news. */
  #tell(): void {
    if (this.#listeners.size === 0) return;
    const view = this.#picture();
    for (const listener of this.#listeners) {
      try {
        listener(view);
      } catch (error) {
        this.#parts.log.error(`presence error: a listener failed: ${reason(error)}`, { error });
      }
    }
  }

  /** The picture as last judged; `view()` would judge again and recurse. */
  #picture(): PresenceView {
    const people = this.#config.people.map((person) => this.#personView(person));
    const now = this.#parts.clock.now();
    return {
      at: now,
      people,
      countHome: people.filter((p) => p.state === 'home').length,
      devicesPresent: this.#devicesPresent(),
      guests: countGuests(this.#guests, now),
    };
  }

  /** Held between scans. Devices without an address of the network, such as a neighbour's IPv6 chatter, do not count. */
  #devicesPresent(): number {
    return this.#parts.lan.present(this.#presentMs()).filter((d) => d.ip !== undefined).length;
  }

  #presentMs(): number {
    return this.#parts.scanIntervalMs() * 2 + 5_000;
  }

  #personView(config: PersonConfig): PersonView {
    const belief = this.#beliefs.get(config.person) ?? newBelief(config.person);
    const judgement = this.#judgements.get(config.person);
    return {
      person: config.person,
      name: config.name ?? `${config.person.charAt(0).toUpperCase()}${config.person.slice(1)}`,
      state: belief.state,
      probability: judgement?.probability ?? 0.5,
      since: belief.since,
      lastSeen: judgement?.lastSeen,
      from: judgement?.from ?? { wifi: 0, homeassistant: 0, tado: 0 },
      evidence: judgement?.evidence ?? [],
      conflict: judgement?.conflict,
    };
  }

  #shift(byMs: number): void {
    const now = this.#parts.clock.now();
    const moved = (at: number) => Math.min(at + byMs, now);
    for (const [person, belief] of this.#beliefs) this.#beliefs.set(person, shifted(belief, byMs, now));
    this.#movements = this.#movements.map((m) => ({ ...m, at: moved(m.at) }));
    this.#watched = { from: moved(this.#watched.from), to: moved(this.#watched.to) };
    this.#guests = shiftedBook(this.#guests, byMs, now);
  }

  async #save(now: boolean): Promise<void> {
    const savedAt = this.#parts.clock.now();
    if (!now && Math.abs(savedAt - this.#savedAt) < saveEveryMs) return;
    this.#savedAt = savedAt;
    await this.#parts.store.state.set(beliefsKey, {
      savedAt,
      beliefs: [...this.#beliefs.values()],
      guests: this.#guests,
    } satisfies Saved);
  }
}
