import fc from 'fast-check';
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import type { CliHouse } from '#platform/command.ts';
import { silent } from '#platform/log.ts';
import type { Store } from '#store/model.ts';
import { runDriver, type DriverRun } from '../../../../tests/contract/run-driver.ts';
import { MemoryState } from '../../../../tests/servers/memory-store.ts';
import { until } from '../../../../tests/servers/process.ts';
import type { Report } from '../../model.ts';
import { tadoCommands } from './cli.ts';
import { TadoClient } from './cloud.ts';
import { parseHomes, parsePhones, parseQuota, parseTokens } from './codec.ts';
import { makeTadoDriver } from './driver.ts';
import { tadoLogin } from './login.ts';
import { accountKey, clientId, type TadoAccount } from './model.ts';
import { findPhone, nextPollMs, passwordNotice } from './rules.ts';
import { TadoSim } from './sim.ts';

const start = Date.UTC(2026, 10, 21, 8);
const minute = 60_000;
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function house(options: { quota?: number; login?: boolean } = {}) {
  const clock = new ManualClock(start);
  const sim = await new TadoSim({ now: () => clock.now(), ...options }).listen();
  closers.push(() => sim.close());
  sim.phones = [
    { name: 'Alex phone', atHome: true },
    { name: 'Sam phone', atHome: false },
    { name: 'Jo phone', atHome: true, stale: true },
    { name: 'Kit phone' },
  ];
  const state = new MemoryState();
  if (options.login !== false) await state.set(accountKey, sim.account());
  const config = {
    devices: ['alex', 'sam', 'jo', 'kit'].map((person) => ({ person, device: `${person} phone` })),
  };
  const run = () => {
    const running = runDriver(makeTadoDriver(state, sim.cloud), config, clock);
    closers.push(() => running.stop());
    return running;
  };
  const account = async () => (await state.get<TadoAccount>(accountKey))!;
  return { clock, sim, state, run, account, paths: () => sim.requests.map((r) => `${r.path} ${r.status}`) };
}

const polled = (running: DriverRun<Report>) => running.details.filter((d) => d?.includes('phones')).length;
const said = (reports: readonly Report[]) => reports.map((r) => `${r.person} ${r.state}`);
const devices = '/api/v2/homes/4711/mobileDevices';

test('only a fresh location at home is home; a stale or missing one is no information', async () => {
  const { run } = await house();
  const running = run();
  await until(() => polled(running) > 0);
  expect(said(running.signals)).toEqual(['alex home', 'sam away', 'jo unknown', 'kit unknown']);
  expect(running.signals[0]).toEqual({
    source: 'tado',
    person: 'alex',
    state: 'home',
    at: start,
    entity: 'alex phone',
    gps: true,
  });
});

test('a phone that the account does not have is named once, with those that it has', async () => {
  const { clock, sim, run } = await house();
  sim.phones = [{ name: 'Old phone', atHome: true }];
  const running = run();
  await until(() => polled(running) === 1);
  await clock.advance(15 * minute);
  await until(() => polled(running) === 2);
  const lines = running.lines.filter((line) =>
    /the account has no phone "alex phone"; it has Old phone/.test(line),
  );
  expect(lines).toHaveLength(1);
});

test('a day of polls stays within the free quota, and each poll renews the rotating token', async () => {
  const { clock, sim, run, account } = await house();
  const running = run();
  const first = (await account()).refreshToken;
  await until(() => polled(running) === 1);
  // The 24 hours of one quota, whatever the pace was.
  for (let quarter = 1; quarter < 96; quarter += 1) {
    await clock.advance(15 * minute);
    await until(() => polled(running) === quarter + 1);
  }
  expect(sim.used).toBe(97);
  expect(sim.requests.filter((r) => r.status !== 200)).toEqual([]);
  expect((await account()).refreshToken).not.toBe(first);
});

test('a restart neither polls at once nor asks for the home again', async () => {
  const { clock, run, paths } = await house();
  const before = run();
  await until(() => polled(before) > 0);
  await before.stop();
  const after = run();
  await clock.advance(14 * minute);
  expect(paths()).toEqual(['/api/v2/me 200', `${devices} 200`]);
  await clock.advance(minute);
  await until(() => polled(after) > 0);
  expect(paths()).toEqual(['/api/v2/me 200', `${devices} 200`, '/oauth2/token 200', `${devices} 200`]);
});

test('the new refresh token is kept before the access token is used', async () => {
  const { clock, sim, state, account } = await house();
  await clock.advance(11 * minute);
  const client = new TadoClient({ cloud: sim.cloud, clock, state });
  sim.apiFault = 500;
  await expect(client.homes()).rejects.toMatchObject({ code: 'UNREACHABLE' });
  expect((await account()).refreshToken).toBe('simulated-refresh-2');
  sim.apiFault = undefined;
  expect(await client.homes()).toEqual([4711]);
});

