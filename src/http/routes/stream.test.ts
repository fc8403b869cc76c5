import { connect } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { until } from '../../../tests/servers/process.ts';
import { at, servedHouse, type ServedHouse } from '../fixture.ts';

let house: ServedHouse['house'];
let server: ServedHouse['server'];
beforeEach(async () => ({ house, server } = await servedHouse({ heartbeatMs: 50 })));
afterEach(() => server.close());

/** Reads server-sent events until closed. */
async function listen(headers: Record<string, string> = {}) {
  const abort = new AbortController();
  const reply = await fetch(`${server.url}/api/stream`, { headers, signal: abort.signal });
  let text = '';
  const ended = (async () => {
    for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) text += chunk;
  })().catch(() => undefined);
  const frames = () =>
    // What comes after the last end of a frame is not whole yet.
    text
      .split('\n\n')
      .slice(0, -1)
      .flatMap((block) => {
        const field = (name: string) =>
          block
            .split('\n')
            .find((line) => line.startsWith(`${name}: `))
            ?.slice(name.length + 2);
        const event = field('event');
        return event === undefined ? [] : [{ event, id: field('id'), data: JSON.parse(field('data')!) }];
      });
  return {
    status: reply.status,
    type: reply.headers.get('content-type'),
    text: () => text,
    frames,
    ended,
    stop: () => abort.abort(),
  };
}

/** What a newcomer gets; a house that ticks may have added to it by the time that a test looks. */
const picture = ['presence', 'electricity', 'cctv', 'health'];
const beginning = (stream: Awaited<ReturnType<typeof listen>>) =>
  stream
    .frames()
    .slice(0, picture.length)
    .map((f) => f.event);

test('the live stream starts with the whole picture, then tells each change', async () => {
  const stream = await listen();
  await until(() => stream.frames().length >= 4);
  expect(stream.type).toBe('text/event-stream; charset=utf-8');
  expect(beginning(stream)).toEqual(picture);
  house.change('sam', { state: 'home' });
  const news = () => stream.frames().filter((f) => f.event === 'event' || f.data.count_home === 2);
  await until(() => news().length >= 2);
  const [event, presence] = news();
  expect([event?.event, event?.data.kind]).toEqual(['event', 'presence.arrived']);
  expect([presence?.event, presence?.data.count_home]).toEqual(['presence', 2]);
  stream.stop();
});

test('a client that comes back misses no event', async () => {
  const first = await listen();
  await until(() => first.frames().length >= 2);
  house.change('sam', { state: 'home' });
  await until(() => first.frames().some((f) => f.event === 'event'));
  const id = first.frames().find((f) => f.event === 'event')!.id!;
  first.stop();
  await first.ended;
  house.change('sam', { state: 'away' });
  house.change('alex', { state: 'away' });
  const second = await listen({ 'last-event-id': id });
  await until(() => second.frames().length >= 6);
  const first6 = second.frames().slice(0, 6);
  expect(first6.map((f) => [f.event, f.data.subject])).toEqual([
    ['event', 'person:sam'],
    ['event', 'person:alex'],
    ...picture.map((name) => [name, undefined]),
  ]);
  second.stop();
});

test('an id of an earlier process is no reason to fail', async () => {
  const stream = await listen({ 'last-event-id': 'deadbeef-7' });
  await until(() => stream.frames().length >= 4);
  expect(beginning(stream)).toEqual(picture);
  stream.stop();
});

/** The state of the first component as each message told it. */
const told = (stream: Awaited<ReturnType<typeof listen>>): string[] =>
  stream.frames().flatMap((f) => (f.event === 'health' ? [f.data.components[0].state] : []));

test('a changed component is told, an unchanged one is not', async () => {
  house.health.set('wifi', 'ok', 'fine');
  const stream = await listen();
  await until(() => told(stream).length >= 2);
  house.health.set('wifi', 'down', 'no interface');
  await until(() => told(stream).length >= 3);
  expect(told(stream)).toEqual(['ok', 'ok', 'down']);
  stream.stop();
});

test('a page that was opened during a short trouble is told that it is over', async () => {
  house.health.set('wifi', 'ok');
  const early = await listen();
  // Its own snapshot, and what all are told.
  await until(() => told(early).length === 2);
  house.health.set('wifi', 'down');
  const late = await listen();
  await until(() => told(late).at(-1) === 'down');
  house.health.set('wifi', 'ok');
  await until(() => told(late).at(-1) === 'ok');
  early.stop();
  late.stop();
});

test('an idle stream shows signs of life', async () => {
  const stream = await listen();
  await until(() => stream.text().includes(': alive\n\n'));
  stream.stop();
});

test('closing the server ends open streams and lets go of the house', async () => {
  const stream = await listen();
  await until(() => stream.frames().length >= 2);
  expect(house.listeners).toBe(2);
  await server.close();
  await stream.ended;
  expect(house.listeners).toBe(0);
});

test('a client that never reads is cut off instead of filling the memory', async () => {
  const port = Number(new URL(server.url).port);
  const socket = connect(port, '127.0.0.1');
  let closed = false;
  socket.on('close', () => (closed = true)).on('error', () => undefined);
  await new Promise((resolve) => socket.once('connect', resolve));
  socket.write('GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise((resolve) => socket.once('data', resolve));
  socket.pause();
  const text = 'x'.repeat(100_000);
  for (let i = 0; i < 200; i += 1) {
    house.happened({ at, kind: 'test.flood', subject: 'x', cause: 'test', evidence: [], data: { text } });
    // Lets the kernel take what it can, so that only what nobody reads piles up.
    if (i % 10 === 0) await turn();
  }
  socket.resume();
  await until(() => closed);
  const other = await listen();
  await until(() => other.frames().length >= 2);
  other.stop();
});
