import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { cameraConfig } from '#cctv/config.ts';
import { toCctvBody } from '#cctv/index.ts';
import type { Identity, Track } from '#cctv/model.ts';
import { recognitionConfig } from '#cctv/recognise/config.ts';
import { FaceBook, facesFile } from '#cctv/recognise/face/people.ts';
import { painted, png, tinyEmbedder, tinyYunet } from '#cctv/recognise/fixture.ts';
import { fingerprint } from '#cctv/recognise/net.ts';
import { Recognition, type Looks } from '#cctv/recognise/recognition.ts';
import { CctvService } from '#cctv/service.ts';
import { Bus, type Movement } from '#kernel/bus.ts';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { Logger, silent } from '#platform/log.ts';
import { presenceConfig } from '#presence/config.ts';
import { PresenceService } from '#presence/service.ts';
import { openStore } from '#store/index.ts';

const start = Date.parse('2026-01-31T08:00:00Z');
const consent = 'I have the consent of alex and sam';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const polygon = [
  [0.4, 0.2],
  [0.6, 0.2],
  [0.6, 0.45],
  [0.4, 0.45],
];
const away = { left: 0.45, top: 0.6, width: 0.1, height: 0.2 };
const atDoor = { left: 0.45, top: 0.1, width: 0.1, height: 0.2 };

/** A house with one camera at its door and two people without phones; `looks` says what pictures show. */
async function house(side: 'inside' | 'outside', recognising: object, looks?: Looks) {
  const folder = mkdtempSync(path.join(tmpdir(), 'lares-recognition-'));
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const clock = new ManualClock(start);
  const lines: string[] = [];
  const log = new Logger({ level: 'debug', write: (line) => lines.push(line), now: () => clock.now() });
  const bus = new Bus((error) => {
    throw error;
  });
  const movements: Movement[] = [];
  bus.on('movement', (m) => movements.push(m));
  const store = await openStore({ dataDir: folder, clock, log: silent, bus, migrations: [] });
  closers.push(() => store.close());
  const presence = new PresenceService(
    presenceConfig.parse({ people: [{ person: 'alex' }, { person: 'sam' }] }),
    {
      clock,
      log,
      bus,
      store,
      lan: { devices: () => [], get: () => undefined, present: () => [] },
      lanWorks: () => true,
      hourOf: (at) => new Date(at).getUTCHours(),
      scanIntervalMs: () => 30_000,
      reportTtlMs: () => ({ homeassistant: 600_000, tado: 2_700_000 }),
    },
  );
  await presence.start();
  const book = await EventBook.open({ dataDir: folder, clock, log });
  closers.push(() => book.close());
  const service = new CctvService({
    clock,
    log,
    bus,
    journal: store.journal,
    book,
    pictures: { save: async ({ event }) => `snapshots/${event}.jpg` },
    newId: () => 'event-1',
    groundOf: () => undefined,
    usualRecording: () => 'off',
    mark: () => {},
  });
  const door = { name: 'door', door: side, polygon };
  service.configure([cameraConfig.parse({ id: 'front', url: 'rtsp://192.0.2.20/s', zones: [door] })]);
  const known: Identity[] = [];
  const recognition = new Recognition({
    clock: looks === undefined ? systemClock : clock,
    log,
    dataDir: folder,
    random: () => 0,
    identify: (camera, track, identity) => {
      known.push(identity);
      service.identify(camera, track, identity);
    },
    ...(looks !== undefined && { looks }),
  });
  recognition.configure(recognitionConfig.parse(recognising));
  type Signal = Parameters<CctvService['take']>[0];
  const take = (signal: Signal) => {
    service.take(signal);
    recognition.take(signal);
  };
  take({ kind: 'state', camera: 'front', at: start, state: 'live' });
  const frame = (ms: number, box: Track['box'] | undefined, ended: readonly number[] = []) => {
    const at = start + ms;
    const track = { id: 1, label: 'person', score: 0.8, velocity: { x: 0, y: 0 }, hits: 3 } as const;
    const tracks: Track[] =
      box === undefined ? [] : [{ ...track, box, bornAt: start, seenAt: at, state: 'confirmed' }];
    take({ kind: 'tracks', camera: 'front', at, width: 640, height: 360, tracks, ended, inferMs: 5 });
  };
  const picture = (clean: Uint8Array, box = away) =>
    take({ kind: 'picture', camera: 'front', at: clock.now(), track: 1, box, clean });
  const evidence = (person: string) =>
    presence
      .view()
      .people.find((p) => p.person === person)!
      .evidence.filter((e) => e.source === 'camera.front')
      .map((e) => ({ text: e.text, ref: e.ref }));
  return { folder, book, service, recognition, movements, lines, store, known, frame, picture, evidence };
}

const says = (...identities: readonly Identity[]): Looks => ({
  configure: () => {},
  look: async () => identities,
  run: async () => {},
});
const alex: Identity = { kind: 'face', name: 'alex', confidence: 0.9 };
const faces = { faces: { enabled: true, consent } };
const turns = async () => {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
};
const movement = { at: start, source: 'camera.front', confidence: 0.8, ref: 'event-1' };