test('an access token that was withdrawn is renewed once', async () => {
  const { clock, sim, state, paths } = await house();
  sim.withdrawAccess();
  const client = new TadoClient({ cloud: sim.cloud, clock, state });
  expect(await client.homes()).toEqual([4711]);
  expect(paths()).toEqual(['/api/v2/me 401', '/oauth2/token 200', '/api/v2/me 200']);
  sim.apiFault = 401;
  await expect(client.phones(4711)).rejects.toMatchObject({ code: 'AUTH_REFUSED' });
  expect(paths().slice(3)).toEqual([`${devices} 401`, '/oauth2/token 200', `${devices} 401`]);
});

test('a refresh token that was used elsewhere asks for a new login', async () => {
  const { clock, sim, run } = await house();
  sim.account();
  await clock.advance(11 * minute);
  expect(await run().ended).toMatchObject({
    code: 'AUTH_REFUSED',
    message: 'Tado no longer accepts the stored login (invalid_grant): run `lares tado login`',
  });
});

test('without a login the source says how to log in, and that passwords no longer work', async () => {
  const { run, sim } = await house({ login: false });
  const error = await run().ended;
  expect(error).toMatchObject({ code: 'AUTH_REFUSED' });
  expect(String(error)).toMatch(
    /nobody has logged in to Tado \(TADO_USERNAME and TADO_PASSWORD.*lares tado login/,
  );
  expect(sim.requests).toEqual([]);
});

test.each([
  [403, 'AUTH_REFUSED', /403.*member of the home/],
  [404, 'NOT_FOUND', /404.*lares tado login/],
  [410, 'GONE', /410.*ended on 2025-03-21.*lares tado login/],
])('a %d is permanent and explained', async (status, code, text) => {
  const { sim, run } = await house();
  sim.apiFault = status;
  const error = await run().ended;
  expect(error).toMatchObject({ code, retryAfterMs: undefined });
  expect(String(error)).toMatch(text);
  expect(sim.requests).toHaveLength(1);
});

test('a used-up quota waits until the day of the quota ends, also after a restart', async () => {
  const { clock, sim, run } = await house({ quota: 1 });
  expect(await run().ended).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 86_400_000 });
  const again = run();
  await clock.advance(86_000_000);
  expect(sim.requests.map((r) => r.status)).toEqual([200, 429]);
  await clock.advance(400_000);
  await until(() => polled(again) > 0);
});

test('the login shows the code, waits for the person, and keeps tokens and homes', async () => {
  const { clock, sim, state, account, paths } = await house({ login: false });
  const shown: string[] = [];
  const done = tadoLogin({
    cloud: sim.cloud,
    clock,
    state,
    signal: new AbortController().signal,
    onCode: (code) => shown.push(`${code.url} ${code.userCode}`),
  });
  await until(() => shown.length === 1);
  await clock.advance(5_000);
  await until(() => sim.requests.length === 2);
  sim.confirm();
  const asked = async () => (await clock.advance(5_000), sim.requests.length > 2);
  await until(asked);
  expect((await done).phones.map((p) => p.name)).toEqual([
    'Alex phone',
    'Sam phone',
    'Jo phone',
    'Kit phone',
  ]);
  expect(shown).toEqual([`${sim.cloud.loginUrl}/oauth2/device?user_code=AB12CD AB12CD`]);
  expect(paths()).toEqual([
    '/oauth2/device_authorize 200',
    '/oauth2/token 400',
    '/oauth2/token 200',
    '/api/v2/me 200',
    `${devices} 200`,
  ]);
  expect((await account()).homes).toEqual([4711]);
});

test.each([
  ['declined', 'no', 'AUTH_REFUSED'],
  ['ignored', undefined, 'TIMEOUT'],
] as const)('a login that was %s leaves nothing behind', async (_name, answer, code) => {
  const { clock, sim, state } = await house({ login: false });
  if (answer !== undefined) sim.confirm(answer);
  const stop = new AbortController();
  let ended: unknown;
  void tadoLogin({ cloud: sim.cloud, clock, state, signal: stop.signal, onCode: () => {} }).catch(
    (error: unknown) => (ended = error),
  );
  await until(async () => (await clock.advance(5_000), ended !== undefined));
  expect(ended).toMatchObject({ code });
  expect(await state.get(accountKey)).toBeUndefined();
});

