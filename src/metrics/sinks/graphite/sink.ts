import type { Clock, Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Batch, Sink } from '#kernel/reading.ts';
import { systemClock } from '#platform/clock.ts';
import type { Health } from '#platform/health.ts';
import type { SinkStats } from '#platform/stats.ts';
import type { ReadingLog, StateStore } from '#store/model.ts';
import type { GraphiteConfig } from '../../config.ts';
import { audit, type AuditReport } from './audit.ts';
import { excess, pointsIn } from './backlog.ts';
import { encode } from './codec.ts';
import { deliver, named, Sentinel } from './receipt.ts';
import { Replay } from './replay.ts';
import { doubtfulMs, Ledger, type Range, type SavedLedger } from './rules.ts';

export interface GraphiteIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly health: Pick<Health, 'set'>;
  /** The spool: every tick is in it before it is offered here. */
  readonly readings: Pick<ReadingLog, 'range' | 'count'>;
  readonly state: Pick<StateStore, 'get' | 'set'>;
  /** How long the store keeps raw readings; older ones cannot be replayed. */
  readonly spoolMaxAgeMs?: number;
}

/** The figures of `/metrics`, and some more. Points are lines; times are milliseconds. */
export interface GraphiteStats extends SinkStats {
  readonly state: 'starting' | 'up' | 'down';
  /** Live ticks with a receipt: as many as there are `Successfully sent` lines. */
  readonly sentBatches: number;
  readonly replayedPoints: number;
  readonly lastSendMs: number;
  /** Age of the newest tick that Carbon confirmed; undefined before the first. */
  readonly lagMs: number | undefined;
  /** Series that Carbon confirmed but does not show; only with a render URL. */
  readonly missingSeries: number;
}

export const stateKey = 'metrics.graphite';
const name = 'graphite';
const housekeepingMs = 60_000;
const auditMs = 600_000;
const flushMs = 2_000;
const databasePauseMs = 5_000;
const defaultMaxAgeMs = (7 * 24 - 1) * 3_600_000;

const tickOf = ({ at }: Batch): Range => ({ from: at, to: at + 1 });

/**
 * Delivers every tick to Carbon: the live one first, then what was missed, in order and paced, straight from the
 * store. A tick counts as delivered by a receipt only (see `deliver`), and what was delivered within the replay
 * window is sent again whenever Carbon was away.
 */
