import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { Logger } from '#platform/log.ts';
import type { AlertMessage } from '../model.ts';
import { defineChannel } from './contract.ts';
import { MemoryDeliveries, someAlert, someInstant, someIo, someSettings } from './fixture.ts';
import type { AnyChannel } from './place.ts';
import { AlertQueue } from './queue.ts';

type Behaviour = (alerts: readonly AlertMessage[], signal: AbortSignal) => Promise<void>;

interface Options {
  readonly staleAfterMs?: number;
  readonly digest?: boolean;
  readonly concurrency?: number;
  readonly patienceMs?: number;
}

/** A channel whose peer is a function; `calls` are the alerts of each try. */
function channel(kind: string, behave: { now: Behaviour }, options: Options = {}) {
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
        check: async () => ({ state: 'ok' as const, detail: 'fine' }),
        close: async () => {},
      };
    },
  });
  return { channel: made as AnyChannel, calls, opened: () => opened };
}

const works: Behaviour = async () => {};
const hangs: Behaviour = (_alerts, signal) =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new LaresError('TIMEOUT', 'it hung')), { once: true }),
  );
const fails =
  (...args: ConstructorParameters<typeof LaresError>): Behaviour =>
  async () => {
    throw new LaresError(...args);
  };

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface House {
  readonly channels: Record<string, AnyChannel>;
  readonly store?: MemoryDeliveries;
  readonly clock?: ManualClock;
  readonly alerts?: readonly AlertMessage[];
}

async function house({ channels, store = new MemoryDeliveries(), clock, alerts = [someAlert()] }: House) {
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
  stops.push(end);
  await time.advance(0);
  return { queue, store, clock: time, health, lines, io, known, end };
}

test('an alert that waits is told once, marked as done, and counted with its duration', async () => {
  const told = channel('test', { now: works });
  const { queue, store, clock, health, known } = await house({ channels: { test: told.channel } });
  known.set('alert-2', someAlert({ id: 'alert-2', at: someInstant - 3_000 }));
  store.add({}, { id: 'second', alert: 'alert-2' });
  queue.wake();
  await clock.advance(0);
  await clock.advance(60_000);
  expect(told.calls).toEqual([['alert-1'], ['alert-2']]);
  expect([...store.rows.values()].map((r) => [r.state, r.attempts])).toEqual([
    ['done', 1],
    ['done', 1],
  ]);
  expect(queue.stats()).toEqual([
    {
      channel: 'test',
      waiting: 0,
      delivered: 2,
      failures: 0,
      givenUp: 0,
      failed: 0,
      secondsP50: 0,
      secondsP95: 3,
    },
  ]);
  expect(health.get('alerts.test')).toMatchObject({ state: 'ok', detail: 'told 2' });
});

test('a channel that hangs delays no other channel and no other lane', async () => {
  const slow = channel('slow', { now: hangs }, { concurrency: 1 });
  const quick = channel('quick', { now: works });
  const lanes = channel('lanes', {
    now: (alerts, signal) => (alerts[0]!.id === 'alert-1' ? hangs(alerts, signal) : works(alerts, signal)),
  });
  const { queue, store, clock, known } = await house({
    channels: { slow: slow.channel, quick: quick.channel, lanes: lanes.channel },
  });
  known.set('alert-2', someAlert({ id: 'alert-2' }));
  store.add(
    ...Array.from({ length: 500 }, (_, i) => ({ id: `slow-${i}`, channel: 'slow' })),
    { id: 'quick', channel: 'quick' },
    { id: 'a', channel: 'lanes', action: { type: 'lanes', lane: 'a' } },
    { id: 'b', channel: 'lanes', alert: 'alert-2', action: { type: 'lanes', lane: 'b' } },
  );
  queue.wake();
  await clock.advance(5_000);
  expect(slow.calls).toEqual([['alert-1']]);
  expect(quick.calls).toEqual([['alert-1']]);
  expect(store.rows.get('quick')!.state).toBe('done');
  expect(store.rows.get('b')!.state).toBe('done');
  expect(store.rows.get('a')!.state).toBe('waiting');
});

