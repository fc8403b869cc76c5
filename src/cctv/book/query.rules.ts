import type { BookQuery } from './model.ts';
import { toSeconds, type Value } from './rows.codec.ts';

const usual = 100;
const most = 1_000;

export interface Sql {
  readonly text: string;
  readonly values: Value[];
  readonly limit: number;
}

/** Where a page ended: instant in the table's own seconds, and the key of its last row. */
const cursor = (page: string): [number, string] | undefined => {
  const match = /^(-?\d+(?:\.\d+)?)~(.{1,200})$/s.exec(page);
  return match === null ? undefined : [Number(match[1]), match[2]!];
};

/** `next` of a page whose last row has this time (Unix seconds) and key. */
export const pageAfter = (timestamp: number, key: string): string => `${timestamp}~${key}`;

const columns = ['camera', 'label', 'rule', 'event'] as const;

/** The statement for one page of a table that is listed by `timestamp`; `key` makes the order of rows unique. */
export function listing(table: string, key: string, query: BookQuery): Sql {
  const values: Value[] = [];
  const where: string[] = [];
  const add = (condition: string, ...more: Value[]) => {
    where.push(condition);
    values.push(...more);
  };
  const ascending = query.order === 'asc';
  if (query.from !== undefined) add('timestamp >= ?', toSeconds(query.from));
  if (query.to !== undefined) add('timestamp < ?', toSeconds(query.to));
  for (const column of columns) if (query[column] !== undefined) add(`${column} = ?`, query[column]);
  const after = query.page === undefined ? undefined : cursor(query.page);
  if (after !== undefined) {
    const than = ascending ? '>' : '<';
    add(`(timestamp, cast(${key} as text)) ${than} (?, ?)`, ...after);
  }
  const limit = Math.max(1, Math.min(most, Math.trunc(query.limit ?? usual)));
  const order = ascending ? 'asc' : 'desc';
  const text =
    `select *, cast(${key} as text) as page_key from ${table}` +
    `${where.length > 0 ? ` where ${where.join(' and ')}` : ''}` +
    ` order by timestamp ${order}, page_key ${order} limit ?`;
  return { text, values: [...values, limit + 1], limit };
}