test('who is recognised inside and goes out by the door is told to presence by name', async () => {
  const { frame, picture, movements, evidence, book } = await house('inside', faces, says(alex));
  frame(0, away);
  for (let i = 0; i < 2; i += 1) {
    picture(new Uint8Array([i]));
    await turns();
  }
  frame(2_000, atDoor);
  frame(4_000, undefined, [1]);
  expect(movements).toEqual([{ ...movement, direction: 'exit', at: start + 2_000, person: 'alex' }]);
  expect(evidence('alex')).toEqual([{ text: 'alex left through a watched door', ref: 'event-1' }]);
  expect(evidence('sam')).toEqual([]);
  book.flush();
  expect(book.event('event-1')?.identity).toEqual(alex);
});

test('who is recognised only after passing the door is told again with their name, as one passage', async () => {
  const { frame, picture, movements, evidence } = await house('outside', faces, says(alex));
  frame(0, atDoor);
  expect(movements).toEqual([{ ...movement, direction: 'exit' }]);
  frame(1_000, away);
  for (let i = 0; i < 3; i += 1) {
    picture(new Uint8Array([i]));
    await turns();
  }
  expect(movements.slice(1)).toEqual([{ ...movement, direction: 'exit', person: 'alex' }]);
  expect(evidence('alex')).toEqual([{ text: 'alex left through a watched door', ref: 'event-1' }]);
  expect(evidence('sam')).toEqual([]);
});

test('a recognition that comes after the last sight still names who came in', async () => {
  const { frame, picture, movements } = await house('outside', faces, says(alex));
  frame(0, away);
  frame(1_000, atDoor);
  for (let i = 0; i < 2; i += 1) {
    picture(new Uint8Array([i]));
    await turns();
  }
  frame(3_000, undefined, [1]);
  expect(movements).toEqual([{ ...movement, direction: 'entry', at: start + 1_000, person: 'alex' }]);
});

test('a stranger who passes a door has no name, and one picture is not enough for one', async () => {
  const stranger: Identity = { kind: 'face', confidence: 0.9 };
  const first = await house('inside', faces, says(stranger));
  first.frame(0, away);
  for (let i = 0; i < 3; i += 1) {
    first.picture(new Uint8Array([i]));
    await turns();
  }
  first.frame(2_000, atDoor);
  first.frame(4_000, undefined, [1]);
  const second = await house('inside', faces, says(alex));
  second.frame(0, away);
  second.picture(new Uint8Array([1]));
  await turns();
  second.frame(2_000, atDoor);
  second.frame(4_000, undefined, [1]);
  for (const { movements, evidence } of [first, second]) {
    expect(movements).toEqual([{ ...movement, direction: 'exit', at: start + 2_000 }]);
    expect(evidence('alex')).toEqual([]);
  }
});

test('with a real face process neither a picture nor a vector is in the log, the API, the journal or the book', async () => {
  const models = mkdtempSync(path.join(tmpdir(), 'lares-models-'));
  closers.push(() => rmSync(models, { recursive: true, force: true }));
  const [detector, embedding] = [path.join(models, 'yunet.onnx'), path.join(models, 'colours.onnx')];
  writeFileSync(detector, tinyYunet());
  writeFileSync(embedding, tinyEmbedder());
  const all = { faces: { enabled: true, consent, detector, embedding } };
  const { folder, frame, picture, known, recognition, service, store, lines, book } = await house(
    'inside',
    all,
  );
  const vector = Float32Array.of(0.6, -0.64, -0.48);
  new FaceBook(folder).enrol('alex', `arcface ${fingerprint([tinyEmbedder()])}`, [vector], start);
  const stop = new AbortController();
  const done = recognition.run(stop.signal);
  closers.push(async () => {
    stop.abort();
    await done;
  });
  const stripes = Array.from({ length: 40 }, (_, i) => ({
    at: [i * 10, 0, 2, 400] as const,
    colour: [230, 90, 90] as const,
  }));
  const file = png(painted(400, 400, [190, 40, 50], stripes));
  frame(0, away);
  const whole = { left: 0, top: 0, width: 1, height: 1 };
  await expect
    .poll(
      () => {
        picture(file, whole);
        return known.at(-1)?.name;
      },
      { timeout: 120_000, interval: 100 },
    )
    .toBe('alex');
  frame(1_000, away);
  book.flush();
  expect(service.cameras()[0]!.objects[0]!.identity).toMatchObject({ kind: 'face', name: 'alex' });
  const view = {
    at: start,
    cameras: service.cameras(),
    eventsToday: 1,
    alertsToday: 0,
    eventsWritten: true,
    diskBytes: undefined,
    detector: undefined,
  };
  const journal = await store.journal.list({ limit: 100 });
  const said = [lines.join('\n'), JSON.stringify(toCctvBody(view)), JSON.stringify(journal)].join('\n');
  const rest = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(folder, name))
    .filter((name) => statSync(name).isFile() && !name.endsWith(facesFile))
    .map((name) => readFileSync(name).toString('latin1'))
    .join('\n');
  const secrets = [
    Buffer.from(vector.buffer).toString('base64'),
    Buffer.from(vector.buffer).toString('latin1'),
    String(vector[1]),
    Buffer.from(file).toString('base64').slice(0, 200),
    Buffer.from(file).toString('latin1').slice(0, 200),
  ];
  expect(secrets.filter((secret) => said.includes(secret) || rest.includes(secret))).toEqual([]);
  // What is looked for would be found: the file of faces holds it.
  expect(readFileSync(path.join(folder, facesFile), 'utf8')).toContain(secrets[0]);
});
