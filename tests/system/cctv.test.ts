import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AlertBody, SeenEventBody } from '#cctv/body.ts';
import { startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import {
  bookRows,
  cameraFolder,
  cameraIs,
  cameraOf,
  cctvOf,
  drive,
  lives,
  partsOf,
  sees,
  square,
} from '../servers/camera-house.ts';
import { graphiteMissing, startGraphite, type Graphite } from '../servers/graphite.ts';
import { startLares, writeSettings, type LaresProcess } from '../servers/house.ts';
import { mosquitto, mosquittoProgram, type Mosquitto } from '../servers/mosquitto.ts';
import { freePort, installed, systemPath, until } from '../servers/process.ts';
import { header, smtpServer, type SmtpServer } from '../servers/smtp.ts';
import { soundMachine, type SoundMachine } from '../servers/sound.ts';

const missing =
  graphiteMissing ??
  (mosquittoProgram === undefined ? 'apt-get install mosquitto' : undefined) ??
  (installed('/usr/bin/ffprobe') === undefined ? 'apt-get install ffmpeg' : undefined) ??
  (installed('/usr/bin/espeak-ng') === undefined ? 'apt-get install espeak-ng' : undefined);
const needs = missing === undefined ? '' : ` (needs ${missing})`;
const login = { username: 'lares', password: 'a-password-of-the-broker' };
const spoken = /^(A|\d+) (person|people), .*\d+(\.\d)? (metres?|m) from the gate/;

/** Everything that came in over the network, in order. */
interface Posted {
  readonly key: string;
  readonly body: { readonly message: string; readonly rule: string; readonly distance: number };
}

describe.skipIf(missing !== undefined)(`a running house with cameras${needs}`, () => {
  const life = new AsyncDisposableStack();
  const posted: Posted[] = [];
  const published: { topic: string; message: string }[] = [];
  let dir: string;
  let sim: SimulatedCameras;
  let house: LaresProcess;
  let graphite: Graphite;
  let broker: Mosquitto;
  let listener: MqttClient;
  let mail: SmtpServer;
  let hooks: Server;
  let sound: SoundMachine;

  const settings = (change: { cameras?: object; detection?: object; performance?: object } = {}) => ({
    http: { port },
    home: { time_zone: 'Europe/London' },
    metrics: { interval_seconds: 1 },
    graphite: { host: '127.0.0.1', port: graphite.port },
    mqtt: { url: broker.url, ...login },
    cameras: [
      { id: 'front', name: 'Front gate', url: sim.url('/front') },
      {
        id: 'spare',
        url: sim.url('/spare'),
        enabled: false,
        record: 'off',
        motion_gate: true,
        ...change.cameras,
      },
    ],
    cctv: { recording: { mode: 'events', pre_seconds: 2, post_seconds: 2 } },
    processing: { detection: { classes: ['person'], ...change.detection } },
    performance: { cameras_per_process: 4, ...change.performance },
    speakers: [{ id: 'hall', device: 'hall' }],
    monitoring: {
      email_alerts_enabled: true,
      email_to: 'alex@example.org',
      email_from: 'cctv@example.org',
      smtp_server: '127.0.0.1',
      smtp_port: mail.port,
      smtp_security: 'none',
      webhooks: [{ id: 'phone', url: `http://127.0.0.1:${(hooks.address() as AddressInfo).port}/` }],
    },
    alert_rules: [
      {
        id: 'person_at_gate',
        cameras: ['front'],
        conditions: { distance_to_reference: { reference: 'gate', operator: '<', value: 15 } },
        cooldown: 60,
        actions: [{ type: 'speak' }, { type: 'email' }, { type: 'mqtt' }, { type: 'webhook', to: 'phone' }],
      },
    ],
  });
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    [graphite, broker, mail] = await Promise.all([
      startGraphite(),
      mosquitto({ users: { [login.username]: login.password } }),
      smtpServer({ tls: 'none' }),
    ]);
    life.defer(() => graphite.stop());
    life.defer(() => broker.remove());
    life.defer(() => mail.close());
    hooks = createServer((request, response) => {
      let text = '';
      request.on('data', (chunk: Buffer) => (text += chunk.toString()));
      request.on('end', () => {
        const key = String(request.headers['idempotency-key']);
        posted.push({ key, body: JSON.parse(text) as Posted['body'] });
        response.end();
      });
    });
    await new Promise<void>((resolve) => hooks.listen(0, '127.0.0.1', resolve));
    life.defer(() => void hooks.close());
    listener = await connectAsync(broker.url, login);
    life.defer(() => listener.endAsync());
    listener.on('message', (topic, message) => published.push({ topic, message: message.toString() }));
    await listener.subscribeAsync('lares/alerts/#');
    sound = soundMachine();
    life.defer(() => sound.remove());
    const folder = await cameraFolder(['front']);
    ({ dir } = folder);
    life.defer(folder.remove);
    sim = await startCameras([drive('/front', 2), square('/spare', { fps: 10 })]);
    life.defer(() => sim.close());
    writeSettings(dir, settings());
    const PATH = `${sound.env.PATH.split(':')[0]}:${process.env['PATH'] ?? systemPath}`;
    mkdirSync(path.join(dir, 'tmp'));
    house = startLares({ dir, env: { PATH, TMPDIR: path.join(dir, 'tmp') } });
    life.defer(async () => void (await house.stop('SIGKILL')));
    await house.url();
  });
  afterAll(() => life.disposeAsync());

  const alerts = async () => (await house.get<{ alerts: AlertBody[] }>('/api/cctv/alerts')).alerts;

  test('a person is told within seconds, with metres, over every channel', async () => {
    await until(
      async () => (await alerts()).length > 0,
      () => `nobody was told:\n${house.lines.slice(-20).join('\n')}`,
      120_000,
    );
    const live = house.lines.find((line) => line.includes('camera front is live'))!.split('|')[0]!;
    const [alert] = (await alerts()).slice(-1);
    console.log(`from the first picture to the alert: ${Date.parse(alert!.at) - Date.parse(live)} ms`);
    expect(alert).toMatchObject({ rule: 'person_at_gate', camera: 'front', label: 'person' });
    expect(alert!.message).toMatch(spoken);
    expect(alert!.distance_metres).toBeLessThan(15);

    await until(
      () => published.length > 0 && posted.length > 0 && sound.played() > 0,
      () => house.lines.slice(-20).join('\n'),
      60_000,
    );
    expect(published[0]!.topic).toBe('lares/alerts/front');
    const told = { id: alert!.id, message: alert!.message, rule: 'person_at_gate' };
    expect(JSON.parse(published[0]!.message)).toMatchObject(told);
    expect(posted[0]).toMatchObject({ key: expect.any(String) as string, body: told });
    expect(sound.log()).toContain('aplay start hall');
    await until(
      () => mail.mails.length > 0,
      () => `no mail:\n${house.lines.slice(-20).join('\n')}`,
      60_000,
    );
    expect(mail.mails[0]!.to).toEqual(['alex@example.org']);
    expect(mail.mails[0]!.raw).toContain('image/jpeg');
    expect(header(mail.mails[0]!.raw, 'subject')).toContain('from the gate');
    const done = () =>
      bookRows<{ channel: string; state: string; attempts: number }>(
        dir,
        'select channel, state, attempts from deliveries where alert = ? order by channel',
        alert!.id,
      );
    await until(() => done().every(({ state }) => state === 'done'));
    expect(done().map(({ channel }) => channel)).toEqual(['email', 'mqtt', 'speak', 'webhook']);
  });

  test('the journal says what the alert was decided from', async () => {
    const [alert] = (await alerts()).slice(-1);
    const { events } = await house.get<{
      events: { subject: string; cause: string; evidence: { text: string; ref?: string }[]; data: object }[];
    }>('/api/events?kinds=camera.alert');
    const event = events.at(-1)!;
    expect(event).toMatchObject({
      subject: 'camera:front',
      cause: 'rule:person_at_gate',
      data: { alert: alert!.id, message: alert!.message },
    });
    expect(event.evidence.map((e) => e.text).join('\n')).toMatch(/m ± .* gate/);
  });

  test('its picture lies where the operator looks, and its video plays', async () => {
    const [alert] = (await alerts()).slice(-1);
    const pictures = () => globSync('*/snapshot_*.jpg', { cwd: path.join(dir, 'data/snapshots') });
    await until(() => pictures().length > 0);
    // Midnight may come between the first of them and the last.
    const day = (at: string | number) =>
      new Intl.DateTimeFormat('sv-SE', { timeZone: 'Europe/London' }).format(new Date(at));
    const names = pictures();
    const days = [day(alert!.at), day(Date.now())].join('|');
    for (const name of names)
      expect(name).toMatch(new RegExp(String.raw`^(${days})/snapshot_\d{6}(_\d+)?\.jpg$`));
    const file = bookRows<{ snapshot: string }>(
      dir,
      'select snapshot from events where id = ?',
      alert!.event,
    )[0]!.snapshot;
    expect(
      readFileSync(path.resolve(dir, 'data', file))
        .subarray(0, 3)
        .toString('hex'),
    ).toBe('ffd8ff');

    const clip = path.join(dir, 'clip.mp4');
    const probe = () =>
      execFileSync(
        '/usr/bin/ffprobe',
        [
          '-v',
          'error',
          '-count_frames',
          '-show_entries',
          'stream=codec_name,width,nb_read_frames',
          '-of',
          'json',
          clip,
        ],
        { encoding: 'utf8' },
      );
    let found = '';
    await until(
      async () => {
        const reply = await fetch(`${await house.url()}/api/cctv/events/${alert!.event}/clip.mp4`);
        if (!reply.ok) return (found = await reply.text()) === '';
        writeFileSync(clip, Buffer.from(await reply.arrayBuffer()));
        const [stream] = (JSON.parse((found = probe())) as { streams: { nb_read_frames: string }[] }).streams;
        return Number(stream?.nb_read_frames) > 10;
      },
      () => `the clip is ${found}`,
      60_000,
    );
    expect(JSON.parse(found)).toMatchObject({ streams: [{ codec_name: 'h264', width: 640 }] });
  });

  /** Lines of alerts.log on what was told, and not held back. */
  const toldLines = () => {
    const file = path.join(dir, 'data/logs/alerts.log');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    return lines.filter((line) => !line.includes('|ALERT_HELD|'));
  };

  test('alerts.log has one line an alert, with what became of it', async () => {
    await until(
      () => toldLines().length > 0,
      () => 'there is no line in alerts.log',
      60_000,
    );
    const [alert] = (await alerts()).slice(-1);
    const [line] = toldLines();
    expect(line).toContain(`|INFO|alerts|-|${alert!.message} `);
    expect(line).toMatch(/ rule=person_at_gate camera=front object=person distance=\d+\.\d\d actions=/);
    for (const channel of ['speak', 'email', 'mqtt', 'webhook']) expect(line).toContain(`${channel}:done`);
  });

  test('readings of the cameras are in Graphite', async () => {
    /** Of the last minutes, the newest first: at midnight a count of the day begins anew. */
    const values = async (series: string) => {
      const points = (await graphite.points(series, Date.now() - 300_000, Date.now())).get(series);
      return [...(points ?? [])].toSorted(([a], [b]) => b - a).map(([, value]) => value);
    };
    const wanted = { 'front.online': 1, cameras_online: 1, cameras_enabled: 1 };
    for (const [leaf, value] of Object.entries(wanted))
      await until(
        async () => (await values(`home.cctv.${leaf}`))[0] === value,
        () => `home.cctv.${leaf} is missing`,
      );
    for (const leaf of ['front.detections_total', 'alerts_today'])
      await until(
        async () => (await values(`home.cctv.${leaf}`)).some((value) => value > 0),
        () => `home.cctv.${leaf} counts nothing`,
      );
    const { series } = await house.get<{ series: string[] }>('/api/readings/series');
    expect(series.filter((name) => name.startsWith('home.cctv.spare'))).toEqual([]);
  });

  test('a camera that is off has no connection, and has one as soon as it is switched on', async () => {
    expect(await cameraOf(house, 'spare')).toMatchObject({ enabled: false, state: 'off' });
    expect(await sim.counts('/spare')).toMatchObject({ connected: 0, describes: 0 });
    writeSettings(dir, settings({ cameras: { enabled: true } }));
    await cameraIs(house, 'spare', sees);
    expect(await sim.counts('/spare')).toMatchObject({ playing: 1, mostConnections: 1 });
    writeSettings(dir, settings({ cameras: { enabled: false } }));
    await until(async () => (await sim.counts('/spare')).connections === 0);
    await cameraIs(house, 'spare', ({ enabled, state }) => !enabled && state === 'off');
  });

  test('limits of frames are applied while it runs', async () => {
    const looks = async (performance: object, least: number, most: number) => {
      writeSettings(dir, settings({ cameras: { enabled: true }, performance }));
      await cameraIs(house, 'spare', ({ fps }) => fps !== null && fps >= least && fps <= most, 60_000);
    };
    await looks({ fps_limit: 60 }, 8, 12);
    await looks({ fps_limit: 3 }, 2, 4);
    await looks({ fps_limit: 60, frame_skip: 1 }, 4, 6);
    await looks({ fps_limit: 60, frame_skip: 4 }, 1, 3);
    writeSettings(dir, settings());
    await until(async () => (await cameraOf(house, 'spare')).state === 'off');
  });

  test('a processor without CUDA stands in for cuda:0, and says so once', async () => {
    const from = house.lines.length;
    writeSettings(dir, settings({ detection: { device: 'cuda:0' } }));
    await house.line(/WARN.*cuda:0/);
    await until(async () => (await cctvOf(house)).detector?.device === 'cpu');
    writeSettings(dir, settings({ detection: { device: 'cuda:0', confidence_threshold: 0.4 } }));
    await until(() => house.lines.slice(from).filter((l) => l.includes('settings applied')).length >= 2);
    await until(async () => (await cctvOf(house)).detector?.state === 'ok');
    expect(house.lines.slice(from).filter((line) => /WARN.*cuda:0/.test(line))).toHaveLength(1);
    const { events } = await house.get<{ events: SeenEventBody[] }>('/api/cctv/events?label=person');
    expect(events.length).toBeGreaterThan(0);
  });

  test('ends in time under load, and leaves no process and no socket file behind', async () => {
    // What was started anew for other settings may still be on its way out.
    const titles = () => partsOf(house).map(({ title }) => title);
    await expect.poll(() => titles().toSorted()).toEqual(['lares-cameras', 'lares-detector']);
    const parts = partsOf(house);
    // A stop that takes longer than 4.8 s ends with code 1.
    expect(await house.stop()).toBe(0);
    await expect.poll(() => parts.filter(({ pid }) => lives(pid))).toEqual([]);
    // espeak-ng leaves a folder of its sound server.
    expect(readdirSync(path.join(dir, 'tmp')).filter((name) => !name.startsWith('pulse-'))).toEqual([]);
    // ONNX Runtime would keep an id of the device here, for its maker.
    expect(existsSync(path.join(dir, '.cache'))).toBe(false);
    expect(house.lines.filter((line) => /exception|unhandled|TypeError/i.test(line))).toEqual([]);
    const told = bookRows<{ id: string }>(dir, 'select id from alerts').length;
    expect(toldLines()).toHaveLength(told);
  });
});
