import { expect, test } from 'vitest';
import { defineDriver, type Context } from '#kernel/driver.ts';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from './clock.ts';
import { Health } from './health.ts';
import { Logger } from './log.ts';
import { backoff, Supervisor } from './supervisor.ts';

type Run = (config: undefined, context: Context<number>) => Promise<void>;

function setUp() {
  const clock = new ManualClock(1_000);
  const health = new Health(clock);
  const lines: string[] = [];
  const log = new Logger({
    write: (line) => lines.push(line.split('|').slice(1).join('|')),
    now: () => clock.now(),
  });
  return { clock, health, lines, supervisor: new Supervisor({ clock, log, health, random: () => 1 }) };
}

const driver = (run: Run, everyMs?: number) =>
  defineDriver({
    kind: 'fake',
    title: 'Fake',
    config: { parse: () => undefined },
    example: undefined,
    traits: { cadence: everyMs === undefined ? 'push' : { everyMs }, needs: [] },
    run,
  });

const ignore = () => {};

test('waits double from a second to a minute, with jitter between half and all of it', () => {
  expect([0, 1, 2, 10].map((n) => [backoff(n, 0), backoff(n, 1)])).toEqual([
    [500, 1_000],
    [1_000, 2_000],
    [2_000, 4_000],
    [30_000, 60_000],
  ]);
});

test('a source that keeps failing is tried again, ever more rarely', async () => {
  const { clock, supervisor, health } = setUp();
  const tries: number[] = [];
  supervisor.start(
    'plug',
    driver(async () => {
      tries.push(clock.monotonic());
      throw new LaresError('UNREACHABLE', 'no answer');
    }),
    undefined,
    ignore,
  );
  await clock.advance(16_000);
  expect(tries).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
  expect(health.get('plug')).toMatchObject({ state: 'down', detail: 'no answer' });
  await supervisor.stopAll();
});

test('what a run that has failed still hears does not make the source well', async () => {
  const { clock, supervisor, health } = setUp();
  const late: (() => void)[] = [];
  const heard: number[] = [];
  supervisor.start(
    'plug',
    driver(async (_config, { alive, emit }) => {
      late.push(
        () => alive('fine'),
        () => emit(7),
      );
      throw new LaresError('UNREACHABLE', 'no answer');
    }),
    undefined,
    (signal) => heard.push(signal),
  );
  await clock.advance(0);
  for (const hear of late) hear();
  expect(health.get('plug')).toMatchObject({ state: 'down', detail: 'no answer' });
  expect(heard).toEqual([7]);
  await supervisor.stopAll();
  for (const hear of late) hear();
  expect(health.get('plug')).toMatchObject({ state: 'off' });
});

test('the same trouble is told once and then once a minute, another trouble at once', async () => {
  const { clock, supervisor, lines } = setUp();
  let trouble = 'no answer';
  supervisor.start(
    'plug',
    driver(async () => {
      throw new LaresError('UNREACHABLE', trouble);
    }),
    undefined,
    ignore,
  );
  await clock.advance(59_000);
  expect(lines).toEqual(['WARN|plug|UNREACHABLE|plug error: no answer retry_in_s=1']);
  trouble = 'no route';
  await clock.advance(130_000);
  expect(lines.map((l) => l.split('|').at(-1)?.split(' retry')[0])).toEqual([
    'plug error: no answer',
    'plug error: no route',
    'plug error: no route',
    'plug error: no route',
  ]);
  await supervisor.stopAll();
});

test('a sign of life resets the waits and the health', async () => {
  const { clock, supervisor, health } = setUp();
  const tries: number[] = [];
  supervisor.start(
    'plug',
    driver(async (_, { alive }) => {
      tries.push(clock.monotonic());
      if (tries.length === 3) alive('3 W');
      if (tries.length === 4) return void (await new Promise(ignore));
      throw new Error('no answer');
    }),
    undefined,
    ignore,
  );
  await clock.advance(3_000);
  expect(tries).toEqual([0, 1_000, 3_000]);
  await clock.advance(1_000);
  expect(tries).toEqual([0, 1_000, 3_000, 4_000]);
  expect(health.get('plug')?.lastOk).toBe(4_000);
});

test('a wrong setting parks the source instead of hammering it, and says why', async () => {
  const { clock, supervisor, health, lines } = setUp();
  let tries = 0;
  supervisor.start(
    'homeassistant',
    driver(async () => {
      tries += 1;
      throw new LaresError('AUTH_REFUSED', 'token refused; make a new one');
    }),
    undefined,
    ignore,
  );
  await clock.advance(3_600_000);
  expect([tries, health.get('homeassistant')?.state, lines]).toEqual([
    1,
    'parked',
    [
      'ERROR|homeassistant|AUTH_REFUSED|homeassistant error: token refused; make a new one; it waits until its settings change',
    ],
  ]);
});

test('a server that asks for patience gets it', async () => {
  const { clock, supervisor } = setUp();
  const tries: number[] = [];
  supervisor.start(
    'tado',
    driver(async () => {
      tries.push(clock.monotonic());
      throw new LaresError('RATE_LIMITED', 'slow down', { retryAfterMs: 90_000 });
    }),
    undefined,
    ignore,
  );
  await clock.advance(100_000);
  expect(tries).toEqual([0, 90_000]);
  await supervisor.stopAll();
});

test('a source that hangs is reported stale and does not delay another', async () => {
  const { clock, supervisor, health } = setUp();
  const got: number[] = [];
  supervisor.start(
    'hangs',
    driver(async (_, { alive, signal }) => {
      alive();
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
    }, 10_000),
    undefined,
    ignore,
  );
  supervisor.start(
    'works',
    driver(async (_, { emit, signal, clock: c }) => {
      for (let n = 0; !signal.aborted; n += 1) {
        emit(n);
        await c.sleep(10_000, signal);
      }
    }, 10_000),
    undefined,
    (n) => got.push(n),
  );
  await clock.advance(45_000);
  expect([got, health.get('hangs')?.state, health.get('works')?.state]).toEqual([
    [0, 1, 2, 3, 4],
    'degraded',
    'ok',
  ]);
  await supervisor.stopAll();
});

test('what a source last said about itself stands while it only reports', async () => {
  const { clock, supervisor, health } = setUp();
  const run: Run = async (_, { alive, emit, signal }) => {
    alive('10 devices');
    emit(1);
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  };
  supervisor.start('wifi', driver(run), undefined, ignore);
  await clock.advance(10);
  expect(health.get('wifi')?.detail).toBe('10 devices');
  await supervisor.stopAll();
});

test('starting under the same name replaces the running source', async () => {
  const { clock, supervisor, health } = setUp();
  const ended: string[] = [];
  const run =
    (name: string): Run =>
    async (_, { signal, alive }) => {
      alive(name);
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      ended.push(name);
    };
  supervisor.start('ha', driver(run('old')), undefined, ignore);
  await clock.advance(10);
  supervisor.start('ha', driver(run('new')), undefined, ignore);
  await clock.advance(10);
  expect([ended, health.get('ha')]).toMatchObject([['old'], { state: 'ok', detail: 'new' }]);
  await supervisor.stopAll();
  expect([ended, health.get('ha')?.state]).toEqual([['old', 'new'], 'off']);
});
