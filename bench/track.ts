/**
 * Milliseconds a frame of our tracker and of its rivals on the same drawn detections: people who walk about and cross,
 * boxes that wobble, misses, false alarms. Ours is measured with colours, as the cameras give them.
 * `node bench/track.ts [--seconds 60]`
 */
import { parseArgs } from 'node:util';
import type { Detection } from '#cctv/model.ts';
import { table } from '#platform/table.ts';
import { score, type Sight } from '../tests/field/lib/mot.ts';
import { followers, percent, type FollowerName, type FootageFrame } from '../tests/field/lib/tracking.ts';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' } } });
const fps = 5;
const picture = { width: 1280, height: 720 };
const rounds = 5;

/** Park and Miller's generator: the same scene in every run. */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** People between the walls of a picture, who turn now and then. */
function scene(people: number, frames: number): FootageFrame[] {
  const random = generator(people);
  const noise = (size: number) => (random() + random() + random() - 1.5) * size;
  const walkers = Array.from({ length: people }, () => ({
    x: random(),
    y: 0.3 + 0.6 * random(),
    vx: noise(0.1),
    vy: noise(0.02),
    look: Array.from({ length: 24 }, () => random()),
  }));
  for (const w of walkers) {
    const length = Math.hypot(...w.look);
    w.look = w.look.map((v) => v / length);
  }
  return Array.from({ length: frames }, (_, frame) => {
    const truth = walkers.map((w, id) => {
      if (random() < 0.02) w.vx = noise(0.1);
      w.x += w.vx / fps;
      w.y += w.vy / fps;
      if (w.x < 0.02 || w.x > 0.98) w.vx = -w.vx;
      if (w.y < 0.3 || w.y > 0.9) w.vy = -w.vy;
      const height = 0.1 + w.y * 0.25;
      const width = (height * 0.4 * picture.height) / picture.width;
      return { id, box: { left: w.x - width / 2, top: w.y - height, width, height } };
    });
    const detections: Detection[] = truth.flatMap(({ id, box: b }) => {
      if (random() < 0.1) return [];
      const height = b.height * (1 + noise(0.08));
      const width = b.width * (1 + noise(0.2));
      const left = b.left + b.width / 2 - width / 2 + noise(0.15 * b.width);
      const top = b.top + b.height - height + noise(0.05 * b.height);
      const box = { left, top, width, height };
      return [{ box, label: 'person', score: 0.35 + 0.6 * random(), look: walkers[id]!.look }];
    });
    for (let i = 0; i < people / 10; i += 1)
      if (random() < 0.3)
        detections.push({
          box: { left: random() * 0.9, top: random() * 0.6, width: 0.04, height: 0.2 },
          label: 'person',
          score: 0.3 + 0.4 * random(),
          look: walkers[0]!.look,
        });
    return { at: (frame * 1000) / fps, detections, truth };
  });
}

const rows: string[][] = [];
for (const people of [3, 10, 30]) {
  const frames = scene(people, Number(values.seconds) * fps);
  const measured = (Object.keys(followers) as FollowerName[]).map((who) => {
    const times: number[] = [];
    let found: Sight[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const follow = followers[who](picture, 0.5, fps);
      found = [];
      const began = performance.now();
      for (const [frame, step] of frames.entries())
        for (const { id, box } of follow(step)) found.push({ frame, id, box });
      times.push((performance.now() - began) / frames.length);
    }
    const truth = frames.flatMap(({ truth: all = [] }, frame) => all.map((t) => ({ frame, ...t })));
    return { who, ms: times.toSorted((a, b) => a - b)[rounds >> 1]!, ...score(truth, found) };
  });
  const own = measured[0]!.ms;
  for (const { who, ms, mota, idf1, switches } of measured)
    rows.push([
      String(people),
      who,
      ms.toFixed(3),
      (own / ms).toFixed(2),
      percent(mota),
      percent(idf1),
      String(switches),
    ]);
}
console.log(table(['PEOPLE', 'TRACKER', 'MS A FRAME', 'OURS / THIS', 'MOTA', 'IDF1', 'SWITCHES'], rows));
