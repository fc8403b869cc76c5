import { drivewayCamera, driveway } from '#cctv/sim/scene.rules.ts';
import { openScene } from '#cctv/sim/scene.ts';
import { fileMedia, liveMedia } from '#cctv/sim/media.ts';
import type { Medium } from '#cctv/sim/rtsp.model.ts';
import { RtspSim } from '#cctv/sim/rtsp.ts';
import { reason } from '#kernel/errors.ts';
import {
  cameraFaults,
  cameraSize,
  demoCameras,
  type DemoCamera,
  type DemoCamerasReport,
  type FaultOrder,
  type PlayOrder,
} from './cameras.model.ts';

// Drawing and encoding would hold up the house, so the cameras are a process of their own, as real ones are.
process.title = 'lares-demo-cameras';

const stop = new AbortController();
const sim = new RtspSim();
const tell = (report: DemoCamerasReport) => process.send?.(report);

function scene({ height, tilt, fov, laterMs }: DemoCamera): Medium {
  const { width, height: pixels, fps } = cameraSize;
  const camera = { ...drivewayCamera(width, pixels), height, tilt, fov };
  const drawn = openScene(driveway(Date.now() + laterMs, camera));
  return liveMedia({ draw: drawn.draw, width, height: pixels, fps, codec: 'h264' }, stop.signal);
}

async function play({ video }: PlayOrder): Promise<void> {
  for (const [index, camera] of demoCameras.entries()) {
    const plays = video !== undefined && index === demoCameras.length - 1;
    sim.add(`/${camera.id}`, plays ? await fileMedia(video) : scene(camera));
  }
  await sim.listen();
  tell({ kind: 'ready', port: sim.port });
}

function misbehave({ camera, fault, ms }: FaultOrder): void {
  const what = cameraFaults[fault];
  const path = `/${camera}`;
  if (what === undefined) return;
  if (typeof what === 'string') {
    sim.fault(path, { refuse: true });
    sim.cut(path, what);
  } else sim.fault(path, what);
  // A wrong login is noticed only by who logs in anew.
  if (typeof what !== 'string' && (what.status !== undefined || what.refuse === true)) sim.cut(path);
  setTimeout(() => sim.heal(path), ms).unref();
}

process.on('message', (order: PlayOrder | FaultOrder) => {
  if (order.kind === 'fault') return misbehave(order);
  play(order).catch((error: unknown) => tell({ kind: 'failed', message: reason(error) }));
});
process.on('disconnect', () => process.exit(0));
