import { afterEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { ManualClock } from '#platform/clock.ts';
import { Health } from '#platform/health.ts';
import { HomeAssistantSim, type Fault } from '#platform/homeassistant/sim.ts';
import { Logger } from '#platform/log.ts';
import { Supervisor } from '#platform/supervisor.ts';
import { runDriver } from '../../../../tests/contract/run-driver.ts';
import { until } from '../../../../tests/servers/process.ts';
import type { Report } from '../../model.ts';
import { homeassistant } from './driver.ts';

const start = Date.UTC(2026, 10, 21, 8);
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function house(
  entities: [person: string, entity: string][] = [
    ['alex', 'person.alex'],
    ['sam', 'person.sam'],
  ],
) {
  const clock = new ManualClock(start);
  const sim = await new HomeAssistantSim({ now: () => clock.now() }).listen();
  closers.push(() => sim.close());
  sim.setState('person.alex', 'home');
  sim.setState('person.sam', 'not_home');
  const config = {
    url: sim.url,
    token: sim.token,
    entities: entities.map(([person, entity]) => ({ person, entity })),
  };
  const run = () => {
    const running = runDriver(homeassistant, config, clock);
    closers.push(() => running.stop());
    return running;
  };
  return { clock, sim, config, run };
}

const said = (reports: readonly Report[]) => reports.map((r) => `${r.person} ${r.entity} ${r.state}`);
const polls = (sim: HomeAssistantSim) => sim.requests.filter((r) => r.path.startsWith('/api/states/')).length;

test('states are read at the start and changes are pushed, with the instant of the change', async () => {
  const { clock, sim, run } = await house();
  const running = run();
  await until(() => sim.subscribers === 1 && running.signals.length === 4);
  await clock.advance(60_000);
  sim.setState('person.sam', 'home', { gps_accuracy: 12 });
  await until(() => running.signals.length === 5);
  expect(said(running.signals.slice(0, 2))).toEqual(['alex person.alex home', 'sam person.sam away']);
  expect(running.signals[4]).toEqual({
    source: 'homeassistant',
    person: 'sam',
    entity: 'person.sam',
    state: 'home',
    at: start + 60_000,
    gps: true,
  });
  expect(running.details.at(-1)).toBe('2 entities, pushed, reconciled every 300 s');
});

test('what was asked before a change does not take it back', async () => {
  const { clock, sim, run } = await house([['alex', 'person.alex']]);
  const running = run();
  await until(() => sim.subscribers === 1 && running.signals.length === 2);
  const line = Promise.withResolvers<void>();
  sim.line = line.promise;
  const before = polls(sim);
  await clock.advance(300_000);
  await until(() => polls(sim) > before);
  sim.setState('person.alex', 'not_home');
  await until(() => running.signals.length === 3);
  const told = running.details.length;
  line.resolve();
  await until(() => running.details.length > told);
  expect(said(running.signals.slice(2))).toEqual(['alex person.alex away']);
  sim.line = undefined;
  await clock.advance(300_000);
  await until(() => running.signals.length === 4);
  expect(said(running.signals.slice(3))).toEqual(['alex person.alex away']);
});

test('several trackers of one person, and one tracker of two people, each report for themselves', async () => {
  const { sim, run } = await house([
    ['alex', 'person.alex'],
    ['alex', 'device_tracker.tablet'],
    ['sam', 'device_tracker.tablet'],
  ]);
  sim.setState('device_tracker.tablet', 'Work', { source_type: 'gps' });
  const running = run();
  await until(() => running.signals.length >= 3);
  expect(said(running.signals.slice(0, 3))).toEqual([
    'alex person.alex home',
    'alex device_tracker.tablet away',
    'sam device_tracker.tablet away',
  ]);
});

test('an entity that does not exist is named once and means no information, and the others go on', async () => {
  const { clock, sim, run } = await house([
    ['jo', 'person.jo'],
    ['alex', 'person.alex'],
  ]);
  const running = run();
  await until(() => sim.subscribers === 1 && running.signals.length === 3);
  await clock.advance(300_000);
  await until(() => running.signals.length === 5);
  expect(said(running.signals)).toEqual([
    'jo person.jo unknown',
    'alex person.alex home',
    'alex person.alex home',
    'jo person.jo unknown',
    'alex person.alex home',
  ]);
  expect(
    running.lines.filter((line) => /homeassistant error: person\.jo does not exist there \(404\)/.test(line)),
  ).toHaveLength(1);
  expect(running.details.at(-1)).toBe('2 entities, pushed, reconciled every 300 s; unknown there: person.jo');
  sim.setState('person.jo', 'home');
  await until(() => running.signals.length === 6);
  expect(said(running.signals.slice(5))).toEqual(['jo person.jo home']);
});

test('without a WebSocket the poll goes on, and the WebSocket is tried again each minute', async () => {
  const { clock, sim, run } = await house();
  sim.socketFault = { status: 400 };
  const running = run();
  await until(() => running.lines.some((line) => /homeassistant websocket error: no WebSocket/.test(line)));
  sim.setState('person.sam', 'home');
  await clock.advance(300_000);
  await until(() => running.signals.length === 4);
  expect(said(running.signals)).toEqual([
    'alex person.alex home',
    'sam person.sam away',
    'alex person.alex home',
    'sam person.sam home',
  ]);
  sim.socketFault = undefined;
  await clock.advance(60_000);
  await until(() => sim.subscribers === 1);
  expect(running.lines.filter((line) => /websocket error/.test(line))).toHaveLength(1);
});

test('a WebSocket that falls asks the supervisor for a restart', async () => {
  const { sim, run } = await house();
  const running = run();
  await until(() => sim.subscribers === 1 && running.signals.length === 4);
  sim.dropSockets();
  expect(await running.ended).toEqual(
    new LaresError('UNREACHABLE', 'Home Assistant closed the WebSocket (1006)'),
  );
});

test('a failed reconciliation does not end a WebSocket that works', async () => {
  const { clock, sim, run } = await house();
  const running = run();
  await until(() => sim.subscribers === 1 && running.signals.length === 4);
  sim.fault = { status: 500 };
  sim.faultPath = /^\/api\/states/;
  await clock.advance(300_000);
  await until(() => running.lines.some((line) => /homeassistant poll error: .*500/.test(line)));
  sim.setState('person.sam', 'home');
  await until(() => said(running.signals).at(-1) === 'sam person.sam home');
});

test('one entity that fails does not hide the others; all failing is a failure', async () => {
  const { sim, run } = await house();
  sim.fault = { status: 500 };
  sim.faultPath = /alex$/;
  sim.socketFault = { status: 400 };
  const running = run();
  await until(() => running.details.length > 0);
  expect(said(running.signals)).toEqual(['sam person.sam away']);
  sim.faultPath = /^\/api\/states/;
  expect(await run().ended).toMatchObject({ code: 'UNREACHABLE' });
});

test.each<[string, Fault, string]>([
  ['refused token', { status: 401 }, 'AUTH_REFUSED'],
  ['ban', { status: 403 }, 'AUTH_REFUSED'],
  ['rate limit', { status: 429, headers: { 'retry-after': '60' } }, 'RATE_LIMITED'],
  ['start of Home Assistant', { status: 503, headers: { 'retry-after': '1' } }, 'UNREACHABLE'],
])('a %s is met once, not once for every entity', async (_name, fault, code) => {
  const { sim, run } = await house();
  sim.fault = fault;
  const running = run();
  expect(await running.ended).toMatchObject({ code });
  expect(polls(sim)).toBe(1);
  expect(running.signals).toEqual([]);
});

test('a token that stops working while the WebSocket stands parks the source and asks no more', async () => {
  const { clock, sim, run } = await house();
  const running = run();
  await until(() => sim.subscribers === 1 && running.signals.length === 4);
  sim.token = 'another-token-of-the-house';
  await clock.advance(300_000);
  expect(await running.ended).toMatchObject({ code: 'AUTH_REFUSED' });
  expect(sim.requests.filter((r) => r.status === 401)).toHaveLength(1);
});

test('stopping does not wait for a Home Assistant that hangs', async () => {
  const { sim, run } = await house();
  sim.fault = 'hang';
  const running = run();
  await until(() => sim.requests.length === 1);
  expect(await running.stop()).toBeUndefined();
});

test('operators find each failure as a line with homeassistant and error, and never the token', async () => {
  const lines: string[] = [];
  for (const fault of [{ status: 401 }, { status: 500 }, 'html'] as const) {
    const { clock, sim, config } = await house();
    sim.fault = fault;
    const io = {
      clock,
      log: new Logger({ write: (l) => lines.push(l) }),
      health: new Health(clock),
      random: () => 0,
    };
    const supervisor = new Supervisor(io);
    supervisor.start('homeassistant', homeassistant, homeassistant.config.parse(config), () => {});
    const before = lines.length;
    await until(() => lines.length > before);
    const stopped = supervisor.stopAll();
    await clock.advance(0);
    await stopped;
    expect(lines.join('\n')).not.toContain(sim.token);
  }
  expect(lines.map((line) => /homeassistant.*error.*?(401|500|text\/html)/i.exec(line)?.[1])).toEqual([
    '401',
    '500',
    'text/html',
  ]);
});

/** The driver under the real supervisor, as the service runs it. */
async function supervised() {
  const { clock, sim, config } = await house();
  const health = new Health(clock);
  const lines: string[] = [];
  const log = new Logger({ write: (line) => lines.push(line), now: () => clock.now() });
  const supervisor = new Supervisor({ clock, log, health, random: () => 1 });
  const reports: Report[] = [];
  const start_ = (settings: object = config) =>
    supervisor.start('homeassistant', homeassistant, homeassistant.config.parse(settings), (r) =>
      reports.push(r),
    );
  closers.push(async () => {
    const stopped = supervisor.stopAll();
    await clock.advance(0);
    await stopped;
  });
  return {
    clock,
    sim,
    config,
    health,
    lines,
    reports,
    start: start_,
    state: () => health.get('homeassistant')?.state,
  };
}

test('a refused token is asked again after a quarter of an hour, not before, and said once', async () => {
  const { clock, sim, lines, start: begin, state } = await supervised();
  const good = sim.token;
  sim.token = 'rotated-in-home-assistant';
  begin();
  await until(() => state() === 'parked');
  await clock.advance(14 * 60_000);
  expect(polls(sim)).toBe(1);
  await clock.advance(60_000);
  await until(() => polls(sim) === 2);
  await clock.advance(0);
  await until(() => state() === 'parked');
  expect(lines.filter((line) => line.includes('|ERROR|'))).toHaveLength(1);
  sim.token = good;
  await until(async () => (await clock.advance(15 * 60_000), state() === 'ok'));
});

test('a new token in the settings is used at once', async () => {
  const { sim, config, reports, start: begin, state } = await supervised();
  sim.token = 'rotated-in-home-assistant';
  begin();
  await until(() => state() === 'parked');
  begin({ ...config, token: sim.token });
  await until(() => state() === 'ok');
  expect(said(reports.slice(0, 2))).toEqual(['alex person.alex home', 'sam person.sam away']);
});

test('a rate limit is honoured to the second', async () => {
  const { clock, sim, start: begin, state } = await supervised();
  sim.fault = { status: 429, headers: { 'retry-after': '60' } };
  begin();
  await until(() => state() === 'down');
  await clock.advance(59_000);
  expect(polls(sim)).toBe(1);
  await clock.advance(1_000);
  await until(() => polls(sim) === 2);
});

test('a Home Assistant that restarts is found again without a word of ours', async () => {
  const { clock, sim, reports, start: begin, state } = await supervised();
  begin();
  await until(() => state() === 'ok' && sim.subscribers === 1);
  sim.fault = { status: 503 };
  sim.dropSockets();
  await until(() => state() === 'down');
  sim.setState('person.sam', 'home');
  sim.fault = undefined;
  await until(async () => (await clock.advance(2_000), state() === 'ok'));
  expect(said(reports).at(-1)).toMatch(/sam person\.sam home|alex person\.alex home/);
  expect(said(reports)).toContain('sam person.sam home');
});
