import { afterEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { someAlert, someSettings } from './fixture.ts';
import { channel, closeAll, fails, hangs, house, works, type Behaviour } from './queue.fixture.ts';

afterEach(closeAll);

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

test('what a check found is no news after a delivery that arrived since it was asked', async () => {
  const answer = Promise.withResolvers<never>();
  const peer = channel('test', { now: works }, { check: () => answer.promise });
  const { queue, store, clock, health } = await house({ channels: { test: peer.channel } });
  store.add({});
  queue.wake();
  await clock.advance(1_000);
  expect(health.get('alerts.test')).toMatchObject({ state: 'ok', detail: 'told 1' });
  answer.reject(new LaresError('UNREACHABLE', 'no answer'));
  await clock.advance(1_000);
  expect(health.get('alerts.test')).toMatchObject({ state: 'ok', detail: 'told 1' });
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
