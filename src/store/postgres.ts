import { Pool, types, type PoolConfig } from 'pg';
import { PostgresDialect, type DatabaseConnection, type Driver } from 'kysely';
import type { Log } from '#kernel/driver.ts';
import { LaresError, reason } from '#kernel/errors.ts';

const int8 = 20;
const numeric = 1700;

/** SQLSTATE classes and codes that mean "not now": https://www.postgresql.org/docs/15/errcodes-appendix.html */
const unavailable = /^(08|53|57|58|25006|40001|40P01|55P03|E[A-Z]+$)/;
const unavailableText = /timeout|terminated|not queryable|connection (ended|closed)|read ECONN/i;

/** AUTH_REFUSED or STORE_UNAVAILABLE for trouble with the server; mistakes in a statement stay as they are. */
function explain(error: unknown, where: string): unknown {
  if (error instanceof LaresError || !(error instanceof Error)) return error;
  const { code = '' } = error as { code?: string };
  if (code.startsWith('28'))
    return new LaresError('AUTH_REFUSED', `PostgreSQL ${where} refused the login: ${error.message}`, {
      cause: error,
    });
  if (!unavailable.test(code) && !unavailableText.test(error.message)) return error;
  return new LaresError('STORE_UNAVAILABLE', `PostgreSQL ${where} is not available: ${reason(error)}`, {
    cause: error,
  });
}

/** Kysely's PostgreSQL dialect with errors that say what to do. */
class ExplainingDialect extends PostgresDialect {
  readonly #where: string;

  constructor(pool: Pool, where: string) {
    super({ pool });
    this.#where = where;
  }

  override createDriver(): Driver {
    const driver = super.createDriver();
    const where = this.#where;
    const acquire = driver.acquireConnection.bind(driver);
    const wrapped = new WeakSet<DatabaseConnection>();
    driver.acquireConnection = async (options) => {
      const connection = await acquire(options).catch((error: unknown) => {
        throw explain(error, where);
      });
      if (wrapped.has(connection)) return connection;
      wrapped.add(connection);
      const execute = connection.executeQuery.bind(connection);
      connection.executeQuery = async <R>(...args: Parameters<typeof execute>) => {
        try {
          return await execute<R>(...args);
        } catch (error) {
          throw explain(error, where);
        }
      };
      return connection;
    };
    return driver;
  }
}

/** A pool and its dialect. The address in error sentences carries no password. Throws CONFIG_INVALID for another address. */
export function postgresDialect(url: string, log: Log): PostgresDialect {
  const config: PoolConfig = {
    connectionString: url,
    max: 5,
    connectionTimeoutMillis: 5_000,
    // A server that hangs must not hold a tick for ever; the write is tried again and is idempotent.
    query_timeout: 30_000,
    keepAlive: true,
    application_name: 'lares',
    // Epoch milliseconds and counts fit a double; pg gives strings otherwise.
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === int8 || oid === numeric ? Number : types.getTypeParser(oid, format),
    } as NonNullable<PoolConfig['types']>,
  };
  const parsed = URL.parse(url);
  if (parsed === null || !/^postgres(ql)?:$/.test(parsed.protocol))
    throw new LaresError(
      'CONFIG_INVALID',
      'DATABASE_URL is no address of PostgreSQL; expected postgres://user:password@host/database',
    );
  const { host, pathname } = parsed;
  const pool = new Pool(config);
  const where = `${host === '' ? 'localhost' : host}${pathname}`;
  // An idle connection that the server ends raises here; the next query opens a new one.
  const lost = (error: Error) => log.debug('postgres connection lost', { error });
  pool.on('error', lost);
  // A connection that is in use but waits between two statements would otherwise end the process.
  pool.on('connect', (client) => void client.on('error', lost));
  return new ExplainingDialect(pool, where);
}
