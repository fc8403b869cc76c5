import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';
import * as z from 'zod';
import { EventBook } from '#cctv/book/book.ts';
import { anEvent } from '#cctv/book/fixture.ts';
import { camerasConfig, cctvConfig, performanceConfig } from '#cctv/config.ts';
import { processingConfig } from '#cctv/detect/config.ts';
import { judgeRoom } from '#cctv/inspect.ts';
import { speakersConfig } from '#guard/channels/config.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { areas } from '../cli.ts';
import type { DoctorIo } from '../doctor.ts';
import { closeAll, folder, io, states } from './fixture.ts';

afterEach(closeAll);

/** A house with a private folder of settings and one camera. */
function house(over: { camera?: object; cctv?: object; detection?: object; speakers?: object[] } = {}) {
  const dir = folder();
  const dataDir = path.join(dir, 'data');
  mkdirSync(dataDir);
  const configFile = path.join(dir, 'lares.yaml');
  writeFileSync(configFile, 'cameras: []\n', { mode: 0o600 });
  const settings = houseSettings.parse({
    cameras: [
      {
        id: 'front',
        url: 'rtsp://192.0.2.21/stream1',
        username: 'admin',
        password: 'open-sesame',
        ...over.camera,
      },
    ],
    cctv: over.cctv ?? {},
    performance: {},
    processing: { detection: over.detection ?? {} },
    speakers: over.speakers ?? [],
  });
  return { dir, dataDir, configFile, io: io(settings, { dataDir, configFile }) };
}
const houseSettings = z.object({
  cameras: camerasConfig,
  cctv: cctvConfig,
  performance: performanceConfig,
  processing: processingConfig,
  speakers: speakersConfig,
});
const trouble = async (house_: { io: DoctorIo }) =>
  (await areas.cameras(house_.io)).filter((f) => f.state !== 'ok');
const run = (file: string, sql: string) => {
  const database = new DatabaseSync(file);
  database.exec(sql);
  database.close();
};

test('without a camera nothing is looked at, and with one everything is well on this machine', async () => {
  expect(states(await areas.cameras(io({})))).toEqual([['ok', 'not configured; no camera is read']]);
  const well = house();
  const findings = await areas.cameras(well.io);
  expect(states(findings)).toEqual([
    ['ok', '1 of 1 cameras are switched on'],
    ['ok', 'node-av, which reads video, loads'],
    ['ok', 'ONNX Runtime, which detects, loads'],
    ['ok', 'the detection model centernet is there and takes pictures of 512x288'],
    ['ok', expect.stringMatching(/^the cameras take about 0\.09 of 4 processors .* of 8\.0 GB of memory/)],
    ['ok', 'there is no events.db yet; the first run makes it'],
    ['ok', 'without metres: front'],
    ['ok', expect.stringMatching(/GB free for snapshots in/)],
    ['ok', expect.stringMatching(/GB free for recordings in/)],
  ]);
  // Who asks may be another user than the service.
  expect(readdirSync(well.dataDir)).toEqual([]);
});

test('cameras that this machine cannot carry are told of, by the streams that the running service sees', async () => {
  const streams = { detect: { codec: 'h264', width: 3840, height: 2160, fps: 25, keyframe_seconds: 2 } };
  const own = { ...house().io, machine: { cores: 1, memoryBytes: 8e9 } };
  const get = async () => ({ cameras: [{ id: 'front', streams }] });
  expect((await areas.cameras(own)).filter((f) => f.state !== 'ok')).toEqual([]);
  const [finding] = (await areas.cameras({ ...own, get })).filter((f) => f.state !== 'ok');
  expect(finding).toMatchObject({
    state: 'warn',
    text: expect.stringMatching(/^the cameras take about \d\.\d of 1 processors/),
    fix: expect.stringContaining('a small stream of each camera under streams.detect'),
  });
});

test('a camera that only records needs no detector', async () => {
  const findings = await areas.cameras(house({ camera: { detect: false } }).io);
  expect(findings.filter((f) => /ONNX|model/.test(f.text))).toEqual([]);
});

test('a model whose weights are missing says how to get them', async () => {
  const own = house({ detection: { model: 'yolov8n' } });
  const [finding] = await trouble(own);
  expect(finding?.text).toContain(path.join(own.dataDir, 'models', 'yolov8n.onnx'));
  expect(finding).toMatchObject({
    state: 'fail',
    text: expect.stringMatching(/yolov8n is not there .* lares cctv models install yolov8n --file PATH/),
    fix: expect.stringContaining('lares cctv models list'),
  });
});

