import { LaresError, reason } from '#kernel/errors.ts';
import { convert, type Recipe } from '../../detect/convert/convert.rules.ts';
import { inOrder } from '../../detect/convert/layout.rules.ts';
import { readFace } from '../../detect/convert/onnx.codec.ts';
import { wrap, type Preparation } from '../../detect/convert/wrap.codec.ts';
import type { Frame } from '../../detect/model.ts';
import { fingerprint, openNet, readNet, shippedFiles, type Net } from '../net.ts';
import { align, cut, inverse, mapped, warp, type Part } from '../warp.rules.ts';
import { goals, normalised, sharpness } from './face.rules.ts';
import { decodeBlaze, decodeYunet, type FaceDecoder, type FoundFace } from './heads.codec.ts';
import { faceDetectors, faceEmbedders } from './nets.ts';

/** A face made ready to be compared. */
export interface MeasuredFace {
  /** Length 1. */
  readonly vector: Float32Array;
  /** How far its points lie from those of a face that looks into the camera: root mean square in shares of 112 pixels. */
  readonly turned: number;
  /** As `sharpness` of face.rules.ts, of the face at 112 pixels. */
  readonly sharp: number;
}

/** Networks for faces, loaded. Every call blocks the process. */
export interface FaceEngine {
  /** Names both networks, the second with its fingerprint: vectors of another are of no use. */
  readonly model: string;
  readonly about: string;
  /** Measured for the network; the setting goes before it. */
  readonly threshold: number;
  /** Faces of a part of the picture, in pixels of the picture. */
  find(picture: Frame, part: Part): Promise<FoundFace[]>;
  /** Undefined for a face whose points make no sense. */
  measure(picture: Frame, face: FoundFace): Promise<MeasuredFace | undefined>;
  close(): Promise<void>;
}

interface Finder {
  readonly net: Net;
  readonly size: number;
  readonly decode: FaceDecoder;
  /** Faces below it are mostly none. */
  readonly threshold: number;
}

interface Teller {
  readonly net: Net;
  readonly size: number;
  readonly zoom: number | undefined;
  readonly threshold: number;
  readonly model: string;
}

const plain: Preparation = { mean: [0, 0, 0], deviation: [1, 1, 1], bgr: false };
const signed: Preparation = { mean: [127.5, 127.5, 127.5], deviation: [127.5, 127.5, 127.5], bgr: false };

const blazeOutputs: Readonly<Record<string, string>> = {
  scores_16: 'Identity',
  scores_32: 'Identity_1',
  boxes_16: 'Identity_2',
  boxes_32: 'Identity_3',
};

const blaze: Recipe = {
  ...signed,
  head: (t) =>
    Object.entries(blazeOutputs).map(([name, source]) => {
      const value = t.value(source);
      return { name, value: t.as(value, inOrder(3)), type: 'float', shape: value.shape.slice(1) };
    }),
};

const faceNumbers = 1024;
const faceres: Recipe = {
  // Blue, green, red less the means of ImageNet, as networks from Caffe want it; measured best (field suite faces).
  mean: [103.939, 116.779, 123.68],
  deviation: [1, 1, 1],
  bgr: true,
  head: (t) => {
    const { name } = t.value('global_pooling/Mean');
    const flat = t.graph.node('Reshape', [name, t.graph.integers([0, faceNumbers])]);
    return [{ name: 'face', value: flat, type: 'float', shape: [faceNumbers] }];
  },
};

async function shippedFinder(): Promise<Finder> {
  const size = 256;
  const [json, bin] = (await shippedFiles(faceDetectors.blazeface)) as [Buffer, Buffer];
  const { onnx } = convert(json.toString('utf8'), bin, blaze, { width: size, height: size });
  return { net: await openNet(onnx, 'blazeface'), size, decode: decodeBlaze, threshold: 0.6 };
}

async function shippedTeller(): Promise<Teller> {
  const size = 224;
  const files = await shippedFiles(faceEmbedders.faceres);
  const [json, bin] = files as [Buffer, Buffer];
  const { onnx } = convert(json.toString('utf8'), bin, faceres, { width: size, height: size });
  return {
    net: await openNet(onnx, 'faceres'),
    size,
    zoom: 0.8,
    threshold: 0.7,
    model: `faceres ${fingerprint(files)}`,
  };
}

