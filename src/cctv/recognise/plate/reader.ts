import { LaresError, reason } from '#kernel/errors.ts';
import { elementTypes, readFace, type Port } from '../../detect/convert/onnx.codec.ts';
import { wrap, type Preparation } from '../../detect/convert/wrap.codec.ts';
import type { Frame } from '../../detect/model.ts';
import { openNet, readNet } from '../net.ts';
import { cut, stretched, type Part } from '../warp.rules.ts';
import { charsetFor, classesOf, parseCharset, readText, type ReadText } from './text.codec.ts';

const readerKey = 'cctv.recognition.plates.reader';
const charsetKey = 'cctv.recognition.plates.charset';

/** A network that reads one line of text. */
export interface TextReader {
  read(picture: Frame, part: Part): Promise<ReadText>;
  close(): Promise<void>;
}

/** How a network wants its picture. */
interface Input {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** What goes before the graph; absent where it takes bytes, channels last. */
  readonly preparation?: Preparation;
}

// PaddleOCR: blue, green, red from -1 to 1, shape kept; where the file leaves the size open it was trained with this.
const paddle: Preparation = { mean: [127.5, 127.5, 127.5], deviation: [127.5, 127.5, 127.5], bgr: true };
const usual = { width: 320, height: 48 } as const;

const fixed = (size: number | string | undefined, otherwise: number) =>
  typeof size === 'number' && size > 0 ? size : otherwise;

function inputOf({ type, shape }: Port): Input | undefined {
  if (shape.length !== 4) return undefined;
  if (type === elementTypes.float && shape[1] === 3)
    return {
      width: fixed(shape[3], usual.width),
      height: fixed(shape[2], usual.height),
      channels: 3,
      preparation: paddle,
    };
  const channels = shape[3];
  const [height, width] = [fixed(shape[1], 0), fixed(shape[2], 0)];
  if (type !== elementTypes.uint8 || (channels !== 1 && channels !== 3) || height * width === 0)
    return undefined;
  return { width, height, channels };
}

const shown = (port: Port | undefined) =>
  port === undefined ? 'none' : `[${port.shape.join(', ').slice(0, 80)}]`;

/** Loads a reader and its characters. Throws NOT_FOUND, or CONFIG_INVALID where they do not fit each other. */
export async function openReader(file: string, charsetFile: string): Promise<TextReader> {
  const onnx = await readNet(file, readerKey);
  const list = parseCharset((await readNet(charsetFile, charsetKey)).toString('utf8'));
  const refuse = (why: string, cause?: unknown) =>
    new LaresError('CONFIG_INVALID', `${readerKey}: ${file} ${why}`, { cause });
  let face;
  try {
    face = readFace(onnx);
  } catch (error) {
    throw refuse(`is no ONNX file: ${reason(error)}`, error);
  }
  const [port] = face.inputs;
  const [result] = face.outputs;
  const input = port === undefined || face.inputs.length > 1 ? undefined : inputOf(port);
  if (input === undefined)
    throw refuse(
      `takes ${shown(port)}; expected one picture, [1, 3, height, width] of floating point or [1, height, width, 1 or 3] of bytes`,
    );
  const classes = result === undefined ? undefined : classesOf(result.shape, list.length);
  const charset = classes === undefined ? undefined : charsetFor(list, classes);
  if (charset === undefined || list.length < 2)
    throw refuse(
      `gives ${shown(result)}, which does not fit the ${list.length} characters of ${charsetFile}; the last number must be that of the characters, or one or two more`,
    );
  const { width, height, channels, preparation } = input;
  const ready = preparation === undefined ? onnx : wrap(onnx, preparation, { width, height });
  const net = await openNet(ready, readerKey, channels);
  return {
    async read(picture, part) {
      const frame =
        preparation === undefined
          ? stretched(picture, part, width, height)
          : cut(picture, part, width, height).frame;
      const outputs = await net.run(channels === 1 ? { ...frame, data: gray(frame.data) } : frame);
      return readText(outputs[net.outputs[0]!]!, charset);
    },
    close: () => net.close(),
  };
}

const gray = (rgb: Uint8Array): Uint8Array =>
  Uint8Array.from({ length: rgb.length / 3 }, (_, i) =>
    Math.round(0.299 * rgb[3 * i]! + 0.587 * rgb[3 * i + 1]! + 0.114 * rgb[3 * i + 2]!),
  );
