import { setImmediate } from 'node:timers/promises';
import { foot } from '#cctv/box.rules.ts';
import { camerasConfig, performanceConfig } from '#cctv/config.ts';
import { usualClasses } from '#cctv/detect/config.ts';
import type { Detector } from '#cctv/detect/model.ts';
import { toRaw, toScale, usualThreshold } from '#cctv/detect/scale.rules.ts';
import { Looker, type DetectorLink } from '#cctv/ingest/look.ts';
import type { CameraPlan, Signal } from '#cctv/ingest/messages.ts';
import { Meter } from '#cctv/ingest/meter.ts';
import type { Observation } from '#cctv/model.ts';
import { Observer } from '#cctv/observer.rules.ts';
import { planOf } from '#cctv/plan.rules.ts';
import { ManualClock } from '#platform/clock.ts';
import { frames } from './pictures.ts';
import type { Span } from './spans.ts';

/** One event as the book would hold it, in seconds of the clip. */
export interface ClipEvent extends Span {
  readonly label: string;
  /** It went at least half its own height from where it began: no thing of the place. */
  readonly moved: boolean;
}

export interface WatchedClip {
  /** Length of the clip, and how long the machine took. */
  readonly seconds: number;
  readonly tookSeconds: number;
  readonly events: readonly ClipEvent[];
}

const camera = 'clip';
/** Any instant will do; no epoch, because a tracker that is told of 0 must not be the only one that works. */
const startAt = Date.UTC(2026, 0, 1);
const movedShare = 0.5;

/** The plan of a camera about which the settings say nothing but its name: what a fresh house does. */
function usualPlan(): CameraPlan {
  const [settings] = camerasConfig.parse([{ id: camera, url: 'rtsp://192.0.2.1/clip', record: 'off' }]);
  return planOf(settings!, {
    performance: performanceConfig.parse({}),
    labels: usualClasses,
    threshold: usualThreshold,
    record: { mode: 'off', segmentSeconds: 60, preSeconds: 0, postSeconds: 0 },
    folderOf: () => '/nowhere',
  });
}

/** The detector as a camera's process has it, without the socket: scores on the common scale, one look at a time. */
class DirectLink implements DetectorLink {
  readonly input: { readonly width: number; readonly height: number };
  readonly #detector: Detector;
  #last: Promise<unknown> = Promise.resolve();

  constructor(detector: Detector) {
    this.#detector = detector;
    this.input = detector.card.input;
  }

  detect: DetectorLink['detect'] = (pictures, threshold) => {
    const answer = this.#ask(pictures, threshold);
    this.#last = answer;
    return answer;
  };

  /** Resolves when what was asked last has been answered and taken. */
  async idle(): Promise<void> {
    await this.#last;
    await setImmediate();
  }

  async #ask(...[pictures, threshold]: Parameters<DetectorLink['detect']>) {
    const own = this.#detector.card.threshold;
    const startedAt = performance.now();
    const found = await this.#detector.detect(pictures, toRaw(threshold, own));
    const detections = found.map((list) => list.map((d) => ({ ...d, score: toScale(d.score, own) })));
    return { detections, inferMs: performance.now() - startedAt };
  }
}

/**
 * Sends a clip through what a camera goes through, with its usual settings and as fast as this machine can: decoder,
 * pace, motion gate, regions, detector, tracker, and the events that the service makes of tracks.
 */
export async function watchClip(file: string, detector: Detector): Promise<WatchedClip> {
  const link = new DirectLink(detector);
  const clock = new ManualClock(startAt);
  const plan = usualPlan();
  let ids = 0;
  const observer = new Observer({ camera, zones: [] }, [], () => String((ids += 1)));
  const seen = new Map<string, Observation[]>();
  const take = (signal: Signal) => {
    if (signal.kind !== 'tracks') return;
    for (const one of observer.step(signal.at, signal.tracks, signal.ended).observations) {
      const all = seen.get(one.event);
      if (all === undefined) seen.set(one.event, [one]);
      else all.push(one);
    }
  };
  const looker = new Looker({ plan, clock, send: take, link: () => link, meter: new Meter(0) });
  const startedAt = performance.now();
  let first: number | undefined;
  let at = startAt;
  for await (const frame of frames(file)) {
    const { num, den } = frame.timeBase;
    const seconds = (Number(frame.bestEffortTimestamp) * num) / den;
    first ??= seconds;
    at = Math.round(startAt + (seconds - first) * 1000);
    await clock.advance(at - clock.now());
    looker.resized(frame.width, frame.height);
    looker.frame(() => frame, at);
    await link.idle();
  }
  looker.close();
  return {
    seconds: (at - startAt) / 1000,
    tookSeconds: (performance.now() - startedAt) / 1000,
    events: [...seen.values()].map(eventOf),
  };
}

function eventOf(all: readonly Observation[]): ClipEvent {
  const [first] = all as [Observation];
  const last = all.at(-1)!;
  const origin = foot(first.box);
  // Heights of the object: a step of somebody far away is as much of one as a step of somebody near.
  const far = all.some(({ box }) => {
    const { x, y } = foot(box);
    return Math.hypot(x - origin.x, y - origin.y) > movedShare * Math.max(box.height, first.box.height);
  });
  return {
    start: (first.bornAt - startAt) / 1000,
    end: (last.at - startAt) / 1000,
    label: last.label,
    moved: far,
  };
}
