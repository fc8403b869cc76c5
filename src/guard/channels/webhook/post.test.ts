import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, LookupFunction, Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { scratch } from '../../../../tests/servers/process.ts';
import { alertBody } from '../alert.render.ts';
import { monitoringConfig } from '../config.ts';
import { someAlert, someInstant, someIo, someSettings } from '../fixture.ts';
import { forbidden } from './address.ts';
import { openWebhooks } from './post.ts';

interface Received {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A receiver on loopback; `answer` may be changed while it runs. */
async function receiver(
  answer: (response: ServerResponse) => void = (r) => r.writeHead(204).end(),
  host = '127.0.0.1',
) {
  const requests: Received[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url: path, headers } = request;
      requests.push({ method, path, headers, body: Buffer.concat(chunks) });
      here.answer(response);
    });
  });
  server.on(
    'connection',
    (socket) => (sockets.add(socket), socket.on('close', () => sockets.delete(socket))),
  );
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  const shown = host.includes(':') ? `[${host}]` : host;
  const here = { requests, answer, port, url: `http://${shown}:${port}/hooks/key-of-the-hook` };
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return here;
}

function hook(url: string, more: Record<string, unknown> = {}, lookup?: LookupFunction) {
  const { monitoring } = someSettings({ monitoring: { webhooks: [{ id: 'phone', url, ...more }] } });
  const open = openWebhooks(monitoring.webhooks, someIo({ clock: new ManualClock(someInstant) }), lookup);
  closers.push(() => open.close());
  return open;
}

const never = new AbortController().signal;
const post = (open: ReturnType<typeof hook>, alert = someAlert()) =>
  open.deliver(alert, { type: 'webhook', to: 'phone' }, never);

test('an alert is posted once as JSON with all that is known, under a key that a second try repeats', async () => {
  const there = await receiver();
  await post(hook(there.url, { bearer_token: 'token-1' }));
  const [{ method, path, headers, body } = there.requests[0]!] = there.requests;
  expect([method, path]).toEqual(['POST', '/hooks/key-of-the-hook']);
  expect(headers).toMatchObject({
    'content-type': 'application/json',
    'idempotency-key': 'alert-1',
    authorization: 'Bearer token-1',
    'user-agent': 'lares',
  });
  expect(JSON.parse(body.toString())).toEqual({
    id: 'alert-1',
    at: '2026-01-31T08:00:00.000Z',
    rule: 'gate_person',
    rule_name: 'Person at the gate',
    camera: 'front_door',
    camera_name: 'Front door',
    label: 'person',
    severity: 'warning',
    message: 'A person, 4 metres from the gate, coming closer',
    event: 'event-1',
    seen_at: '2026-01-31T08:00:00.000Z',
    score: 0.87,
    box: { left: 0.25, top: 0.5, width: 0.125, height: 0.25 },
    zones: ['path'],
    references: [
      {
        name: 'gate',
        distance_metres: 4.123,
        sigma_metres: 0.3,
        approach_metres_per_second: 0.8,
        arrives_in_seconds: 5,
      },
      { name: 'garage', distance_metres: 9, sigma_metres: 0.5, approach_metres_per_second: -0.1 },
    ],
    distance: 4.123,
    identity: null,
    why: [{ gate: 'distance', passed: true, text: '4.1 m ± 0.3 from gate, wanted < 5 m' }],
  });
});

test('without a calibration the distance is null, not 0', () => {
  const { observation } = someAlert();
  expect(alertBody(someAlert({ observation: { ...observation, references: {} } }))).toMatchObject({
    distance: null,
    references: [],
  });
});

test('a signature covers the instant and every byte of the body', async () => {
  const there = await receiver();
  await post(hook(there.url, { hmac_secret: 'a secret of 16 characters' }));
  const { headers, body } = there.requests[0]!;
  const at = someInstant / 1_000;
  const expected = createHmac('sha256', 'a secret of 16 characters').update(`${at}.${body.toString()}`);
  expect(headers['x-lares-signature']).toBe(`t=${at},v1=${expected.digest('hex')}`);
});