test('thousands that wait for one peer hide none for another, and cost the store few questions', async () => {
  const behave = { now: hangs };
  const peer = channel('test', {
    now: (alerts, signal) => (alerts[0]!.id === 'other' ? works(alerts, signal) : behave.now(alerts, signal)),
  });
  let asked = 0;
  const store = new (class extends MemoryDeliveries {
    override due(now: number, limit: number) {
      asked += 1;
      return super.due(now, limit);
    }
  })();
  const { queue, clock, known } = await house({ channels: { test: peer.channel }, store });
  known.set('other', someAlert({ id: 'other' }));
  store.add(...Array.from({ length: 6_000 }, (_, i) => ({ id: `slow-${i}` })));
  store.add({ id: 'other', alert: 'other', action: { type: 'test', lane: 'b' }, dueAt: someInstant });
  queue.wake();
  await clock.advance(3_000);
  expect(peer.calls).toEqual([...Array.from({ length: 4 }, () => ['alert-1']), ['other']]);
  expect(queue.stats()[0]).toMatchObject({ waiting: 6_000, delivered: 1 });
  behave.now = works;
  asked = 0;
  await clock.advance(70_000);
  expect(queue.stats()[0]).toMatchObject({ waiting: 0, delivered: 6_001 });
  // Seventy seconds, and once for each page.
  expect(asked).toBeLessThan(150);
});

test('a failure of which nothing waits any more is over once the channel is found to work', async () => {
  const behave = { now: fails('UNREACHABLE', 'no speaker') as Behaviour };
  const voice = channel('test', behave, { staleAfterMs: 60_000 });
  const { queue, store, clock, health } = await house({ channels: { test: voice.channel } });
  store.add({});
  queue.wake();
  await clock.advance(100_000);
  expect(store.rows.get('delivery-1')).toMatchObject({ state: 'given-up' });
  expect(health.get('alerts.test')).toMatchObject({ state: 'down', detail: 'no speaker' });
  await clock.advance(300_000);
  expect(health.get('alerts.test')).toMatchObject({ state: 'ok', detail: 'fine' });
});

test('a peer that is away is asked by one delivery at a time, ever more rarely, and all arrive when it is back', async () => {
  const behave = { now: fails('UNREACHABLE', 'nobody there') as Behaviour };
  const peer = channel('test', behave);
  const alerts = Array.from({ length: 30 }, (_, i) => someAlert({ id: `alert-${i}` }));
  const { queue, store, clock, lines, health } = await house({ channels: { test: peer.channel }, alerts });
  store.add(...alerts.map((a) => ({ id: a.id, alert: a.id, action: { type: 'test', lane: 'x' } })));
  queue.wake();
  await clock.advance(3 * 3_600_000);
  const tries = peer.calls.length;
  // The first look starts as many as may run together; 1 + 2 + … + 512 s, then every 10 min.
  expect(tries).toBeGreaterThan(20);
  expect(tries).toBeLessThan(40);
  expect(health.get('alerts.test')).toMatchObject({ state: 'down', detail: 'nobody there' });
  expect(lines.filter((l) => l.includes('nobody there'))).toHaveLength(1);
  behave.now = works;
  await clock.advance(600_000);
  expect(queue.stats()[0]).toMatchObject({ delivered: 30, waiting: 0, failures: tries });
  expect(peer.calls.slice(tries).flat().toSorted()).toEqual(alerts.map((a) => a.id).toSorted());
  expect(lines.at(-1)).toContain('test works again');
});

test('what was held back travels in one digest where the channel can; new alerts go alone', async () => {
  const behave = { now: works };
  const mail = channel('test', behave, { digest: true, concurrency: 1 });
  const alerts = [1, 2, 3, 4, 5].map((i) => someAlert({ id: `alert-${i}`, at: someInstant + i }));
  const { queue, store, clock } = await house({ channels: { test: mail.channel }, alerts });
  const add = (i: number) =>
    store.add({ id: `d${i}`, alert: `alert-${i}`, action: { type: 'test' }, dueAt: someInstant });
  add(1);
  add(2);
  queue.wake();
  await clock.advance(1_000);
  expect(mail.calls).toEqual([['alert-1'], ['alert-2']]);
  behave.now = fails('RATE_LIMITED', 'six mails went out', { retryAfterMs: 480_000 });
  for (const i of [3, 4, 5]) add(i);
  queue.wake();
  await clock.advance(1_000);
  expect(mail.calls.slice(2)).toEqual([['alert-3']]);
  behave.now = works;
  await clock.advance(478_000);
  expect(mail.calls).toHaveLength(3);
  await clock.advance(2_000);
  expect(mail.calls.slice(3)).toEqual([['alert-3', 'alert-4', 'alert-5']]);
  // To be asked to wait is no failed try.
  expect([...store.rows.values()].map((r) => [r.state, r.attempts])).toEqual(
    Array.from({ length: 5 }, () => ['done', 1]),
  );
});

