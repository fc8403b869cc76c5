import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { MemoryDeliveries, someAlert, someInstant } from './fixture.ts';
import { channel, closeAll, fails, hangs, house, works, type Behaviour } from './queue.fixture.ts';

afterEach(closeAll);

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
