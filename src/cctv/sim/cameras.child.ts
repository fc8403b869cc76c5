import { reason } from '#kernel/errors.ts';
import type { CameraSpec, SimOrder, SimSignal, WeatherName } from './cameras.model.ts';
import { drawnClip, fileMedia, liveMedia, movingSquare } from './media.ts';
import { RtspSim } from './rtsp.ts';
import type { Medium } from './rtsp.model.ts';
import { openScene } from './scene.ts';
import { driveway, drivewayCamera } from './scene.rules.ts';
import {
  cloudShadows,
  every,
  headlights,
  infrared,
  lamp,
  rain,
  sensorNoise,
  together,
  type Weather,
} from './weather.rules.ts';

/** The process of the simulated cameras: native encoders live here, away from the house. */

const weathers: Readonly<Record<WeatherName, () => Weather>> = {
  lamp: () => lamp(every(20)),
  noise: () => sensorNoise(3),
  rain: () => rain(),
  headlights: () => headlights(),
  infrared: () => infrared(every(60)),
  clouds: () => cloudShadows(),
};

const stop = new AbortController();
const sim = new RtspSim();
const media = new Map<string, Medium>();

function tell(signal: SimSignal): void {
  process.send?.(signal);
}

async function mediumOf(spec: CameraSpec): Promise<Medium> {
  const { show, width, height, fps, keyframeSeconds } = spec;
  const encode = { codec: spec.codec, width, height, fps, keyframeSeconds };
  if (show.kind === 'file')
    return fileMedia(show.file, show.asItIs ? {} : { width, height, fps, keyframeSeconds });
  if (show.kind === 'square') return drawnClip({ ...encode, seconds: 4, draw: movingSquare(width, height) });
  const plan = driveway(show.startAt, { ...drivewayCamera(width, height), ...show.view });
  const scene = openScene(show.walkers ? plan : { ...plan, walkers: [] });
  const weather = together(...show.weather.map((name) => weathers[name]()));
  const draw = (at: number) => weather({ width, height, yuv: scene.draw(at) }, at).yuv;
  return liveMedia({ ...encode, draw }, stop.signal);
}

async function start(cameras: readonly CameraSpec[], port: number): Promise<void> {
  try {
    for (const spec of cameras) {
      const medium = await mediumOf(spec);
      media.set(spec.path, medium);
      sim.add(spec.path, medium, spec);
    }
    await sim.listen({ port });
    tell({ kind: 'started', urls: Object.fromEntries(cameras.map(({ path }) => [path, sim.url(path)])) });
  } catch (error) {
    tell({ kind: 'failed', message: reason(error) });
  }
}

async function end(): Promise<void> {
  stop.abort();
  await sim.close();
  process.disconnect();
}

const handlers: { readonly [Kind in SimOrder['kind']]: (order: SimOrder & { kind: Kind }) => void } = {
  start: ({ cameras, port }) => void start(cameras, port),
  fault: ({ path, faults }) => sim.fault(path, faults),
  heal: ({ path }) => sim.heal(path),
  cut: ({ path, how }) => sim.cut(path, how),
  replace: ({ path, by }) => {
    const medium = media.get(by);
    if (medium !== undefined) sim.replace(path, medium);
  },
  counts: ({ path, request }) => tell({ kind: 'counts', request, counts: sim.counts(path) }),
  stop: () => void end(),
};

process.on('message', (order: SimOrder) => {
  (handlers[order.kind] as (order: SimOrder) => void)(order);
});
// A parent that died must not leave cameras behind.
process.on('disconnect', () => process.exit(0));