test('programs that speakers lack are named with the package that brings them', async () => {
  const speakers = [
    { id: 'hall', type: 'wired' },
    { id: 'garden', type: 'bluetooth', mac: 'AA:BB:CC:DD:EE:FF', device: 'pulse:garden' },
  ];
  const bare = house({ speakers });
  const findings = await areas.cameras({ ...bare.io, env: { PATH: bare.dir } });
  expect(findings.filter((f) => f.state === 'fail').map((f) => [f.text, f.fix])).toEqual([
    ['espeak-ng is not installed, and hall, garden cannot speak without it', 'sudo apt install espeak-ng'],
    ['aplay is not installed, and hall cannot speak without it', 'sudo apt install alsa-utils'],
    ['paplay is not installed, and garden cannot speak without it', 'sudo apt install pulseaudio-utils'],
    ['bluetoothctl is not installed, and garden cannot speak without it', 'sudo apt install bluez'],
  ]);
  for (const name of ['espeak-ng', 'aplay', 'paplay', 'bluetoothctl'])
    writeFileSync(path.join(bare.dir, name), '', { mode: 0o755 });
  const equipped = await areas.cameras({ ...bare.io, env: { PATH: `/nowhere:${bare.dir}` } });
  expect(equipped.filter((f) => f.state !== 'ok')).toEqual([]);
  expect(states(equipped)).toContainEqual([
    'ok',
    'the programs of the speakers are there: espeak-ng, aplay, paplay, bluetoothctl',
  ]);
});

test('a damaged book is a failure, a sound one tells what it holds, also while the service writes', async () => {
  const own = house();
  const file = path.join(own.dataDir, 'events.db');
  const open = { dataDir: own.dataDir, clock: systemClock, log: silent };
  const book = await EventBook.open(open);
  await book.openEvent(anEvent('e1', 0, {}));
  const said = async () =>
    states((await areas.cameras(own.io)).filter(({ text }) => text.includes('events.db')));
  expect(await said()).toEqual([['ok', 'events.db is sound; it holds 1 events']]);
  await book.close();
  expect(await said()).toEqual([['ok', 'events.db is sound; it holds 1 events']]);
  writeFileSync(file, 'no database at all, but long enough to be looked at as one'.repeat(40));
  const [damaged] = await trouble(own);
  expect([damaged?.state, damaged?.text]).toEqual([
    'fail',
    expect.stringMatching(/^events\.db is damaged: /),
  ]);
});

test('a calibration that cannot be read names the command that makes another', async () => {
  const own = house();
  mkdirSync(path.join(own.dir, 'config/calibration'), { recursive: true });
  writeFileSync(path.join(own.dir, 'config/calibration/front.json'), '{');
  expect((await trouble(own)).map((f) => [f.state, f.fix])).toEqual([
    ['fail', 'lares cctv calibrate --camera front'],
  ]);
});

test('a recording disk that is not mounted, and a folder that nobody may write, are failures', async () => {
  const disk = path.join(folder(), 'disk');
  const lost = house({ cctv: { recording: { folder: disk, mode: 'continuous' } } });
  // What the house remembers of a folder on another disk.
  writeFileSync(path.join(lost.dataDir, 'folders'), `${disk}\n`);
  expect((await trouble(lost)).map((f) => [f.state, f.text, f.fix])).toEqual([
    [
      'fail',
      `the disk of ${disk} is not mounted: no recordings are kept`,
      'mount it, or name another folder in cctv.recording.folder',
    ],
  ]);
  const forbidden = await trouble(house({ cctv: { snapshots: { folder: '/proc/lares' } } }));
  expect(forbidden.map((f) => f.state)).toEqual(['fail']);
});

test('what is to be kept must fit beside what else is on the disk', () => {
  const room = { name: 'recordings', folder: '/video', free: 100e9, bytes: 50e9, kept: 0 };
  const judged = [
    room,
    { ...room, bytes: 150e9 },
    { ...room, bytes: 150e9, kept: 60e9 },
    { ...room, free: 5e8 },
  ];
  expect(judged.map((r) => judgeRoom(r).state)).toEqual(['ok', 'warn', 'ok', 'fail']);
  expect(judgeRoom(judged[1]!).text).toBe(
    '100.0 GB free for recordings in /video, and 150.0 GB more are to be kept',
  );
});

test('video of the last days says how much retention will keep', async () => {
  const own = house({ cctv: { recording: { mode: 'continuous' } } });
  const book = await EventBook.open({ dataDir: own.dataDir, clock: systemClock, log: silent });
  await book.close();
  run(
    path.join(own.dataDir, 'events.db'),
    `insert into segments values ('a', 'front', 0, 60, 4e15, 1, '[]'), ('b', 'front', 172740, 172800, 4e15, 1, '[]')`,
  );
  expect((await trouble(own)).map((f) => [f.state, f.text])).toEqual([
    ['warn', expect.stringMatching(/free for recordings in .*, and 48000000\.0 GB more are to be kept/)],
  ]);
});

test('passwords in settings that everybody can read are a warning; references to them are none', async () => {
  const own = house();
  chmodSync(own.configFile, 0o644);
  expect(await trouble(own)).toEqual([]);
  writeFileSync(own.configFile, 'cameras: [{ id: front, password: open-sesame }]\n');
  const found = await trouble(own);
  expect(found).toMatchObject([
    { state: 'warn', fix: `chmod 600 ${own.configFile}, or write !secret references` },
  ]);
  expect(JSON.stringify(found)).not.toContain('open-sesame');
});
