import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Clock } from '#kernel/driver.ts';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { DetectorClient } from './client.ts';
import { DetectorProcess } from './process.ts';
import { plainFrame, tinyModel } from './tiny-model.fixture.ts';

let folder: string;
let model: string;
let lines: string[];
let stop: AbortController;
let done: Promise<void> | undefined;
let camera: DetectorClient | undefined;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'lares-process-'));
  model = path.join(folder, 'tiny.onnx');
  await writeFile(model, tinyModel(64));
  lines = [];
  stop = new AbortController();
});

afterEach(async () => {
  camera?.close();
  stop.abort();
  await done;
  await rm(folder, { recursive: true });
});

function start(device = 'cpu', clock: Clock = systemClock): DetectorProcess {
  const detector = new DetectorProcess({
    plan: { model, device, threads: 1 },
    folder: path.join(folder, 'models'),
    clock,
    log: new Logger({ write: (line) => lines.push(line.split('|').slice(1).join('|')) }),
    random: () => 0,
  });
  done = detector.run(stop.signal);
  camera = new DetectorClient({ path: detector.path!, camera: 'front', deadlineMs: 60_000 });
  return detector;
}

async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(5);
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const look = () => camera!.detect([plainFrame(64, 0.8)], 0.5);
const seen = { detections: [[expect.objectContaining({ label: 'class_0' })]], inferMs: expect.any(Number) };

test('passwords that stand in the environment of the house are not in that of the detector', async () => {
  vi.stubEnv('SMTP_PASSWORD', 'hunter2hunter2');
  try {
    const detector = start();
    await detector.ready;
    const environment = await readFile(`/proc/${detector.pid!}/environ`, 'utf8');
    expect(environment).toContain('PATH=');
    expect(environment).not.toContain('hunter2');
  } finally {
    vi.unstubAllEnvs();
  }
});

test('a process of its own finds objects, is started again when it is killed, and ends with its signal', async () => {
  const detector = start();
  const loaded = await detector.ready;
  expect(loaded).toMatchObject({ name: 'tiny.onnx', width: 64, height: 64, device: 'cpu' });
  await until(() => camera!.input !== undefined);
  expect(await look()).toEqual(seen);
  const title = await readFile(`/proc/${detector.pid}/cmdline`, 'utf8');
  expect(title.startsWith('lares-detector')).toBe(true);

  const first = detector.pid!;
  process.kill(first, 'SIGKILL');
  await until(() => detector.model === undefined);
  await expect(look()).rejects.toMatchObject({ code: 'UNREACHABLE' });
  await detector.ready;
  await until(() => camera!.input !== undefined);
  expect(await look()).toEqual(seen);
  expect([detector.restarts, detector.pid === first, alive(first)]).toEqual([1, false, false]);
  expect(lines.filter((l) => l.startsWith('WARN'))).toEqual([
    'WARN|lares|-|the detector was ended by SIGKILL; it is started again retry_in_s=1',
  ]);
  await until(() => (detector.stats()?.done ?? 0) > 0);

  const { pid, path: socket } = detector;
  stop.abort();
  await done;
  expect([alive(pid!), existsSync(socket!)]).toEqual([false, false]);
});

test('a model that cannot be used is a problem with its remedy; another one is taken without a restart', async () => {
  const detector = start();
  await detector.ready;
  const { pid } = detector;
  const plan = { model: path.join(folder, 'none.onnx'), device: 'cpu', threads: 1 };
  detector.configure(plan);
  await expect(detector.ready).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(detector.problem?.message).toContain('none.onnx cannot be read');
  // What was loaded goes on.
  await until(() => camera!.input !== undefined);
  expect(await look()).toEqual(seen);

  const larger = path.join(folder, 'larger.onnx');
  await writeFile(larger, tinyModel(96));
  detector.configure({ ...plan, model: larger });
  expect(await detector.ready).toMatchObject({ width: 96 });
  await until(() => camera!.input?.width === 96);
  expect([detector.pid, detector.problem]).toEqual([pid, undefined]);
});

test('nothing is told of what nobody looks for, and a change of that needs no restart', async () => {
  const detector = start();
  await detector.ready;
  await until(() => camera!.input !== undefined);
  const { pid } = detector;
  const plan = { model, device: 'cpu', threads: 1 };
  detector.configure({ ...plan, classes: ['class_1'] });
  await detector.ready;
  expect(await look()).toMatchObject({ detections: [[]] });
  detector.configure({ ...plan, classes: ['class_0', 'class_1'] });
  await detector.ready;
  expect([await look(), detector.pid]).toEqual([seen, pid]);
});

