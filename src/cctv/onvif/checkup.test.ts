import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NewEvent } from '#kernel/event.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { cameraConfig } from '../config.ts';
import { OnvifSim } from '../sim/onvif.ts';
import type { CameraView } from '../view.model.ts';
import { Checkup } from './checkup.ts';

const host = '127.0.1.40';
const start = Date.parse('2026-01-31T08:00:00.500Z');
const minute = 60_000;
const day = 86_400_000;
const login = { username: 'alex', password: 'open sesame' };

const camera = (more: object = {}) =>
  cameraConfig.parse({ id: 'front', url: `rtsp://${host}/stream1`, ...login, ...more });

let clock: ManualClock;
let sims: OnvifSim[];
let stop: AbortController;
let running: Promise<void>;
beforeEach(() => {
  [clock, sims, stop] = [new ManualClock(start), [], new AbortController()];
});
afterEach(async () => {
  stop.abort();
  await running;
  await Promise.all(sims.map((sim) => sim.close()));
});

async function simulated(options: object = {}): Promise<OnvifSim> {
  const sim = new OnvifSim({ ...login, profiles: [], firmware: '2.8.1', now: () => clock.now(), ...options });
  sims.push(await sim.listen(host));
  return sim;
}

/** A house with one camera whose checkups can be watched. */
function house(settings = camera(), kept = new Map<string, unknown>()) {
  const lines: string[] = [];
  const journal: NewEvent[] = [];
  const view = {
    id: 'front',
    state: 'live',
    since: start,
    streams: { detect: { codec: 'h264', width: 640, height: 360 } },
  } as unknown as { -readonly [K in keyof CameraView]: CameraView[K] };
  let told = 0;
  const looked = { count: 0 };
  const checkup = new Checkup({
    clock,
    log: new Logger({ write: (line) => lines.push(line), level: 'debug', now: () => clock.now() }),
    journal: {
      append: async (event) => {
        journal.push(event);
        return { ...event, id: '1' };
      },
    },
    state: {
      get: async <T>(key: string) => structuredClone(kept.get(key)) as T | undefined,
      set: async (key, value) => {
        looked.count += 1;
        kept.set(key, structuredClone(value));
      },
    },
    cameras: () => [view],
    settingsOf: (id) => (id === 'front' ? settings : undefined),
    aspectOf: () => undefined,
    changed: () => (told += 1),
  });
  running = checkup.run(stop.signal);
  /** Lets so much time pass; the looks that come at its end are over when it resolves. */
  const pass = async (ms: number, looks = 1) => {
    const wanted = looked.count + looks;
    await clock.advance(ms);
    // Answers come over real sockets, whatever the clock says.
    while (looked.count < wanted) await new Promise((resolve) => setTimeout(resolve, 10));
    await clock.advance(0);
  };
  const said = () =>
    lines.filter((line) => line.includes('WARN')).map((line) => line.replace(/^.*front: /, ''));
  return { checkup, view, journal, lines, kept, pass, said, told: () => told };
}

const clockText = 'the clock of the camera is 90 s ahead; set its time server';

test('a camera whose clock is 90 s off is told of once, in health, log and journal, until it is right', async () => {
  const sim = await simulated();
  sim.driftSeconds = 90;
  const { checkup, journal, said, pass, told } = house();
  await pass(minute);
  expect(checkup.noteOf('front')).toBe(clockText);
  await pass(day);
  expect(said()).toHaveLength(1);
  expect(said()[0]).toContain(clockText);
  expect(journal).toEqual([
    {
      at: start + minute,
      kind: 'camera.check',
      subject: 'camera:front',
      cause: 'cctv',
      evidence: [{ at: start + minute, source: 'camera.front', text: clockText }],
      data: { topic: 'clock', text: clockText },
    },
  ]);
  sim.driftSeconds = 0;
  await pass(day);
  expect([checkup.noteOf('front'), told(), said().length]).toEqual([undefined, 2, 1]);
});

test('a new firmware is told of once, also when it came while the house was off, and a new size of the picture, too', async () => {
  const sim = await simulated();
  const kept = new Map<string, unknown>();
  const before = house(camera(), kept);
  await before.pass(minute);
  expect([before.said(), before.checkup.noteOf('front')]).toEqual([[], undefined]);
  stop.abort();
  await running;
  await sim.close();
  await simulated({ firmware: '2.9.0' });
  stop = new AbortController();
  const after = house(camera(), kept);
  after.view.streams = { detect: { codec: 'h265', width: 1280, height: 720 } };
  await after.pass(day);
  const words = [
    'its firmware changed from 2.8.1 to 2.9.0',
    'its stream (detect) changed from h264 640x360 to h265 1280x720',
  ];
  expect(after.checkup.noteOf('front')).toBe(words.join('; '));
  expect(after.journal.map(({ data }) => data)).toEqual([
    { topic: 'firmware', text: words[0] },
    { topic: 'stream', text: words[1] },
  ]);
  await after.pass(day);
  expect([after.said().length, after.checkup.noteOf('front')]).toEqual([2, undefined]);
});

test('a wrong password is tried once a day, however often the camera comes and goes, and the clock is known all the same', async () => {
  const sim = await simulated();
  sim.driftSeconds = 90;
  const { checkup, view, pass, lines } = house(camera({ password: 'guess' }));
  await pass(minute);
  for (let outage = 0; outage < 5; outage += 1) {
    view.since = clock.now() + 1;
    await pass(15 * minute);
  }
  const tried = () => sim.requests.filter((name) => name === 'GetDeviceInformation').length;
  const proofs = () => sim.proofs;
  expect([checkup.noteOf('front'), tried(), proofs()]).toEqual([clockText, 6, 1]);
  await pass(day);
  expect(proofs()).toBe(2);
  expect(lines.join('\n')).not.toMatch(/guess|sesame/);
});

test.each([
  ['without ONVIF', undefined],
  ['that answers with garbage', 'garbage'],
  ['that wants a login for everything', '401'],
] as const)(
  'a camera %s costs one look a day, breaks nothing, and its streams are compared all the same',
  async (_, fault) => {
    if (fault !== undefined) (await simulated()).fault = fault;
    const { view, pass, said, checkup } = house();
    await pass(minute);
    expect([said(), checkup.noteOf('front')]).toEqual([[], undefined]);
    view.streams = { detect: { codec: 'h264', width: 320, height: 180 } };
    await pass(day);
    expect(checkup.noteOf('front')).toBe('its stream (detect) changed from h264 640x360 to h264 320x180');
  },
);

test('nobody is asked while the camera is down or off, and no host but its own ever', async () => {
  const sim = await simulated();
  const other = new OnvifSim({ profiles: [] });
  sims.push(await other.listen('127.0.1.41'));
  sim.claimedHost = '127.0.1.41';
  const { view, pass } = house();
  view.state = 'down';
  await pass(2 * day, 0);
  expect(sim.probes).toBe(0);
  view.state = 'live';
  view.since = clock.now();
  await pass(minute);
  expect([sim.probes, other.probes, sim.requests, other.requests]).toEqual([1, 0, [], []]);
});

test('a look ends at once with the house', async () => {
  const sim = await simulated();
  sim.fault = 'silent';
  house();
  await clock.advance(minute);
  stop.abort();
  await running;
  expect(sim.requests).toEqual([]);
});
