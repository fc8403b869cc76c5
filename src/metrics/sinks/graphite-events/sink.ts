import type { Bus } from '#kernel/bus.ts';
import type { Clock, Log } from '#kernel/driver.ts';
import type { HouseEvent } from '#kernel/event.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { shown, webRequest } from '#platform/http-client.ts';
import type { Journal, StateStore } from '#store/model.ts';
import { annotatedKinds, toGraphiteEvent } from './codec.ts';

export interface GraphiteEventsIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly bus: Pick<Bus, 'on'>;
  readonly journal: Pick<Journal, 'list'>;
  readonly state: StateStore;
  /** Milliseconds before a failed post is tried again; a minute unless told. */
  readonly pauseMs?: number;
}

/** How far events were posted: the instant of the last one (epoch ms), and its id. */
interface Place {
  readonly at: number;
  readonly id: string;
}

const stateKey = 'graphite.events';
const atOnce = 50;
const defaultPauseMs = 60_000;
const deadlineMs = 5_000;

/**
 * Shows arrivals and departures in Graphite, for annotations: `POST <render_url>/events/`. The journal is the queue
 * and a cursor in the state table the only memory, so nothing is lost while graphite-web is away, and nobody waits.
 */
export class GraphiteEvents {
  readonly #url: string;
  readonly #io: GraphiteEventsIo;
  #bell = Promise.withResolvers<void>();
  #failing = false;

  constructor(renderUrl: string, io: GraphiteEventsIo) {
    this.#url = new URL('events/', renderUrl.endsWith('/') ? renderUrl : `${renderUrl}/`).href;
    this.#io = io;
  }

  /** Posts until the signal aborts. What happened before the very first start is not posted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { bus, clock, log, state, pauseMs = defaultPauseMs } = this.#io;
    const ring = () => this.#bell.resolve();
    const off = bus.on('event', (event) => {
      if (toGraphiteEvent(event) !== undefined) ring();
    });
    signal.addEventListener('abort', ring, { once: true });
    let place = await this.#restored();
    while (!signal.aborted) {
      this.#bell = Promise.withResolvers();
      try {
        for (let event = await this.#next(place); event !== undefined; event = await this.#next(place)) {
          await this.#post(event, signal);
          place = { at: event.at, id: event.id };
          await state.set(stateKey, place);
        }
        if (this.#failing) log.info('graphite events are posted again');
        this.#failing = false;
        if (!signal.aborted) await this.#bell.promise;
      } catch (error) {
        if (signal.aborted) break;
        if (!this.#failing)
          log.warn(`graphite events error: ${reason(error)}; they are posted when it is back`, { error });
        this.#failing = true;
        await clock.sleep(pauseMs, signal);
      }
    }
    off();
  }

  async #restored(): Promise<Place> {
    const { clock, state, log } = this.#io;
    const now = clock.now();
    const saved = await state.get<Place>(stateKey).catch((error: unknown) => {
      log.warn(`graphite events error: their place cannot be read: ${reason(error)}`, { error });
      return undefined;
    });
    // A place in the future was left by a clock that ran ahead; waiting for it would hide everything until then.
    return saved === undefined || saved.at > now ? { at: now, id: '' } : saved;
  }

  async #next({ at, id }: Place): Promise<HouseEvent | undefined> {
    const events = await this.#io.journal.list({
      kinds: annotatedKinds,
      from: at,
      order: 'asc',
      limit: atOnce,
    });
    return events.find((event) => event.at > at || event.id > id);
  }

  async #post(event: HouseEvent, signal: AbortSignal): Promise<void> {
    const reply = await webRequest({
      url: this.#url,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(toGraphiteEvent(event)),
      deadlineMs,
      signal,
    });
    if (reply.status < 200 || reply.status > 299)
      throw new LaresError('BAD_REPLY', `${shown(this.#url)} answered ${reply.status}`);
  }
}
