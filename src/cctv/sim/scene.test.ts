import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { driveway, drivewayCamera, poseAt, truthAt, type Truth } from './scene.rules.ts';
import { inPicture, onGround, project } from './pinhole.rules.ts';
import { openScene } from './scene.ts';
import {
  cloudShadows,
  dusk,
  every,
  headlights,
  infrared,
  lamp,
  rain,
  sensorNoise,
  together,
  type Picture,
  type Weather,
} from './weather.rules.ts';

const camera = drivewayCamera(320, 180);
const plan = driveway(0, camera);
const scene = openScene(plan);

function boxPixels({ box }: Truth) {
  return {
    left: Math.floor(box.left * camera.width),
    right: Math.ceil((box.left + box.width) * camera.width),
    top: Math.floor(box.top * camera.pixels),
    bottom: Math.ceil((box.top + box.height) * camera.pixels),
  };
}

describe('the pinhole', () => {
  test('finds the place on the ground again that it put into the picture', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -8, max: 8, noNaN: true }),
        fc.double({ min: 3, max: 40, noNaN: true }),
        (x, y) => {
          const point = inPicture(camera, { x, y });
          const back = point === undefined ? undefined : onGround(camera, point);
          expect(back?.x).toBeCloseTo(x, 6);
          expect(back?.y).toBeCloseTo(y, 6);
        },
      ),
    );
  });

  test('sees straight ahead at the middle of the picture', () => {
    const reach = camera.height / Math.tan((camera.tilt * Math.PI) / 180);
    const { x, y } = project(camera, { x: 0, y: reach, z: 0 });
    expect([x, y]).toEqual([160, expect.closeTo(90, 9)]);
  });
});

describe('the drawn scene', () => {
  test('says of every walker where the feet stand: the foot of the box lies there', () => {
    for (let second = 17; second < 23; second += 0.7) {
      const [alex] = truthAt(plan, second * 1000);
      if (alex === undefined) throw new Error('alex is in the picture');
      const foot = onGround(camera, {
        x: alex.box.left + alex.box.width / 2,
        y: alex.box.top + alex.box.height,
      });
      expect(alex.id).toBe('alex');
      // The front shoe is half a step ahead of the middle of the body.
      expect(Math.hypot((foot?.x ?? 9) - alex.ground.x, (foot?.y ?? 9) - alex.ground.y)).toBeLessThan(0.6);
    }
  });

  test('changes the picture where somebody is and nowhere else, shadow apart', () => {
    const empty = scene.draw(0);
    const at = 20_000;
    const [alex] = scene.truthAt(at);
    if (alex === undefined) throw new Error('alex is in the picture');
    const { left, right, top, bottom } = boxPixels(alex);
    const picture = scene.draw(at);
    let within = 0;
    let brighterOutside = 0;
    for (let y = 0; y < camera.pixels; y += 1)
      for (let x = 0; x < camera.width; x += 1) {
        const change = (picture[y * camera.width + x] ?? 0) - (empty[y * camera.width + x] ?? 0);
        const inBox = x >= left - 1 && x <= right + 1 && y >= top - 1 && y <= bottom + 1;
        if (inBox && Math.abs(change) > 8) within += 1;
        if (!inBox && change > 3) brighterOutside += 1;
      }
    expect(within / ((right - left) * (bottom - top))).toBeGreaterThan(0.3);
    expect(brighterOutside).toBe(0);
  });

  test('is the same at the same instant of every round', () => {
    const again = openScene(driveway(0, camera));
    const later = plan.period * 1000 * 3 + 21_300;
    expect(again.draw(later)).toEqual(scene.draw(21_300));
    expect(again.truthAt(later)).toEqual(scene.truthAt(21_300));
  });

  test('has nobody in it before the first walker', () => {
    expect([scene.truthAt(0), scene.draw(0).equals(scene.draw(2000))]).toEqual([[], true]);
  });

  test('keeps every box within the picture and the speed as planned', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: plan.period * 1000 - 1 }), (at) => {
        for (const truth of truthAt(plan, at)) {
          const { left, top, width, height } = truth.box;
          expect(Math.min(left, top, width, height)).toBeGreaterThanOrEqual(0);
          expect(Math.max(left + width, top + height)).toBeLessThanOrEqual(1 + 1e-9);
          expect(truth.inside).toBeLessThanOrEqual(1 + 1e-9);
          const walker = plan.walkers.find(({ id }) => id === truth.id);
          const next = walker && poseAt(walker, at / 1000 + 0.001);
          if (next === undefined || truth.speed === 0) continue;
          const moved = Math.hypot(next.x - truth.ground.x, next.y - truth.ground.y);
          expect(moved / 0.001).toBeLessThanOrEqual(truth.speed * 1.001);
        }
      }),
    );
  });

  test('says that a passer-by behind the fence is half hidden, and one in the gate is not', () => {
    const seen = (second: number) => truthAt(plan, second * 1000)[0]?.visible;
    expect(seen(12)).toBeLessThan(0.8);
    expect(seen(20)).toBe(1);
  });

  test('gives the landmarks of its calibration where its own pinhole puts them', () => {
    const { points, ...pose } = scene.calibration;
    expect(pose).toEqual({ height: 3, tilt: 14, fov: 42 });
    expect(points).toHaveLength(4);
    for (const { image, ground } of points) {
      const back = onGround(camera, image);
      expect([back?.x, back?.y]).toEqual([expect.closeTo(ground.x, 9), expect.closeTo(ground.y, 9)]);
    }
  });
});

const kinds: Readonly<Record<string, Weather>> = {
  lamp: lamp(() => true),
  dusk: dusk(),
  noise: sensorNoise(4),
  rain: rain(),
  headlights: headlights(40, 5),
  infrared: infrared(() => true),
  clouds: cloudShadows(),
};

describe('weather', () => {
  const clear: Picture = { width: 320, height: 180, yuv: scene.draw(0) };
  const before = Buffer.from(clear.yuv);

  test.each(Object.entries(kinds))(
    '%s changes the picture, the same way each time, and leaves the given one',
    (_, kind) => {
      const once = kind(clear, 2500).yuv;
      expect(once.equals(before)).toBe(false);
      expect(kind(clear, 2500).yuv.equals(once)).toBe(true);
      expect(clear.yuv.equals(before)).toBe(true);
      const luma = once.subarray(0, 320 * 180);
      expect([Math.min(...luma) >= 16, Math.max(...luma) <= 235]).toEqual([true, true]);
    },
  );

  test('noise has the spread that was asked for and moves nothing on average', () => {
    const grey: Picture = { width: 320, height: 180, yuv: Buffer.alloc(320 * 180 * 1.5, 120) };
    const luma = [...sensorNoise(4)(grey, 77).yuv.subarray(0, 320 * 180)];
    const mean = luma.reduce((sum, y) => sum + y, 0) / luma.length;
    const spread = Math.sqrt(luma.reduce((sum, y) => sum + (y - mean) ** 2, 0) / luma.length);
    expect(mean).toBeCloseTo(119.5, 0);
    expect(spread).toBeCloseTo(4, 0);
  });

  test('infrared has no colours', () => {
    const chroma = infrared(() => true)(clear, 0).yuv.subarray(320 * 180);
    expect(new Set(chroma)).toEqual(new Set([128]));
  });

  test('a light that is off changes nothing, and parts come one after the other', () => {
    const on = every(10, 0.5);
    expect(lamp(on)(clear, 6000)).toBe(clear);
    const both = together(lamp(on), rain());
    expect(both(clear, 1000).yuv.equals(rain()(lamp(on)(clear, 1000), 1000).yuv)).toBe(true);
  });
});
