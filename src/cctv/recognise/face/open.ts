import { reason } from '#kernel/errors.ts';
import type { OpenRecogniser, RecogniserPlace } from '../contract.ts';
import type { FaceSettings } from './config.ts';
import { openFaceEngine, type MeasuredFace } from './engine.ts';
import { faceOf, headPart, named, sizeOf } from './face.rules.ts';
import { FaceBook } from './people.ts';

// Past these (field suite faces) the same face is no longer surely like itself.
const leastSharp = 0.05;
const mostTurned = 0.1;

/** Why a face cannot be compared, in words that go on from "the face"; undefined where it can. */
export function flawOf({ sharp, turned }: Pick<MeasuredFace, 'sharp' | 'turned'>): string | undefined {
  if (sharp < leastSharp) return 'is blurred';
  return turned > mostTurned ? 'looks aside' : undefined;
}

/** Loads what tells faces. Throws NOT_FOUND or CONFIG_INVALID. */
export async function openFaces(
  settings: FaceSettings,
  { dataDir, warn }: RecogniserPlace,
): Promise<OpenRecogniser> {
  const engine = await openFaceEngine(settings);
  const book = new FaceBook(dataDir);
  const threshold = settings.threshold ?? engine.threshold;
  const stale = () => book.list(engine.model).filter((p) => p.usable === 0);
  let damaged: string | undefined;
  const known = () => {
    try {
      const people = book.known(engine.model);
      damaged = undefined;
      return people;
    } catch (error) {
      // Cameras go on; faces have no names until the file is mended.
      if (damaged !== reason(error)) warn(reason(error));
      damaged = reason(error);
      return [];
    }
  };
  if (known().length === 0 && damaged === undefined)
    warn(
      stale().length === 0
        ? 'nobody is enrolled, so every face is a stranger; see: lares cctv faces enrol'
        : 'the face model was changed; enrol everybody again: lares cctv faces enrol',
    );
  return {
    about: `faces by ${engine.about}`,
    async recognise(picture, box) {
      const faces = await engine.find(picture, headPart(box, picture));
      const face = faceOf(faces, box, picture);
      if (face === undefined || sizeOf(face) < settings.min_pixels) return [];
      const measured = await engine.measure(picture, face);
      if (measured === undefined || flawOf(measured) !== undefined) return [];
      return [named(measured.vector, known(), threshold)];
    },
    close: () => engine.close(),
  };
}
