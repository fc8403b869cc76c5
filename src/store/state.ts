import type { StateStore } from './model.ts';
import type { Db } from './tables.ts';

/** Documents as JSON, one row each; a commit is on disk before `set` resolves. */
export function sqlState(db: Db): StateStore {
  return {
    async get<T>(key: string): Promise<T | undefined> {
      const row = await db.selectFrom('state').select('value').where('key', '=', key).executeTakeFirst();
      return row === undefined ? undefined : (JSON.parse(row.value) as T);
    },

    async set(key, value) {
      const text = JSON.stringify(value ?? null);
      await db
        .insertInto('state')
        .values({ key, value: text })
        .onConflict((c) => c.column('key').doUpdateSet({ value: text }))
        .execute();
    },

    async delete(key) {
      await db.deleteFrom('state').where('key', '=', key).execute();
    },
  };
}
