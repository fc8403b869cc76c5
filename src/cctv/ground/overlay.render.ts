import { poseOf, toGround, toPicture, type Place } from './projection.rules.ts';
import type { Calibration } from './view.rules.ts';

/** Metres from the camera up to which the grid is drawn. */
const reach = 40;

const escape = (text: string): string => text.replaceAll(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/**
 * A picture of the ground as the calibration has it: lines of a metre near the camera, of five metres further away, and
 * the references. Laid over a snapshot, its lines must lie on the paving.
 * @param image a file or `data:` address of the snapshot below it
 */
export function gridSvg(
  calibration: Calibration,
  size: { width: number; height: number },
  image?: string,
): string {
  const { projection } = calibration;
  const pose = poseOf(projection);
  const { width, height } = size;
  const camera = pose?.camera ?? { x: 0, y: 0, z: 3 };
  const line = (places: readonly Place[], style: string): string => {
    const runs: string[][] = [[]];
    for (const place of places) {
      const p = pose && toPicture(projection, pose, place);
      if (p === undefined || Math.abs(p.x - 0.5) > 1 || Math.abs(p.y - 0.5) > 1) {
        if (runs.at(-1)!.length > 0) runs.push([]);
      } else runs.at(-1)!.push(`${(p.x * width).toFixed(1)},${(p.y * height).toFixed(1)}`);
    }
    return runs
      .filter((run) => run.length > 1)
      .map((run) => `<polyline points="${run.join(' ')}" ${style}/>`)
      .join('');
  };
  const between = (a: Place, b: Place, every: number): Place[] => {
    const n = Math.max(1, Math.ceil(Math.hypot(b.x - a.x, b.y - a.y) / every));
    return Array.from({ length: n + 1 }, (_, i) => ({
      x: a.x + ((b.x - a.x) * i) / n,
      y: a.y + ((b.y - a.y) * i) / n,
    }));
  };
  const grid = (step: number, far: number, style: string): string => {
    const from = (v: number) => Math.ceil((v - far) / step) * step;
    const count = Math.floor((2 * far) / step) + 1;
    return Array.from({ length: count }, (_, i) => i * step)
      .map((by) => {
        const [x, y] = [from(camera.x) + by, from(camera.y) + by];
        return (
          line(between({ x, y: camera.y - far }, { x, y: camera.y + far }, 0.5), style) +
          line(between({ x: camera.x - far, y }, { x: camera.x + far, y }, 0.5), style)
        );
      })
      .join('');
  };
  const thin = 'fill="none" stroke="#7fdcff" stroke-opacity="0.5" stroke-width="1"';
  const thick = 'fill="none" stroke="#ffd24d" stroke-opacity="0.9" stroke-width="2"';
  const bold = 'fill="none" stroke="#ff4d6d" stroke-width="3"';
  const references = [...calibration.references].map(([name, { kind, points }]) => {
    const ends = kind === 'polygon' ? [...points, points[0]!] : points;
    const outline = ends.slice(1).flatMap((b, i) => between(ends[i]!, b, 0.25));
    const at = pose && toPicture(projection, pose, points[0]!);
    const mark =
      at === undefined
        ? ''
        : `<circle cx="${(at.x * width).toFixed(1)}" cy="${(at.y * height).toFixed(1)}" r="5" fill="#ff4d6d"/>` +
          `<text x="${(at.x * width + 8).toFixed(1)}" y="${(at.y * height - 8).toFixed(1)}" fill="#fff" stroke="#000" stroke-width="0.5" font-family="sans-serif" font-size="${Math.round(height / 30)}">${escape(name)}</text>`;
    return line(outline, bold) + mark;
  });
  const below =
    image === undefined
      ? `<rect width="${width}" height="${height}" fill="#222"/>`
      : `<image href="${escape(image)}" width="${width}" height="${height}"/>`;
  const [nearest] = [toGround(projection, { x: 0.5, y: 1 })];
  const title = `Ground of ${escape(calibration.camera)}: blue lines every metre, yellow every five${nearest === undefined ? ', no ground in sight' : ''}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"><title>${title}</title>${below}${grid(1, 12, thin)}${grid(5, reach, thick)}${references.join('')}</svg>\n`;
}
