import { existsSync } from 'node:fs';
import path from 'node:path';
import { LaresError } from '#kernel/errors.ts';
import { loadDetector } from '../../detect/detector.ts';
import { prepareModel } from '../../detect/prepare.ts';
import type { Identity } from '../../model.ts';
import type { OpenRecogniser, RecogniserPlace } from '../contract.ts';
import { cut, type Part } from '../warp.rules.ts';
import type { PlateSettings } from './config.ts';
import { openReader } from './reader.ts';
import { knownPlate, normalisePlate } from './text.rules.ts';

const detectorKey = 'cctv.recognition.plates.detector';
// A plate hangs at the edge of a car, and its characters at the edge of the plate.
const aroundCar = 0.05;
const aroundPlate = 0.04;
const shortest = 2;
// A network for plates knows little else; one of many kinds of things is one for objects.
const mostOtherClasses = 4;

async function openDetector(file: string, { dataDir, warn }: RecogniserPlace) {
  if (!existsSync(file))
    throw new LaresError('NOT_FOUND', `${detectorKey}: there is no ${file}; name your ONNX file of plates`);
  const { card, file: ready } = await prepareModel(
    { model: path.resolve(file) },
    path.join(dataDir, 'models'),
  );
  const named = card.classes.filter((c) => /plate|licen[cs]e/i.test(c));
  if (named.length === 0 && card.classes.length > mostOtherClasses)
    throw new LaresError(
      'CONFIG_INVALID',
      `${detectorKey}: ${file} finds ${card.classes.length} kinds of things and no plates; name a file that was trained to find plates`,
    );
  const detector = await loadDetector({ card, file: ready, device: 'cpu', threads: 1, warn });
  return { detector, card, labels: new Set(named.length === 0 ? card.classes : named) };
}

const grown = ({ left, top, width, height }: Part, share: number): Part => ({
  left: left - width * share,
  top: top - height * share,
  width: width * (1 + 2 * share),
  height: height * (1 + 2 * share),
});

/** Loads what reads plates. Throws NOT_FOUND or CONFIG_INVALID. */
export async function openPlates(settings: PlateSettings, place: RecogniserPlace): Promise<OpenRecogniser> {
  const { detector: file = '', reader: readerFile = '', charset = '' } = settings;
  const { detector, card, labels } = await openDetector(file, place);
  const reader = await openReader(readerFile, charset);
  return {
    about: `plates by ${path.basename(file)} and ${path.basename(readerFile)}`,
    async recognise(picture, box) {
      const { width, height } = card.input;
      const car: Part = {
        left: box.left * picture.width,
        top: box.top * picture.height,
        width: box.width * picture.width,
        height: box.height * picture.height,
      };
      const { frame, back } = cut(picture, grown(car, aroundCar), width, height);
      const [found = []] = await detector.detect([frame], card.threshold);
      const readings: Identity[] = [];
      for (const { box: at, label } of found) {
        const part: Part = {
          left: at.left * width * back.a + back.tx,
          top: at.top * height * back.a + back.ty,
          width: at.width * width * back.a,
          height: at.height * height * back.a,
        };
        if (!labels.has(label) || part.width < settings.min_pixels) continue;
        const read = await reader.read(picture, grown(part, aroundPlate));
        const text = normalisePlate(read.text);
        if (text.length < shortest || read.confidence < settings.threshold) continue;
        const known = knownPlate(text, settings.known_plates, settings.tolerance);
        readings.push({
          kind: 'plate',
          text,
          ...(known !== undefined && { name: known.name }),
          confidence: read.confidence,
        });
      }
      return readings.toSorted((a, b) => b.confidence - a.confidence);
    },
    async close() {
      await detector.close();
      await reader.close();
    },
  };
}
