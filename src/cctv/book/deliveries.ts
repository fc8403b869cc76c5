import { marks, type BookFile, type Said } from './file.ts';
import type { DeliveryChange, DeliveryRow, DeliveryState } from './model.ts';
import { deliveryValues, toDelivery, toSeconds } from './rows.codec.ts';

/**
 * What is to be sent for alerts. While the file cannot be written, deliveries are given out from memory: a full disk
 * must not keep an alarm from being heard.
 */
export class Deliveries {
  readonly #file: BookFile;
  /** Deliveries with a change that is not on disk, as they stand, and how many such changes. */
  readonly #unwritten = new Map<string, { row: DeliveryRow; changes: number }>();

  constructor(file: BookFile) {
    this.#file = file;
  }

  /** The statements that keep new ones, for the transaction of their alert; `settled` is to be told when it is written. */
  added(rows: readonly DeliveryRow[]): { changes: Said[]; settled: () => void } {
    for (const row of rows) this.#hold(row);
    return {
      changes: rows.map((row) => [
        `insert or ignore into deliveries values (${marks(8)})`,
        deliveryValues(row),
      ]),
      settled: () => rows.forEach((row) => this.#written(row.id)),
    };
  }

  /** At most `limit` of each action, the most severe of it, so that thousands for one peer hide none for another. */
  due(now: number, limit: number): DeliveryRow[] {
    const held = [...this.#unwritten.values()].map(({ row }) => row);
    const stored = this.#file
      .all(
        `select * from (select d.*, row_number() over (partition by d.channel, d.action order by
           case a.severity when 'critical' then 0 when 'info' then 2 else 1 end, d.due, d.id) as turn
           from deliveries as d left join alerts as a on a.id = d.alert
           where d.state = 'waiting' and d.due <= ?)
         where turn <= ? order by due, id`,
        toSeconds(now),
        limit + held.length,
      )
      .map(toDelivery)
      .filter((row) => !this.#unwritten.has(row.id));
    return [...stored, ...held.filter((row) => row.state === 'waiting' && row.dueAt <= now)].toSorted(
      (a, b) => a.dueAt - b.dueAt,
    );
  }

  /** Everything that waits is due now. */
  hasten(now: number): Promise<void> {
    for (const { row } of this.#unwritten.values())
      if (row.state === 'waiting' && row.dueAt > now) void this.mark(row.id, 'waiting', { dueAt: now });
    const due = toSeconds(now);
    const sql = `update deliveries set due = ? where state = 'waiting' and due > ?`;
    return this.#file.write({ durable: false, changes: [[sql, [due, due]]] });
  }

  mark(id: string, state: DeliveryState, change: DeliveryChange): Promise<void> {
    const row = this.get(id);
    if (row === undefined) return Promise.resolve();
    const { detail: was, ...rest } = row;
    const { detail = was, attempts = row.attempts, dueAt = row.dueAt } = change;
    this.#hold({ ...rest, state, attempts, dueAt, ...(detail !== undefined && { detail }) });
    return this.#file.write({
      // Of one that still waits only the time of its next try is lost with the power, and that is asked for at each start.
      durable: state !== 'waiting',
      changes: [
        [
          'update deliveries set state = ?, attempts = ?, due = ?, detail = ? where id = ?',
          [state, attempts, toSeconds(dueAt), detail ?? null, id],
        ],
      ],
      settled: () => this.#written(id),
    });
  }

  get(id: string): DeliveryRow | undefined {
    const held = this.#unwritten.get(id)?.row;
    return held ?? this.#file.all('select * from deliveries where id = ?', id).map(toDelivery)[0];
  }

  of(alert: string): DeliveryRow[] {
    const stored = this.#file
      .all('select * from deliveries where alert = ?', alert)
      .map(toDelivery)
      .filter((row) => !this.#unwritten.has(row.id));
    const held = [...this.#unwritten.values()].map(({ row }) => row).filter((row) => row.alert === alert);
    return [...stored, ...held].toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** How many are not over, by channel. */
  waiting(): ReadonlyMap<string, number> {
    const held = [...this.#unwritten.values()].map(({ row }) => row);
    const counts = new Map(
      this.#file
        .all(
          `select channel, count(*) as n from deliveries
           where state = 'waiting' and id not in (select value from json_each(?)) group by channel`,
          JSON.stringify(held.map(({ id }) => id)),
        )
        .map((row) => [String(row['channel']), Number(row['n'])]),
    );
    for (const { channel, state } of held)
      if (state === 'waiting') counts.set(channel, (counts.get(channel) ?? 0) + 1);
    return counts;
  }

  #hold(row: DeliveryRow): void {
    const changes = (this.#unwritten.get(row.id)?.changes ?? 0) + 1;
    this.#unwritten.set(row.id, { row, changes });
  }

  #written(id: string): void {
    const held = this.#unwritten.get(id);
    if (held === undefined) return;
    if (held.changes <= 1) this.#unwritten.delete(id);
    else this.#unwritten.set(id, { ...held, changes: held.changes - 1 });
  }
}