test('the picture travels within the JSON or as a file beside it', async () => {
  const { dir, remove } = scratch('hook');
  closers.push(remove);
  const jpeg = Buffer.from([0xff, 0xd8, 0xff, 0x0d, 0x0a, 0x2d, 0x2d, 0x00]);
  writeFileSync(`${dir}/a.jpg`, jpeg);
  const alert = someAlert({ snapshot: `${dir}/a.jpg` });
  const there = await receiver();
  await post(hook(there.url, { snapshot: 'base64' }), alert);
  await post(hook(there.url, { snapshot: 'multipart' }), alert);
  await post(hook(there.url, { snapshot: 'base64' }), someAlert({ snapshot: `${dir}/gone.jpg` }));
  const [within, beside, gone] = there.requests;
  expect((JSON.parse(within!.body.toString()) as { snapshot: unknown }).snapshot).toEqual({
    type: 'image/jpeg',
    base64: jpeg.toString('base64'),
  });
  const form = await new Response(beside!.body, {
    headers: { 'content-type': beside!.headers['content-type']! },
  }).formData();
  expect(JSON.parse(form.get('alert') as string)).toMatchObject({ id: 'alert-1' });
  expect(Buffer.from(await (form.get('snapshot') as File).arrayBuffer())).toEqual(jpeg);
  expect((JSON.parse(gone!.body.toString()) as { snapshot: unknown }).snapshot).toBeNull();
});

test.each([
  [401, 'AUTH_REFUSED'],
  [403, 'AUTH_REFUSED'],
  [404, 'NOT_FOUND'],
  [410, 'GONE'],
  [422, 'BAD_REPLY'],
  [429, 'RATE_LIMITED'],
  [500, 'UNREACHABLE'],
  [503, 'UNREACHABLE'],
] as const)('HTTP %i is %s', async (status, code) => {
  const there = await receiver((r) => r.writeHead(status, { 'retry-after': '120' }).end('no'));
  const error = await post(hook(there.url)).catch((caught: unknown) => caught as Error);
  expect(error).toMatchObject({ code, retryAfterMs: 120_000 });
  expect(error!.message).toContain(`webhook phone (127.0.0.1:${there.port})`);
});

test('a redirect is not followed', async () => {
  const elsewhere = await receiver();
  const there = await receiver((r) => r.writeHead(307, { location: elsewhere.url }).end());
  await expect(post(hook(there.url))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  expect(elsewhere.requests).toEqual([]);
});

test('a receiver that took the alert has it, however long or slow its answer is', async () => {
  const endless = await receiver((r) => r.writeHead(200).end(Buffer.alloc(1_000_000)));
  await post(hook(endless.url));
  const slow = await receiver((r) => r.writeHead(200).flushHeaders());
  await post(hook(slow.url, { timeout_seconds: 4 }));
  const cut = await receiver((r) => r.writeHead(200).write('he', () => r.destroy()));
  await post(hook(cut.url));
  expect([endless, slow, cut].map((there) => there.requests.length)).toEqual([1, 1, 1]);
});

test('a receiver that is silent, gone or cut off is an error within its time limit', async () => {
  const silent = await receiver(() => {});
  await expect(post(hook(silent.url, { timeout_seconds: 1 }))).rejects.toMatchObject({ code: 'TIMEOUT' });
  const cut = await receiver((r) => r.destroy());
  await expect(post(hook(cut.url))).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await expect(post(hook('http://127.0.0.1:9/x'))).rejects.toMatchObject({ code: 'UNREACHABLE' });
});

test('the address, the token and the signing secret are in no error', async () => {
  const there = await receiver((r) => r.writeHead(500).end());
  const secrets = { bearer_token: 'token-of-the-hook', hmac_secret: 'secret-of-the-hook' };
  const errors: unknown[] = [];
  for (const url of [there.url, 'http://127.0.0.1:9/hooks/key-of-the-hook?key=key-of-the-hook'])
    errors.push(await post(hook(url, secrets)).catch((caught: unknown) => caught));
  there.answer = () => {};
  errors.push(
    await post(hook(there.url, { ...secrets, timeout_seconds: 1 })).catch((caught: unknown) => caught),
  );
  expect(errors).toHaveLength(3);
  for (const error of errors as Error[])
    expect(`${error.message} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`).not.toMatch(
      /of-the-hook/,
    );
});

test('a name that leads to the metadata of a cloud is refused before a byte is sent', async () => {
  const there = await receiver();
  let answer = '127.0.0.1';
  const lookup = ((_name, options, callback) =>
    options.all === true
      ? callback(null, [{ address: answer, family: 4 }])
      : callback(null, answer, 4)) as LookupFunction;
  const open = hook(`http://hooks.example.org:${there.port}/x`, {}, lookup);
  await post(open);
  expect(there.requests).toHaveLength(1);
  answer = '169.254.169.254';
  await expect(post(open)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: expect.stringContaining('hooks.example.org leads to 169.254.169.254'),
  });
  expect(await open.check(never)).toMatchObject({ state: 'down' });
});

