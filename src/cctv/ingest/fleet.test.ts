import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { DetectorServer } from '../detect/server.ts';
import type { Clip } from '../sim/clip.ts';
import { drawnClip, movingSquare } from '../sim/media.ts';
import { RtspSim } from '../sim/rtsp.ts';
import { brightSquares, Heard, planFor, until } from './fixture.ts';
import { CameraFleet } from './fleet.ts';

let clip: Clip;
let folder: string;
let detector: DetectorServer;
let sim: RtspSim;
let heard: Heard;
let fleet: CameraFleet;
let stop: AbortController;
let done: Promise<void>;

beforeAll(async () => {
  const draw = movingSquare(640, 360);
  clip = drawnClip({ codec: 'h264', width: 640, height: 360, fps: 10, seconds: 6, draw, keyframeSeconds: 1 });
  folder = await mkdtemp(join(tmpdir(), 'lares-cameras-'));
  detector = new DetectorServer();
  await detector.listen(join(folder, 'detector.sock'));
  await detector.use(brightSquares());
});

afterAll(async () => {
  await detector.close();
  await rm(folder, { recursive: true });
});

beforeEach(async () => {
  sim = await new RtspSim().listen();
  sim.add('/yard', clip);
  heard = new Heard();
  stop = new AbortController();
  fleet = new CameraFleet({ clock: systemClock, log: silent });
  fleet.onSignal(heard.take);
  done = fleet.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await done;
  await sim.close();
});

const settings = () => ({ detector: join(folder, 'detector.sock'), timeZone: 'UTC' });

test('follows what moves in the picture of a camera and sends its best picture', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('a picture', () => heard.of('picture').length > 0);
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
});
