import type { Frame } from 'node-av/lib';
import type { Clock } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { DetectAnswer } from '../detect/client.ts';
import type { Frame as DetectorFrame } from '../detect/model.ts';
import type { Box, Detection, Track } from '../model.ts';
import { MotionGate } from '../motion/gate.rules.ts';
import { masked } from '../motion/masks.rules.ts';
import { SceneMemory } from '../motion/memory.ts';
import { lookOf } from '../track/look.rules.ts';
import { Tracker } from '../track/tracker.rules.ts';
import { lookFps, needsLook } from './attention.rules.ts';
import { Backlog } from './backlog.rules.ts';
import { Gallery } from './gallery.ts';
import { colourOf, Letterbox } from './letterbox.ts';
import { toPicture } from './letterbox.rules.ts';
import type { CameraPlan, Signal } from './messages.ts';
import { Pace } from './pace.rules.ts';
import { mergeFound, planRegions } from './regions.rules.ts';
import type { Meter } from './meter.ts';

/** The line to the detector that a looker needs. */
export interface DetectorLink {
  readonly input: { readonly width: number; readonly height: number } | undefined;
  detect(frames: readonly DetectorFrame[], threshold: number, signal?: AbortSignal): Promise<DetectAnswer>;
}

export interface LookerOptions {
  readonly plan: CameraPlan;
  readonly clock: Clock;
  readonly send: (signal: Signal) => void;
  /** The detector of now; undefined while there is none. */
  readonly link: () => DetectorLink | undefined;
  readonly meter: Meter;
}

/** Pixels of the gray picture; what the motion gate was tuned on. */
const gray = { width: 160, height: 90 };
const wholePicture: Box = { left: 0, top: 0, width: 1, height: 1 };
/** Without frames for so long, objects are out of sight. */
const blindMs = 2000;
/** Frames that are so much older than the last: the clock was set back. */
const setBackMs = 1000;
/** Frames that may wait for the detector: with the usual five a second, a hiccup of more than half a second. */
const mostWaiting = 3;

interface Look {
  readonly frame: Frame;
  readonly at: number;
  /** Where something moved. */
  readonly boxes: readonly Box[];
}

/** Looks at the decoded frames of one camera: motion, then the detector, then the tracker. */
export class Looker {
  readonly #options: LookerOptions;
  readonly #gallery: Gallery;
  readonly #letterbox = new Letterbox();
  readonly #gate: MotionGate;
  readonly #scene: SceneMemory;
  readonly #stop = new AbortController();
  #pace: Pace;
  #tracker: Tracker;
  #tracks: readonly Track[] = [];
  #size = { width: 0, height: 0 };
  #problem = 'fine';
  #frameAt = Number.NEGATIVE_INFINITY;
  #lookAt = Number.NEGATIVE_INFINITY;
  #turn = 0;
  #busy = false;
  readonly #waiting = new Backlog<Look>(mostWaiting);

  constructor(options: LookerOptions) {
    this.#options = options;
    const { plan, send } = options;
    this.#gallery = new Gallery(plan.id, send);
    this.#gate = new MotionGate({ ...gray, masks: plan.motionMasks });
    this.#scene = new SceneMemory({ size: gray, file: plan.sceneFile, now: options.clock.now() });
    this.#pace = new Pace(plan.frameSkip);
    this.#tracker = this.#newTracker(16 / 9, Math.floor(options.clock.now() / 1000));
  }

