/**
 * The motion gate against a plain difference of frames: milliseconds a picture, how often weather and light over an empty
 * scene pass, and how often people do. With the data folder the empty scene is the one of `vtest.avi` (median of its
 * frames) and its people are real; without it the scene is drawn.
 * `node bench/motion.ts [--data DIR] [--minutes 2]`
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MotionGate } from '#cctv/motion/gate.rules.ts';
import { table } from '#platform/table.ts';
import * as w from './lib/weather.ts';

const { values } = parseArgs({
  options: { data: { type: 'string', default: '../shared/data' }, minutes: { type: 'string', default: '2' } },
});
const fps = 5;
const small = { width: 160, height: 90 };
const frames = Math.round(Number(values.minutes) * 60 * fps);

/** What everybody writes first: pixels that differ from the last picture by 25 levels, 0.5 % of them. */
class FrameDifference {
  #last: Uint8Array | undefined;
  step(gray: Uint8Array): { motion: boolean } {
    const last = this.#last;
    this.#last = Uint8Array.from(gray);
    if (last === undefined) return { motion: false };
    let n = 0;
    for (let i = 0; i < gray.length; i += 1) if (Math.abs(gray[i]! - last[i]!) > 25) n += 1;
    return { motion: n > gray.length * 0.005 };
  }
}

interface Score {
  passed: number;
  frames: number;
  readonly ms: number[];
}

function run(next: (n: number) => Uint8Array | undefined): { ours: Score; rival: Score } {
  const score = (): Score => ({ passed: 0, frames: 0, ms: [] });
  const result = { ours: score(), rival: score() };
  const gate = new MotionGate(small);
  const difference = new FrameDifference();
  for (let n = 0; ; n += 1) {
    const gray = next(n);
    if (gray === undefined) return result;
    for (const [name, step] of [
      ['ours', () => gate.step(gray, 1e12 + (n * 1000) / fps)],
      ['rival', () => difference.step(gray)],
    ] as const) {
      const before = performance.now();
      const { motion } = step();
      result[name].ms.push(performance.now() - before);
      result[name].frames += 1;
      result[name].passed += Number(motion);
    }
  }
}

const video = path.join(values.data, 'cctv/vtest.avi');
const real = existsSync(video);

function decode(filter: string, bytes: number): Uint8Array[] {
  const { stdout } = spawnSync('ffmpeg', ['-v', 'error', '-i', video, '-vf', filter, '-f', 'rawvideo', '-'], {
    maxBuffer: 2 ** 31,
  });
  return Array.from({ length: Math.floor(stdout.length / bytes) }, (_, i) =>
    stdout.subarray(i * bytes, (i + 1) * bytes),
  );
}

/** What is there most of the time: the median of frames far apart. */
function emptyScene(): w.Picture {
  if (!real) return w.drawnYard(w.seeded(1));
  const [width, height] = [640, 360];
  const shots = decode('fps=1/2,scale=640:360:flags=area,format=rgb24', width * height * 3);
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i += 1)
    data[i] = shots.map((s) => s[i]!).toSorted((a, b) => a - b)[shots.length >> 1]!;
  return { width, height, data };
}

const scene = emptyScene();

function drawn(...effects: w.Weather[]): (n: number) => Uint8Array | undefined {
  const grain = w.noise(4, w.seeded(7));
  return (n) => {
    if (n >= frames) return undefined;
    const picture = { ...scene, data: Uint8Array.from(scene.data) };
    for (const effect of [...effects, grain]) effect(picture, n / fps);
    return w.shrink(picture, small);
  };
}

const random = w.seeded(3);
const empty: Record<string, w.Weather[]> = {
  'sensor noise 4': [],
  'sensor noise 12': [w.noise(12, random)],
  'lights every 4 s': [w.switching(4, random)],
  'headlights every 6 s': [w.headlights(6, random)],
  'rain, 150 streaks': [w.rain(150, random)],
  'rain, 600 streaks': [w.rain(600, random)],
  clouds: [w.clouds()],
  'infrared every 15 s': [w.infrared(15)],
  'tree in the wind': [w.tree(random)],
};
const walks = (height: number) =>
  Array.from({ length: Math.floor(frames / fps / 20) }, (_, i) => w.walker(height, 0.85, 6 + i * 20, 10));
const people: Record<string, w.Weather[]> = {
  'drawn walker, 25 % tall': walks(0.25),
  'drawn walker, 8 % tall': walks(0.08),
  'walker 15 %, lights every 4 s': [...walks(0.15), w.switching(4, w.seeded(4))],
  'walker 15 %, rain 600': [...walks(0.15), w.rain(600, w.seeded(5))],
  'walker 15 %, headlights': [...walks(0.15), w.headlights(6, w.seeded(6))],
};

const percent = (s: Score) => `${((100 * s.passed) / s.frames).toFixed(1)} %`;
const ms = (s: Score) => s.ms.toSorted((a, b) => a - b)[s.frames >> 1]!.toFixed(3);
const rows = Object.entries({ ...empty, ...people }).map(([name, effects]) => {
  const { ours, rival } = run(drawn(...effects));
  return [
    name,
    name in empty ? 'nobody' : 'half the time',
    percent(ours),
    percent(rival),
    ms(ours),
    ms(rival),
  ];
});
if (real) {
  const grays = decode(`fps=${fps},scale=160:90:flags=area,format=gray`, small.width * small.height);
  const { ours, rival } = run((n) => grays[n]);
  rows.push(['vtest.avi', 'always', percent(ours), percent(rival), ms(ours), ms(rival)]);
}
console.log(`${real ? 'empty scene of vtest.avi' : 'drawn scene'}, ${frames} frames of 160x90 at ${fps} fps`);
console.log(table(['scene', 'people', 'passed', 'frame difference', 'ms', 'ms, difference'], rows));
