import { setTimeout as sleep } from 'node:timers/promises';
import type { Detector, Frame } from '../detect/model.ts';
import type { Detection } from '../model.ts';
import type { CameraPlan, Signal } from './messages.ts';

/** Shared by the tests of this folder. */

/** A plan with what most tests want. */
export function planFor(id: string, url: string, more: Partial<CameraPlan> = {}): CameraPlan {
  return {
    id,
    urls: { detect: url },
    transport: 'tcp',
    fps: 5,
    frameSkip: 0,
    detect: true,
    hardware: 'off',
    motionMasks: [],
    objectMasks: [],
    labels: ['person'],
    threshold: 0.5,
    motionGate: true,
    regions: 0,
    record: { mode: 'off', folder: '/nonexistent', segmentSeconds: 10, preSeconds: 5, postSeconds: 5 },
    ...more,
  };
}

/** A detector that truly looks: it finds the bright square that `movingSquare` draws and calls it a person. */
export function brightSquares(width = 320, height = 320): Detector {
  return {
    card: {
      name: 'bright',
      title: 'Bright squares',
      decoding: 'decoded',
      input: { width, height },
      classes: ['person'],
      threshold: 0.5,
      licence: 'MIT',
      source: { kind: 'file' },
    },
    device: 'cpu',
    atOnce: 1,
    detect: (frames) => Promise.resolve(frames.map(brightest)),
    close: () => Promise.resolve(),
  };
}

const bright = 225;

function brightest({ width, height, data }: Frame): Detection[] {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0, i = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1, i += 3) {
      if (data[i]! < bright || data[i + 1]! < bright || data[i + 2]! < bright) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    }
  if (right < 0) return [];
  const box = {
    left: left / width,
    top: top / height,
    width: (right + 1 - left) / width,
    height: (bottom + 1 - top) / height,
  };
  return [{ box, label: 'person', score: 0.9 }];
}

/** Everything that was said, with a way to wait for what is expected. */
export class Heard {
  readonly signals: Signal[] = [];
  readonly take = (signal: Signal): void => void this.signals.push(signal);

  of<Kind extends Signal['kind']>(kind: Kind): Extract<Signal, { kind: Kind }>[] {
    return this.signals.filter((s): s is Extract<Signal, { kind: Kind }> => s.kind === kind);
  }

  /** The states of a camera in order, with their causes. */
  states(camera: string): string[] {
    return this.of('state')
      .filter((s) => s.camera === camera)
      .map((s) => [s.state, s.cause, s.lost === true ? 'lost' : undefined].filter(Boolean).join(' '));
  }

  forget(): void {
    this.signals.length = 0;
  }
}

/** Waits until it holds; fails after `seconds` with what it waited for. */
export async function until(what: string, holds: () => boolean, seconds = 30): Promise<void> {
  const end = performance.now() + seconds * 1000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`);
    await sleep(20);
  }
}
