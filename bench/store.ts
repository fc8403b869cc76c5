/**
 * The readings store against plain rows: `node bench/store.ts [--days 30] [--postgres] [--dir FOLDER]`.
 * 27 presence series every 5 s and 60 electricity series every 30 s, synthetic, the same on each run.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { Bus } from '#kernel/bus.ts';
import type { Batch } from '#kernel/reading.ts';
import { ManualClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { openStore, type Store } from '#store/index.ts';
import { startPostgres } from '../tests/servers/postgres.ts';

const { values: options } = parseArgs({
  options: {
    days: { type: 'string', default: '30' },
    postgres: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
  },
});
const days = Number(options.days);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const tickMs = 5_000;
const start = Date.parse('2026-01-01T00:00:00Z');
const end = start + days * dayMs;
const folder = mkdtempSync(path.join(options.dir, 'lares-bench-'));

/** mulberry32: small, seeded, good enough for noise. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const presence = Array.from({ length: 27 }, (_, i) => `home.presence.p${i}.is_home`);
const plugs = Array.from({ length: 15 }, (_, i) => `home.electricity.kasa.plug${i}`);
const energy = plugs.flatMap((plug) =>
  ['power_watts', 'voltage', 'current_amps', 'energy_kwh'].map((m) => `${plug}.${m}`),
);

function* house(): Generator<Batch> {
  const random = seeded(42);
  const home = presence.map(() => 1);
  const power = plugs.map(() => 40);
  const kwh = plugs.map(() => 100);
  const round = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits;
  for (let at = start; at < end; at += tickMs) {
    const values = new Map<string, number>();
    presence.forEach((name, i) => {
      // A person passes the door some four times a day.
      if (random() < 4 / 17_280) home[i] = 1 - home[i]!;
      values.set(name, home[i]!);
    });
    if ((at / 1000) % 30 === 0)
      plugs.forEach((plug, i) => {
        if (random() < 0.01) power[i] = random() < 0.5 ? 2 * random() : 2000 * random();
        const watts = round(power[i]! * (0.98 + 0.04 * random()), 1);
        const volts = round(228 + 5 * random(), 1);
        kwh[i]! += (watts / 1000) * (30 / 3600);
        values.set(`${plug}.power_watts`, watts);
        values.set(`${plug}.voltage`, volts);
        values.set(`${plug}.current_amps`, round(watts / volts, 3));
        values.set(`${plug}.energy_kwh`, round(kwh[i]!, 3));
      });
    yield { at, values };
  }
}

const table: Record<string, string | number>[] = [];
function report(row: Record<string, string | number>): void {
  table.push(row);
  console.log(JSON.stringify(row));
}

const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
const quantile = (sorted: number[], q: number) =>
  (sorted[Math.floor(q * (sorted.length - 1))] ?? 0).toFixed(2);

async function timed(work: () => unknown, runs = 15): Promise<string> {
  const took: number[] = [];
  for (let i = 0; i < runs; i += 1) {
    const began = performance.now();
    await work();
    took.push(performance.now() - began);
  }
  return quantile(
    took.toSorted((a, b) => a - b),
    0.5,
  );
}

/** The longest time that the event loop stood still meanwhile, ms. */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = performance.now();
  let going = true;
  const watch = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (going) setImmediate(watch);
  };
  setImmediate(watch);
  await work();
  going = false;
  return longest;
}

const open = (rawDays: number, databaseUrl?: string) =>
  openStore({
    dataDir: path.join(folder, 'ours'),
    databaseUrl,
    clock: new ManualClock(start),
    log: silent,
    bus: new Bus(() => {}),
    migrations: [],
    retention: { rawDays, minuteDays: 90, hourDays: 1826 },
    guest: true,
  });

