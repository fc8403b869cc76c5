import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as z from 'zod';
import { loadDetector } from '#cctv/detect/detector.ts';
import { detectionsFromInput } from '#cctv/detect/letterbox.rules.ts';
import type { ModelCard } from '#cctv/detect/model.ts';
import { prepareModel } from '#cctv/detect/prepare.ts';
import type { Detection } from '#cctv/model.ts';
import { lookOf } from '#cctv/track/look.rules.ts';
import { fill, frames } from './pictures.ts';

/** What a model saw in each frame of a video. */
export interface Watched {
  readonly card: ModelCard;
  readonly width: number;
  readonly height: number;
  readonly frames: readonly (readonly Detection[])[];
}

const cacheFolder = path.join(tmpdir(), 'lares-field-cache');
/** Low enough for the tail of a precision curve. */
const floor = 0.02;
const digits = (n: number) => Math.round(n * 1e5) / 1e5;
// left, top, width, height, score, then the look.
const cached = z.object({
  width: z.number(),
  height: z.number(),
  frames: z.array(z.array(z.array(z.number()))),
});

/**
 * Runs a model (a name of the registry or a file) over the first `count` frames of a video, for one label. Kept in the
 * temporary folder of the system by the contents of video and model. Throws what `prepareModel` throws for a file that is no detector.
 */
export async function watchVideo(
  video: string,
  model: string,
  count: number,
  label: string,
): Promise<Watched> {
  const { card, file } = await prepareModel({ model }, path.join(cacheFolder, 'models'));
  const hash = createHash('sha256');
  for (const source of [video, file]) hash.update(readFileSync(source));
  hash.update(JSON.stringify([count, label, floor, card.input]));
  const kept = path.join(cacheFolder, `${hash.digest('hex').slice(0, 24)}.json`);
  const data = existsSync(kept)
    ? cached.parse(JSON.parse(readFileSync(kept, 'utf8')))
    : await watchNow(video, card, file, count, label);
  if (!existsSync(kept)) {
    await mkdir(cacheFolder, { recursive: true });
    await writeFile(kept, JSON.stringify(data));
  }
  const detection = ([left, top, width, height, score, ...look]: readonly number[]): Detection => ({
    box: { left: left!, top: top!, width: width!, height: height! },
    label,
    score: score!,
    look,
  });
  return { card, ...data, frames: data.frames.map((list) => list.map(detection)) };
}

async function watchNow(
  video: string,
  card: ModelCard,
  file: string,
  count: number,
  label: string,
): Promise<z.infer<typeof cached>> {
  const warn = (message: string) => console.error(message);
  const detector = await loadDetector({ card, file, device: 'cpu', threads: 1, warn });
  const result: z.infer<typeof cached> = { width: 0, height: 0, frames: [] };
  for await (const picture of frames(video)) {
    if (result.frames.length >= count) break;
    const { frame, box, width, height } = fill(picture, card.input);
    Object.assign(result, { width, height });
    const [list = []] = await detector.detect([frame], floor);
    const seen = list
      .filter((d) => d.label === label)
      // The colours are read where the detector looked: in its input.
      .flatMap((d) => detectionsFromInput([{ ...d, look: lookOf(frame, d.box) }], box));
    result.frames.push(
      seen.map(({ box: b, score, look = [] }) =>
        [b.left, b.top, b.width, b.height, score, ...Array.from(look)].map(digits),
      ),
    );
  }
  await detector.close();
  return result;
}