test('addresses that only this machine, wire or cloud knows are forbidden to names', () => {
  for (const bad of [
    '169.254.169.254',
    '169.254.0.1',
    '0.0.0.0',
    '100.100.100.200',
    '192.0.0.192',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '::',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    'nonsense',
    '',
  ])
    expect([bad, forbidden(bad)]).toEqual([bad, true]);
  for (const good of ['127.0.0.1', '192.0.2.1', '10.0.0.1', '8.8.8.8', '::1', '2001:db8::1', 'fd00::1'])
    expect([good, forbidden(good)]).toEqual([good, false]);
  fc.assert(fc.property(fc.nat(255), fc.nat(255), (a, b) => forbidden(`::ffff:169.254.${a}.${b}`)));
});

test('an address of IPv6 is reached and named', async () => {
  const there = await receiver((r) => r.writeHead(500).end(), '::1');
  const open = hook(there.url);
  expect(await open.check(never)).toMatchObject({ state: 'ok' });
  await expect(post(open)).rejects.toMatchObject({
    message: `webhook phone ([::1]:${there.port}) is in trouble (HTTP 500)`,
  });
});

test('the check opens connections and posts nothing', async () => {
  const there = await receiver();
  expect(await hook(there.url).check(never)).toEqual({
    state: 'ok',
    detail: 'phone can be reached; nothing was posted',
  });
  expect(await hook('http://127.0.0.1:9/').check(never)).toMatchObject({ state: 'down' });
  expect(await openWebhooks([], someIo()).check(never)).toMatchObject({ state: 'off' });
  expect(there.requests).toEqual([]);
});

test.each([
  [{ id: 'a', url: 'file:///etc/passwd' }, 'expected an address like'],
  [{ id: 'a', url: 'ftp://example.org' }, 'expected an address like'],
  [{ id: 'a', url: 'https://user:pass@example.org' }, 'no user name or password in the address'],
  [{ id: 'a', url: 'https://example.org', bearer_token: 'a\r\nb' }, 'expected printable characters'],
  [{ id: 'a', url: 'https://example.org', hmac_secret: 'short' }, 'at least 16 characters'],
  [{ id: 'A b', url: 'https://example.org' }, 'expected lower-case letters'],
])('the webhook %j is refused', (raw, why) => {
  expect(() => monitoringConfig.parse({ webhooks: [raw] })).toThrow(why);
});

test('two webhooks of one id are refused', () => {
  const one = { id: 'a', url: 'https://example.org' };
  expect(() => monitoringConfig.parse({ webhooks: [one, one] })).toThrow('two webhooks have the same id');
});
