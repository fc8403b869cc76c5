import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AV_LOG_QUIET } from 'node-av/constants';
import { Log as AvLog } from 'node-av/lib';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Log } from '#kernel/driver.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import type { Clip } from '../sim/clip.ts';
import { drawnClip, movingSquare } from '../sim/media.ts';
import { RtspSim } from '../sim/rtsp.ts';
import { Heard, planFor, until } from './fixture.ts';
import { CameraFleet } from './fleet.ts';
import { openHardware } from './hardware.ts';

/** The processes of a fleet: that they die, hang, are told again and again, and end. */

let clip: Clip;
let sim: RtspSim;
let heard: Heard;
let fleet: CameraFleet;
let said: string[];
/** By how much the clock of the fleet is ahead. */
let ahead: number;
let stop: AbortController;
let done: Promise<void>;

beforeAll(() => {
  const draw = movingSquare(320, 240);
  clip = drawnClip({ codec: 'h264', width: 320, height: 240, fps: 10, seconds: 2, draw, keyframeSeconds: 1 });
});

beforeEach(async () => {
  sim = await new RtspSim().listen();
  sim.add('/yard', clip);
  sim.add('/door', clip);
  heard = new Heard();
  said = [];
  ahead = 0;
  stop = new AbortController();
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + ahead };
  const log: Log = { ...silent, warn: (message) => void said.push(message) };
  fleet = new CameraFleet({ clock, log });
  fleet.onSignal(heard.take);
  done = fleet.run(stop.signal);
});

afterEach(async () => {
  stop.abort();
  await done;
  await sim.close();
});

const settings = () => ({ timeZone: 'UTC' });
const isLive = (id = 'yard') => heard.states(id).at(-1) === 'live';

test('is back within a second after the process that reads it was killed, and says that it died', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('pictures', () => isLive());
  const [pid] = fleet.pids();
  process.kill(pid!, 'SIGKILL');
  await until('its return', () => heard.states('yard').at(-1) === 'live' && heard.states('yard').length > 2);
  expect(heard.states('yard')).toEqual(['connecting', 'live', 'down DECODER_DIED lost', 'live']);
  expect(fleet.pids()).not.toContain(pid);
});

test('kills a process that hangs', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('pictures', () => isLive());
  process.kill(fleet.pids()[0]!, 'SIGSTOP');
  await until('the end of the old one', () => heard.states('yard').includes('down DECODER_DIED lost'));
  await until('its return', () => isLive());
});

test('keeps its descriptors through many reconnects', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  const lives = () => heard.states('yard').filter((s) => s === 'live').length;
  const open = () => readdirSync(`/proc/${fleet.pids()[0]!}/fd`).length;
  const cut = async (times: number) => {
    for (let i = 0; i < times; i += 1) {
      const before = lives();
      sim.cut('/yard', i % 2 === 0 ? 'fin' : 'rst');
      await until('its return', () => lives() > before);
    }
  };
  await until('pictures', () => lives() === 1);
  await cut(4);
  const before = open();
  await cut(8);
  expect(open()).toBeLessThanOrEqual(before + 1);
});

test('its processes end with the one that started them, even if that is killed', async () => {
  const script = `
    import { CameraFleet } from ${JSON.stringify(new URL('fleet.ts', import.meta.url).href)};
    import { systemClock } from '#platform/clock.ts';
    import { silent } from '#platform/log.ts';
    const fleet = new CameraFleet({ clock: systemClock, log: silent });
    fleet.onSignal((s) => s.kind === 'stats' && console.log(fleet.pids().join()));
    void fleet.run(new AbortController().signal);
    fleet.configure(${JSON.stringify([planFor('yard', sim.url('/yard'))])}, { timeZone: 'UTC' });`;
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  await until('the end of the reader', () => !isAlive(pid));
});

