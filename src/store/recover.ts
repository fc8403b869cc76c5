import {
  closeSync,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type SQLInputValue, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import type { Log } from '#kernel/driver.ts';
import { backups, fileTime } from './backup.ts';
import { isCorruption, openFile } from './sqlite.ts';

const magic = 'SQLite format 3\0';
// Queries that one table may cost: a table whose root page is gone fails at every key.
const patience = 50_000;

/**
 * Opens the database of a data directory, and when it is damaged first moves it aside as `lares.db.corrupt-TIME`,
 * saves every row that can still be read into a new one, or takes the newest good backup when none can.
 * `recovered` says in words what was done. Throws what node:sqlite throws for anything but damage.
 */
export function openOrRepair(
  file: string,
  dataDir: string,
  now: number,
  log: Log,
): { database: DatabaseSync; recovered: string | undefined } {
  const unfinished = existsSync(file) ? undefined : cutOff(file);
  const damage = existsSync(file) ? damageOf(file) : unfinished && 'its repair was cut off';
  if (damage === undefined) return { database: openFile(file), recovered: undefined };
  const aside = unfinished ?? `${file}.corrupt-${fileTime(now)}`;
  if (unfinished === undefined) {
    // From here on until the repair has ended, a start without a database takes the repair up again.
    writeFileSync(salvageOf(file), '');
    for (const suffix of ['-wal', '-shm', ''])
      if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  const name = path.basename(aside);
  log.error('store error: the database is damaged and was moved aside', { file: name, damage });
  const recovered = `${path.basename(file)} was damaged (${damage}) and is kept as ${name}; ${rescue(aside, file, dataDir)}`;
  log.warn(`store recovered: ${recovered}`);
  return { database: openFile(file), recovered };
}

const salvageOf = (file: string) => `${file}.salvage`;

/** The database that an earlier repair moved aside and could not finish with: the process was killed, or the disk full. */
function cutOff(file: string): string | undefined {
  if (!existsSync(salvageOf(file))) return undefined;
  const prefix = `${path.basename(file)}.corrupt-`;
  const [newest] = readdirSync(path.dirname(file))
    .filter((name) => name.startsWith(prefix) && !/-(wal|shm)$/.test(name))
    .toSorted()
    .toReversed();
  return newest === undefined ? undefined : path.join(path.dirname(file), newest);
}

/** What is wrong with the file, or undefined when SQLite finds nothing wrong. */
function damageOf(file: string): string | undefined {
  const size = statSync(file).size;
  // SQLite takes an empty file for a new database, which would lose the old one silently.
  if (size === 0) return existsSync(`${file}-wal`) ? undefined : 'the file is empty';
  if (!startsLikeDatabase(file)) return 'the file is not a database';
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { timeout: 5_000 });
    const row = database.prepare('pragma quick_check(1)').get();
    const verdict = String(Object.values(row ?? {})[0]);
    return verdict === 'ok' ? undefined : verdict.replaceAll(/\s+/g, ' ').slice(0, 200);
  } catch (error) {
    if (isCorruption(error)) return (error as Error).message;
    throw error;
  } finally {
    database?.close();
  }
}

function startsLikeDatabase(file: string): boolean {
  const head = Buffer.alloc(magic.length);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, head, 0, head.length, 0);
  } finally {
    closeSync(fd);
  }
  return head.toString('latin1') === magic;
}

function rescue(from: string, file: string, dataDir: string): string {
  const to = salvageOf(file);
  const empty = () => {
    for (const suffix of ['-wal', '-shm']) rmSync(to + suffix, { force: true });
    writeFileSync(to, '');
  };
  empty();
  const saved = salvage(from, to);
  if (saved !== undefined && saved.rows > 0) {
    renameSync(to, file);
    return `${saved.rows} rows were saved${saved.missing.length > 0 ? `, some of ${saved.missing.join(', ')} are lost` : ''}`;
  }
  const good = backups(dataDir).find((backup) => damageOf(backup) === undefined);
  empty();
  if (good !== undefined) copyFileSync(good, to);
  renameSync(to, file);
  if (good === undefined) return 'no row could be read and there is no backup, so a new one was begun';
  return `no row could be read, so the backup ${path.basename(good)} was restored`;
}

