import { z } from 'zod';
import { defineDriver, type Context } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { HomeAssistant } from '#platform/homeassistant/client.ts';
import { entityId, homeassistantConfig } from '#platform/homeassistant/config.ts';
import type { EntityAnswer } from '#platform/homeassistant/model.ts';
import type { Report } from '../../model.ts';
import { toReport } from './rules.ts';

const socketRetryMs = 60_000;

const watched = z
  .strictObject({
    person: z.string().min(1).meta({ title: 'Person', description: 'The slug of the person' }),
    entity: entityId.meta({ title: 'Entity', description: 'A person or device_tracker of Home Assistant' }),
  })
  .meta({ title: 'Watched entity', description: 'An entity that tells where a person is' });

/** The settings of `homeassistant` and the entities that the people of the house name. */
const config = homeassistantConfig
  .extend({
    entities: z.array(watched).min(1).meta({
      title: 'Entities',
      description: 'Which entity tells about which person; several for one person are fine',
    }),
  })
  .meta({ title: 'Home Assistant', description: 'Where people are according to Home Assistant' });

export type HomeAssistantSourceConfig = z.infer<typeof config>;

/**
 * Where people are according to Home Assistant: pushed over the WebSocket, read over REST at the start, at each
 * poll interval to reconcile, and on its own while there is no WebSocket. One report an entity.
 */
export const homeassistant = defineDriver<'homeassistant', HomeAssistantSourceConfig, Report>({
  kind: 'homeassistant',
  title: 'Home Assistant',
  config,
  example: {
    url: 'http://homeassistant.local:8123',
    token: 'a-long-lived-access-token',
    poll_interval_seconds: 300,
    verify_tls: true,
    entities: [
      { person: 'alex', entity: 'person.alex' },
      { person: 'alex', entity: 'device_tracker.alex_phone' },
      { person: 'sam', entity: 'person.sam' },
    ],
  },
  traits: { cadence: { everyMs: 300_000 }, needs: ['network'] },
  run: (settings, context) => new Source(settings, context).run(),
});

class Source {
  readonly #settings: HomeAssistantSourceConfig;
  readonly #context: Context<Report>;
  readonly #client: HomeAssistant;
  readonly #people: ReadonlyMap<string, readonly string[]>;
  readonly #missing = new Set<string>();
  /** How often each entity was pushed. */
  readonly #pushes = new Map<string, number>();
  #pushed = false;
  #socketTrouble = '';
  #pollTrouble = '';

  constructor(settings: HomeAssistantSourceConfig, context: Context<Report>) {
    this.#settings = settings;
    this.#context = context;
    const { url, token, verify_tls } = settings;
    this.#client = new HomeAssistant({ url, token, verifyTls: verify_tls });
    this.#people = Map.groupBy(settings.entities, (e) => e.entity)
      .entries()
      .reduce((map, [entity, list]) => map.set(entity, [...new Set(list.map((e) => e.person))]), new Map());
  }

  /** Ends when the signal does; throws when nothing can be heard any more. */
  async run(): Promise<void> {
    const life = new AbortController();
    const signal = AbortSignal.any([this.#context.signal, life.signal]);
    try {
      await this.#poll(signal);
      await Promise.race([this.#pollOnAndOn(signal), this.#listen(signal)]);
    } catch (error) {
      if (!this.#context.signal.aborted) throw error;
    } finally {
      life.abort();
    }
  }

  async #pollOnAndOn(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#context.clock.sleep(this.#settings.poll_interval_seconds * 1000, signal);
      if (signal.aborted) return;
      try {
        await this.#poll(signal);
        this.#pollTrouble = '';
      } catch (error) {
        // While the WebSocket pushes, a failed reconciliation loses nothing, and a restart would.
        if (!this.#pushed || isRefusal(error)) throw error;
        this.#pollTrouble = this.#warnOnce(this.#pollTrouble, 'poll', error);
      }
    }
  }

  /** Reads every entity, one at a time: one slow Home Assistant is asked one thing. */
  async #poll(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (const entity of this.#people.keys()) {
      try {
        const pushes = this.#pushes.get(entity);
        const answer = await this.#client.state(entity, signal);
        // What was pushed since it was asked is newer.
        if (this.#pushes.get(entity) === pushes) this.#report(answer);
      } catch (error) {
        if (signal.aborted || isAboutAll(error)) throw error;
        failures.push(error);
        this.#context.log.debug(`homeassistant error: ${entity}: ${reason(error)}`);
      }
    }
    if (failures.length === this.#people.size) throw failures[0];
    this.#alive();
  }

  /** Keeps the WebSocket open. One that stood and fell is a reason to start again; one that never stood is not. */
  async #listen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#client.watch(
          [...this.#people.keys()],
          (answers) => {
            for (const answer of answers) {
              this.#pushes.set(answer.entity, (this.#pushes.get(answer.entity) ?? 0) + 1);
              this.#report(answer);
            }
            this.#alive();
          },
          () => {
            this.#pushed = true;
            this.#socketTrouble = '';
            this.#alive();
          },
          signal,
        );
      } catch (error) {
        if (this.#pushed || isRefusal(error)) throw error;
        this.#socketTrouble = this.#warnOnce(this.#socketTrouble, 'websocket', error);
        this.#alive();
        await this.#context.clock.sleep(socketRetryMs, signal);
      }
    }
  }

  #report(answer: EntityAnswer): void {
    this.#mind(answer);
    for (const person of this.#people.get(answer.entity) ?? [])
      this.#context.emit(toReport(person, answer, this.#context.clock.now()));
  }

  #mind(answer: EntityAnswer): void {
    const { entity } = answer;
    const missing = 'missing' in answer;
    if (missing === this.#missing.has(entity)) return;
    if (missing) {
      this.#missing.add(entity);
      this.#context.log.warn(
        `homeassistant error: ${entity} does not exist there (404); correct it under presence.people or remove it. The others go on`,
      );
    } else {
      this.#missing.delete(entity);
      this.#context.log.info(`homeassistant has ${entity} again`);
    }
  }

  #warnOnce(before: string, what: string, error: unknown): string {
    const text = reason(error);
    if (text !== before)
      this.#context.log.warn(`homeassistant ${what} error: ${text}; the other way goes on`, { error });
    return text;
  }

  #alive(): void {
    const every = `${this.#settings.poll_interval_seconds} s`;
    const way = this.#pushed ? `pushed, reconciled every ${every}` : `polled every ${every}`;
    const gone = this.#missing.size === 0 ? '' : `; unknown there: ${[...this.#missing].join(', ')}`;
    const trouble = this.#socketTrouble === '' ? '' : `; no push: ${this.#socketTrouble}`;
    this.#context.alive(`${this.#people.size} entities, ${way}${gone}${trouble}`);
  }
}

const isRefusal = (error: unknown) => error instanceof LaresError && error.code === 'AUTH_REFUSED';

/** True when asking for the next entity would only meet the same trouble. */
const isAboutAll = (error: unknown) =>
  error instanceof LaresError &&
  (['AUTH_REFUSED', 'RATE_LIMITED', 'TIMEOUT'].includes(error.code) ||
    error.retryAfterMs !== undefined ||
    // A failed connection has a cause, a reply of status 500 for one entity has none.
    (error.code === 'UNREACHABLE' && error.cause !== undefined));
