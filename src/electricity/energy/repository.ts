import { sql, type Expression, type Kysely, type SqlBool, type Transaction } from 'kysely';
import { columnTypes } from '#store/index.ts';
import type { NamedMigration, Store } from '#store/model.ts';
import { provenances, slotMs, type Period, type PeriodEnergy, type Slot } from './model.ts';
import type { Changes } from './slots.rules.ts';

// Types, not interfaces: Kysely asks for an index signature.
// oxlint-disable-next-line typescript/consistent-type-definitions
type EnergyTables = {
  electricity_device: {
    key: number;
    id: string;
    /** JSON: counters and gaps. */
    state: string;
  };
  electricity_slot: {
    device: number;
    /** Epoch ms, a multiple of `slotMs`. */
    at: number;
    wh: number;
    export_wh: number;
    covered_ms: number;
    /** Index in `provenances`. */
    how: number;
  };
};

const clustered = { sqlite: sql`without rowid`, postgres: sql`` } as const;

export const electricityMigrations: readonly NamedMigration[] = [
  {
    name: '0002_electricity_energy',
    async up(db, kind) {
      const type = columnTypes[kind];
      await db.schema
        .createTable('electricity_device')
        .addColumn('key', type.autoId, (c) => c.primaryKey())
        .addColumn('id', type.bytewise, (c) => c.notNull().unique())
        .addColumn('state', 'text', (c) => c.notNull())
        .execute();
      await db.schema
        .createTable('electricity_slot')
        .addColumn('device', 'integer', (c) => c.notNull())
        .addColumn('at', 'bigint', (c) => c.notNull())
        .addColumn('wh', 'double precision', (c) => c.notNull())
        .addColumn('export_wh', 'double precision', (c) => c.notNull())
        .addColumn('covered_ms', 'integer', (c) => c.notNull())
        .addColumn('how', 'integer', (c) => c.notNull())
        .addPrimaryKeyConstraint('electricity_slot_key', ['device', 'at'])
        .modifyEnd(clustered[kind])
        .execute();
    },
  },
];

/** Everything of one flush. */
export interface Write {
  /** Counts the flushes; kept with them, so that one whose outcome is unknown is not made twice. */
  readonly revision: number;
  /** Device id to its state, any JSON. Holds every device of `slots`. */
  readonly states: ReadonlyMap<string, unknown>;
  readonly slots: ReadonlyMap<string, Changes>;
}

const rowsPerStatement = 500;
const dayMs = 86_400_000;
/** The row that holds the revision. No device has an empty id. */
const journalId = '';

export class EnergyRepository {
  readonly #db: Kysely<EnergyTables>;
  readonly #keys = new Map<string, number>();

  constructor(store: Pick<Store, 'db'>) {
    this.#db = store.db.withTables<EnergyTables>();
  }

  /** Every device with its state, and the revision of the last write. */
  async load(): Promise<{ states: Map<string, unknown>; revision: number }> {
    const rows = await this.#db.selectFrom('electricity_device').selectAll().execute();
    const states = new Map<string, unknown>();
    let revision = 0;
    for (const { key, id, state } of rows) {
      this.#keys.set(id, key);
      if (id === journalId) revision = JSON.parse(state) as number;
      else states.set(id, JSON.parse(state));
    }
    return { states, revision };
  }

