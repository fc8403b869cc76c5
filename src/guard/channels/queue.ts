import type { DeliveryRow } from '#cctv/index.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Health } from '#platform/health.ts';
import type { AlertChannelStats } from '#platform/stats.ts';
import type { AlertMessage } from '../model.ts';
import type { DeliveryStore, FindAlert } from '../port.ts';
import type { ChannelIo, ChannelSettings, OpenChannel } from './contract.ts';
import { Place, type AnyChannel, type Lane, type Ready } from './place.ts';
import { byUrgency, consequence, spell } from './queue.rules.ts';

/** How often due deliveries are looked for when nothing calls. */
const lookMs = 1_000;
const idleLookMs = 30_000;
/** How often a channel that rests is asked whether it would work. */
const checkMs = 300_000;
/** Deliveries read at a time of each action, and alerts in one digest. */
const pageRows = 200;

export interface QueueIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly health: Pick<Health, 'set'>;
  readonly store: DeliveryStore;
  readonly find: FindAlert;
  readonly channels: Readonly<Record<string, AnyChannel>>;
}

/**
 * Brings alerts to people, over restarts: at least once, and once where the channel can recognise a second try. Each
 * channel, and within it each lane, goes its own way; what hangs delays nobody else.
 */
export class AlertQueue {
  readonly #io: QueueIo;
  readonly #places = new Map<string, Place>();
  /** Rows that are being told. */
  readonly #busy = new Set<string>();
  /** Rows that were told and could not be marked yet: never told again. */
  readonly #told = new Map<string, DeliveryRow>();
  #settings: ChannelSettings | undefined;
  #exchange: Promise<void> = Promise.resolve();
  #wake: () => void = () => {};
  #checkNow: () => void = () => {};
  #lookedAt = 0;

  constructor(io: QueueIo) {
    this.#io = io;
    for (const [kind, channel] of Object.entries(io.channels))
      this.#places.set(kind, new Place(kind, channel));
  }

  /**
   * Opens the channels with these settings. Called again, it exchanges those whose settings changed, after their tries
   * in flight have ended, and lets everything that waits try at once.
   */
  use(settings: ChannelSettings, io: ChannelIo): Promise<void> {
    // One exchange after the other: the last settings win.
    this.#exchange = this.#exchange.catch(() => {}).then(() => this.#use(settings, io));
    return this.#exchange;
  }