async function ours(kind: string, databaseUrl?: string): Promise<void> {
  let store: Store = await open(36_500, databaseUrl);
  let samples = 0;
  let sealing = 0;
  const blocks: number[] = [];
  const began = performance.now();
  let waiting: Promise<void>[] = [];
  for (const batch of house()) {
    samples += batch.values.size;
    waiting.push(store.readings.append(batch));
    if (waiting.length < 120) continue;
    await Promise.all(waiting);
    waiting = [];
    if ((batch.at + tickMs - start) % hourMs !== 0) continue;
    const from = performance.now();
    blocks.push(await longestBlock(() => store.readings.maintain(batch.at + 10 * 60_000)));
    sealing += performance.now() - from;
  }
  await Promise.all(waiting);
  const rate = samples / ((performance.now() - began) / 1000);
  const ascending = blocks.toSorted((a, b) => a - b);
  const pending = store.stats().readings;
  if (pending.dropped > 0 || pending.errors > 0) throw new Error(JSON.stringify(pending));
  const chart = (name: string, span: number) => timed(() => store.readings.chart(name, end - span, end, 720));
  const rawBytes = await atRest(store);
  report({
    store: `${kind}, raw kept`,
    MB: megabytes(rawBytes),
    'B/sample': (rawBytes / samples).toFixed(2),
    'samples/s': Math.round(rate),
    '24 h ms': await chart(presence[3]!, dayMs),
    [`${days} d ms`]: await chart(presence[3]!, days * dayMs),
    [`${days} d power ms`]: await chart(energy[0]!, days * dayMs),
  });
  console.log(
    `${kind}: sealing an hour ${(sealing / (days * 24)).toFixed(1)} ms, longest block of the event loop p50 ${quantile(ascending, 0.5)}, p99 ${quantile(ascending, 0.99)}, max ${quantile(ascending, 1)} ms`,
  );
  await store.close();

  store = await open(7, databaseUrl);
  const pruned = performance.now();
  const pruneBlock = await longestBlock(() => store.readings.maintain(end));
  const took = performance.now() - pruned;
  const restBytes = await atRest(store);
  console.log(
    `${kind}: pruning ${days - 7} days at once ${took.toFixed(0)} ms, longest block ${pruneBlock.toFixed(1)} ms`,
  );
  report({
    store: `${kind}, raw 7 d, then minutes`,
    MB: megabytes(restBytes),
    'B/sample': (restBytes / samples).toFixed(2),
    '24 h ms': await chart(presence[3]!, dayMs),
    [`${days} d ms`]: await chart(presence[3]!, days * dayMs),
    [`${days} d power ms`]: await chart(energy[0]!, days * dayMs),
  });

  // A year of one series, thin, but with every hour that a chart of a year reads.
  let late: Promise<void>[] = [];
  for (let at = end - 365 * dayMs; at < start; at += 20 * 60_000) {
    late.push(store.readings.append({ at, values: new Map([[energy[0]!, Math.round(at / 1e5) % 1000]]) }));
    if (late.length >= 300) await Promise.all(late.splice(0));
  }
  await Promise.all(late);
  late = [];
  await store.readings.maintain(end);
  console.log(`${kind}: chart of 365 d ${await chart(energy[0]!, 365 * dayMs)} ms`);

  const commits: number[] = [];
  for (let i = 0; i < 2000; i += 1) {
    const values = new Map(presence.map((name) => [name, i % 2]));
    const from = performance.now();
    await store.readings.append({ at: end + dayMs + i * tickMs, values });
    commits.push(performance.now() - from);
  }
  const sorted = commits.toSorted((a, b) => a - b);
  console.log(
    `${kind}: commit of a tick of 27 p50 ${quantile(sorted, 0.5)} ms, p99 ${quantile(sorted, 0.99)} ms`,
  );
  await store.close();
}

/** Bytes of pages in use. */
async function atRest(store: Store): Promise<number> {
  if (store.kind === 'postgres') {
    const client = new Client(postgresUrl);
    await client.connect();
    await client.query('vacuum full');
    const { rows } = await client.query<{ n: string }>(
      `select sum(pg_total_relation_size(oid)) as n from pg_class where relname in ('reading', 'chunk', 'series') and relkind = 'r'`,
    );
    await client.end();
    return Number(rows[0]!.n);
  }
  const database = new DatabaseSync(path.join(folder, 'ours', 'lares.db'));
  const number = (pragma: string) => Number(Object.values(database.prepare(`pragma ${pragma}`).get()!)[0]);
  database.exec('pragma wal_checkpoint(truncate)');
  const bytes = (number('page_count') - number('freelist_count')) * number('page_size');
  database.close();
  return bytes;
}

