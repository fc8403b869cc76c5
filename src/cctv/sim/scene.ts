import { groundColour, standing, sun } from './garden.rules.ts';
import { drawFigure, drawSolid, drawWorld, toYuv, type Canvas } from './raster.ts';
import {
  actorsAt,
  calibrationOf,
  truthAt,
  type SceneCalibration,
  type ScenePlan,
  type Truth,
} from './scene.rules.ts';

/** A drawn place with people in it. */
export interface Scene {
  /** The picture of an instant (epoch ms): packed yuv420p planes, limited range, a buffer of its own. */
  readonly draw: (at: number) => Buffer;
  readonly truthAt: (at: number) => Truth[];
  readonly calibration: SceneCalibration;
}

/** Draws what stands still (a few hundred milliseconds) and gives the scene. Width and height are even. */
export function openScene(plan: ScenePlan): Scene {
  const { camera } = plan;
  const still = drawWorld(camera, { sun, solids: standing(), ground: groundColour });
  const empty = Buffer.alloc((camera.width * camera.pixels * 3) / 2);
  toYuv(still, empty);
  const canvas: Canvas = { ...still, rgb: still.rgb.slice() };
  return {
    draw(at) {
      const yuv = Buffer.from(empty);
      const actors = actorsAt(plan, at);
      if (actors.length === 0) return yuv;
      canvas.rgb.set(still.rgb);
      const areas = actors.map(({ limbs, solid }) =>
        solid === undefined
          ? drawFigure(canvas, camera, limbs ?? [], sun)
          : drawSolid(canvas, camera, solid, sun),
      );
      for (const area of areas) if (area !== undefined) toYuv(canvas, yuv, area);
      return yuv;
    },
    truthAt: (at) => truthAt(plan, at),
    calibration: calibrationOf(camera),
  };
}
