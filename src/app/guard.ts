import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { EventBook } from '#cctv/book/book.ts';
import type { Observation } from '#cctv/index.ts';
import type { Clock } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { ChannelIo, ChannelSettings, Publisher } from '#guard/channels/contract.ts';
import { AlertQueue } from '#guard/channels/queue.ts';
import { channels, type Action, type ChannelKind } from '#guard/channels/registry.ts';
import { modeAt, modeData, type HandMode, type ModeView } from '#guard/mode.rules.ts';
import type { AlertMessage, HomeMode, Situation } from '#guard/model.ts';
import { Guard, messageOf } from '#guard/service.ts';
import { provenPeople, situationOf } from '#guard/situation.rules.ts';
import type { Health } from '#platform/health.ts';
import type { AlertChannelStats } from '#platform/stats.ts';
import type { Logger } from '#platform/log.ts';
import type { PresenceView } from '#presence/index.ts';
import { uuid7 } from '#store/id.ts';
import type { Store } from '#store/model.ts';
import type { HouseConfig } from './config.ts';

export interface GuardParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly store: Store;
  readonly health: Health;
  readonly book: EventBook;
  readonly timeZone: string;
  readonly dataDir: string;
  readonly presence: () => PresenceView;
  readonly strangers: () => Situation['unknownPhones'];
  readonly cameraName: (camera: string) => string;
  /** Absent in a house without a broker. */
  readonly publisher: Publisher | undefined;
}

const handKey = 'guard.mode';
// The line of an alert names how telling it went; by then most has been told.
const resultsAfterMs = 10_000;
const settlingMs = 60_000;

/** The guard of one house, wired: rules, the queue of what is to be told, the mode of the house. */
export class HouseGuard {
  readonly guard: Guard;
  readonly queue: AlertQueue;
  readonly #parts: GuardParts;
  readonly #io: ChannelIo;
  #config: HouseConfig;
  #hand: HandMode | undefined;
  #situation: Situation | undefined;
  readonly #startedAt: number;
  readonly #ending = new AbortController();
  readonly #lines = new Set<Promise<void>>();

  constructor(config: HouseConfig, parts: GuardParts) {
    const { clock, log, book, health, store, cameraName, dataDir, timeZone, publisher } = parts;
    this.#config = config;
    this.#parts = parts;
    this.#startedAt = clock.now();
    this.#io = {
      clock,
      log: log.child('alerts.channels'),
      random: Math.random,
      timeZone,
      publisher,
      env: process.env,
    };
    this.queue = new AlertQueue({
      clock,
      log: log.child('guard'),
      random: Math.random,
      health,
      store: book,
      find: (id) => {
        const row = book.findAlert(id);
        // While the file cannot be written the book gives out deliveries of alerts that it has not yet.
        return row === undefined
          ? this.guard.recent(id)
          : messageOf(row, (file) => path.resolve(dataDir, file));
      },
      channels,
    });
    this.guard = new Guard({
      clock,
      log: log.child('guard'),
      book,
      journal: store.journal,
      state: store.state,
      situation: (at) => this.situation(at),
      cameraName,
      presenceSeries: () => `${this.#config.presence.metrics.prefix}.anyone_home`,
      usualActions: () => this.#usual(),
      newId: (at) => uuid7(at, 0, randomBytes(8)),
      waiting: () => this.queue.wake(),
    });
    this.guard.onAlert((alert) => {
      const line = this.#writeLine(alert)
        .catch((error: unknown) => log.error(`alerts error: ${reason(error)}`, { error }))
        .then(() => void this.#lines.delete(line));
      this.#lines.add(line);
    });
  }

