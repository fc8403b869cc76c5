import type { CameraPlan } from '#cctv/ingest/messages.ts';

/** A camera that is looked at and not kept. */
export function benchPlan(id: string, url: string, more: Partial<CameraPlan> = {}): CameraPlan {
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
