import type { Frame } from 'node-av/lib';
import type { Track } from '../model.ts';
import { improves, pictureQuality, type Shot } from './best.rules.ts';
import { drawBox, sharpnessOf } from './draw.rules.ts';
import { JpegWriter } from './jpeg.ts';
import type { Signal } from './messages.ts';

/** Keeps the best picture of every object of one camera, and gives each better one away as JPEG. */
export class Gallery {
  readonly #camera: string;
  readonly #send: (signal: Signal) => void;
  readonly #writer = new JpegWriter();
  readonly #best = new Map<number, Shot>();

  constructor(camera: string, send: (signal: Signal) => void) {
    this.#camera = camera;
    this.#send = send;
  }

  /** Looks whether the frame captured `at` shows a believed object better than any before. */
  consider(frame: Frame, at: number, tracks: readonly Track[], ended: readonly number[]): void {
    this.forget(ended);
    // Before a frame is converted: could it be better, if it were as sharp as can be?
    const seen = tracks.filter((t) => t.state === 'confirmed' && t.seenAt === at && this.#may(t, at, 255));
    if (seen.length === 0) return;
    const planes = this.#writer.paint(frame);
    const better = seen.flatMap((track) => {
      const quality = pictureQuality(track.score, track.box, sharpnessOf(planes, track.box));
      return improves(this.#best.get(track.id), { quality, at }) ? [{ track, quality }] : [];
    });
    if (better.length === 0) return;
    const clean = this.#writer.encode();
    for (const [i, { track, quality }] of better.entries()) {
      if (i > 0) this.#writer.paint(frame);
      drawBox(this.#writer.planes(), track.box, `${track.label} ${Math.round(track.score * 100)}%`);
      this.#best.set(track.id, { quality, at });
      this.#send({
        kind: 'picture',
        camera: this.#camera,
        at,
        track: track.id,
        box: track.box,
        score: track.score,
        clean,
        boxed: this.#writer.encode(),
      });
    }
  }

  forget(ended: readonly number[]): void {
    for (const id of ended) this.#best.delete(id);
  }

  /** Answers a request with the frame as it is. */
  answer(frame: Frame, at: number, request: number, width: number | undefined): void {
    this.#writer.paint(frame, width);
    this.#send({ kind: 'picture', camera: this.#camera, at, request, clean: this.#writer.encode() });
  }

  close(): void {
    this.#writer.close();
  }

  #may(track: Track, at: number, sharpness: number): boolean {
    const quality = pictureQuality(track.score, track.box, sharpness);
    return improves(this.#best.get(track.id), { quality, at });
  }
}