  /** All or nothing, and only once however often it is tried. Throws STORE_UNAVAILABLE. */
  async write(write: Write): Promise<void> {
    const keys = await this.#db.transaction().execute(async (trx) => {
      const last = await trx
        .selectFrom('electricity_device')
        .select('state')
        .where('id', '=', journalId)
        .executeTakeFirst();
      if (last !== undefined && Number(last.state) >= write.revision) {
        const rows = await trx.selectFrom('electricity_device').select(['id', 'key']).execute();
        return new Map(rows.map(({ id, key }) => [id, key]));
      }
      const known = await this.#writeStates(trx, write);
      for (const healed of [false, true]) {
        const rows = [...write.slots].flatMap(([id, changes]) =>
          [...changes]
            .filter(([, change]) => change.healed === healed)
            .map(([at, change]) => ({
              device: known.get(id) ?? this.#keys.get(id)!,
              at,
              wh: change.wh,
              export_wh: change.exportWh,
              covered_ms: Math.min(slotMs, Math.round(change.coveredMs)),
              how: provenances.indexOf(change.how),
            })),
        );
        for (let from = 0; from < rows.length; from += rowsPerStatement)
          await addRows(trx, rows.slice(from, from + rowsPerStatement), healed);
      }
      return known;
    });
    for (const [id, key] of keys) this.#keys.set(id, key);
  }

  async #writeStates(trx: Transaction<EnergyTables>, write: Write): Promise<Map<string, number>> {
    const rows = [...write.states, [journalId, write.revision] as const].map(([id, state]) => ({
      id,
      state: JSON.stringify(state),
    }));
    const known = new Map<string, number>();
    for (let from = 0; from < rows.length; from += rowsPerStatement) {
      const written = await trx
        .insertInto('electricity_device')
        // The key is given by the database.
        .values(rows.slice(from, from + rowsPerStatement) as never)
        .onConflict((c) => c.column('id').doUpdateSet((row) => ({ state: row.ref('excluded.state') })))
        .returning(['key', 'id'])
        .execute();
      for (const { id, key } of written) known.set(id, key);
    }
    return known;
  }

  /** When the oldest slot begins, epoch ms; undefined where there is none. */
  async firstAt(id: string): Promise<number | undefined> {
    const key = this.#keys.get(id);
    if (key === undefined) return undefined;
    const row = await this.#db
      .selectFrom('electricity_slot')
      .select('at')
      .where('device', '=', key)
      .orderBy('at')
      .limit(1)
      .executeTakeFirst();
    return row && Number(row.at);
  }

  /** Slots that overlap the span, oldest first. */
  async slots(id: string, from: number, to: number): Promise<Slot[]> {
    const key = this.#keys.get(id);
    if (key === undefined) return [];
    const rows = await this.#db
      .selectFrom('electricity_slot')
      .select(['at', 'wh', 'export_wh', 'covered_ms', 'how'])
      .where('device', '=', key)
      .where('at', '>', Math.floor(from - slotMs))
      .where('at', '<', Math.ceil(to))
      .orderBy('at')
      .execute();
    return rows.map((row) => ({
      at: Number(row.at),
      wh: Math.max(0, row.wh),
      exportWh: Math.max(0, row.export_wh),
      how: provenances[row.how] ?? 'missing',
      coveredMs: row.covered_ms,
    }));
  }

  /**
   * Sums of local days: a run of days of 24 hours is one grouped query, a day of 23 or 25 hours one of its own.
   * `days` are adjacent and oldest first.
   */
  async sums(id: string, days: readonly Period[]): Promise<PeriodEnergy[]> {
    const key = this.#keys.get(id);
    const found: PeriodEnergy[] = days.map((day) => ({
      ...day,
      wh: 0,
      exportWh: 0,
      coveredMs: 0,
      how: 'missing',
    }));
    if (key === undefined) return found;
    for (let first = 0; first < days.length;) {
      let end = first + 1;
      const length = days[first]!.to - days[first]!.from;
      if (length === dayMs) while (end < days.length && days[end]!.to - days[end]!.from === dayMs) end += 1;
      const from = days[first]!.from;
      const nth = sql<number>`(at - ${sql.lit(from)}) / ${sql.lit(length)}`;
      const rows = await this.#db
        .selectFrom('electricity_slot')
        .select((eb) => [
          nth.as('nth'),
          eb.fn.sum<number>('wh').as('wh'),
          eb.fn.sum<number>('export_wh').as('export_wh'),
          eb.fn.sum<number>('covered_ms').as('covered_ms'),
          eb.fn.max<number>('how').as('how'),
          eb.fn.countAll<number>().as('n'),
        ])
        .where('device', '=', key)
        .where('at', '>=', from)
        .where('at', '<', days[end - 1]!.to)
        .groupBy(nth)
        .execute();
      for (const row of rows) {
        const index = first + Number(row.nth);
        found[index] = {
          ...days[index]!,
          wh: Math.max(0, row.wh),
          exportWh: Math.max(0, row.export_wh),
          coveredMs: Number(row.covered_ms),
          how: Number(row.n) * slotMs < length ? 'missing' : (provenances[row.how] ?? 'missing'),
        };
      }
      first = end;
    }
    return found;
  }

  /** Lets go of slots that began before `before`, epoch ms, of each device at most the oldest `mostMs`. */
  async prune(before: number, mostMs: number): Promise<void> {
    for (const key of this.#keys.values()) {
      const first = await this.#db
        .selectFrom('electricity_slot')
        .select('at')
        .where('device', '=', key)
        .orderBy('at')
        .limit(1)
        .executeTakeFirst();
      if (first === undefined || Number(first.at) >= before) continue;
      await this.#db
        .deleteFrom('electricity_slot')
        .where('device', '=', key)
        .where('at', '<', Math.floor(Math.min(before, Number(first.at) + mostMs)))
        .execute();
    }
  }
}

type SlotRow = EnergyTables['electricity_slot'];

async function addRows(
  trx: Transaction<EnergyTables>,
  rows: readonly SlotRow[],
  healed: boolean,
): Promise<void> {
  const covered = sql`electricity_slot.covered_ms + excluded.covered_ms`;
  const full: Expression<SqlBool> = sql`${covered} > ${sql.lit(slotMs)}`;
  await trx
    .insertInto('electricity_slot')
    .values(rows)
    .onConflict((c) =>
      c.columns(['device', 'at']).doUpdateSet({
        wh: sql`electricity_slot.wh + excluded.wh`,
        export_wh: sql`electricity_slot.export_wh + excluded.export_wh`,
        covered_ms: sql`case when ${full} then ${sql.lit(slotMs)} else ${covered} end`,
        how: healed
          ? sql`excluded.how`
          : sql`case when excluded.how > electricity_slot.how then excluded.how else electricity_slot.how end`,
      }),
    )
    .execute();
}
