import { AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P, SWS_AREA } from 'node-av/constants';
import { Scaler } from 'node-av/api';
import type { Frame as Picture } from 'node-av/lib';
import { padding, type Letterbox as Inside } from '../detect/letterbox.rules.ts';
import type { Frame } from '../detect/model.ts';
import type { Box } from '../model.ts';
import { fitInto, type Fit } from './letterbox.rules.ts';

/** So many samples of chroma tell whether there is colour. */
const samples = 1000;

/** Mean distance of the chroma from gray, in levels; undefined where the planes are not of 8 bit YUV 4:2:0. */
export function colourOf(picture: Picture): number | undefined {
  if (!planar.has(picture.format)) return undefined;
  const chroma = picture.data?.[1];
  const stride = picture.linesize[1];
  if (chroma === undefined || stride === undefined) return undefined;
  const wide = picture.format === AV_PIX_FMT_NV12 ? picture.width & ~1 : picture.width >> 1;
  const high = picture.height >> 1;
  const step = Math.max(1, Math.floor(Math.sqrt((wide * high) / samples))) | 1;
  let sum = 0;
  let count = 0;
  for (let y = 0; y < high; y += step)
    for (let x = 0; x < wide; x += step) {
      sum += Math.abs(chroma[y * stride + x]! - 128);
      count += 1;
    }
  return count === 0 ? undefined : sum / count;
}

const planar: ReadonlySet<number> = new Set([AV_PIX_FMT_YUV420P, AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_NV12]);

interface Held {
  readonly data: Uint8Array;
  readonly inside: Inside;
}

const newScaler = () => new Scaler({ flags: SWS_AREA });

/** Brings pictures to the size that the detector takes, keeping their proportions. Reuses its memory. */
export class Letterbox {
  #scaler = newScaler();
  readonly #frames: Held[] = [];

  /** The gray picture that motion is found in: one byte a pixel, rows without padding. */
  gray(picture: Picture, width: number, height: number): Uint8Array {
    return this.#scaler.toBufferSync(picture, { resize: { width, height }, format: 'gray' });
  }

  /**
   * A part of the picture in the size of the model, at its top left; what remains is gray. `slot` numbers the frames of
   * one look: each overwrites what the slot held.
   */
  frame(
    picture: Picture,
    part: Box,
    input: { readonly width: number; readonly height: number },
    slot: number,
  ): { readonly frame: Frame; readonly fit: Fit } {
    const fit = fitInto(part, picture, input);
    const { inside, crop } = fit;
    const rgb = this.#scaler.toBufferSync(picture, {
      crop,
      resize: { width: inside.width, height: inside.height },
      format: 'rgb',
    });
    const { data } = this.#held(slot, inside);
    const row = inside.width * 3;
    if (inside.width === input.width) data.set(rgb);
    else
      for (let y = 0; y < inside.height; y += 1)
        data.set(rgb.subarray(y * row, (y + 1) * row), y * input.width * 3);
    return { frame: { ...input, data }, fit };
  }

  /** The memory of a slot, gray where the picture will not be. */
  #held(slot: number, inside: Inside): Held {
    const held = this.#frames[slot];
    const { input } = inside;
    if (
      held?.inside.width === inside.width &&
      held.inside.height === inside.height &&
      held.inside.input.width === input.width &&
      held.inside.input.height === input.height
    )
      return held;
    const fresh = { data: new Uint8Array(input.width * input.height * 3).fill(padding), inside };
    this.#frames[slot] = fresh;
    return fresh;
  }

  /** To be called when pictures change their size: a scaler keeps tables for every size that it ever saw. */
  renew(): void {
    this.#scaler.close();
    this.#scaler = newScaler();
  }

  close(): void {
    this.#scaler.close();
  }
}
