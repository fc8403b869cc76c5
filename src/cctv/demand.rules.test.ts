import { expect, test } from 'vitest';
import { cameraConfig, performanceConfig } from './config.ts';
import { demandOf, judgeDemand, type Machine } from './demand.rules.ts';
import { processingConfig } from './detect/config.ts';

const cameras = (count: number, over: object = {}) =>
  Array.from({ length: count }, (_, i) =>
    cameraConfig.parse({ id: `c${i}`, url: 'rtsp://192.0.2.20/s', ...over }),
  );
const settings = (
  count: number,
  over: { camera?: object; performance?: object; detection?: object } = {},
) => ({
  cameras: cameras(count, over.camera),
  performance: performanceConfig.parse(over.performance ?? {}),
  processing: processingConfig.parse({ detection: over.detection ?? {} }),
});
const large: Machine = { cores: 8, memoryBytes: 16e9 };
const judge = (of: ReturnType<typeof settings>, machine: Machine) =>
  judgeDemand(demandOf(of, new Map()), machine, of);

test('cameras that a machine carries are told with what they take of it', () => {
  const { state, text, fix } = judge(settings(4), large);
  expect([state, fix]).toEqual(['ok', undefined]);
  expect(text).toMatch(
    /^the cameras take about 0\.34 of 8 processors .* 0\.13 usually, and 0\.6 GB of 16\.0 GB/,
  );
});

test('what is switched off takes nothing, and what is only recorded is neither decoded nor looked at', () => {
  const none = demandOf(settings(3, { camera: { enabled: false } }), new Map());
  const kept = demandOf(settings(3, { camera: { detect: false } }), new Map());
  expect([none.decodingCores + none.lookingCores, kept.decodingCores + kept.lookingCores]).toEqual([0, 0]);
  expect(kept.memoryBytes).toBeGreaterThan(none.memoryBytes);
});

test('a large stream is paid for by the pixel, also in memory', () => {
  const one = settings(1);
  const small = demandOf(one, new Map([['c0', { width: 640, height: 360, fps: 10 }]]));
  const big = demandOf(one, new Map([['c0', { width: 1920, height: 1080, fps: 10 }]]));
  expect(small).toEqual(demandOf(one, new Map()));
  expect(big.decodingCores / small.decodingCores).toBeCloseTo(9);
  expect(big.memoryBytes - small.memoryBytes).toBeCloseTo(24 * (1920 * 1080 - 640 * 360));
  expect(big.lookingCores).toBe(small.lookingCores);
});

test('a processor that is too small is told how often it can look, and where it can look less', () => {
  const { state, fix } = judge(settings(16), { cores: 1, memoryBytes: 16e9 });
  expect([state, fix]).toEqual([
    'warn',
    'performance.fps_limit: 2, or processing.detection.input_size: 416x256, or a small stream of each camera under streams.detect, or detect: false where a camera only records',
  ]);
  // What is advised is enough.
  expect(judge(settings(16, { performance: { fps_limit: 2 } }), { cores: 1, memoryBytes: 16e9 }).state).toBe(
    'ok',
  );
});

test('memory that is too small is told of with what shares it', () => {
  const { state, fix } = judge(settings(16), { cores: 8, memoryBytes: 1.4e9 });
  expect([state, fix]).toEqual([
    'warn',
    'performance.cameras_per_process: 16, or small streams under streams.detect and streams.live, or more memory, or fewer cameras',
  ]);
});

test('a model that costs more is counted so', () => {
  const heavy = demandOf(settings(1, { detection: { model: 'yolov8n' } }), new Map());
  const light = demandOf(settings(1, { detection: { input_size: '416x256' } }), new Map());
  const usual = demandOf(settings(1), new Map());
  expect(heavy.lookingCores).toBeGreaterThan(3 * usual.lookingCores);
  expect(light.lookingCores / usual.lookingCores).toBeCloseTo((416 * 256) / (512 * 288));
});