test('kills no process because it was held up itself, as when the machine slept', async () => {
  fleet.configure([planFor('yard', sim.url('/yard'))], settings());
  await until('pictures', isLive);
  const pids = fleet.pids();
  ahead = 60_000;
  const before = heard.of('stats').length;
  await until('more of what it says', () => heard.of('stats').length > before + 2);
  expect(fleet.pids()).toEqual(pids);
  expect(heard.states('yard')).toEqual(['connecting', 'live']);
});

describe('settings that change faster than cameras connect', () => {
  test('leave the last of them, one process and few connections', async () => {
    const yard = planFor('yard', sim.url('/yard'));
    const door = planFor('door', sim.url('/door'));
    fleet.configure([yard, door], settings());
    await until('both', () => isLive('yard') && isLive('door'));
    for (let n = 1; n <= 100; n += 1) fleet.configure([yard, { ...door, threshold: n / 101 }], settings());
    fleet.order({ kind: 'watch', camera: 'door', on: true });
    heard.forget();
    await until('the door again', () => isLive('door'));
    await until('its video', () =>
      heard.of('live').some((l) => l.camera === 'door' && l.part === 'fragment'),
    );
    expect(sim.counts('/yard').connected).toBe(1);
    await until('the end of the last one before', () => sim.counts('/door').connections === 1);
    // A camera may be told of the next connection before it is told of the end of the last.
    expect(sim.counts('/door').mostConnections).toBeLessThanOrEqual(2);
    expect(sim.counts('/door').connected).toBeLessThan(10);
    expect(fleet.pids()).toHaveLength(1);
  });

  test('are not lost with a process that dies while it is told', async () => {
    const yard = planFor('yard', sim.url('/yard'));
    fleet.configure([yard], settings());
    await until('pictures', isLive);
    const [pid] = fleet.pids();
    process.kill(pid!, 'SIGKILL');
    fleet.configure([{ ...yard, threshold: 0.7 }, planFor('door', sim.url('/door'))], settings());
    await until('both', () => isLive('yard') && isLive('door'));
    expect(heard.states('yard')).toEqual(['connecting', 'live', 'down DECODER_DIED lost', 'live']);
  });
});

describe('hardware that decodes', () => {
  test('is looked for by every process, told once, and done without where there is none', async () => {
    const plans = ['a', 'b', 'c', 'd', 'e'].map((id) => planFor(id, sim.url('/yard'), { hardware: 'auto' }));
    fleet.configure(plans, settings());
    await until('all', () => plans.every(({ id }) => isLive(id)));
    expect(fleet.pids()).toHaveLength(2);
    expect(heard.of('log').map(({ message }) => message)).toEqual(['video is decoded by the processor']);
  });

  test('is named once where it is and cannot be used', () => {
    AvLog.setLevel(AV_LOG_QUIET);
    const devices = mkdtempSync(join(tmpdir(), 'lares-dri-'));
    expect(openHardware(devices)).toEqual({
      context: undefined,
      level: 'info',
      message: 'video is decoded by the processor',
    });
    const unit = join(devices, 'renderD128');
    writeFileSync(unit, '');
    expect(openHardware(devices)).toEqual({
      context: undefined,
      level: 'warn',
      message: `the graphics unit ${unit} cannot be used to decode; its driver is missing, too old or broken; video is decoded by the processor`,
    });
    rmSync(devices, { recursive: true });
  });

  test('is left aside by cameras whose process died twice: a driver may be what kills it', async () => {
    fleet.configure([planFor('yard', sim.url('/yard'), { hardware: 'auto' })], settings());
    for (const times of [1, 2]) {
      await until(
        'pictures',
        () => isLive() && heard.states('yard').filter((s) => s === 'live').length === times,
      );
      process.kill(fleet.pids()[0]!, 'SIGKILL');
    }
    await until('pictures', () => isLive() && heard.states('yard').filter((s) => s === 'live').length === 3);
    expect(said).toEqual([
      'the process that reads yard ended; it is started again',
      'the process that reads yard ended; it is started again and decodes by the processor from now on',
    ]);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
