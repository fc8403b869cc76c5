import { execFileSync } from 'node:child_process';
import {
  closeSync,
  globSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AlertBody } from '#cctv/body.ts';
import { startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import type { DetailedHealthBody } from '#http/contract.ts';
import {
  bookRows,
  cameraFolder,
  cameraIs,
  cctvOf,
  drive,
  outages,
  partsOf,
  sees,
  square,
  type Part,
} from '../servers/camera-house.ts';
import { startLares, writeSettings, type LaresProcess } from '../servers/house.ts';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../servers/mosquitto.ts';
import { freePort, isRoot, systemPath, until } from '../servers/process.ts';
import { header, smtpServer, type SmtpServer } from '../servers/smtp.ts';

const missing =
  mosquittoProgram === undefined
    ? 'apt-get install mosquitto'
    : isRoot
      ? undefined
      : 'root, for a small disk';
const needs = missing === undefined ? '' : ` (needs ${missing})`;
const login = { username: 'lares', password: 'a-password-of-the-broker' };
// Looks at one drive at different times of its round: somebody new comes about every ten seconds.
const drives = ['one', 'two', 'three'];
const root = { env: { PATH: systemPath } };

describe.skipIf(missing !== undefined)(`trouble of a house with cameras${needs}`, () => {
  const life = new AsyncDisposableStack();
  const posted: string[] = [];
  const published: string[] = [];
  let dir: string;
  let data: string;
  let sim: SimulatedCameras;
  let house: LaresProcess;
  let broker: Mosquitto;
  let mail: SmtpServer;
  let hooks: Server;
  let readers: Part[];

  beforeAll(async () => {
    const folder = await cameraFolder();
    ({ dir } = folder);
    life.defer(folder.remove);
    data = path.join(dir, 'data');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64m,mode=0700', 'lares-cameras-test', data], root);
    life.defer(() => void execFileSync('umount', ['-l', data], root));
    [broker, mail] = await Promise.all([
      mosquitto({ users: { [login.username]: login.password } }),
      smtpServer({ tls: 'none' }),
    ]);
    life.defer(() => broker.remove());
    life.defer(() => mail.close());
    hooks = createServer((request, response) => {
      request.resume();
      request.on('end', () => {
        posted.push(String(request.headers['idempotency-key']));
        response.end();
      });
    });
    await new Promise<void>((resolve) => hooks.listen(0, '127.0.0.1', resolve));
    life.defer(() => void hooks.close());
    sim = await startCameras([...drives.map((id, i) => drive(`/${id}`, 4 + i * 30)), square('/yard')]);
    life.defer(() => sim.close());
    writeSettings(dir, {
      http: { port: await freePort() },
      metrics: { interval_seconds: 1 },
      mqtt: { url: broker.url, ...login },
      performance: { cameras_per_process: 1 },
      processing: { detection: { classes: ['person'] } },
      cctv: { recording: { mode: 'continuous' } },
      cameras: [...drives, 'yard'].map((id) => ({ id, url: sim.url(`/${id}`) })),
      monitoring: {
        email_alerts_enabled: true,
        email_to: 'alex@example.org',
        email_from: 'cctv@example.org',
        smtp_server: '127.0.0.1',
        smtp_port: mail.port,
        smtp_security: 'none',
        email_max_per_10_minutes: 100,
        webhooks: [{ id: 'phone', url: `http://127.0.0.1:${(hooks.address() as AddressInfo).port}/` }],
      },
      alert_rules: [
        {
          id: 'person',
          cooldown: 0,
          actions: [{ type: 'email' }, { type: 'mqtt' }, { type: 'webhook', to: 'phone' }],
        },
      ],
    });
    house = startLares({ dir });
    life.defer(async () => void (await house.stop('SIGKILL')));
    await until(
      async () => (await cctvOf(house)).cameras.every(sees),
      () => house.lines.slice(-20).join('\n'),
      120_000,
    );
    readers = partsOf(house).filter(({ title }) => title === 'lares-cameras');
    await house.line(/\|alert: /, 120_000);
    await subscribe();
  });
  afterAll(() => life.disposeAsync());

  async function subscribe(): Promise<void> {
    const client = await connectAsync(broker.url, { ...login, reconnectPeriod: 200 });
    client.on('message', (_, message) =>
      published.push((JSON.parse(message.toString()) as { id: string }).id),
    );
    await client.subscribeAsync('lares/alerts/#', { qos: 1 });
    life.defer(() => client.endAsync(true));
  }

  const alerts = async () => (await house.get<{ alerts: AlertBody[] }>('/api/cctv/alerts?limit=1000')).alerts;
  let last = '';
  const component = async (name: string) => {
    const { components } = await house.get<DetailedHealthBody>('/health/detailed');
    last = `\n${components.map((c) => `${c.name} is ${c.state}: ${c.detail}`).join('\n')}`;
    return components.find((c) => c.name === name);
  };

  /** Somebody comes, and is told to the phone. Gives the id of the alert. */
  async function nextPosted(timeoutMs = 120_000): Promise<string> {
    const before = posted.length;
    await until(
      () => posted.length > before,
      () => `nobody was told:\n${house.lines.slice(-15).join('\n')}`,
      timeoutMs,
    );
    return posted[before]!;
  }

  /** Fails when one of these cameras is not live at any moment while `during` runs. */
  async function whileLive(ids: readonly string[], during: () => Promise<void>): Promise<void> {
    const fallen = new Set<string>();
    let over = false;
    const watching = (async () => {
      while (!over) {
        for (const { id, state } of (await cctvOf(house)).cameras)
          if (ids.includes(id) && state !== 'live') fallen.add(id);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    try {
      await during();
    } finally {
      over = true;
    }
    await watching;
    expect([...fallen]).toEqual([]);
  }

  /** The first process of a camera: they were started in the order of the settings. */
  const readerOf = (id: string) => readers[[...drives, 'yard'].indexOf(id)]!.pid;

  /** Waits until a part of the house is in trouble that it tells in these words. */
  const degraded = (name: string, detail: RegExp) =>
    until(
      async () => {
        const part = await component(name);
        return part?.state === 'degraded' && detail.test(part.detail ?? '');
      },
      () => house.lines.slice(-15).join('\n') + last,
      120_000,
    );

  test.each([
    ['one', 'SIGKILL'],
    ['yard', 'SIGSTOP'],
  ] as const)(
    'the process of camera %s gets %s: it says so and is back, and no other camera notices',
    async (id, signal) => {
      const all = [...drives, 'yard'];
      const others = all.filter((other) => other !== id);
      const before = all.map((one) => outages(house, one));
      const pid = readerOf(id);
      await whileLive(others, async () => {
        const from = performance.now();
        process.kill(pid, signal);
        await house.line(new RegExp(`DECODER_DIED\\|camera ${id} .*reconnect`), 60_000);
        const found = performance.now();
        await cameraIs(house, id, sees);
        console.log(
          `${signal}: told after ${((found - from) / 1000).toFixed(1)} s, pictures ${((performance.now() - found) / 1000).toFixed(1)} s later`,
        );
      });
      expect(all.map((one) => outages(house, one))).toEqual(
        all.map((one, i) => before[i]! + (one === id ? 1 : 0)),
      );
      await until(
        () => partsOf(house).length === 5 && !partsOf(house).some((part) => part.pid === pid),
        () => JSON.stringify(partsOf(house)),
      );
    },
  );

  test('the detector is killed: cameras stay live, and people are found again', async () => {
    const detector = partsOf(house).find(({ title }) => title === 'lares-detector')!;
    const loaded = house.count(/detection by/);
    await whileLive([...drives, 'yard'], async () => {
      process.kill(detector.pid, 'SIGKILL');
      await house.line(/WARN.*the detector was ended by SIGKILL; it is started again/);
      await until(() => house.count(/detection by/) > loaded);
      await nextPosted();
    });
  });

  test('events.db is locked: health says so, people are told meanwhile, and all is written afterwards', async () => {
    const before = (await alerts()).length;
    // The house may be writing at this moment.
    const other = new DatabaseSync(path.join(data, 'events.db'), { timeout: 10_000 });
    let told = '';
    let slowest = 0;
    other.exec('begin exclusive');
    try {
      await whileLive([...drives, 'yard'], async () => {
        told = await nextPosted();
        await degraded('cctv.book', /locked|busy/i);
        for (let n = 0; n < 20; n += 1) {
          const from = performance.now();
          await house.get('/health');
          slowest = Math.max(slowest, performance.now() - from);
        }
      });
    } finally {
      other.exec('commit');
      other.close();
    }
    console.log(`while events.db was locked the slowest of 20 answers took ${slowest.toFixed(0)} ms`);
    await until(async () => (await component('cctv.book'))?.state === 'ok');
    await until(async () => (await alerts()).length > before && (await alerts()).some((a) => a.id === told));
  });

  test('mail server and broker are away: others are told at once, and nothing is lost or told twice', async () => {
    const { port } = mail;
    await mail.close();
    await broker.stop('SIGKILL');
    const id = await nextPosted();
    for (const channel of ['email', 'mqtt'])
      await until(
        async () => !['ok', undefined].includes((await component(`alerts.${channel}`))?.state),
        () => `health does not tell of ${channel}`,
        120_000,
      );
    mail = await smtpServer({ tls: 'none', port });
    await broker.start();
    const waiting = () =>
      bookRows<{ channel: string }>(
        dir,
        `select channel from deliveries where alert = ? and state <> 'done'`,
        id,
      );
    await until(
      () => waiting().length === 0,
      () => `still waiting: ${JSON.stringify(waiting())}\n${house.lines.slice(-12).join('\n')}`,
      120_000,
    );
    for (const channel of ['email', 'mqtt'])
      await until(async () => (await component(`alerts.${channel}`))?.state === 'ok', undefined, 120_000);
    const ids = mail.mails.map(({ raw }) => header(raw, 'message-id'));
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(posted).size).toBe(posted.length);
  });

  test('the disk is full: it is said, cameras and alerts go on, and all is kept again when there is room', async () => {
    const ballast = path.join(data, 'ballast');
    const file = openSync(ballast, 'w');
    expect(() => {
      for (;;) writeSync(file, Buffer.alloc(4_096, 1));
    }).toThrow('ENOSPC');
    closeSync(file);
    let told = '';
    await whileLive([...drives, 'yard'], async () => {
      told = await nextPosted();
      await degraded('cctv.book', /full/i);
    });
    rmSync(ballast);
    const roomAt = Date.now() / 1000;
    await until(async () => (await component('cctv.book'))?.state === 'ok', undefined, 120_000);
    await until(async () => (await alerts()).some((a) => a.id === told));
    // By their beginning: what is old may be removed meanwhile.
    const kept = () => bookRows(dir, 'select file from segments where started > ? and bytes > 0', roomAt);
    await until(
      () => kept().length > 0,
      () => `no video is kept:\n${house.lines.slice(-15).join('\n')}`,
      120_000,
    );
  });

  test('the commands of the original give their answers after all of this', async () => {
    const run = (command: string) =>
      execFileSync('/bin/bash', ['--norc', '-c', command], {
        cwd: dir,
        encoding: 'utf8',
        env: { PATH: systemPath },
      }).trim();
    const all = await alerts();
    const recent = `sqlite3 data/events.db "SELECT COUNT(*) FROM alerts WHERE timestamp > $(date -d '7 days ago' +%s)"`;
    expect(Number(run(recent))).toBeGreaterThanOrEqual(all.length);
    expect(run('ls -lh data/events.db')).toMatch(/ data\/events\.db$/);
    // While the house is writing it says that the file is locked.
    await until(() => run('sqlite3 data/events.db "VACUUM;" 2>&1 || true') === '');
    const oldest = `sqlite3 data/events.db "SELECT datetime(timestamp, 'unixepoch') FROM events ORDER BY timestamp LIMIT 1"`;
    expect(run(oldest)).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    const died = house.count(/\|ERROR\|cctv\|DECODER_DIED\|/);
    expect(died).toBeGreaterThan(0);
    expect(run('grep "reconnect" data/logs/app.log | wc -l')).toBe(String(house.count(/reconnect/)));
    expect(run(`grep "ERROR" data/logs/app.log | cut -d'|' -f4 | sort | uniq -c | sort -rn`)).toMatch(
      new RegExp(`^\\s*${died} DECODER_DIED$`, 'm'),
    );
    const token = readFileSync(path.join(data, 'api-token'), 'utf8').trim();
    const reply = await fetch(`${await house.url()}/api/cctv/alerts/${all[0]!.id}/false`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: '{}',
    });
    expect(reply.status).toBe(200);
    const marked = `sqlite3 data/events.db "SELECT COUNT(*) FROM alerts WHERE message LIKE '%false%'"`;
    await expect.poll(() => run(marked)).toBe('1');
    expect(run('ls -lt data/snapshots/ | head -20')).toMatch(/ \d{4}-\d\d-\d\d$/m);
    await until(() => run('grep "FPS=" data/logs/app.log | tail -100 || true') !== '', undefined, 120_000);
    expect(run('grep "FPS=" data/logs/app.log | tail -100')).toMatch(
      /FPS=\d+\.\d camera=\w+ infer_ms=\d+\.\d drop=\d+/,
    );
  });

  test('pictures deleted beneath it, with their folders, do not keep it from the next', async () => {
    const snapshots = path.join(data, 'snapshots');
    const old = path.join(snapshots, '2025-01-15', 'snapshot_123456.jpg');
    mkdirSync(path.dirname(old));
    writeFileSync(old, 'old');
    const long = Date.now() / 1000 - 8 * 86_400;
    utimesSync(old, long, long);
    const run = (command: string) =>
      execFileSync('/bin/bash', ['--norc', '-c', command], { cwd: dir, ...root });
    // They end with 1 when the house writes or renames a picture beneath them.
    run('find data/snapshots -type f -mtime +7 -delete || true');
    run('find data/snapshots -type d -empty -delete || true');
    expect(statSync(path.dirname(old), { throwIfNoEntry: false })).toBeUndefined();
    const from = Date.now();
    run('rm -rf data/snapshots/20* || true');
    const fresh = () =>
      globSync('*/snapshot_*.jpg', { cwd: snapshots }).filter(
        (name) => (statSync(path.join(snapshots, name), { throwIfNoEntry: false })?.mtimeMs ?? 0) > from,
      );
    await until(
      () => fresh().length > 0,
      () => house.lines.slice(-15).join('\n'),
      120_000,
    );
    expect(await house.stop()).toBe(0);
    expect(house.lines.filter((line) => /exception|unhandled|TypeError/i.test(line))).toEqual([]);
  });
});
