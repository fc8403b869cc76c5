import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { LaresError } from '#kernel/errors.ts';
import { freePort, scratch, until } from '../../../tests/servers/process.ts';
import { HomeAssistant } from './client.ts';
import type { EntityAnswer } from './model.ts';
import { HomeAssistantSim, type Fault } from './sim.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function house(options: ConstructorParameters<typeof HomeAssistantSim>[0] = {}) {
  const sim = await new HomeAssistantSim(options).listen();
  closers.push(() => sim.close());
  sim.setState('person.alex', 'home', { friendly_name: 'Alex' });
  return { sim, client: clientOf(sim.url, sim.token) };
}

const clientOf = (url: string, token: string, more = {}) =>
  new HomeAssistant({ url, token, verifyTls: true, deadlineMs: 60_000, pingMs: 20, ...more });
/** For what is never answered. */
const impatient = { deadlineMs: 400 };

const failure = (promise: Promise<unknown>): Promise<LaresError> =>
  promise.then(
    () => expect.fail('it was expected to fail'),
    (error: unknown) => error as LaresError,
  );

/** Watches until stopped, with everything heard. */
function listen(client: HomeAssistant, entities: string[]) {
  const stop = new AbortController();
  const heard: EntityAnswer[] = [];
  let alive = 0;
  const ended = client.watch(
    entities,
    (states) => heard.push(...states),
    () => (alive += 1),
    stop.signal,
  );
  ended.catch(() => {});
  closers.push(() => stop.abort());
  return { heard, ended, stop: () => stop.abort(), alive: () => alive };
}

test('the greeting and one state are read with the token, also when the address ends with a slash', async () => {
  const { sim } = await house({ now: () => Date.UTC(2026, 10, 21, 8) });
  const client = clientOf(`${sim.url}/`, sim.token);
  expect(await client.greeting()).toBe('API running.');
  expect(await client.state('person.alex')).toEqual({
    entity: 'person.alex',
    state: 'home',
    attributes: { friendly_name: 'Alex' },
    changedAt: Date.UTC(2026, 10, 21, 8),
  });
  expect((await client.states()).map((s) => s.entity)).toEqual(['person.alex']);
  expect(sim.requests.map((r) => `${r.method} ${r.path} ${r.status}`)).toEqual([
    'GET /api/ 200',
    'GET /api/states/person.alex 200',
    'GET /api/states 200',
  ]);
});

test('an entity that Home Assistant does not know is missing, not a failure', async () => {
  const { client } = await house();
  expect(await client.state('person.nobody')).toEqual({ entity: 'person.nobody', missing: true });
});

const faults: [string, Fault, Pick<LaresError, 'code' | 'retryAfterMs'>, RegExp][] = [
  [
    '401',
    { status: 401 },
    { code: 'AUTH_REFUSED', retryAfterMs: 900_000 },
    /Long-lived access tokens.*"Presence Monitoring".*HOMEASSISTANT_TOKEN/,
  ],
  ['403', { status: 403 }, { code: 'AUTH_REFUSED', retryAfterMs: 900_000 }, /banned.*ip_bans\.yaml/],
  [
    '429',
    { status: 429, headers: { 'retry-after': '60' } },
    { code: 'RATE_LIMITED', retryAfterMs: 60_000 },
    /429/,
  ],
  ['500', { status: 500 }, { code: 'UNREACHABLE', retryAfterMs: undefined }, /500/],
  [
    '503',
    { status: 503, headers: { 'retry-after': '7' } },
    { code: 'UNREACHABLE', retryAfterMs: 7_000 },
    /starting/,
  ],
  [
    'HTML page',
    'html',
    { code: 'BAD_REPLY', retryAfterMs: undefined },
    /this is not Home Assistant: got text\/html with status 200 from http/,
  ],
  ['10 MiB reply', 'huge', { code: 'BAD_REPLY', retryAfterMs: undefined }, /more than 1048576 bytes/],
  ['broken JSON', 'garbage', { code: 'BAD_REPLY', retryAfterMs: undefined }, /not JSON/],
  ['hang', 'hang', { code: 'TIMEOUT', retryAfterMs: undefined }, /within 0\.4 s/],
  ['reply of one byte a second', 'slow', { code: 'TIMEOUT', retryAfterMs: undefined }, /within 0\.4 s/],
  [
    '404 of another server',
    { status: 404 },
    { code: 'BAD_REPLY', retryAfterMs: undefined },
    /not Home Assistant/,
  ],
  [
    '418',
    { status: 418, headers: { 'content-type': 'application/json' } },
    { code: 'UNREACHABLE', retryAfterMs: undefined },
    /418/,
  ],
];

test.each(faults)('a %s becomes one clear error without the token', async (_name, fault, expected, text) => {
  const { sim } = await house();
  const client = clientOf(sim.url, sim.token, expected.code === 'TIMEOUT' ? impatient : {});
  sim.fault = fault;
  const error = await failure(client.state('person.alex'));
  expect({ code: error.code, retryAfterMs: error.retryAfterMs }).toEqual(expected);
  expect(error.message).toMatch(text);
  expect(error.message).not.toContain(sim.token);
});

