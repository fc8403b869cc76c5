import { randomBytes } from 'node:crypto';
import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from 'kysely';
import type { Bus } from '#kernel/bus.ts';
import type { Log } from '#kernel/driver.ts';
import type { HouseEvent, NewEvent } from '#kernel/event.ts';
import { uuid7 } from './id.ts';
import type { EventQuery, Journal, QueueStats } from './model.ts';
import { WriteQueue } from './queue.ts';
import type { Db, StoreTables } from './tables.ts';

const capacity = 10_000;
const defaultLimit = 1_000;

/** The journal on either database. */
export class SqlJournal implements Journal {
  readonly #db: Db;
  readonly #bus: Pick<Bus, 'emit'>;
  readonly #queue: WriteQueue<HouseEvent>;
  #lastAt = Number.NaN;
  #sequence = 0;

  constructor(db: Db, bus: Pick<Bus, 'emit'>, log: Log) {
    this.#db = db;
    this.#bus = bus;
    this.#queue = new WriteQueue({
      name: 'events',
      capacity,
      batch: 50,
      log,
      write: async (events) => {
        await db
          .insertInto('event')
          .values(
            events.map((e) => ({ ...e, evidence: JSON.stringify(e.evidence), data: JSON.stringify(e.data) })),
          )
          .onConflict((c) => c.doNothing())
          .execute();
      },
    });
  }

  get stats(): QueueStats {
    return this.#queue.stats;
  }

  async append(event: NewEvent): Promise<HouseEvent> {
    const { at, kind, subject, cause, evidence, data } = event;
    this.#sequence = at === this.#lastAt ? this.#sequence + 1 : 0;
    this.#lastAt = at;
    const id = uuid7(at, this.#sequence, randomBytes(8));
    // A name from outside may carry NUL, which PostgreSQL cannot keep in text.
    const stored: HouseEvent = {
      id,
      at: Math.trunc(at),
      kind,
      subject: clean(subject),
      cause: clean(cause),
      evidence,
      data,
    };
    await this.#queue.push(stored);
    this.#bus.emit('event', stored);
    return stored;
  }

  async list(query: EventQuery): Promise<HouseEvent[]> {
    const { kinds, from, to, order = 'desc', limit = defaultLimit } = query;
    const subject = query.subject === undefined ? undefined : clean(query.subject);
    const waiting = this.#queue.pending.filter((event) => matches(event, { ...query, subject }));
    let select = this.#db.selectFrom('event').selectAll();
    if (kinds !== undefined) select = select.where((eb) => eb.or(kinds.map((kind) => ofKind(eb, kind))));
    if (subject !== undefined) select = select.where('subject', '=', subject);
    if (from !== undefined) select = select.where('at', '>=', from);
    if (to !== undefined) select = select.where('at', '<', to);
    const rows = await select.orderBy('at', order).orderBy('id', order).limit(limit).execute();
    const events = rows.map(fromRow);
    if (waiting.length === 0) return events;
    const all = new Map([...events, ...waiting].map((event) => [event.id, event]));
    const sign = order === 'asc' ? 1 : -1;
    return [...all.values()]
      .toSorted((a, b) => sign * (a.at - b.at || (a.id < b.id ? -1 : 1)))
      .slice(0, limit);
  }

  async get(id: string): Promise<HouseEvent | undefined> {
    const waiting = this.#queue.pending.find((event) => event.id === id);
    if (waiting !== undefined) return waiting;
    const row = await this.#db.selectFrom('event').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : fromRow(row);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}

const clean = (text: string) => text.replaceAll('\0', '\uFFFD');

function fromRow(row: StoreTables['event']): HouseEvent {
  return {
    ...row,
    evidence: JSON.parse(row.evidence) as HouseEvent['evidence'],
    data: JSON.parse(row.data) as HouseEvent['data'],
  };
}

type Where = ExpressionBuilder<StoreTables, 'event'>;

/** `presence.*` as a range of the index rather than a pattern. */
function ofKind(eb: Where, kind: string): ExpressionWrapper<StoreTables, 'event', SqlBool> {
  if (!kind.endsWith('*')) return eb('kind', '=', kind);
  const prefix = kind.slice(0, -1);
  return eb.and([eb('kind', '>=', prefix), eb('kind', '<', `${prefix}\u{10FFFF}`)]);
}

function matches(event: HouseEvent, { kinds, subject, from, to }: EventQuery): boolean {
  const kindMatches = (kind: string) =>
    kind.endsWith('*') ? event.kind.startsWith(kind.slice(0, -1)) : event.kind === kind;
  return (
    (kinds === undefined || kinds.some(kindMatches)) &&
    (subject === undefined || event.subject === subject) &&
    (from === undefined || event.at >= from) &&
    (to === undefined || event.at < to)
  );
}
