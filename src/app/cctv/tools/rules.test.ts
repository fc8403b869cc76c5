import fc from 'fast-check';
import { expect, test } from 'vitest';
import { camerasFor, cameraMs, capabilities, diagnose, usualCamera, type Stage } from './benchmark.rules.ts';
import {
  bytesPerDay,
  daysUntil,
  forecastDisk,
  headroomOf,
  steadyBytes,
  type Kept,
} from './capacity.rules.ts';
import { slopePerMinute } from './monitor.rules.ts';
import { parseCpuTimes, parseGpu, parseMemory, parseRss, parseStat } from './proc.codec.ts';
import { gatesOf, isKept, quantile, type StressFigures } from './stress.rules.ts';

const day = 86_400_000;
const gb = 1e9;

test('a process is read whatever its name holds', () => {
  const tail = 'S 1 42 42 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 11 0 815 1000 200';
  expect(parseStat(`42 (lares-cameras) ${tail}`)).toEqual({
    pid: 42,
    parent: 1,
    name: 'lares-cameras',
    cpuSeconds: 2,
  });
  expect(parseStat(`42 (a ) b (c) ${tail}`)?.name).toBe('a ) b (c');
  expect(parseStat('')).toBeUndefined();
  expect(parseStat('42 (gone')).toBeUndefined();
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseStat(text)));
});

test('what the machine says of itself is read in seconds and bytes', () => {
  expect(parseRss('Name:\tx\nVmRSS:\t    2048 kB\n')).toBe(2 * 2 ** 20);
  expect(parseRss('Name:\tkthreadd\n')).toBe(0);
  expect(parseCpuTimes('cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 1 1 1\n')).toEqual({ total: 10, busy: 2 });
  expect(parseMemory('MemTotal:  1000 kB\nMemFree: 10 kB\nMemAvailable:  400 kB\n')).toEqual({
    totalBytes: 1_024_000,
    availableBytes: 409_600,
  });
  expect(parseGpu('37, 1024, 61\n')).toEqual({ percent: 37, memoryBytes: 2 ** 30, celsius: 61 });
  expect(parseGpu('[N/A], 1024, 61')).toBeUndefined();
});

test('growth is the median of all slopes, which one spike does not move', () => {
  const straight = [0, 1, 2, 3, 4, 5].map((m): [number, number] => [m * 60_000, 100 + 3 * m]);
  expect(slopePerMinute(straight)).toBeCloseTo(3, 9);
  expect(slopePerMinute(straight.with(3, [180_000, 400]))).toBeCloseTo(3, 9);
  expect(slopePerMinute([[0, 1]])).toBe(0);
});

test('the cameras of a machine follow from what a picture costs', () => {
  const costs = { decode: 1, gate: 0.5, scale: 0.5, inference: 11, tracker: 0.5 };
  expect(cameraMs(costs, { streamFps: 10, lookFps: 5, motion: 1 })).toBe(10 + 5 * 12.5);
  expect(cameraMs(costs, usualCamera)).toBeCloseTo(10 + 2.5 + 6, 9);
  expect(camerasFor(72.5, 2)).toBe(22);
});

const stage = (name: Stage['stage'], on: string, ms: number, cpuMs = ms): Stage => ({
  stage: name,
  on,
  ms,
  cpuMs,
});
const machine = { cores: 2, threads: 1 };

test('every model that was measured gets its number of cameras', () => {
  const stages = [
    stage('decode', '640x360 h264', 1),
    stage('decode', '1920x1080 h264', 4),
    stage('gate', '160x90', 0.5),
    stage('scale', 'to 512x288', 0.5),
    stage('tracker', 'x', 0.5),
    stage('inference', 'centernet 512x288', 11),
    stage('inference', 'nanodet 416x256', 20),
  ];
  expect(capabilities(stages, 2)).toEqual([
    { on: 'centernet 512x288', allMotion: 22, tenthMotion: 86 },
    { on: 'nanodet 416x256', allMotion: 13, tenthMotion: 69 },
  ]);
});

test('what is slow is named with what helps', () => {
  const slow = [
    stage('decode', '2560x1440 hevc', 14),
    stage('inference', 'a 512x288', 180),
    stage('inference', 'b 320x192', 60),
  ];
  expect(diagnose(slow, 'a 512x288', machine)).toEqual([
    'an inference takes 180 ms: b 320x192 takes 60 ms; set processing.detection.model and input_size to it, and look what it misses',
    'decoding takes 14.0 ms a picture of 2560x1440 hevc: name the sub-stream of the camera under streams.detect, or let hardware do it (hardware: auto)',
  ]);
  expect(diagnose([stage('inference', 'a', 20, 60)], 'a', machine)).toEqual([
    'an inference uses 3.0 processors with processing.detection.threads at 1: threads wait by spinning; set OMP_WAIT_POLICY=passive, or fewer threads',
  ]);
  expect(diagnose([stage('inference', 'a', 20)], 'a', { cores: 2, threads: 4 })).toEqual([
    'processing.detection.threads is 4 on 2 processors; more threads than these only wait for each other',
  ]);
  expect(diagnose([stage('decode', '640x360 h264', 1), stage('inference', 'a', 11)], 'a', machine)).toEqual(
    [],
  );
});

const kept = (rest: Partial<Kept>): Kept => ({ kind: 'clips', bytes: 0, bytesPerDay: gb, days: 10, ...rest });

