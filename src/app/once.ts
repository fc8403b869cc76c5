import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Bus } from '#kernel/bus.ts';
import { LaresError } from '#kernel/errors.ts';
import { chooseScanner } from '#devices/index.ts';
import { namesKey } from '#electricity/service.ts';
import { realIo } from '#ops/cli.ts';
import { graphite, homeassistant, scan } from '#ops/checks/peers.ts';
import { examine, passed, report, type Check, type DoctorIo } from '#ops/doctor.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { beliefsKey } from '#presence/service.ts';
import { openStore } from '#store/index.ts';
import { loadHouse, type cliHouse } from './context.ts';
import { startHouse, type House } from './house.ts';
import { houseMigrations } from './migrations.ts';

type CliHouse = ReturnType<typeof cliHouse>;

export interface OnceOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
}

const receiptTimeoutMs = 15_000;

/**
 * Runs the whole house for one cycle, beside a service that may be running: with its own data directory and no fixed
 * port. `look` is called when every sink has confirmed something, or has had 15 s to do so.
 */
async function oneCycle<T>(
  house: CliHouse,
  about: OnceOptions,
  writer: Logger,
  look: (running: House, confirmed: boolean) => Promise<T>,
): Promise<T> {
  await house.config();
  const { config, secrets } = loadHouse(house.configFile()!, about.env);
  for (const secret of secrets) writer.hide(secret);
  const dataDir = mkdtempSync(path.join(tmpdir(), 'lares-once-'));
  const stop = new AbortController();
  try {
    await inherit(house, dataDir, writer);
    const running = await startHouse({
      config: { ...config, http: { ...config.http, port: 0 }, mqtt: undefined, broker: undefined },
      dataDir,
      version: about.version,
      clock: systemClock,
      log: writer,
      openScanner: chooseScanner,
      lookFirst: true,
      signal: AbortSignal.any([stop.signal, house.signal]),
    });
    try {
      return await look(running, await running.firstReceipt(receiptTimeoutMs));
    } finally {
      stop.abort();
      await running.stopped;
    }
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

// A phone that sleeps through one sweep is not away, and a device keeps the name of its series.
const inherited = [beliefsKey, namesKey];

/** What the service knows and one look cannot tell. */
async function inherit(house: CliHouse, dataDir: string, log: Logger): Promise<void> {
  if (house.env['DATABASE_URL'] === undefined && !existsSync(path.join(house.dataDir(), 'lares.db'))) return;
  const theirs = await house.store();
  const kept = new Map<string, unknown>();
  try {
    for (const key of inherited) kept.set(key, await theirs.state.get(key));
  } finally {
    await theirs.close();
  }
  const own = await openStore({
    dataDir,
    clock: systemClock,
    log,
    bus: new Bus(() => {}),
    migrations: houseMigrations,
  });
  try {
    for (const [key, value] of kept) if (value !== undefined) await own.state.set(key, value);
  } finally {
    await own.close();
  }
}

/** `presence_to_graphite --once`: one cycle, and whether it arrived. */
export async function once(house: CliHouse, about: OnceOptions): Promise<void> {
  const { graphite: carbon, log } = await house.config();
  const writer = new Logger({ level: log.level, format: log.format });
  const sent = await oneCycle(house, about, writer, async (_running, confirmed) => confirmed);
  if (carbon !== undefined && !sent)
    throw new LaresError('UNREACHABLE', `Carbon at ${carbon.host}:${carbon.port} has not confirmed anything`);
}

/**
 * `presence_to_graphite --selftest`: the four things that the original was validated by, on the real network and
 * against the real servers. Sets the exit code 1 when one of them fails.
 */
export async function selftest(house: CliHouse, about: OnceOptions): Promise<void> {
  await house.config();
  const io = realIo(house);
  const checks: Record<string, Check> = {
    discovery,
    homeassistant,
    graphite,
    health: (own) => healthOf(own, house, about),
  };
  const findings = await examine(checks, io, (name) => house.progress(`testing ${name} …`));
  house.print({ ok: passed(findings), findings }, () => report(findings));
  if (!passed(findings)) process.exitCode = 1;
}

const discovery: Check = async (io) => {
  const { wifi } = await io.settings();
  if (wifi === undefined || wifi.networks.length === 0)
    return [{ check: 'discovery', state: 'ok', text: 'not configured; nothing is scanned' }];
  const { found, findings } = await scan(io);
  const total = { check: 'discovery', state: 'ok', text: `Found ${found.length} devices` } as const;
  return [...(found.length > 0 ? [total] : []), ...findings.map((f) => ({ ...f, check: 'discovery' }))];
};

interface HealthAnswer {
  readonly status: 'ok' | 'degraded' | 'down';
  readonly attention: readonly string[];
}

/** The health of the running service, or of one cycle of our own when there is none. */
async function healthOf(io: DoctorIo, house: CliHouse, about: OnceOptions) {
  const judged = ({ status, attention }: HealthAnswer, whose: string) => {
    const text = `/health of ${whose} says ${[status, ...attention].join(', ')}`;
    return [
      status === 'ok'
        ? ({ check: 'health', state: 'ok', text } as const)
        : ({
            check: 'health',
            state: status === 'down' ? 'fail' : 'warn',
            text,
            fix: '/health/detailed, or the status page, says what each of them needs',
          } as const),
    ];
  };
  try {
    return judged((await io.get('/health')) as HealthAnswer, 'the running service');
  } catch (error) {
    if (!(error instanceof LaresError && error.code === 'UNREACHABLE')) throw error;
  }
  // Its own log would drown the report.
  const quiet = new Logger({ level: 'fatal' });
  const answer = await oneCycle(house, about, quiet, async ({ url }) => {
    const reply = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) });
    return (await reply.json()) as HealthAnswer;
  });
  return judged(answer, 'one cycle of our own');
}