test('a port where nothing listens and a name that nobody knows say so', async () => {
  const port = await freePort();
  const refused = await failure(clientOf(`http://127.0.0.1:${port}`, 'some-token').greeting());
  expect(refused.code).toBe('UNREACHABLE');
  expect(refused.message).toBe(
    `http://127.0.0.1:${port}/api/: nothing listens there (ECONNREFUSED); is the service running, and is the port right?`,
  );
  const unknown = await failure(clientOf('http://nowhere.invalid', 'some-token').greeting());
  expect(unknown.code).toBe('UNREACHABLE');
});

async function redirector(target: (path: string) => string): Promise<{ url: string; tokens: unknown[] }> {
  const tokens: unknown[] = [];
  const server: Server = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(302, { location: target(request.url ?? '') }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, tokens };
}

test('a redirect on the same host is followed', async () => {
  const { sim } = await house();
  const { url } = await redirector((where) => `${sim.url}${where}`);
  expect(await clientOf(url, sim.token).greeting()).toBe('API running.');
});

test('a redirect to another host is refused and never sees the token', async () => {
  const other = await redirector(() => '/');
  const { url } = await redirector((where) => `${other.url.replace('127.0.0.1', 'localhost')}${where}`);
  const error = await failure(clientOf(url, 'some-token').greeting());
  expect(error.message).toMatch(
    /redirects to http:\/\/localhost:\d+\/api\/; write that address into the settings/,
  );
  expect(other.tokens).toEqual([]);
});

test('a redirect in circles ends', async () => {
  const { url, tokens } = await redirector((where) => where);
  expect((await failure(clientOf(url, 'some-token').greeting())).message).toMatch(/redirects in circles/);
  expect(tokens).toHaveLength(4);
});

test('a self-signed certificate is refused unless the settings accept it, for REST and WebSocket', async () => {
  const { dir, remove } = scratch('ha-tls');
  closers.push(remove);
  const [key, cert] = [path.join(dir, 'key.pem'), path.join(dir, 'cert.pem')];
  const words =
    'req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1';
  execFileSync('/usr/bin/openssl', [...words.split(' '), '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const { sim, client } = await house({
    tls: { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') },
  });
  expect((await failure(client.greeting())).message).toMatch(/self-signed; set verify_tls: false/);
  expect((await failure(listen(client, ['person.alex']).ended)).message).toMatch(/self-signed/);
  const trusting = clientOf(sim.url, sim.token, { verifyTls: false });
  expect(await trusting.greeting()).toBe('API running.');
  const { heard } = listen(trusting, ['person.alex']);
  await until(() => heard.length === 1);
});

test('the WebSocket tells all states at once, then changes, attributes that went and removals', async () => {
  let now = 1_000_000;
  const { sim, client } = await house({ now: () => now });
  sim.setState('light.hall', 'on');
  const { heard } = listen(client, ['person.alex', 'person.sam']);
  await until(() => heard.length === 1);
  now = 2_000_000;
  sim.setState('person.alex', 'not_home', { gps_accuracy: 10 });
  sim.setState('light.hall', 'off');
  sim.setState('person.sam', 'home');
  sim.removeState('person.sam');
  await until(() => heard.length === 4);
  expect(heard).toEqual([
    { entity: 'person.alex', state: 'home', attributes: { friendly_name: 'Alex' }, changedAt: 1_000_000 },
    { entity: 'person.alex', state: 'not_home', attributes: { gps_accuracy: 10 }, changedAt: 2_000_000 },
    { entity: 'person.sam', state: 'home', attributes: {}, changedAt: 2_000_000 },
    { entity: 'person.sam', missing: true },
  ]);
  expect(sim.heard.slice(0, 3)).toEqual([
    { type: 'auth' },
    { id: 1, type: 'supported_features', features: { coalesce_messages: 1 } },
    { id: 2, type: 'subscribe_entities', entity_ids: ['person.alex', 'person.sam'] },
  ]);
});

test('answered pings prove life, and a Home Assistant that goes mute is given up', async () => {
  const { sim, client } = await house();
  const alive = listen(client, ['person.alex']);
  await until(() => alive.alive() >= 4);
  const watching = listen(clientOf(sim.url, sim.token, { deadlineMs: 3_000 }), ['person.alex']);
  await until(() => watching.alive() >= 1);
  sim.mute = true;
  expect((await failure(watching.ended)).message).toMatch(/did not answer a ping within 3 s/);
});

test('a WebSocket that never greets, is refused, dropped, or meets a wrong token each ends with its own error', async () => {
  const { sim, client } = await house();
  const ends = async (with_: HomeAssistant) => (await failure(listen(with_, ['person.alex']).ended)).message;
  sim.mute = true;
  expect(await ends(clientOf(sim.url, sim.token, impatient))).toMatch(/did not let us in within 0\.4 s/);
  sim.mute = false;
  sim.socketFault = { status: 502 };
  expect(await ends(client)).toMatch(/failed \(502 from ws:/);
  sim.socketFault = { status: 404 };
  expect(await ends(client)).toMatch(/no WebSocket at ws:.*: status 404/);
  sim.socketFault = undefined;
  expect(await ends(clientOf(sim.url, 'wrong-token'))).toMatch(/refused the token/);
  const dropped = listen(client, ['person.alex']);
  await until(() => sim.subscribers === 1);
  sim.dropSockets();
  expect((await failure(dropped.ended)).message).toBe('Home Assistant closed the WebSocket (1006)');
});

test('stopping a watch ends it without an error', async () => {
  const { sim, client } = await house();
  const watching = listen(client, ['person.alex']);
  await until(() => sim.subscribers === 1);
  watching.stop();
  expect(await watching.ended).toBeUndefined();
});
