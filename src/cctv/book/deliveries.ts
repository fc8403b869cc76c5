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

  due(now: number, limit: number): DeliveryRow[] {
    const held = [...this.#unwritten.values()].map(({ row }) => row);
    const stored = this.#file
      .all(
        `select * from deliveries where state = 'waiting' and due <= ? order by due limit ?`,
        toSeconds(now),
        limit + held.length,
      )
      .map(toDelivery)
      .filter((row) => !this.#unwritten.has(row.id));
    return [...stored, ...held.filter((row) => row.state === 'waiting' && row.dueAt <= now)]
      .toSorted((a, b) => a.dueAt - b.dueAt)
      .slice(0, limit);
  }

  mark(id: string, state: DeliveryState, change: DeliveryChange): Promise<void> {
    const row = this.get(id);
    if (row === undefined) return Promise.resolve();
    const { detail: was, ...rest } = row;
    const { detail = was, attempts = row.attempts, dueAt = row.dueAt } = change;
    this.#hold({ ...rest, state, attempts, dueAt, ...(detail !== undefined && { detail }) });
    return this.#file.write({
      durable: true,
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

  waiting(): number {
    return this.#file.number(`select count(*) as n from deliveries where state = 'waiting'`);
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
