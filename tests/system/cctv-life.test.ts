import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startCameras } from '#cctv/sim/cameras.ts';
import { bookRows, cameraFolder, cctvOf, drive, lives, partsOf } from '../servers/camera-house.ts';
import { startLares, writeSettings, type LaresProcess } from '../servers/house.ts';
import { freePort, until } from '../servers/process.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const started = (dir: string): LaresProcess => {
  mkdirSync(path.join(dir, 'tmp'), { recursive: true });
  const house = startLares({ dir, env: { TMPDIR: path.join(dir, 'tmp') } });
  closers.push(() => house.stop('SIGKILL'));
  return house;
};

interface Kept {
  readonly id: string;
  readonly camera: string;
  readonly closed: number;
  readonly last_seen: number;
}

const kills = 10;

test('killed again and again it starts each time, tells nothing twice and forgets nothing that was told', async () => {
  const arrived: string[] = [];
  const hooks = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      arrived.push(String(request.headers['idempotency-key']));
      response.end();
    });
  });
  await new Promise<void>((resolve) => hooks.listen(0, '127.0.0.1', resolve));
  closers.push(() => hooks.close());
  const { dir, remove } = await cameraFolder();
  closers.push(remove);
  // Three looks at the same drive at different times of its round: somebody is always about.
  const ids = ['one', 'two', 'three'];
  const sim = await startCameras(ids.map((id, i) => drive(`/${id}`, 8 + i * 22)));
  closers.push(() => sim.close());
  const settings = {
    http: { port: await freePort() },
    metrics: { interval_seconds: 1 },
    cameras: ids.map((id) => ({ id, url: sim.url(`/${id}`) })),
    cctv: { recording: { mode: 'continuous' } },
    processing: { detection: { classes: ['person'] } },
    monitoring: {
      webhooks: [{ id: 'phone', url: `http://127.0.0.1:${(hooks.address() as AddressInfo).port}/` }],
    },
    alert_rules: [
      { id: 'person', cooldown: 0, actions: [{ type: 'webhook', to: 'phone' }] },
      { id: 'silent', cooldown: 0, actions: [] },
    ],
  };
  writeSettings(dir, settings);
  const seen = new Set<string>();
  const told = new Set<string>();
  let opened: string[] = [];

  /** What each kill waits for: the very start, a picture, an event, an alert that is on its way. */
  const moments: ((house: LaresProcess) => boolean)[] = [
    (house) => partsOf(house).length > 0,
    (house) => house.count(/is live/) > 0,
    (house) => house.count(/\|alert: /) > 0,
    () => bookRows<Kept>(dir, 'select * from events where closed = 0').some(({ id }) => !seen.has(id)),
  ];
  for (let n = 0; n < kills; n += 1) {
    const house = started(dir);
    const over = moments[n % moments.length]!;
    await until(
      () => over(house),
      () => `life ${n}: ${house.lines.slice(-20).join('\n')}`,
      120_000,
    );
    const parts = partsOf(house);
    await house.stop('SIGKILL');
    await until(
      () => parts.every(({ pid }) => !lives(pid)),
      () =>
        `left behind: ${parts
          .filter(({ pid }) => lives(pid))
          .map((p) => p.title)
          .join(', ')}`,
    );
    expect(house.count(/exception|unhandled|SQLITE_CORRUPT|BOOK_DAMAGED/i)).toBe(0);
    expect(bookRows(dir, 'pragma integrity_check')).toEqual(
      existsSync(path.join(dir, 'data/events.db')) ? [{ integrity_check: 'ok' }] : [],
    );
    // What was written down before is still there.
    const events = bookRows<Kept>(dir, 'select * from events');
    const alerts = bookRows<{ id: string }>(dir, 'select id from alerts').map(({ id }) => id);
    expect([...seen].filter((id) => !events.some((e) => e.id === id))).toEqual([]);
    expect([...told].filter((id) => !alerts.includes(id))).toEqual([]);
    for (const { id } of events) seen.add(id);
    for (const id of alerts) told.add(id);
    opened = events.flatMap(({ id, closed }) => (closed === 0 ? [id] : []));
  }
  console.log(
    `${kills} kills: ${seen.size} events, ${told.size} alerts, ${opened.length} events open at the last`,
  );
  expect(told.size).toBeGreaterThan(1);

  const house = started(dir);
  const waiting = () =>
    bookRows<{ n: number }>(dir, `select count(*) as n from deliveries where state = 'waiting'`);
  await until(
    () => waiting()[0]?.n === 0,
    () => `still to be told: ${waiting()[0]?.n}`,
    120_000,
  );
  // An event alerts once for each rule, in whatever life.
  expect(
    bookRows(dir, 'select event, rule, count(*) as n from alerts group by event, rule having n > 1'),
  ).toEqual([]);
  // The house goes on: an alert may just be on its way.
  const ofPhone = bookRows<{ id: string; told: number }>(
    dir,
    `select id, not exists (select 1 from deliveries d where d.alert = a.id and d.state = 'waiting') as told
     from alerts a where rule = 'person'`,
  );
  expect(ofPhone.filter(({ id, told: done }) => done === 1 && !arrived.includes(id))).toEqual([]);
  expect(arrived.filter((id) => !ofPhone.some((alert) => alert.id === id))).toEqual([]);
  // Whoever was about when it was killed is followed on, or the event is closed within two minutes.
  await until(
    async () => {
      const there = (await cctvOf(house)).cameras.flatMap((c) => c.objects.map((o) => o.event));
      const open = bookRows<Kept>(dir, 'select * from events where closed = 0').map(({ id }) => id);
      return opened.every((id) => !open.includes(id) || there.includes(id));
    },
    () => `neither followed nor closed: ${opened.join(', ')}`,
    180_000,
  );
  expect(await house.stop()).toBe(0);
  // A detector that was killed before it was told its folder leaves that, empty.
  const left = readdirSync(path.join(dir, 'tmp'), { recursive: true, withFileTypes: true });
  expect(left.filter((one) => !one.isDirectory()).map((one) => one.name)).toEqual([]);
  expect(existsSync(path.join(dir, '.cache'))).toBe(false);
}, 900_000);

test('a house without cameras starts nothing of them, and its metrics stay those that were promised', async () => {
  const { dir, remove } = await cameraFolder();
  closers.push(remove);
  const people = ['alex', 'sam', 'jo', 'kit', 'max', 'robin'].map((person) => ({
    person,
    homeassistant_entity: `person.${person}`,
  }));
  writeSettings(dir, {
    http: { port: await freePort() },
    metrics: { interval_seconds: 1 },
    presence: { people },
    alert_rules: [{ id: 'person' }],
  });
  const house = started(dir);
  await house.url();
  const series = async () => (await house.get<{ series: string[] }>('/api/readings/series')).series;
  await until(async () => (await series()).length >= 27);
  expect(await series()).toHaveLength(27);
  expect((await series()).filter((name) => name.startsWith('home.cctv'))).toEqual([]);
  expect(partsOf(house)).toEqual([]);
  expect(existsSync(path.join(dir, 'data/events.db'))).toBe(false);
  expect(
    readdirSync(path.join(dir, 'data')).filter((name) => /snapshots|recordings|models/.test(name)),
  ).toEqual([]);
  expect((await cctvOf(house)).cameras).toEqual([]);
  const metrics = await (await fetch(`${await house.url()}/metrics`)).text();
  expect(metrics).not.toMatch(/^lares_camera/m);
  expect(await house.stop()).toBe(0);
});
