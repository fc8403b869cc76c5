import { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import type { AlertMessage } from '../model.ts';
import { defineChannel, type ChannelHealth } from './contract.ts';
import { MemoryDeliveries, someAlert, someInstant, someIo, someSettings } from './fixture.ts';
import type { AnyChannel } from './place.ts';
import { AlertQueue } from './queue.ts';

/** What the peer of a channel does with what it is told. */
export type Behaviour = (alerts: readonly AlertMessage[], signal: AbortSignal) => Promise<void>;

interface Options {
  readonly staleAfterMs?: number;
  readonly digest?: boolean;
  readonly concurrency?: number;
  readonly patienceMs?: number;
  readonly check?: () => Promise<ChannelHealth>;
}

/** A channel whose peer is a function; `calls` are the alerts of each try. */
export function channel(kind: string, behave: { now: Behaviour }, options: Options = {}) {
  const calls: string[][] = [];
  let opened = 0;
  const tell: Behaviour = (alerts, signal) => {
    calls.push(alerts.map((a) => a.id));
    return behave.now(alerts, signal);
  };
  const made = defineChannel({
    kind,
    title: kind,
    action: z.strictObject({ type: z.literal(kind), lane: z.string().default('one') }),
    example: { type: kind },
    staleAfterMs: options.staleAfterMs ?? 86_400_000,
    deadlineMs: 60_000,
    concurrency: options.concurrency ?? 4,
    ...(options.patienceMs === undefined ? {} : { patienceMs: () => options.patienceMs! }),
    reads: ['monitoring'],
    lane: (action) => action.lane,
    lacks: () => undefined,
    open: () => {
      opened += 1;
      return {
        deliver: (alert: AlertMessage, _action: unknown, signal: AbortSignal) => tell([alert], signal),
        ...(options.digest === true
          ? {
              digest: (alerts: readonly AlertMessage[], _action: unknown, signal: AbortSignal) =>
                tell(alerts, signal),
            }
          : {}),
        check: options.check ?? (async () => ({ state: 'ok' as const, detail: 'fine' })),
        close: async () => {},
      };
    },
  });
  return { channel: made as AnyChannel, calls, opened: () => opened };
}

export const works: Behaviour = async () => {};
export const hangs: Behaviour = (_alerts, signal) =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new LaresError('TIMEOUT', 'it hung')), { once: true }),
  );
export const fails =
  (...args: ConstructorParameters<typeof LaresError>): Behaviour =>
  async () => {
    throw new LaresError(...args);
  };

/** What a test has started; it ends them by `closeAll` after each test. */
const closers: (() => Promise<void>)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0)) await close();
}

interface House {
  readonly channels: Record<string, AnyChannel>;
  readonly store?: MemoryDeliveries;
  readonly clock?: ManualClock;
  readonly alerts?: readonly AlertMessage[];
}

/** A queue that runs over these channels, with a clock of its own. */
export async function house({
  channels,
  store = new MemoryDeliveries(),
  clock,
  alerts = [someAlert()],
}: House) {
  const time = clock ?? new ManualClock(someInstant);
  const lines: string[] = [];
  const health = new Health(time);
  const known = new Map(alerts.map((a) => [a.id, a]));
  const queue = new AlertQueue({
    clock: time,
    log: new Logger({ level: 'info', write: (line) => lines.push(line), now: () => time.now() }),
    random: () => 1,
    health,
    store,
    find: (id) => known.get(id),
    channels,
  });
  const io = someIo({ clock: time });
  await queue.use(someSettings(), io);
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  const end = async () => {
    stop.abort();
    await time.advance(0);
    await ended;
  };
  closers.push(end);
  await time.advance(0);
  return { queue, store, clock: time, health, lines, io, known, end };
}