test('one delivery that the peer refuses holds up none of the others', async () => {
  const peer = channel(
    'test',
    {
      now: async (alerts) => {
        if (alerts[0]!.id === 'bad') throw new LaresError('BAD_REPLY', 'the server does not accept this one');
      },
    },
    { concurrency: 1 },
  );
  const alerts = ['bad', 'good-1', 'good-2'].map((id) => someAlert({ id }));
  const { queue, store, clock, lines } = await house({ channels: { test: peer.channel }, alerts });
  store.add(...alerts.map((a) => ({ id: a.id, alert: a.id })));
  queue.wake();
  await clock.advance(2_000);
  expect(store.rows.get('good-1')!.state).toBe('done');
  expect(store.rows.get('good-2')!.state).toBe('done');
  await clock.advance(25 * 3_600_000);
  expect(store.rows.get('bad')).toMatchObject({
    state: 'given-up',
    detail: 'given up 24 h after the alert, too late to tell; last: the server does not accept this one',
  });
  // Once for the trouble, and once for the end.
  expect(lines.filter((l) => l.includes('does not accept this one'))).toHaveLength(2);
});

test('what a person must mend is parked with a note, asked once an hour, and tried at once when the settings change', async () => {
  const behave = { now: fails('AUTH_REFUSED', 'the password is wrong; check it') as Behaviour };
  const peer = channel('test', behave);
  const { queue, store, clock, health, lines, io } = await house({ channels: { test: peer.channel } });
  store.add({});
  queue.wake();
  await clock.advance(1_000);
  expect(health.get('alerts.test')).toMatchObject({
    state: 'parked',
    detail: 'the password is wrong; check it',
  });
  await clock.advance(3 * 3_600_000);
  expect(peer.calls).toHaveLength(4);
  expect(lines.filter((l) => l.includes('ERROR'))).toHaveLength(1);
  behave.now = works;
  await queue.use(someSettings({ monitoring: { webhooks: [{ id: 'a', url: 'https://example.org' }] } }), io);
  await clock.advance(0);
  expect(store.rows.get('delivery-1')).toMatchObject({ state: 'done', attempts: 5 });
  expect(peer.opened()).toBe(2);
  await queue.use(someSettings({ monitoring: { webhooks: [{ id: 'a', url: 'https://example.org' }] } }), io);
  expect(peer.opened()).toBe(2);
});

test('a voice is given up after a minute, with the reason that stood in its way', async () => {
  const voice = channel('test', { now: fails('UNREACHABLE', 'no speaker') }, { staleAfterMs: 60_000 });
  const { queue, store, clock, lines } = await house({ channels: { test: voice.channel } });
  store.add({});
  queue.wake();
  await clock.advance(61_000);
  expect(store.rows.get('delivery-1')).toMatchObject({
    state: 'given-up',
    detail: 'given up 60 s after the alert, too late to tell; last: no speaker',
  });
  expect(lines.at(-1)).toContain('test error: alert alert-1 was not told: given up 60 s after the alert');
  expect(queue.stats()[0]).toMatchObject({ givenUp: 1, waiting: 0 });
});

test('a restart tries what waits at once, tells nothing twice and gives up what is too late', async () => {
  const behave = { now: fails('UNREACHABLE', 'nobody there') as Behaviour };
  const before = channel('test', behave);
  const late = channel('late', { now: works }, { staleAfterMs: 60_000 });
  const store = new MemoryDeliveries();
  const clock = new ManualClock(someInstant);
  const first = await house({ channels: { test: before.channel }, store, clock });
  store.add({ id: 'waits' }, { id: 'done', state: 'done' });
  first.queue.wake();
  await clock.advance(3_600_000);
  await first.end();
  expect(store.rows.get('waits')!.dueAt).toBeGreaterThan(clock.now());
  store.add({ id: 'late', channel: 'late' });
  const after = channel('test', { now: works });
  await house({ channels: { test: after.channel, late: late.channel }, store, clock });
  await clock.advance(0);
  expect(after.calls).toEqual([['alert-1']]);
  expect(late.calls).toEqual([]);
  expect([...store.rows.values()].map((r) => [r.id, r.state])).toEqual([
    ['waits', 'done'],
    ['done', 'done'],
    ['late', 'given-up'],
  ]);
});

test('a delivery in flight at the end still waits at the next start, and no try is counted', async () => {
  const hung = channel('test', { now: hangs });
  const { queue, store, clock, end } = await house({ channels: { test: hung.channel } });
  store.add({});
  queue.wake();
  await clock.advance(1_000);
  await end();
  expect(hung.calls).toHaveLength(1);
  expect(store.rows.get('delivery-1')).toMatchObject({ state: 'waiting', attempts: 0 });
});

test('what was told is not told again while the store cannot take the mark', async () => {
  const peer = channel('test', { now: works });
  const { queue, store, clock } = await house({ channels: { test: peer.channel } });
  store.add({});
  store.trouble = new Error('disk full');
  queue.wake();
  await clock.advance(10_000);
  expect(peer.calls).toHaveLength(1);
  store.trouble = undefined;
  await clock.advance(2_000);
  expect(store.rows.get('delivery-1')!.state).toBe('done');
  expect(peer.calls).toHaveLength(1);
  expect(queue.stats()[0]!.delivered).toBe(1);
});

