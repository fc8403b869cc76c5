import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { existsSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { freePort, gid, installed, isRoot, scratch, systemPath, uid } from './process.ts';

const run = promisify(execFile);
const bin = '/usr/lib/postgresql/15/bin';

/** Why PostgreSQL cannot be started here; undefined when it can. */
export const postgresMissing: string | undefined =
  installed(path.join(bin, 'initdb')) === undefined ? 'needs the Debian package postgresql-15' : undefined;

export interface Postgres {
  /** `postgres://app:…@127.0.0.1:PORT/postgres` */
  readonly url: string;
  readonly port: number;
  /** An empty database of its own; returns its URL. */
  create(name: string): Promise<string>;
  start(): Promise<void>;
  /** `immediate` is a crash: no checkpoint, connections cut. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>;
  /** Stops the server and removes its folder. */
  remove(): Promise<void>;
}

/** A real PostgreSQL on loopback in a folder of its own, run as user postgres when we are root. */
export async function startPostgres(): Promise<Postgres> {
  const user = isRoot ? 'postgres' : undefined;
  const { dir, remove } = scratch('pg', user);
  const data = path.join(dir, 'data');
  const port = await freePort();
  const password = randomBytes(12).toString('hex');
  const passwordFile = path.join(dir, 'password');
  writeFileSync(passwordFile, password, { mode: 0o644 });
  const as = user === undefined ? {} : { uid: uid(user), gid: gid(user) };
  const call = (program: string, ...args: string[]) =>
    run(path.join(bin, program), args, {
      ...as,
      cwd: dir,
      env: { PATH: systemPath, LANG: 'C.UTF-8', HOME: dir, PGPASSWORD: password },
    });
  const start = async () => {
    const settings = [
      `-p ${port}`,
      '-c listen_addresses=127.0.0.1',
      `-c unix_socket_directories=${dir}`,
      '-c shared_buffers=64MB',
    ].join(' ');
    await call('pg_ctl', '-D', data, '-w', '-t', '120', '-l', path.join(dir, 'log'), '-o', settings, 'start');
  };
  const stop = async (mode: 'fast' | 'immediate' = 'fast') => {
    if (existsSync(path.join(data, 'postmaster.pid')))
      await call('pg_ctl', '-D', data, '-w', '-m', mode, 'stop');
  };
  try {
    await call(
      'initdb',
      '-D',
      data,
      '-U',
      'app',
      `--pwfile=${passwordFile}`,
      '-A',
      'scram-sha-256',
      '-E',
      'UTF8',
      '--locale=C.UTF-8',
    );
    await start();
  } catch (error) {
    remove();
    throw error;
  }
  const url = (database: string) => `postgres://app:${password}@127.0.0.1:${port}/${database}`;
  return {
    url: url('postgres'),
    port,
    async create(name) {
      await call('createdb', '-h', '127.0.0.1', '-p', String(port), '-U', 'app', name);
      return url(name);
    },
    start,
    stop,
    async remove() {
      await stop('immediate');
      remove();
    },
  };
}