/** Copies every readable row of every readable table. Undefined when not even the list of tables can be read. */
function salvage(from: string, to: string): { rows: number; missing: string[] } | undefined {
  const out = openFile(to);
  let source: DatabaseSync | undefined;
  try {
    source = new DatabaseSync(from, { readOnly: true });
    const schema = source
      .prepare(
        `select type, name, sql from sqlite_schema where sql is not null and name not like 'sqlite_%'
         order by type = 'table' desc`,
      )
      .all() as unknown as { type: string; name: string; sql: string }[];
    let rows = 0;
    const missing: string[] = [];
    out.exec('pragma foreign_keys = off');
    out.exec('begin');
    for (const { type, name, sql } of schema) {
      out.exec(sql);
      if (type !== 'table') continue;
      const table = new Table(source, out, name);
      rows += table.copy();
      if (table.bad) missing.push(name);
    }
    out.exec('commit');
    return { rows, missing };
  } catch (error) {
    if (isCorruption(error) || source === undefined) return undefined;
    throw error;
  } finally {
    source?.close();
    out.close();
  }
}

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** Least distance of two keys worth telling apart, for the columns of our clustered tables that count in milliseconds. */
const steps: Readonly<Record<string, number>> = { at: 1_000, start: 3_600_000 };

/** Copies one table by halving ranges of its key until the unreadable part is small. */
class Table {
  bad = false;
  readonly #source: DatabaseSync;
  readonly #out: DatabaseSync;
  readonly #name: string;
  readonly #keys: readonly string[];
  readonly #reads = new Map<number, StatementSync>();
  /** Values of the first key under which not everything could be read. */
  readonly #partly: number[] = [];
  #queries = 0;

  constructor(source: DatabaseSync, out: DatabaseSync, name: string) {
    this.#source = source;
    this.#out = out;
    this.#name = name;
    // From the new file: the old one may be unable to say.
    const list = out.prepare('select wr from pragma_table_list where name = ?').get(name);
    const columns = out
      .prepare('select name from pragma_table_info(?) where pk > 0 order by pk')
      .all(name) as unknown as { name: string }[];
    this.#keys = list?.['wr'] === 1 ? columns.map((column) => column.name) : ['rowid'];
  }

  /** Returns the number of rows copied. */
  copy(): number {
    const [key, next] = this.#keys;
    let copied = this.#range(
      [],
      this.#edge(this.#source, key!, 'asc') ?? 0,
      this.#edge(this.#source, key!, 'desc') ?? 2 ** 42,
    );
    if (next === undefined) return copied;
    // What could be read tells where the rest can lie.
    const low = this.#edge(this.#out, next, 'asc') ?? 0;
    const high = this.#edge(this.#out, next, 'desc') ?? 2 ** 42;
    for (const value of this.#partly) copied += this.#range([value], low, high);
    return copied;
  }

  #edge(database: DatabaseSync, key: string, order: 'asc' | 'desc'): number | undefined {
    try {
      const row = database
        .prepare(`select ${quoted(key)} as k from ${quoted(this.#name)} order by k ${order} limit 1`)
        .get();
      return typeof row?.['k'] === 'number' ? row['k'] : undefined;
    } catch {
      return undefined;
    }
  }

  #range(prefix: readonly number[], from: number, to: number): number {
    if (from > to || this.#queries > patience) return 0;
    const key = this.#keys[prefix.length]!;
    try {
      return this.#insert(this.#read(prefix, key, from, to));
    } catch (error) {
      if (!isCorruption(error)) throw error;
    }
    this.bad = true;
    if (to - from >= (steps[key] ?? 1)) {
      const middle = Math.floor((from + to) / 2);
      return this.#range(prefix, from, middle) + this.#range(prefix, middle + 1, to);
    }
    if (key === 'series') this.#partly.push(from);
    return 0;
  }

  #read(prefix: readonly number[], key: string, from: number, to: number) {
    this.#queries += 1;
    let statement = this.#reads.get(prefix.length);
    if (statement === undefined) {
      const fixed = prefix.map((_, i) => `${quoted(this.#keys[i]!)} = ? and `).join('');
      const where = `${fixed}${quoted(key)} between ? and ?`;
      statement = this.#source.prepare(`select * from ${quoted(this.#name)} where ${where}`);
      statement.setReadBigInts(true);
      this.#reads.set(prefix.length, statement);
    }
    return statement.all(...[...prefix, from, to].map(BigInt));
  }

  #insert(rows: readonly Record<string, SQLOutputValue>[]): number {
    const [first] = rows;
    if (first === undefined) return 0;
    const columns = Object.keys(first);
    const insert = this.#out.prepare(
      `insert or ignore into ${quoted(this.#name)} (${columns.map(quoted).join(', ')})
       values (${columns.map(() => '?').join(', ')})`,
    );
    return rows.reduce(
      (n, row) => n + Number(insert.run(...(Object.values(row) as SQLInputValue[])).changes),
      0,
    );
  }
}