test('a clock that is set back holds nothing up', async () => {
  const behave = { now: fails('UNREACHABLE', 'nobody there') as Behaviour };
  const peer = channel('test', behave);
  const { queue, store, clock } = await house({ channels: { test: peer.channel } });
  store.add({});
  queue.wake();
  await clock.advance(600_000);
  behave.now = works;
  clock.jump(-7_200_000);
  await clock.advance(2_000);
  expect(store.rows.get('delivery-1')!.state).toBe('done');
});

test('a try has a time limit, after which it counts as failed', async () => {
  const hung = channel('test', { now: hangs });
  const { queue, store, clock } = await house({ channels: { test: hung.channel } });
  store.add({});
  queue.wake();
  await clock.advance(60_500);
  expect(store.rows.get('delivery-1')).toMatchObject({ state: 'waiting', attempts: 1, detail: 'it hung' });
});

test('a delivery that can never work is marked as failed with its reason', async () => {
  const peer = channel('test', { now: works });
  const { queue, store, clock } = await house({ channels: { test: peer.channel } });
  store.add(
    { id: 'a', channel: 'pigeon' },
    { id: 'b', alert: 'forgotten' },
    { id: 'c', action: { type: 'test', surprise: 1 } },
  );
  queue.wake();
  await clock.advance(0);
  expect([...store.rows.values()].map((r) => [r.state, r.detail])).toEqual([
    ['failed', 'there is no channel pigeon'],
    ['failed', 'the book no longer has the alert'],
    ['failed', 'the action of the rule is no longer valid'],
  ]);
  expect(peer.calls).toEqual([]);
});

test('a channel that can show a picture waits a moment for it', async () => {
  const mail = channel('test', { now: works }, { patienceMs: 5_000 });
  const { queue, store, clock, known } = await house({ channels: { test: mail.channel } });
  known.set('alert-2', someAlert({ id: 'alert-2', snapshot: '/tmp/picture.jpg' }));
  store.add({}, { id: 'pictured', alert: 'alert-2' });
  queue.wake();
  await clock.advance(2_000);
  expect(mail.calls).toEqual([['alert-2']]);
  await clock.advance(4_000);
  expect(mail.calls).toEqual([['alert-2'], ['alert-1']]);
});

test('the most severe goes first', async () => {
  const peer = channel('test', { now: works }, { concurrency: 1 });
  const alerts = [
    someAlert({ id: 'note', severity: 'info' }),
    someAlert({ id: 'alarm', severity: 'critical' }),
    someAlert({ id: 'usual' }),
  ];
  const { queue, store, clock } = await house({ channels: { test: peer.channel }, alerts });
  store.add(...alerts.map((a) => ({ id: a.id, alert: a.id })));
  queue.wake();
  await clock.advance(5_000);
  expect(peer.calls).toEqual([['alarm'], ['usual'], ['note']]);
});

test('whatever a peer does, every delivery ends exactly once and none is told twice after it was taken', async () => {
  const outcome = fc.constantFrom('works', 'away', 'refuses', 'locked', 'wait', 'throws');
  const behaviours: Record<string, Behaviour> = {
    works,
    away: fails('UNREACHABLE', 'away'),
    refuses: fails('BAD_REPLY', 'refused'),
    locked: fails('AUTH_REFUSED', 'locked'),
    wait: fails('RATE_LIMITED', 'wait', { retryAfterMs: 30_000 }),
    throws: async () => {
      throw new TypeError('a mistake');
    },
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(outcome, { maxLength: 12 }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      async (script, count, digest) => {
        const left = [...script];
        const taken: string[] = [];
        const peer = channel(
          'test',
          {
            now: async (alerts, signal) => {
              await behaviours[left.shift() ?? 'works']!(alerts, signal);
              taken.push(...alerts.map((a) => a.id));
            },
          },
          { digest },
        );
        const alerts = Array.from({ length: count }, (_, i) => someAlert({ id: `alert-${i}` }));
        const { queue, store, clock, end } = await house({ channels: { test: peer.channel }, alerts });
        store.add(...alerts.map((a) => ({ id: a.id, alert: a.id })));
        queue.wake();
        for (let hour = 0; hour < 15; hour += 1) await clock.advance(3_600_000);
        await end();
        expect(taken.toSorted()).toEqual(alerts.map((a) => a.id).toSorted());
        expect([...store.rows.values()].every((r) => r.state === 'done')).toBe(true);
      },
    ),
    { numRuns: 15 },
  );
});
