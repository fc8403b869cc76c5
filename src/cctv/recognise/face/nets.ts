import type { NetCard } from '../contract.ts';

const human = 'MIT (@vladmandic/human)';
const shipped = (json: string, bin: string, name: string): NetCard['source'] => ({
  kind: 'package',
  name: '@vladmandic/human',
  files: [
    { path: `models/${name}.json`, sha256: json },
    { path: `models/${name}.bin`, sha256: bin },
  ],
});

/** What finds faces. */
export const faceDetectors = {
  blazeface: {
    name: 'blazeface',
    title: 'BlazeFace for cameras that look from afar; comes with Lares by npm',
    licence: `${human}, upstream Apache-2.0 (Google)`,
    source: shipped(
      'cd7bbfc078270572beb39f9e5ae67aadbd50b5e67cff37e6d4f6b3ea39312e5f',
      'dc9a97fdc50bc43216554bdd69aa3e7b9361a519ee7bdd996a2f69a98a6f9b72',
      'blazeface',
    ),
  },
  yunet: {
    name: 'yunet',
    title: 'YuNet; bring its ONNX file (ShiqiYu/libfacedetection.train)',
    licence: 'Apache-2.0 (Shiqi Yu, OpenMMLab)',
    source: { kind: 'file' },
  },
} as const satisfies Record<string, NetCard>;

/** What tells faces apart. */
export const faceEmbedders = {
  faceres: {
    name: 'faceres',
    title: 'MobileNet trained to tell people apart, 1024 numbers a face; comes with Lares by npm',
    licence: human,
    source: shipped(
      '5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df',
      '2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b',
      'faceres',
    ),
  },
  arcface: {
    name: 'arcface',
    title: 'Any network for aligned faces of 112x112 (ArcFace, MobileFaceNet); bring its ONNX file',
    licence: 'as its publisher says',
    source: { kind: 'file' },
  },
} as const satisfies Record<string, NetCard>;