  async #use(settings: ChannelSettings, io: ChannelIo): Promise<void> {
    const before = this.#settings;
    this.#settings = settings;
    const same = ({ channel }: Place) =>
      before !== undefined &&
      channel.reads.every((key) => JSON.stringify(before[key]) === JSON.stringify(settings[key]));
    await Promise.all(
      [...this.#places.values()].map(async (place) => {
        if (place.open !== undefined && same(place)) return;
        place.paused = true;
        try {
          await Promise.all(place.inFlight);
          await place.open?.close();
          place.open = place.channel.open(settings, io) as OpenChannel<unknown>;
          place.lanes.clear();
        } finally {
          place.paused = false;
        }
      }),
    );
    this.#release();
    this.#checkNow();
    this.wake();
  }

  /** Something new waits. */
  wake(): void {
    this.#wake();
  }

  /** Delivers until the signal aborts; what is on its way then stays for the next start. Closes the channels. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#io;
    const checks = this.#keepChecking(signal);
    while (!signal.aborted) {
      const called = new Promise<void>((resolve) => (this.#wake = resolve));
      let waits = true;
      try {
        waits = this.#look(signal) || this.#io.store.waiting() > 0;
      } catch (error) {
        log.error(`alert queue error: ${reason(error)}; it is tried again`, { error });
      }
      await this.#rest(called, waits ? lookMs : idleLookMs, signal);
    }
    await Promise.all([checks, ...[...this.#places.values()].flatMap((p) => [...p.inFlight])]);
    for (const { open } of this.#places.values()) await open?.close();
  }

  stats(): AlertChannelStats[] {
    return [...this.#places.values()].map((place) => place.stats(this.#io.store.waiting(place.kind)));
  }

  /** Everything that waits may try at once: the world has changed since. */
  #release(): void {
    const { store, clock } = this.#io;
    for (const { lanes } of this.#places.values()) for (const lane of lanes.values()) lane.restUntil = 0;
    this.#written(store.hasten(clock.now()));
  }

  /** Starts what can go; true while there is anything to come back for soon. */
  #look(signal: AbortSignal): boolean {
    const { store, clock } = this.#io;
    for (const row of this.#told.values()) this.#markDone(row);
    const now = clock.now();
    // A clock that was set back would make everything wait for as long.
    if (now < this.#lookedAt - lookMs) this.#release();
    this.#lookedAt = now;
    const rows = store.due(now, pageRows).filter((r) => !this.#told.has(r.id) && !this.#busy.has(r.id));
    const lanes = Map.groupBy(
      rows.flatMap((row) => this.#ready(row, now) ?? []),
      ({ row, action }) => `${row.channel}\n${this.#places.get(row.channel)!.channel.lane(action)}`,
    );
    for (const { lanes: all } of this.#places.values()) for (const lane of all.values()) lane.next = [];
    for (const [key, ready] of lanes) this.#serve(key.slice(key.indexOf('\n') + 1), ready, now, signal);
    return (
      rows.length > 0 || [...this.#places.values()].some((p) => p.lanes.values().some((l) => l.why !== ''))
    );
  }

  /** A row with all that is needed to tell it; undefined, and marked so, where that can never be. */
  #ready(row: DeliveryRow, now: number): Ready | undefined {
    const place = this.#places.get(row.channel);
    const alert = this.#io.find(row.alert);
    const action = place?.channel.action.safeParse(row.action);
    if (place === undefined || alert === undefined || action?.success !== true) {
      const why =
        place === undefined
          ? `there is no channel ${row.channel}`
          : alert === undefined
            ? 'the book no longer has the alert'
            : 'the action of the rule is no longer valid';
      this.#end(row, 'failed', why, alert);
      return undefined;
    }
    const age = now - alert.at;
    if (age < place.channel.staleAfterMs) return { row, alert, action: action.data };
    const last = row.detail === undefined ? '' : `; last: ${row.detail}`;
    this.#end(row, 'given-up', `given up ${spell(age)} after the alert, too late to tell${last}`, alert);
    return undefined;
  }

  /** Starts what a lane has room for, and keeps the rest at hand; one that rests postpones it. */
  #serve(laneKey: string, ready: readonly Ready[], now: number, signal: AbortSignal): void {
    const place = this.#places.get(ready[0]!.row.channel)!;
    if (place.paused || place.open === undefined) return;
    const lane = place.lane(laneKey);
    if (now < lane.restUntil) {
      for (const { row, alert } of ready)
        this.#postpone(row, alert, place, lane.restUntil, row.attempts, lane.why);
      return;
    }
    lane.next = this.#batches(place, ready, now);
    this.#startNext(place, lane, signal);
  }

  #startNext(place: Place, lane: Lane, signal: AbortSignal): void {
    // After a failure one goes ahead; the others follow once it has arrived.
    const most = lane.failures > 0 || lane.why !== '' ? 1 : place.channel.concurrency;
    while (lane.inFlight < most && !place.paused && !signal.aborted) {
      const batch = lane.next.shift();
      if (batch === undefined) return;
      this.#start(place, lane, batch, signal);
    }
  }

  /** Deliveries that go in one message, the urgent first. Only what was held back before is put together. */
  #batches(place: Place, ready: readonly Ready[], now: number): Ready[][] {
    const until = ({ alert, action }: Ready) =>
      alert.snapshot === undefined
        ? alert.at + (place.channel.patienceMs?.(action, this.#settings!) ?? 0)
        : 0;
    const able = ready
      .filter((one) => now >= until(one) || now < one.alert.at)
      .toSorted((a, b) =>
        byUrgency({ ...a.row, severity: a.alert.severity }, { ...b.row, severity: b.alert.severity }),
      );
    if (place.open?.digest === undefined) return able.map((one) => [one]);
    const groups = Map.groupBy(able, ({ row }) =>
      row.detail === undefined ? row.id : `${row.dueAt} ${JSON.stringify(row.action)}`,
    );
    return [...groups.values()].map((group) => group.slice(0, pageRows));
  }

  #start(place: Place, lane: Lane, batch: readonly Ready[], signal: AbortSignal): void {
    for (const { row } of batch) this.#busy.add(row.id);
    lane.inFlight += 1;
    const done = this.#tell(place, lane, batch, signal)
      .catch((error: unknown) =>
        this.#io.log.error(`alert queue error: ${reason(error)}; it is tried again`, { error }),
      )
      .finally(() => {
        for (const { row } of batch) this.#busy.delete(row.id);
        lane.inFlight -= 1;
        place.inFlight.delete(done);
        this.#startNext(place, lane, signal);
        // Only with nothing at hand is the store asked again: it may hold thousands.
        if (lane.next.length === 0) this.wake();
      });
    place.inFlight.add(done);
  }

  async #tell(place: Place, lane: Lane, batch: readonly Ready[], signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#io;
    const over = new AbortController();
    const limit = new AbortController();
    void clock.sleep(place.channel.deadlineMs, over.signal).then(() => limit.abort());
    const ends = AbortSignal.any([signal, limit.signal]);
    const { alert, action } = batch[0]!;
    try {
      if (batch.length === 1) await place.open!.deliver(alert, action, ends);
      else
        await place.open!.digest!(
          batch.map((b) => b.alert),
          action,
          ends,
        );
    } catch (error) {
      // Our own end is no failure; the row still waits when we start again.
      if (!signal.aborted) this.#failed(place, lane, batch, error);
      return;
    } finally {
      over.abort();
    }
    const now = clock.now();
    for (const ready of batch) {
      this.#markDone(ready.row);
      place.took(now - ready.alert.at);
    }
    if (lane.failures > 0 || lane.parked) log.info(`${place.kind} works again`);
    Object.assign(lane, { failures: 0, restUntil: 0, why: '', parked: false });
    this.#report(place);
  }

  #failed(place: Place, lane: Lane, batch: readonly Ready[], error: unknown): void {
    const { clock, log, random } = this.#io;
    const failure =
      error instanceof LaresError
        ? error
        : new LaresError('INTERNAL', `${place.kind} failed: ${reason(error)}`, { cause: error });
    const tries = { lane: lane.failures, row: batch[0]!.row.attempts };
    const { rest, waitMs, counts, parked } = consequence(failure, tries, random());
    const dueAt = clock.now() + waitMs;
    const text = failure.message;
    if (counts) place.failures += 1;
    const news = (rest === 'lane' ? lane.why : batch[0]!.row.detail) !== text;
    if (rest === 'lane') Object.assign(lane, { restUntil: dueAt, why: text, parked, next: [] });
    if (rest === 'lane' && counts) lane.failures += 1;
    if (news && parked)
      log.error(`${place.kind} error: ${text}; it waits until the settings change`, { error });
    else if (news && counts)
      log.warn(`${place.kind} error: ${text}`, { error, retry_in_s: Math.round(waitMs / 1_000) });
    else if (news) log.info(`${place.kind}: ${text}`);
    for (const { row, alert } of batch)
      this.#postpone(row, alert, place, dueAt, row.attempts + (counts ? 1 : 0), text);
    this.#report(place);
  }

  /** Sets the next try; not later than the instant at which it would be given up. */
  #postpone(
    row: DeliveryRow,
    alert: AlertMessage,
    place: Place,
    dueAt: number,
    attempts: number,
    detail: string,
  ): void {
    const last = alert.at + place.channel.staleAfterMs;
    this.#mark(row.id, 'waiting', { attempts, dueAt: Math.min(dueAt, last), detail });
  }

  #mark(...[id, state, change]: Parameters<DeliveryStore['mark']>): void {
    this.#written(this.#io.store.mark(id, state, change));
  }

  /** The store knows at once; that the disk does not is trouble of the store, which it reports itself. */
  #written(work: void | Promise<void>): void {
    Promise.resolve(work).catch((error: unknown) =>
      this.#io.log.error(`alert queue error: ${reason(error)}`, { error }),
    );
  }

  #markDone(row: DeliveryRow): void {
    const { clock, log } = this.#io;
    try {
      this.#mark(row.id, 'done', { attempts: row.attempts + 1, dueAt: clock.now() });
      this.#told.delete(row.id);
    } catch (error) {
      if (!this.#told.has(row.id))
        log.error(`alert queue error: a delivery cannot be marked as done: ${reason(error)}`, { error });
      this.#told.set(row.id, row);
    }
  }

  #end(row: DeliveryRow, state: 'failed' | 'given-up', why: string, alert: AlertMessage | undefined): void {
    const place = this.#places.get(row.channel);
    this.#mark(row.id, state, { attempts: row.attempts, dueAt: row.dueAt, detail: why });
    if (place !== undefined) place[state === 'failed' ? 'failed' : 'givenUp'] += 1;
    this.#io.log.warn(`${row.channel} error: alert ${row.alert} was not told: ${why}`, { rule: alert?.rule });
  }

  /** Asks every channel now and then, so that a dead speaker is known before it is needed. */
  async #keepChecking(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const called = new Promise<void>((resolve) => (this.#checkNow = resolve));
      await Promise.all(
        [...this.#places.values()].map(async (place) => {
          await place.check(this.#io.clock, signal);
          this.#report(place);
        }),
      );
      await this.#rest(called, checkMs, signal);
    }
  }

  /** Sleeps until the time is over or somebody calls. */
  async #rest(called: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    await Promise.race([called, this.#io.clock.sleep(ms, AbortSignal.any([signal, over.signal]))]);
    over.abort();
  }

  /** The health of a channel, after something happened to it. */
  #report(place: Place): void {
    const { state, detail } = place.state();
    this.#io.health.set(`alerts.${place.kind}`, state, detail);
  }
}
