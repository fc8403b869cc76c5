import {
  AV_CODEC_ID_MJPEG,
  AV_PIX_FMT_YUV420P,
  AVCOL_RANGE_MPEG,
  AVCOL_RANGE_UNSPECIFIED,
} from 'node-av/constants';
import { Codec, CodecContext, Frame, Packet } from 'node-av/lib';
import { expect, test } from 'vitest';
import type { Track } from '../model.ts';
import { drawBox, sharpnessOf, type Planes } from './draw.rules.ts';
import { Heard } from './fixture.ts';
import { Gallery } from './gallery.ts';
import { dot, glyphHeight, glyphWidth } from './glyphs.rules.ts';
import { JpegWriter } from './jpeg.ts';
import { colourOf, Letterbox } from './letterbox.ts';

const width = 320;
const height = 180;

/** A ramp from black to white as video carries it: luma 16 to 235, chroma off gray. */
function ramp(): Frame {
  const luma = width * height;
  const planes = Buffer.alloc(luma * 1.5, 128);
  for (let i = 0; i < luma; i += 1) planes[i] = 16 + Math.round((219 * (i % width)) / (width - 1));
  planes.fill(100, luma, luma * 1.25);
  const frame = Frame.fromVideoBuffer(planes, { width, height, format: AV_PIX_FMT_YUV420P });
  frame.colorRange = AVCOL_RANGE_MPEG;
  return frame;
}

/** The luma of a JPEG file, 0 to 255, by libav's own decoder. */
function lumaOf(jpeg: Uint8Array): { width: number; height: number; at: (x: number, y: number) => number } {
  const context = new CodecContext();
  const codec = Codec.findDecoder(AV_CODEC_ID_MJPEG)!;
  context.allocContext3(codec);
  context.open2Sync(codec, null);
  const packet = new Packet();
  packet.alloc();
  packet.data = Buffer.from(jpeg);
  context.sendPacketSync(packet);
  const frame = new Frame();
  frame.alloc();
  expect(context.receiveFrameSync(frame)).toBe(0);
  const luma = Buffer.from(frame.data![0]!);
  const stride = frame.linesize[0]!;
  return { width: frame.width, height: frame.height, at: (x, y) => luma[y * stride + x]! };
}

test('a picture keeps the light of the video: the luma of a ramp comes back within 35 dB', () => {
  for (const range of [AVCOL_RANGE_MPEG, AVCOL_RANGE_UNSPECIFIED]) {
    const frame = ramp();
    frame.colorRange = range;
    const writer = new JpegWriter();
    writer.paint(frame);
    const picture = lumaOf(writer.encode());
    let squares = 0;
    for (let y = 0; y < height; y += 1)
      for (let x = 0; x < width; x += 1) squares += (picture.at(x, y) - (255 * x) / (width - 1)) ** 2;
    const psnr = 10 * Math.log10(255 ** 2 / (squares / (width * height)));
    expect(psnr).toBeGreaterThan(35);
    expect([picture.at(0, 90), picture.at(width - 1, 90)].map((v) => Math.round(v / 10))).toEqual([0, 26]);
    writer.close();
  }
});

test('a picture may be asked for at a smaller width, and then at full size again', () => {
  const writer = new JpegWriter();
  const sizes = [160, undefined, 5000].map((wide) => {
    writer.paint(ramp(), wide);
    const { width: w, height: h } = lumaOf(writer.encode());
    return [w, h];
  });
  expect(sizes).toEqual([
    [160, 90],
    [320, 180],
    [320, 180],
  ]);
  writer.close();
});

const track = (id: number, more: Partial<Track> = {}): Track => ({
  id,
  label: 'person',
  score: 0.8,
  box: { left: 0.25, top: 0.25, width: 0.25, height: 0.5 },
  velocity: { x: 0, y: 0 },
  bornAt: 0,
  seenAt: 1000,
  hits: 3,
  state: 'confirmed',
  ...more,
});

