import type { NetCard, Recogniser } from '../contract.ts';
import { plateConfig, type PlateSettings } from './config.ts';

const own = (name: string, title: string): NetCard => ({
  name,
  title,
  licence: 'as its publisher says',
  source: { kind: 'file' },
});

/** Reads number plates. No network for that comes with Lares. */
export const plate = {
  kind: 'plate',
  title: 'Number plates',
  section: 'plates',
  labels: ['car', 'truck', 'bus', 'motorcycle'],
  config: plateConfig,
  models: [
    own('plate detector', 'Finds plates; bring an ONNX file of YOLOX, YOLOv8, YOLO11 or NanoDet'),
    own('plate reader', 'Reads a line of text; bring an ONNX file like those of PaddleOCR or fast-plate-ocr'),
  ],
  open: async (settings, place) => (await import('./open.ts')).openPlates(settings, place),
} as const satisfies Recogniser<PlateSettings>;