  /** The stream has this size from now on. */
  resized(width: number, height: number): void {
    if (this.#size.width === width && this.#size.height === height) return;
    const before = this.#size.width / this.#size.height;
    this.#size = { width, height };
    this.#gate.reset();
    this.#letterbox.renew();
    // Another shape shows another part of the world: what was followed is not where it was.
    if (!(Math.abs(before / (width / height) - 1) < 0.02)) this.#cut(this.#options.clock.now());
  }

  /** A decoded frame, valid during the call. */
  frame(pixels: () => Frame, at: number): void {
    const { plan, link, meter, send } = this.#options;
    this.#noticeSetBack(at);
    this.#frameAt = at;
    if (!this.#pace.take(at, lookFps(this.#tracks, plan.fps, at))) return;
    const frame = pixels();
    const small = this.#letterbox.gray(frame, gray.width, gray.height);
    const step = this.#gate.step(small, at);
    meter.motion(step.motion);
    const health = this.#scene.step(small, at, step.share, colourOf(frame));
    if (health !== undefined && health.problem !== this.#problem) {
      this.#problem = health.problem;
      send({ kind: 'scene', camera: plan.id, at, problem: health.problem, detail: health.detail });
    }
    // Who stands there already when the house starts is looked at as soon as the detector can.
    const unseen = !Number.isFinite(this.#lookAt);
    if (plan.motionGate && !unseen && !step.motion && !needsLook(this.#tracks, this.#lookAt, at)) return;
    if (link()?.input === undefined) return;
    const kept = frame.clone();
    if (kept === null) return;
    this.#lookAt = at;
    const look: Look = { frame: kept, at, boxes: step.boxes };
    if (!this.#busy) return void this.#run(look);
    for (const late of this.#waiting.push(look)) {
      late.frame.free();
      meter.dropped();
    }
  }

  /** A picture for somebody who asks, from the frame that is decoded now. */
  picture(frame: Frame, at: number, request: number, width: number | undefined): void {
    this.#gallery.answer(frame, at, request, width);
  }

  /** To be called each second: objects of a camera that sends nothing go out of sight, too. */
  tick(now: number): void {
    this.#remember(now);
    this.#noticeSetBack(now);
    if (this.#busy || now - this.#frameAt < blindMs || this.#tracks.length === 0) return;
    const { tracks, ended } = this.#tracker.step(now, []);
    this.#tell(now, tracks, ended, 0);
  }

  /** What is followed ends here; frames of before are not looked at any more. */
  #cut(at: number): void {
    for (const { frame } of this.#waiting.clear()) frame.free();
    const { nextId } = this.#tracker.snapshot();
    const ended = this.#tracks.filter((t) => t.state !== 'tentative').map((t) => t.id);
    this.#tracker = this.#newTracker(this.#size.width / this.#size.height, nextId);
    this.#gallery.forget(ended);
    this.#tell(at, [], ended, 0);
  }

  /** Nothing grows older until the clock is where it was: what is followed begins anew, with a look at everything. */
  #noticeSetBack(at: number): void {
    if (at > this.#frameAt - setBackMs) return;
    this.#frameAt = at;
    this.#lookAt = Number.NEGATIVE_INFINITY;
    this.#cut(at);
  }

  close(): void {
    this.#guarded(() => this.#scene.save(this.#options.clock.now()));
    this.#stop.abort();
    for (const { frame } of this.#waiting.clear()) frame.free();
    // A look that still runs owns these; it closes them itself.
    if (!this.#busy) this.#free();
  }

  /** Keeps what the camera usually sees, and forgets what was told of it once somebody finds it right. */
  #remember(at: number): void {
    const { plan, send } = this.#options;
    this.#guarded(() => {
      if (!this.#scene.tick(at) || this.#problem === 'fine') return;
      this.#problem = 'fine';
      send({ kind: 'scene', camera: plan.id, at, problem: 'fine', detail: 'its view was found right' });
    });
  }

  #guarded(keep: () => void): void {
    const { plan, send } = this.#options;
    try {
      keep();
    } catch (error) {
      const message = `what it usually sees is not kept: ${reason(error)}`;
      send({ kind: 'log', level: 'warn', camera: plan.id, code: 'SCENE_WRITE', message });
    }
  }

  #free(): void {
    this.#letterbox.close();
    this.#gallery.close();
  }

  #newTracker(aspect: number, nextId: number): Tracker {
    const tracker = new Tracker({ aspect, threshold: this.#options.plan.threshold });
    // Ids go on over a restart of this process, so that an old object is never taken for a new one.
    tracker.restore({ nextId, targets: [] });
    return tracker;
  }

  async #run(first: Look): Promise<void> {
    this.#busy = true;
    for (let look: Look | undefined = first; look !== undefined; look = this.#waiting.take()) {
      try {
        await this.#look(look);
      } catch {
        // The detector is away or too slow: its own process says why, and the next frame tries again.
        if (!this.#stop.signal.aborted) this.#options.meter.failed();
      } finally {
        look.frame.free();
      }
      if (this.#stop.signal.aborted) break;
    }
    this.#busy = false;
    if (this.#stop.signal.aborted) this.#free();
  }

  async #look({ frame, at, boxes }: Look): Promise<void> {
    const { plan, link, meter, clock } = this.#options;
    const tracker = this.#tracker;
    const detector = link();
    const input = detector?.input;
    if (detector === undefined || input === undefined) return;
    const wishes = [...this.#tracks.map((t) => t.box), ...boxes];
    this.#turn += 1;
    const crops = planRegions({
      boxes: wishes,
      picture: frame,
      input,
      limit: plan.regions,
      turn: this.#turn,
    });
    const parts = [wholePicture, ...crops].map((part, slot) =>
      this.#letterbox.frame(frame, part, input, slot),
    );
    // The tracker continues objects with scores down to half of what starts one.
    const answer = await detector.detect(
      parts.map((p) => p.frame),
      plan.threshold / 2,
      this.#stop.signal,
    );
    // Meanwhile the picture may have become another one, or the time.
    if (this.#stop.signal.aborted || tracker !== this.#tracker) return;
    if ('skipped' in answer) return meter.dropped();
    const found = parts.map(({ fit, frame: shown }, i) => ({
      part: fit.part,
      detections: (answer.detections[i] ?? []).flatMap((d) => {
        const box = toPicture(d.box, fit);
        return box === undefined ? [] : [{ ...d, box, look: lookOf(shown, d.box) }];
      }),
    }));
    const detections = mergeFound(found).filter((d) => this.#wanted(d));
    const { tracks, ended } = tracker.step(at, detections);
    meter.looked(
      answer.inferMs,
      clock.now() - at,
      detections.filter((d) => d.score >= plan.threshold).length,
    );
    this.#tell(at, tracks, ended, answer.inferMs);
    this.#gallery.consider(frame, at, tracks, ended);
  }

  #wanted({ label, box }: Detection): boolean {
    const { labels, objectMasks } = this.#options.plan;
    return labels.includes(label) && !masked(box, objectMasks);
  }

  #tell(at: number, tracks: readonly Track[], ended: readonly number[], inferMs: number): void {
    const quiet = tracks.length === 0 && ended.length === 0 && this.#tracks.length === 0;
    this.#tracks = tracks;
    if (quiet) return;
    const { plan, send } = this.#options;
    send({ kind: 'tracks', camera: plan.id, at, ...this.#size, tracks, ended, inferMs });
  }
}