const detectorKey = 'cctv.recognition.faces.detector';
const embeddingKey = 'cctv.recognition.faces.embedding';

function faceOfFile(file: Uint8Array, setting: string) {
  try {
    return readFace(file);
  } catch (error) {
    throw new LaresError('CONFIG_INVALID', `${setting} is no ONNX file: ${reason(error)}`, { cause: error });
  }
}

async function ownFinder(file: string): Promise<Finder> {
  const size = 320;
  const onnx = await readNet(file, detectorKey);
  const outputs = new Set(faceOfFile(onnx, detectorKey).outputs.map((o) => o.name));
  const wanted = ['cls', 'obj', 'bbox', 'kps'].flatMap((n) => [8, 16, 32].map((s) => `${n}_${s}`));
  if (wanted.some((name) => !outputs.has(name)))
    throw new LaresError(
      'CONFIG_INVALID',
      `${detectorKey}: ${file} is not YuNet, whose outputs are cls_8 to kps_32; use blazeface, which comes with Lares`,
    );
  const ready = wrap(onnx, { ...plain, bgr: true }, { width: size, height: size });
  return { net: await openNet(ready, detectorKey), size, decode: decodeYunet, threshold: 0.7 };
}

async function ownTeller(file: string): Promise<Teller> {
  const size = 112;
  const onnx = await readNet(file, embeddingKey);
  const { inputs, outputs } = faceOfFile(onnx, embeddingKey);
  const [, channels, height, width] = inputs[0]?.shape ?? [];
  if (inputs.length !== 1 || outputs.length !== 1 || channels !== 3 || height !== size || width !== size)
    throw new LaresError(
      'CONFIG_INVALID',
      `${embeddingKey}: ${file} does not take one face of 3x112x112; use faceres, which comes with Lares`,
    );
  return {
    net: await openNet(wrap(onnx, signed, { width: size, height: size }), embeddingKey),
    size,
    zoom: undefined,
    threshold: 0.6,
    model: `arcface ${fingerprint([onnx])}`,
  };
}

const judged = 112;

/** Loads the two networks that the settings name. Throws NOT_FOUND or CONFIG_INVALID. */
export async function openFaceEngine(settings: {
  readonly detector: string;
  readonly embedding: string;
}): Promise<FaceEngine> {
  const { detector, embedding } = settings;
  const finder = detector === 'blazeface' ? await shippedFinder() : await ownFinder(detector);
  const teller = embedding === 'faceres' ? await shippedTeller() : await ownTeller(embedding);
  return {
    model: teller.model,
    about: `${detector === 'blazeface' ? detector : 'YuNet'} and ${teller.model.split(' ')[0]!}`,
    threshold: teller.threshold,
    async find(picture, part) {
      const { size } = finder;
      const { frame, back } = cut(picture, part, size, size);
      const outputs = await finder.net.run(frame);
      return finder.decode(outputs, frame, finder.threshold).map((face) => ({
        score: face.score,
        left: face.left * back.a + back.tx,
        top: face.top * back.a + back.ty,
        width: face.width * back.a,
        height: face.height * back.a,
        points: face.points.map((p) => mapped(back, p)),
      }));
    },
    async measure(picture, face) {
      const { size, zoom, net } = teller;
      const fit = align(face.points, goals(face.points.length, size, zoom));
      const close = align(face.points, goals(face.points.length, judged));
      if (fit === undefined || close === undefined) return undefined;
      const outputs = await net.run(warp(picture, inverse(fit.map), size, size));
      const vector = normalised(outputs[net.outputs[0]!]!.data);
      if (vector === undefined) return undefined;
      return {
        vector,
        turned: close.miss / judged,
        sharp: sharpness(warp(picture, inverse(close.map), judged, judged)),
      };
    },
    async close() {
      await finder.net.close();
      await teller.net.close();
    },
  };
}