test('the commands log in, tell the state without a token, and forget the account', async () => {
  const { sim, state } = await house({ login: false });
  // The real clock runs here, so the person confirms before the first question.
  sim.confirm();
  const printed: { data: unknown; text: string }[] = [];
  const warned: string[] = [];
  const cli: CliHouse<unknown> = {
    config: async () => ({}),
    configFile: () => undefined,
    dataDir: () => '.',
    store: async () => ({ state, close: async () => {} }) as unknown as Store,
    get: async () => undefined,
    log: { ...silent, warn: (text) => warned.push(text) },
    env: { TADO_USERNAME: 'someone@example.org', TADO_PASSWORD: 'hunter2hunter2' },
    print: (data, human) => printed.push({ data, text: human() }),
    progress: () => {},
    signal: new AbortController().signal,
  };
  const run = async (...words: string[]) => {
    const program = new Command().exitOverride();
    tadoCommands(program, cli, sim.cloud);
    await program.parseAsync(['tado', ...words], { from: 'user' });
  };
  await run('status');
  await run('login');
  await run('status');
  await run('logout');
  await run('status');
  expect(printed.map((p) => p.text.split('\n')[0]?.replace(/since .*,/, 'since …,'))).toEqual([
    'no account is connected; run `lares tado login`',
    'logged in; set presence.tado.enabled: true and name the phones under presence.people[].tado_device:',
    'connected since …, homes 4711',
    'forgotten; remove Lares from the connected apps of your Tado account too',
    'no account is connected; run `lares tado login`',
  ]);
  expect(JSON.stringify(printed)).not.toMatch(/simulated-(access|refresh)/);
  expect(warned[0]).toMatch(
    /^tado: TADO_USERNAME and TADO_PASSWORD in the environment are not used: .*lares tado login/,
  );
  expect(warned.join()).not.toMatch(/hunter2/);
});

test('the simulator refuses the password grant with 410, as the cloud does since 2025-03-21', async () => {
  const { sim } = await house();
  const reply = await fetch(`${sim.cloud.loginUrl}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, grant_type: 'password' }),
  });
  expect(reply.status).toBe(410);
});

test('homes come in three shapes', () => {
  expect(parseHomes({ homes: [{ id: 1 }, { id: 2 }, { id: 1 }] })).toEqual([1, 2]);
  expect(parseHomes({ homeIds: [3] })).toEqual([3]);
  expect(parseHomes({ homeId: 4 })).toEqual([4]);
  expect(() => parseHomes({ homes: [] })).toThrow('Tado sent an account without a home');
});

test('the quota headers are read as the cloud writes them', () => {
  expect(parseQuota('"perday";q=20000;w=86400', '"perday";r=15211;t=43200')).toEqual({
    limit: 20_000,
    windowMs: 86_400_000,
    remaining: 15_211,
    resetMs: 43_200_000,
  });
  expect(parseQuota(undefined, '')).toEqual({
    limit: undefined,
    windowMs: undefined,
    remaining: undefined,
    resetMs: undefined,
  });
});

test('a pace never spends more than remains, and never exceeds the configured one', () => {
  fc.assert(
    fc.property(
      fc.record({
        limit: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined }),
        windowMs: fc.option(fc.constant(86_400_000), { nil: undefined }),
        remaining: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
        resetMs: fc.option(fc.integer({ min: 0, max: 86_400_000 }), { nil: undefined }),
      }),
      fc.integer({ min: 1, max: 3 }),
      (quota, requests) => {
        const wait = nextPollMs(900_000, requests, quota);
        expect(wait).toBeGreaterThanOrEqual(900_000);
        expect(wait).toBeLessThanOrEqual(86_400_000);
        const { remaining = Number.POSITIVE_INFINITY, resetMs = 0 } = quota;
        expect(Math.floor(resetMs / wait) * requests).toBeLessThanOrEqual(Math.max(remaining, requests));
      },
    ),
  );
  expect(
    nextPollMs(900_000, 1, { limit: 100, windowMs: 86_400_000, remaining: 23, resetMs: 43_200_000 }),
  ).toBe(2_160_000);
  expect(nextPollMs(900_000, 1, parseQuota(undefined, undefined))).toBe(900_000);
  expect(nextPollMs(900_000, 1, parseQuota(undefined, 'r=0'))).toBe(3_600_000);
});

function outcome(parse: () => unknown): string {
  try {
    parse();
    return 'read';
  } catch (error) {
    return error instanceof LaresError ? error.code : String(error);
  }
}

test('replies of any shape are read or refused, never worse', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const parse of [parseHomes, parsePhones, (v: unknown) => parseTokens(v, 0)])
        expect(outcome(() => parse(value))).toMatch(/^(read|BAD_REPLY)$/);
    }),
  );
});

test('a phone is found by its name in any case, or by its id', () => {
  const phones = parsePhones([{ id: 7, name: 'Alex Phone' }, { id: 8 }]);
  expect(phones).toEqual([{ id: '7', name: 'Alex Phone', location: undefined }]);
  expect([findPhone(phones, ' alex phone '), findPhone(phones, '7'), findPhone(phones, 'sam')]).toEqual([
    phones[0],
    phones[0],
    undefined,
  ]);
});

test('old credentials get a notice only where there are some', () => {
  expect(passwordNotice({})).toBeUndefined();
  expect(passwordNotice({ TADO_USERNAME: '' })).toBeUndefined();
  expect(passwordNotice({ TADO_PASSWORD: 'x' })).toMatch(/^TADO_PASSWORD in the environment is not used/);
});