test('sends one picture an object, clean and with its box, and another only when it is better', () => {
  const heard = new Heard();
  const gallery = new Gallery('yard', heard.take);
  const frame = ramp();
  gallery.consider(frame, 1000, [track(1), track(2, { state: 'tentative' })], []);
  expect(heard.of('picture').map((p) => [p.track, p.score])).toEqual([[1, 0.8]]);
  const [first] = heard.of('picture');
  const [before, after] = [lumaOf(first!.clean), lumaOf(first!.boxed!)];
  // The left edge of the box, and a place away from box and label.
  expect(Math.abs(after.at(81, 100) - before.at(81, 100))).toBeGreaterThan(60);
  expect(Math.abs(after.at(40, 150) - before.at(40, 150))).toBeLessThan(8);
  gallery.consider(frame, 3000, [track(1, { seenAt: 3000 })], []);
  expect(heard.of('picture')).toHaveLength(1);
  const larger = { left: 0.2, top: 0.1, width: 0.4, height: 0.8 };
  gallery.consider(frame, 5000, [track(1, { seenAt: 5000, box: larger })], []);
  expect(heard.of('picture').map((p) => p.box)).toEqual([track(1).box, larger]);
  gallery.close();
});

test('a box and its label stay within the picture, wherever they lie', () => {
  for (const left of [-0.5, 0, 0.95, 1.5])
    for (const top of [-0.5, 0, 0.95, 1.5]) {
      const planes: Planes = {
        width: 64,
        height: 36,
        planes: [new Uint8Array(64 * 36), new Uint8Array(32 * 18), new Uint8Array(32 * 18)],
        strides: [64, 32, 32],
      };
      expect(() => drawBox(planes, { left, top, width: 0.3, height: 0.3 }, 'person 80%')).not.toThrow();
    }
});

test('the font has a shape of its own for every letter of a label', () => {
  const signs = 'abcdefghijklmnopqrstuvwxyz0123456789%.-'.split('');
  const shapes = signs.map((sign) => {
    const dots = [];
    for (let y = 0; y < glyphHeight; y += 1)
      for (let x = 0; x < glyphWidth; x += 1) dots.push(dot(sign, x, y));
    return dots.map(Number).join('');
  });
  expect(new Set(shapes).size).toBe(signs.length);
  expect([dot('A', 1, 0), dot('a', 1, 0), dot('\u{1f600}', 1, 0)]).toEqual([true, true, false]);
});

test('a sharp place is told from a flat one', () => {
  const luma = new Uint8Array(64 * 64);
  for (let i = 0; i < luma.length; i += 1) luma[i] = i % 64 < 32 ? 128 : (i % 2) * 255;
  const planes: Planes = {
    width: 64,
    height: 64,
    planes: [luma, new Uint8Array(1024), new Uint8Array(1024)],
    strides: [64, 32, 32],
  };
  expect(sharpnessOf(planes, { left: 0, top: 0, width: 0.5, height: 1 })).toBe(0);
  expect(sharpnessOf(planes, { left: 0.6, top: 0, width: 0.4, height: 1 })).toBeGreaterThan(50);
});

test('the detector gets the picture at its top left and gray beside it', () => {
  const letterbox = new Letterbox();
  const whole = { left: 0, top: 0, width: 1, height: 1 };
  const { frame } = letterbox.frame(ramp(), whole, { width: 128, height: 128 }, 0);
  const pixel = (x: number, y: number) => frame.data[(y * 128 + x) * 3 + 1]!;
  expect(frame.data).toHaveLength(128 * 128 * 3);
  expect([pixel(0, 73), pixel(0, 127), pixel(127, 100)]).not.toContain(0);
  expect([pixel(0, 100), pixel(127, 72), pixel(64, 127)]).toEqual([114, 114, 114]);
  expect(pixel(120, 40)).toBeGreaterThan(pixel(8, 40) + 150);
  expect(Math.round(colourOf(ramp())!)).toBe(28);
  expect(letterbox.gray(ramp(), 160, 90)).toHaveLength(160 * 90);
  letterbox.close();
});