async function rowsInSqlite(): Promise<void> {
  const file = path.join(folder, 'rows.db');
  const database = new DatabaseSync(file);
  database.exec('pragma journal_mode = wal; pragma synchronous = full');
  database.exec(
    'create table r (series integer, at integer, v real, primary key (series, at)) without rowid',
  );
  const insert = database.prepare('insert into r values (?, ?, ?)');
  const ids = new Map([...presence, ...energy].map((name, i) => [name, BigInt(i)]));
  let samples = 0;
  const began = performance.now();
  database.exec('begin');
  for (const { at, values } of house()) {
    for (const [name, v] of values) insert.run(ids.get(name)!, BigInt(at), v);
    samples += values.size;
    if ((at + tickMs - start) % hourMs === 0) database.exec('commit; begin');
  }
  database.exec('commit');
  const rate = samples / ((performance.now() - began) / 1000);
  database.exec('pragma wal_checkpoint(truncate)');
  const query = database.prepare(
    'select at / ? as b, avg(v), min(v), max(v) from r where series = ? and at >= ? group by b',
  );
  const chart = (name: string, span: number) =>
    timed(() => query.all(BigInt(span / 720), ids.get(name)!, BigInt(end - span)), 5);
  const bytes = statSync(file).size;
  report({
    store: 'sqlite rows, WITHOUT ROWID (series, at)',
    MB: megabytes(bytes),
    'B/sample': (bytes / samples).toFixed(2),
    'samples/s': Math.round(rate),
    '24 h ms': await chart(presence[3]!, dayMs),
    [`${days} d ms`]: await chart(presence[3]!, days * dayMs),
    [`${days} d power ms`]: await chart(energy[0]!, days * dayMs),
  });
  database.close();
}

async function rowsInPostgres(url: string): Promise<void> {
  const client = new Client(url);
  await client.connect();
  await client.query('create table r (series int, at bigint, v float8, primary key (series, at))');
  const ids = new Map([...presence, ...energy].map((name, i) => [name, i]));
  let samples = 0;
  let columns: [number[], number[], number[]] = [[], [], []];
  const write = async () => {
    await client.query('insert into r select * from unnest($1::int[], $2::bigint[], $3::float8[])', columns);
    columns = [[], [], []];
  };
  const began = performance.now();
  for (const { at, values } of house()) {
    for (const [name, v] of values) {
      columns[0].push(ids.get(name)!);
      columns[1].push(at);
      columns[2].push(v);
    }
    samples += values.size;
    if (columns[0].length >= 20_000) await write();
  }
  await write();
  const rate = samples / ((performance.now() - began) / 1000);
  await client.query('vacuum analyze r');
  const { rows } = await client.query<{ n: string }>(`select pg_total_relation_size('r') as n`);
  const chart = (name: string, span: number) =>
    timed(
      () =>
        client.query(
          'select at / $1::bigint as b, avg(v), min(v), max(v) from r where series = $2 and at >= $3 group by 1',
          [span / 720, ids.get(name), end - span],
        ),
      5,
    );
  report({
    store: 'postgres rows, PRIMARY KEY (series, at)',
    MB: megabytes(Number(rows[0]!.n)),
    'B/sample': (Number(rows[0]!.n) / samples).toFixed(2),
    'samples/s': Math.round(rate),
    '24 h ms': await chart(presence[3]!, dayMs),
    [`${days} d ms`]: await chart(presence[3]!, days * dayMs),
    [`${days} d power ms`]: await chart(energy[0]!, days * dayMs),
  });
  await client.end();
}

let postgresUrl = '';
try {
  await ours('lares on sqlite');
  await rowsInSqlite();
  if (options.postgres) {
    const server = await startPostgres();
    try {
      postgresUrl = await server.create('ours');
      await ours('lares on postgres', postgresUrl);
      await rowsInPostgres(await server.create('rows'));
    } finally {
      await server.remove();
    }
  }
  console.table(table);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
