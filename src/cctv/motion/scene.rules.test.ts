import { describe, expect, it } from 'vitest';
import { ground, hash, height, picture, width, type Draw } from './fixture.ts';
import { SceneWatch, type SceneReference, type SceneReport } from './scene.rules.ts';

const start = Date.UTC(2026, 10, 21, 8);
const size = { width, height };

interface Scene {
  readonly draw?: Draw;
  readonly share?: number;
  readonly colour?: number;
}

/** One picture a second for so many seconds; what was told, with its second. */
function watch(seconds: number, scene: (second: number) => Scene, watcher = new SceneWatch(size), from = 0) {
  const told: (readonly [second: number, report: SceneReport])[] = [];
  for (let s = from; s < from + seconds; s += 1) {
    const { draw, share = 0, colour } = scene(s);
    const report = watcher.step(picture(s, draw), start + s * 1000, share, colour);
    if (report !== undefined) told.push([s, report]);
  }
  return told;
}
const problems = (told: ReturnType<typeof watch>) => told.map(([s, { problem }]) => [s, problem]);
const from =
  (second: number, draw: Draw) =>
  (s: number): Scene =>
    s < second ? {} : { draw };

const shifted =
  (dx: number, dy: number): Draw =>
  (_, x, y) =>
    ground(x - dx + 1000, y - dy + 1000);
const home: Draw = (_, x, y) => ground(x + 1000, y + 1000);

describe('scene watch', () => {
  it('says nothing of a camera that sees its usual view', () => {
    expect(watch(120, () => ({}))).toEqual([]);
  });

  it('tells it as soon as ever when the clock was set back by an hour meanwhile', () => {
    const watcher = new SceneWatch(size);
    const told = Array.from({ length: 90 }, (_, s) => {
      const at = start + s * 1000 - (s < 45 ? 0 : 3_600_000);
      return watcher.step(picture(s, s < 40 ? home : shifted(5, -2)), at, 0);
    });
    expect(told.flatMap((report, s) => (report === undefined ? [] : [[s, report.problem]]))).toEqual([
      [61, 'moved'],
    ]);
  });

  it('tells once that the camera was knocked, how far, and when it is back', () => {
    const told = watch(200, (s) => ({ draw: s >= 40 && s < 120 ? shifted(5, -2) : home }));
    expect(told).toEqual([
      [
        60,
        {
          problem: 'moved',
          detail:
            'the camera was moved: its picture shifted by 3.1 % right and 2.2 % up; calibrate it again or turn it back',
        },
      ],
      [132, { problem: 'fine', detail: 'the camera sees its usual view' }],
    ]);
  });

  it('notices a knock of two pixels in a hundred and sixty', () => {
    expect(problems(watch(70, (s) => ({ draw: s >= 40 ? shifted(2, 0) : home })))).toEqual([[60, 'moved']]);
  });

  it('notices a camera that was turned about its own axis', () => {
    const turned: Draw = (_, x, y) => {
      const [u, v] = [x - 80, y - 45];
      return ground(Math.round(80 + u - v * 0.07) + 1000, Math.round(45 + v + u * 0.07) + 1000);
    };
    const [told] = watch(80, (s) => ({ draw: s >= 40 ? turned : home }));
    expect(told?.[1]).toMatchObject({ problem: 'moved' });
  });

  it('notices a camera that looks somewhere else altogether', () => {
    const other: Draw = (_, x, y) => ground(x + 5000, y + 9000);
    expect(problems(watch(80, (s) => ({ draw: s >= 40 ? other : home })))).toEqual([[60, 'moved']]);
  });

  it('takes no light for a knock: lamps, dusk and a bus that stands for a quarter of a minute', () => {
    const lamp: Draw = (base, x, _, s) => (x > 80 && s % 40 >= 20 ? base * 1.5 : base);
    const dusk: Draw = (base, _x, _y, s) => base * (1 - s / 250);
    expect(watch(200, () => ({ draw: lamp }))).toEqual([]);
    expect(watch(200, () => ({ draw: dusk }))).toEqual([]);
    const bus: Draw = (base, x, y, s) => (s >= 40 && s < 55 && x > 20 && x < 130 && y > 20 ? 190 : base);
    expect(watch(120, () => ({ draw: bus }))).toEqual([]);
  });

  it('tells of a covered lens, a dark picture and a blurred one, each once', () => {
    expect(
      problems(
        watch(
          80,
          from(40, () => 90),
        ),
      ),
    ).toEqual([[52, 'covered']]);
    expect(
      problems(
        watch(
          80,
          from(40, () => 2),
        ),
      ),
    ).toEqual([[60, 'dark']]);
    const soft: Draw = (_, x, y) => {
      let sum = 0;
      for (let v = -5; v <= 5; v += 1)
        for (let u = -5; u <= 5; u += 1) sum += ground(x + u + 1000, y + v + 1000);
      return sum / 121;
    };
    expect(problems(watch(110, (s) => ({ draw: s >= 40 ? soft : home })))).toEqual([[85, 'blurred']]);
  });

  it('forgets what did not last', () => {
    expect(watch(120, (s) => (s % 20 < 8 && s > 40 ? { draw: () => 90 } : {}))).toEqual([]);
  });

  it('tells by the lost colours that the camera switched to infrared, and back', () => {
    const night: Draw = (base, x, y) => 40 + 0.5 * base + 60 * hash(x * 31 + y * 1013);
    const told = watch(200, (s) => (s >= 60 && s < 140 ? { draw: night, colour: 0.4 } : { colour: 12 }));
    expect(problems(told)).toEqual([
      [70, 'infrared'],
      [152, 'fine'],
    ]);
  });

  it('does not judge the view while most of it moves', () => {
    expect(watch(80, (s) => ({ ...from(40, shifted(6, 0))(s), share: s >= 40 ? 0.6 : 0 }))).toEqual([]);
  });

  it('remembers its view over a restart and notices that the camera was moved meanwhile', () => {
    const before = new SceneWatch(size);
    watch(60, () => ({ draw: home }), before);
    const kept = JSON.parse(JSON.stringify(before.save())) as SceneReference;
    const after = new SceneWatch(size, kept);
    expect(problems(watch(40, () => ({ draw: shifted(4, 0) }), after, 60))).toEqual([[80, 'moved']]);
    const other = new SceneWatch({ width, height }, { ...kept, width: 80 });
    expect(watch(40, () => ({ draw: shifted(4, 0) }), other, 60)).toEqual([]);
    const damaged = new SceneWatch(size, { ...size, day: { ...kept.day!, edges: 'AAAA' } });
    expect(watch(40, () => ({ draw: shifted(4, 0) }), damaged, 60)).toEqual([]);
  });

  it('takes a new view as right when told so', () => {
    const watcher = new SceneWatch(size);
    watch(60, () => ({ draw: home }), watcher);
    watch(40, () => ({ draw: shifted(8, 3) }), watcher, 60);
    watcher.accept();
    expect(watch(60, () => ({ draw: shifted(8, 3) }), watcher, 100)).toEqual([]);
  });
});