test('a disk is full on the day on which what grows has eaten what is free, unless retention ends it before', () => {
  const disk = { totalBytes: 100 * gb, freeBytes: 30 * gb };
  expect(forecastDisk([kept({})], disk)).toEqual({
    ...disk,
    bytesPerDay: gb,
    steadyBytes: 10 * gb,
    fullInDays: undefined,
    emergencyInDays: undefined,
  });
  // One stops growing after 10 days at 10 GB, the other goes on at 2 GB a day: 30 GB after 10 days.
  const both = [kept({}), kept({ kind: 'continuous', bytesPerDay: 2 * gb, days: 100 })];
  expect(forecastDisk(both, disk)).toMatchObject({ fullInDays: 10, steadyBytes: 210 * gb });
  expect(daysUntil(both, 50 * gb)).toBe(20);
  expect(daysUntil(both, 25 * gb)).toBeCloseTo(25 / 3, 9);
  expect(daysUntil([kept({ limitBytes: 5 * gb, days: 100 })], 6 * gb)).toBeUndefined();
  expect(daysUntil([], 0)).toBe(0);
});

test('the forecast agrees with letting the days pass', () => {
  const kinds = fc.array(
    fc.record({
      kind: fc.constant('x'),
      bytes: fc.integer({ min: 0, max: 50 }),
      bytesPerDay: fc.integer({ min: 0, max: 9 }),
      days: fc.integer({ min: 1, max: 30 }),
      limitBytes: fc.option(fc.integer({ min: 1, max: 100 }), { nil: undefined }),
    }),
    { maxLength: 4 },
  );
  fc.assert(
    fc.property(kinds, fc.integer({ min: 1, max: 200 }), (all, growth) => {
      const grownBy = (days: number) =>
        all.reduce(
          (sum, k) => sum + Math.max(0, Math.min(k.bytesPerDay * days, steadyBytes(k) - k.bytes)),
          0,
        );
      const days = daysUntil(all, growth);
      const reached = grownBy(days ?? 1e6);
      expect(days === undefined ? reached < growth : Math.abs(reached - growth) < 1e-6).toBe(true);
    }),
  );
});

test('further cameras are counted by what the present ones take, and memory may be what ends it', () => {
  const load = {
    cores: 4,
    cctvPercent: 40,
    otherPercent: 20,
    cameras: 4,
    freeMemoryBytes: 4e9,
    camerasBytes: 200e6,
  };
  expect(headroomOf(load)).toEqual({
    cameras: 26,
    limitedBy: 'processor',
    percentPerCamera: 10,
    bytesPerCamera: 50e6,
  });
  expect(headroomOf({ ...load, freeMemoryBytes: 700e6 })).toMatchObject({ cameras: 8, limitedBy: 'memory' });
  expect(headroomOf({ ...load, otherPercent: 390 }).cameras).toBe(0);
  expect(headroomOf({ ...load, cameras: 0 }).cameras).toBeUndefined();
});

test('a pace is that of the last days, and the first day counts as a whole one', () => {
  const now = 100 * day;
  const items = [
    { at: now - 30 * day, bytes: 9000 },
    { at: now - 6 * day, bytes: 700 },
    { at: now - day, bytes: 700 },
  ];
  expect(bytesPerDay(items, now, 7)).toBe(200);
  expect(bytesPerDay([{ at: now - 60_000, bytes: 5 }], now, 7)).toBe(5);
  expect(bytesPerDay([], now, 7)).toBe(0);
});

const calm: StressFigures = {
  looked: 980,
  dropped: 20,
  frameMs: [40, 50],
  apiMs: [2, 3],
  apiFailures: 0,
  alertMs: [100],
  alerts: 40,
  delivered: 40,
  doubled: 0,
  wantedAlerts: 40,
  memoryMibPerMinute: 1,
  camerasDown: 0,
};

test('each broken promise of a stress test breaks its own budget', () => {
  const broken = (change: Partial<StressFigures>) =>
    gatesOf({ ...calm, ...change }, 600)
      .filter((g) => !isKept(g))
      .map((g) => g.name);
  expect(broken({})).toEqual([]);
  expect(broken({ dropped: 200 })).toEqual(['frames dropped']);
  expect(broken({ looked: 0, dropped: 0 })).toEqual(['frames dropped']);
  expect(broken({ frameMs: [10, 900] })).toEqual(['frame to objects, p95']);
  expect(broken({ apiMs: [1, 2_000] })).toEqual(['API, p99']);
  expect(broken({ apiFailures: 1 })).toEqual(['API answers that failed']);
  expect(broken({ alertMs: [2_500] })).toEqual(['frame to webhook, p95']);
  expect(broken({ alerts: 39, delivered: 39 })).toEqual(['alerts that were not made']);
  expect(broken({ delivered: 39 })).toEqual(['alerts lost on the way']);
  expect(broken({ doubled: 1 })).toEqual(['alerts told twice']);
  expect(broken({ memoryMibPerMinute: 11 })).toEqual(['memory']);
  expect(broken({ camerasDown: 1 })).toEqual(['cameras down']);
});

test('quantiles are values that were measured', () => {
  expect([0, 0.5, 0.95, 1].map((q) => quantile([5, 1, 4, 2, 3], q))).toEqual([1, 3, 5, 5]);
  expect(quantile([], 0.5)).toBe(0);
});