test('a model that knows nothing of what is looked for is told, with what it knows', async () => {
  const detector = start();
  await detector.ready;
  detector.configure({ model, device: 'cpu', threads: 1, classes: ['person', 'car'] });
  await detector.ready;
  await until(() => lines.some((l) => l.startsWith('WARN')));
  expect(lines.filter((l) => l.startsWith('WARN'))).toEqual([
    'WARN|lares|-|tiny.onnx knows none of what is looked for (person, car), so nothing will be found; it knows class_0, class_1: write some of these into processing.detection.classes',
  ]);
});

test('a model that is not there is named with its remedy, and the one that npm brings looks meanwhile', async () => {
  model = 'yolov8n';
  const detector = start();
  expect(await detector.ready).toMatchObject({ name: 'centernet', width: 512, height: 288 });
  expect(detector.problem).toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('--file PATH'),
  });
  const errors = lines.filter((l) => l.startsWith('ERROR'));
  expect(errors).toEqual([
    expect.stringMatching(/^ERROR\|lares\|NOT_FOUND\|detection error: the model yolov8n is not/),
  ]);
});

/** Lets time pass in small steps until something is so. */
async function pass(clock: ManualClock, what: () => boolean): Promise<void> {
  while (!what()) {
    await clock.advance(1_000);
    await sleep(5);
  }
}

test('a process that hangs without an error is killed and started again', async () => {
  const clock = new ManualClock();
  const detector = start('cpu', clock);
  await detector.ready;
  const { pid } = detector;
  process.kill(pid!, 'SIGSTOP');
  await pass(clock, () => detector.restarts === 1);
  await pass(clock, () => detector.pid !== undefined && detector.pid !== pid);
  expect(await detector.ready).toMatchObject({ name: 'tiny.onnx' });
  expect(alive(pid!)).toBe(false);
  expect(lines.filter((l) => l.startsWith('WARN'))[0]).toBe(
    'WARN|lares|-|the detector gave no sign of life for 20 s and is killed',
  );
});

test('a model that arrives later is taken without anybody saying so', async () => {
  const clock = new ManualClock();
  const late = path.join(folder, 'late.onnx');
  model = late;
  const detector = start('cpu', clock);
  expect(await detector.ready).toMatchObject({ name: 'centernet' });
  await writeFile(late, tinyModel(64));
  for (let i = 0; i < 5 && detector.model?.name !== 'late.onnx'; i += 1) {
    // Less than the silence that it is killed for, and then a sign of life.
    await clock.advance(15_000);
    const before = detector.stats();
    await until(() => detector.stats() !== before);
  }
  await until(() => detector.model?.name === 'late.onnx');
  expect([detector.problem, detector.restarts]).toEqual([undefined, 0]);
});

test('a device that is not there is replaced by the processor with one warning', async () => {
  const detector = start('cuda:7');
  expect(await detector.ready).toMatchObject({ device: 'cpu' });
  const warnings = lines.filter((l) => l.startsWith('WARN'));
  expect(warnings).toEqual([
    expect.stringMatching(
      /^WARN\|lares\|-\|detection on cuda:7 is not possible \(.*\); the processor does it$/,
    ),
  ]);
});

test('it does not outlive the core, however that ends', async () => {
  const script = path.join(folder, 'core.ts');
  const here = import.meta.dirname;
  await writeFile(
    script,
    `import { DetectorProcess } from ${JSON.stringify(path.join(here, 'process.ts'))};
     import { systemClock } from ${JSON.stringify(path.join(here, '../../platform/clock.ts'))};
     import { Logger } from ${JSON.stringify(path.join(here, '../../platform/log.ts'))};
     const detector = new DetectorProcess({ plan: { model: ${JSON.stringify(model)}, device: 'cpu', threads: 1 },
       folder: ${JSON.stringify(folder)}, clock: systemClock, log: new Logger({ write: () => {} }), random: Math.random });
     void detector.run(new AbortController().signal);
     await detector.ready;
     process.send({ pid: detector.pid, path: detector.path });`,
  );
  const core = fork(script, { execArgv: [] });
  const { pid, path: socket } = await new Promise<{ pid: number; path: string }>((resolve) =>
    core.once('message', (m) => resolve(m as { pid: number; path: string })),
  );
  expect(alive(pid)).toBe(true);
  core.kill('SIGKILL');
  await until(() => !alive(pid));
  expect(existsSync(path.dirname(socket))).toBe(false);
});