  async start(): Promise<void> {
    this.#hand = await this.#parts.store.state.get<HandMode>(handKey);
    await this.guard.start();
    this.guard.configure(this.#config.alert_rules);
    await this.queue.use(this.#settings(), this.#io);
  }

  configure(config: HouseConfig): void {
    this.#config = config;
    this.#situation = undefined;
    this.guard.configure(config.alert_rules);
    this.queue
      .use(this.#settings(), this.#io)
      .catch((error: unknown) =>
        this.#parts.log.error(`alerts error: the channels keep their settings: ${reason(error)}`, { error }),
      );
  }

  run(signal: AbortSignal): Promise<void> {
    return this.queue.run(signal);
  }

  /** The lines of alerts that came just before are written, too. */
  async stop(): Promise<void> {
    this.#ending.abort();
    await Promise.all(this.#lines);
    await this.guard.stop();
  }

  observe(observation: Observation): void {
    this.guard.observe(observation);
  }

  /** What the house knows beside the cameras. Who is home is asked once a second at most: frames come oftener. */
  situation(at: number): Situation {
    if (this.#situation !== undefined && Math.abs(at - this.#situation.at) < 1_000) return this.#situation;
    const { timeZone, presence, strangers } = this.#parts;
    const believedMs = this.#config.presence.longest_silence_seconds * 1000;
    this.#situation = situationOf(this.#config.guard, {
      at,
      timeZone,
      // Whom the first scan after a start finds did not arrive then.
      people: provenPeople(presence().people, at, believedMs).map((p) =>
        p.since !== undefined && p.since < this.#startedAt + settlingMs ? { ...p, since: undefined } : p,
      ),
      phones: strangers(),
      hand: this.#hand,
    });
    return this.#situation;
  }

  mode(): Pick<ModeView, 'mode' | 'why'> & { readonly until: number | undefined } {
    const { clock, timeZone } = this.#parts;
    const at = clock.now();
    const { residentsHome } = this.situation(at);
    const { mode, why } = modeAt(this.#config.guard, { at, timeZone, residentsHome, hand: this.#hand });
    return { mode, why, until: why === 'set by hand' ? this.#hand?.until : undefined };
  }

  /** Sets the mode by hand, for `ms` or until it is taken back; `undefined` takes it back. */
  async setMode(mode: HomeMode | undefined, ms: number | undefined, actor: string): Promise<void> {
    const { clock, store, log } = this.#parts;
    const at = clock.now();
    this.#hand = mode === undefined ? undefined : { mode, ...(ms === undefined ? {} : { until: at + ms }) };
    this.#situation = undefined;
    await (this.#hand === undefined ? store.state.delete(handKey) : store.state.set(handKey, this.#hand));
    const now = this.mode();
    log.info(`mode of the house: ${now.mode} (${now.why})`, { actor });
    await store.journal.append({
      at,
      kind: 'guard.mode',
      subject: 'house',
      cause: actor,
      evidence: [{ at, source: 'guard', text: now.why }],
      data: modeData(now.mode, this.#hand),
    });
  }

  stats(): readonly AlertChannelStats[] {
    return this.queue.stats();
  }

  #settings(): ChannelSettings {
    const { speakers, monitoring, mqtt } = this.#config;
    return { speakers, monitoring, mqtt };
  }

  /** Every channel that the settings have ready, each with its plainest action. */
  #usual(): readonly Action[] {
    const settings = this.#settings();
    return (Object.keys(channels) as ChannelKind[]).flatMap((type) => {
      const action = channels[type].action.safeParse({ type });
      if (!action.success) return [];
      return channels[type].lacks(action.data as never, settings) === undefined
        ? [action.data as Action]
        : [];
    });
  }

  /** One line an alert in alerts.log, with what became of telling it. */
  async #writeLine(alert: AlertMessage): Promise<void> {
    const { clock, log, book } = this.#parts;
    await clock.sleep(resultsAfterMs, this.#ending.signal);
    const distance = book.findAlert(alert.id)?.distance;
    const results = book.deliveriesOf(alert.id).map((d) => `${d.channel}:${d.state}`);
    log.child('alerts').info(alert.text, {
      rule: alert.rule,
      camera: alert.camera,
      object: alert.label,
      distance: distance === undefined ? 'unknown' : distance.toFixed(2),
      actions: results.length === 0 ? 'none' : results.join(','),
    });
  }
}