export class GraphiteSink implements Sink {
  readonly name = name;
  readonly #config: GraphiteConfig;
  readonly #io: GraphiteIo;
  readonly #sentinel: Sentinel;
  readonly #counts = {
    sentTotal: 0,
    sentBatches: 0,
    failuresTotal: 0,
    replayedPoints: 0,
    droppedTotal: 0,
    reconnectsTotal: 0,
  };
  #ledger: Ledger | undefined;
  /** False while it is not known what the run before us left; that must not be written over. */
  #recalled = false;
  #live: Batch | undefined;
  #state: GraphiteStats['state'] = 'starting';
  #downSince = 0;
  #lastError = '';
  #backlogPoints = 0;
  #replayedSince = 0;
  #lastSendMs = 0;
  #newestConfirmed: number | undefined;
  #lastReceiptAt: number | undefined;
  #lastAudit: AuditReport | undefined;
  /** Why the last audit could not be made. */
  #auditTrouble: string | undefined;
  readonly #replay: Replay;
  /** Why the last chunk of the backlog failed, until the next live tick gets through. */
  #backlogError: string | undefined;
  #bell = Promise.withResolvers<void>();
  readonly #closing = new AbortController();
  readonly #attempted = Promise.withResolvers<void>();

  constructor(config: GraphiteConfig, io: GraphiteIo) {
    this.#config = config;
    this.#io = io;
    this.#replay = new Replay(config.pace_points_per_second, systemClock);
    this.#sentinel = new Sentinel(config, () => this.#gone());
  }

  /** Resolves after the first attempt to send, whether it worked or not: the service is ready then. */
  get attempted(): Promise<void> {
    return this.#attempted.promise;
  }

  offer(batch: Batch): void {
    // Only the newest tick is live; one that had to wait becomes backlog, so that cycles never overlap.
    if (this.#live !== undefined) this.#ledger?.missed(tickOf(this.#live));
    this.#ledger?.offered(batch.at);
    this.#live = batch;
    this.#bell.resolve();
  }

  stats(): GraphiteStats {
    return {
      ...this.#counts,
      name,
      target: named(this.#config),
      connected: this.#state === 'up',
      state: this.#state,
      backlog: this.#backlogPoints,
      oldestAt: this.#backlogPoints === 0 ? undefined : this.#ledger?.oldest?.from,
      lastReceiptAt: this.#lastReceiptAt,
      lastSendMs: this.#lastSendMs,
      lagMs:
        this.#newestConfirmed === undefined
          ? undefined
          : Math.max(0, this.#io.clock.now() - this.#newestConfirmed),
      missingSeries: this.#lastAudit?.missingSeries.length ?? 0,
    };
  }

  /** Sends until the signal aborts; then tries for at most 2 s to send the last tick, and keeps the ledger. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, health, state } = this.#io;
    health.set(name, 'starting', `connecting to ${named(this.#config)}`);
    let saved: SavedLedger | undefined;
    try {
      saved = await state.get<SavedLedger>(stateKey);
      this.#recalled = true;
    } catch (error) {
      this.#io.log.warn(`graphite error: its place in the backlog cannot be read yet: ${reason(error)}`, {
        error,
      });
    }
    this.#ledger = new Ledger(this.#config.replay_minutes * 60_000, clock.now(), saved);
    if (this.#live !== undefined) this.#ledger.offered(this.#live.at);
    await this.#recount();
    signal.addEventListener('abort', () => this.#bell.resolve(), { once: true });
    const loop = this.#loop(this.#ledger, signal);
    void this.#housekeeping(signal);
    if (this.#config.render_url !== undefined) void this.#audits(this.#config.render_url, signal);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([loop, systemClock.sleep(flushMs, this.#closing.signal)]);
    this.#closing.abort();
    this.#sentinel.close();
    await loop;
    await this.#persist();
    health.set(name, 'off', 'stopped');
  }

  async #loop(ledger: Ledger, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#bell = Promise.withResolvers();
      if (this.#live !== undefined) await this.#sendLive(ledger, this.#config.timeout_seconds * 1000);
      else if (this.#mayReplay && ledger.oldest !== undefined) await this.#sendBacklog(ledger);
      else await this.#bell.promise;
    }
    if (this.#live !== undefined && !this.#closing.signal.aborted) await this.#sendLive(ledger, flushMs);
  }

  get #mayReplay(): boolean {
    return this.#state === 'up' && this.#backlogError === undefined;
  }

  async #sendLive(ledger: Ledger, timeoutMs: number): Promise<void> {
    const batch = this.#live!;
    this.#live = undefined;
    const { payload, points } = encode([batch]);
    if (points === 0) return ledger.drop(tickOf(batch));
    try {
      const tookMs = await this.#confirm(payload, timeoutMs);
      ledger.delivered(tickOf(batch), this.#io.clock.monotonic());
      if (tookMs > doubtfulMs) ledger.missed(tickOf(batch));
    } catch (error) {
      ledger.missed(tickOf(batch));
      this.#backlogPoints += points;
      await this.#failed(error);
      this.#attempted.resolve();
      return;
    }
    this.#counts.sentBatches += 1;
    this.#counts.sentTotal += points;
    this.#newestConfirmed = batch.at;
    this.#backlogError = undefined;
    const target = named(this.#config);
    this.#io.log.info(`Successfully sent ${points} metrics (Sent ${points} metrics to Graphite ${target})`);
    this.#attempted.resolve();
    await this.#works(ledger);
  }

  /** One paced chunk of what is missing, oldest first. */
  async #sendBacklog(ledger: Ledger): Promise<void> {
    const { waitMs } = this.#replay;
    if (waitMs > 0) {
      await Promise.race([systemClock.sleep(waitMs), this.#bell.promise]);
      return;
    }
    const chunk = await this.#replay.next(ledger, this.#io.readings).catch((error: unknown) => {
      this.#io.log.warn(`graphite error: the backlog cannot be read: ${reason(error)}`, { error });
      this.#replay.pause(databasePauseMs);
    });
    if (chunk === undefined) return;
    const { payload, points } = encode(chunk.ticks);
    try {
      const tookMs = points === 0 ? 0 : await this.#confirm(payload, this.#config.timeout_seconds * 1000);
      if (!this.#replay.sent(chunk, points, tookMs)) return;
    } catch (error) {
      // Whether Carbon is down is for the next live tick to say; until then the backlog waits.
      this.#counts.failuresTotal += 1;
      this.#backlogError = reason(error);
      this.#replay.failed(points);
      return;
    }
    ledger.delivered(chunk.range, this.#io.clock.monotonic());
    this.#counts.sentTotal += points;
    this.#counts.replayedPoints += points;
    this.#replayedSince += points;
    this.#backlogPoints = Math.max(0, this.#backlogPoints - points);
    if (ledger.oldest !== undefined) return;
    this.#backlogPoints = 0;
    if (this.#replayedSince > 0) this.#io.log.info(`graphite replay finished: ${this.#replayedSince} points`);
    this.#replayedSince = 0;
    await this.#persist();
    this.#report();
  }

  /**
   * Sends and waits for the receipt, all within `timeoutMs`. A Carbon that restarted meanwhile has confirmed nothing.
   * Resolves with the ms that Carbon itself took.
   */
  async #confirm(payload: string, timeoutMs: number): Promise<number> {
    const startedAt = systemClock.monotonic();
    await this.#sentinel.open(timeoutMs, this.#closing.signal);
    const generation = this.#sentinel.generation;
    const left = Math.max(1, timeoutMs - (systemClock.monotonic() - startedAt));
    const { carbonMs } = await deliver(this.#config, payload, left, this.#closing.signal);
    if (this.#sentinel.generation !== generation)
      throw new LaresError('UNREACHABLE', `${named(this.#config)} went away while it received`);
    this.#lastSendMs = systemClock.monotonic() - startedAt;
    this.#lastReceiptAt = this.#io.clock.now();
    return carbonMs;
  }

  /** The watching connection ended: Carbon restarted, even if every batch was confirmed. */
  #gone(): void {
    this.#counts.reconnectsTotal += 1;
    this.#replay.forget();
    this.#ledger?.reopen(this.#io.clock.monotonic());
    void this.#recount();
    this.#bell.resolve();
  }

  async #failed(error: unknown): Promise<void> {
    this.#counts.failuresTotal += 1;
    this.#lastError = reason(error);
    this.#replay.forget();
    if (this.#closing.signal.aborted) return;
    if (this.#state !== 'down') {
      this.#state = 'down';
      this.#downSince = this.#io.clock.monotonic();
      this.#io.log.error(`graphite error: ${this.#lastError}; ticks are kept until it is back`, { error });
      await this.#recount();
      await this.#persist();
    }
    this.#report();
  }

  async #works(ledger: Ledger): Promise<void> {
    if (this.#state === 'up') return this.#report();
    if (this.#state === 'down') {
      this.#counts.reconnectsTotal += 1;
      ledger.reopen(this.#io.clock.monotonic());
      await this.#recount();
      this.#io.log.info(`graphite works again; ${this.#backlogPoints} points are replayed`);
    }
    this.#state = 'up';
    await this.#persist();
    this.#report();
  }

  #report(): void {
    const target = named(this.#config);
    const waiting = this.#backlogPoints > 0 ? `; ${this.#backlogPoints} points wait` : '';
    const missing = this.#lastAudit?.missingSeries.length ?? 0;
    if (this.#state === 'down') this.#io.health.set(name, 'down', `${this.#lastError}${waiting}`);
    else if (missing > 0)
      this.#io.health.set(
        name,
        'degraded',
        `${missing} series are confirmed but missing in Graphite${waiting}`,
      );
    else this.#io.health.set(name, 'ok', `sends to ${target}${waiting}`);
  }

  /** Once a minute: keep the ledger, hold the limits, and say how a long outage goes. */
  async #housekeeping(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#io;
    while (!signal.aborted) {
      await clock.sleep(housekeepingMs, signal);
      if (signal.aborted) return;
      await this.trim();
      await this.#persist();
      const forS = Math.round((clock.monotonic() - this.#downSince) / 1000);
      const trouble =
        this.#state === 'down'
          ? `still failing after ${forS} s: ${this.#lastError}`
          : this.#backlogError && `the backlog does not get through: ${this.#backlogError}`;
      if (trouble !== undefined) log.warn(`graphite error: ${trouble}; ${this.#backlogPoints} points wait`);
    }
  }

  /** Gives up the oldest points above the limits; done by itself once a minute. */
  async trim(): Promise<void> {
    const { clock, log, readings, spoolMaxAgeMs = defaultMaxAgeMs } = this.#io;
    const limits = { oldest: clock.now() - spoolMaxAgeMs, mostPoints: this.#config.spool_max_points };
    const { ranges, points } = await excess(readings, this.#ledger?.pending ?? [], limits).catch(() => ({
      ranges: [],
      points: 0,
    }));
    for (const range of ranges) this.#ledger?.drop(range);
    await this.#recount();
    if (points === 0) return;
    this.#counts.droppedTotal += points;
    log.error(`graphite error: the backlog is over its limit; the ${points} oldest points are given up`);
  }

  async #recount(): Promise<void> {
    const pending = this.#ledger?.pending ?? [];
    this.#backlogPoints = await pointsIn(this.#io.readings, pending).catch(() => this.#backlogPoints);
  }

  async #persist(): Promise<void> {
    if (this.#ledger === undefined) return;
    try {
      if (!this.#recalled) await this.#recall(this.#ledger);
      await this.#io.state.set(stateKey, this.#ledger.save(this.#io.clock.monotonic()));
    } catch (error) {
      this.#io.log.warn(`graphite error: its place in the backlog cannot be kept: ${reason(error)}`, {
        error,
      });
    }
  }

  /** Takes over what the run before us left, when that could not be read at the start. */
  async #recall(ledger: Ledger): Promise<void> {
    const saved = await this.#io.state.get<SavedLedger>(stateKey);
    this.#recalled = true;
    if (saved === undefined) return;
    const since = { from: saved.through, to: this.#io.clock.now() };
    for (const range of [...saved.pending, ...saved.recent, since]) ledger.missed(range);
    await this.#recount();
    this.#bell.resolve();
  }

  /** Every 10 minutes: sends again what Carbon confirmed but does not show. */
  async #audits(renderUrl: string, signal: AbortSignal): Promise<void> {
    const { clock, log, readings } = this.#io;
    while (!signal.aborted) {
      await clock.sleep(auditMs, signal);
      if (signal.aborted || this.#state !== 'up') continue;
      try {
        const report = await audit(renderUrl, readings, clock.now(), signal);
        const before = this.#lastAudit?.summary;
        this.#lastAudit = report;
        this.#auditTrouble = undefined;
        if (report.summary !== before && report.summary !== undefined)
          log.warn(`graphite error: ${report.summary}`);
        for (const hole of report.holes) this.#ledger?.missed(hole);
        if (report.holes.length > 0) await this.#recount();
        this.#bell.resolve();
      } catch (error) {
        const trouble = reason(error);
        if (!signal.aborted && trouble !== this.#auditTrouble)
          log.warn(`graphite error: what it keeps cannot be read back: ${trouble}`, { error });
        this.#auditTrouble = trouble;
      }
    }
  }
}
