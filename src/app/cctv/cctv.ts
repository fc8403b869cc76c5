import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { period } from '#electricity/energy/calendar.rules.ts';
import type { Bus } from '#kernel/bus.ts';
import type { Clock } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import { EventBook } from '#cctv/book/book.ts';
import type { DetectorPlan } from '#cctv/detect/child.model.ts';
import { DetectorProcess } from '#cctv/detect/process.ts';
import type { CctvPort } from '#cctv/http.ts';
import { CameraFleet } from '#cctv/ingest/fleet.ts';
import type { Signal } from '#cctv/ingest/messages.ts';
import { Album } from '#cctv/keep/album.ts';
import type { LiveHub, LivePort } from '#cctv/live/hub.ts';
import { sceneFile } from '#cctv/motion/memory.ts';
import type { PathOnGround } from '#cctv/observer.rules.ts';
import { Checkup } from '#cctv/onvif/checkup.ts';
import { planOf, secretsOf } from '#cctv/plan.rules.ts';
import { Recognition } from '#cctv/recognise/recognition.ts';
import { CctvService } from '#cctv/service.ts';
import type { CctvView } from '#cctv/view.model.ts';
import type { Health } from '#platform/health.ts';
import { localDay } from '#platform/local-time.ts';
import type { Logger } from '#platform/log.ts';
import { uuid7 } from '#store/id.ts';
import type { Store } from '#store/model.ts';
import { Keeping } from './keep.ts';
import { Levels } from './levels.ts';
import { AskedPictures } from './pictures.ts';
import type { HouseConfig } from '../config.ts';

export interface CctvParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly bus: Bus;
  readonly store: Store;
  readonly health: Health;
  readonly timeZone: string;
  readonly dataDir: string;
  readonly live: Pick<LiveHub, 'take' | 'state'>;
  /** Undefined on a camera without calibration. */
  readonly groundOf: (camera: string) => ((label: string) => PathOnGround) | undefined;
  /** Width over height of the picture that a camera was calibrated on. */
  readonly aspectOf: (camera: string) => number | undefined;
}

const placesKey = 'cctv.places';
type Places = ReturnType<CctvService['places']>;

const healthOf = { live: 'ok', connecting: 'starting', down: 'down', off: 'off' } as const;
const minuteMs = 60_000;
const levelsMs = 10 * minuteMs;

/**
 * The cameras of one house, wired: the processes that read them and the one that detects, what they see, the book, the
 * pictures and recordings. Made only once the settings name a camera.
 */
export class Cctv {
  readonly service: CctvService;
  readonly book: EventBook;
  readonly fleet: CameraFleet;
  readonly detector: DetectorProcess;
  readonly recognition: Recognition;
  readonly #keeping: Keeping;
  readonly #checkup: Checkup;
  readonly #levels: Levels;
  readonly #asked: AskedPictures;
  readonly #parts: CctvParts;
  #config: HouseConfig;
  #signal: AbortSignal | undefined;
  #detecting: Promise<void> | undefined;
  #told: readonly string[] = [];
  #saved: Places | undefined;
  #today = { day: '', events: 0, alerts: 0, at: 0 };

  private constructor(config: HouseConfig, parts: CctvParts, book: EventBook, places: Places | undefined) {
    const { clock, log, bus, store, dataDir, timeZone, groundOf, aspectOf } = parts;
    this.#config = config;
    this.#parts = parts;
    this.#levels = new Levels(store.readings);
    this.#asked = new AskedPictures(clock);
    this.book = book;
    this.#keeping = new Keeping({
      clock,
      log,
      health: parts.health,
      dataDir,
      book,
      settings: () => this.#config.cctv,
    });
    this.detector = new DetectorProcess({
      plan: detectorPlan(config),
      folder: path.join(dataDir, 'models'),
      clock,
      log: log.child('detector'),
      random: Math.random,
    });
    this.fleet = new CameraFleet({
      clock,
      log: log.child('cctv'),
      camerasPerProcess: config.performance.cameras_per_process,
    });
    this.service = new CctvService({
      clock,
      log: log.child('cctv'),
      bus,
      journal: store.journal,
      book,
      pictures: new Album({
        folder: this.#keeping.folders.snapshots,
        timeZone,
        enabled: () => this.#config.cctv.snapshots.enabled,
        keepClean: () => this.#config.cctv.snapshots.clean,
      }),
      newId: (at) => uuid7(at, 0, randomBytes(8)),
      groundOf,
      places,
      usualRecording: () => this.#config.cctv.recording.mode,
      mark: (camera, event, open, at) => this.fleet.order({ kind: 'event', camera, event, open, at }),
    });
    this.recognition = new Recognition({
      clock,
      log: log.child('recognition'),
      dataDir,
      random: Math.random,
      identify: (camera, track, identity) => this.service.identify(camera, track, identity),
    });
    this.#checkup = new Checkup({
      clock,
      log: log.child('cctv'),
      journal: store.journal,
      state: store.state,
      cameras: () => this.service.cameras(),
      settingsOf: (camera) => this.service.settingsOf(camera),
      aspectOf,
      changed: () => this.#tellHealth(),
    });
    this.fleet.onSignal((signal) => this.#take(signal));
    this.service.onChange(() => this.#tellHealth());
  }

  /** Opens the book and prepares the folders; nothing is connected before `run`. Throws STORE_UNAVAILABLE, STORE_NEWER. */
  static async open(config: HouseConfig, parts: CctvParts): Promise<Cctv> {
    const { clock, log, dataDir } = parts;
    const book = await EventBook.open({ dataDir, clock, log: log.child('book') });
    if (book.recovered !== undefined) log.error(`book error: ${book.recovered}`, { code: 'BOOK_DAMAGED' });
    const places = await parts.store.state.get<Places>(placesKey);
    const cctv = new Cctv(config, parts, book, places);
    await cctv.#keeping.claim();
    cctv.service.configure(config.cameras);
    cctv.recognition.configure(config.cctv.recognition);
    cctv.service.closeOrphans();
    return cctv;
  }

  /** Takes changed settings; only what changed connects anew. */
  configure(config: HouseConfig): void {
    const before = this.#config;
    this.#config = config;
    if (!isDeepStrictEqual(before.processing, config.processing))
      this.detector.configure(detectorPlan(config));
    this.service.configure(config.cameras);
    this.recognition.configure(config.cctv.recognition);
    this.#arrange();
  }

  /** Reads the cameras until the signal aborts; every process has ended when it resolves. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    this.#arrange();
    await Promise.all([
      this.fleet.run(signal),
      this.recognition.run(signal),
      this.#checkup.run(signal),
      this.#keepHouse(signal),
    ]);
    await this.#detecting;
  }

  /** Writes everything down. The processes must have ended before. */
  async stop(): Promise<void> {
    await this.#savePlaces();
    await this.#keeping.end();
    this.service.stop();
    await this.book.close();
  }

  view(): CctvView {
    const { clock } = this.#parts;
    const model = this.detector.model;
    const problem = this.detector.problem;
    const { detection } = this.#config.processing;
    this.#count(clock.now());
    return {
      at: clock.now(),
      cameras: this.service.cameras().map((camera) => {
        const level = this.#levels.of(camera.id);
        return level === undefined ? camera : { ...camera, level };
      }),
      detector: {
        model: model?.name ?? detection.model,
        device: model?.device ?? detection.device,
        state:
          this.#detecting === undefined
            ? 'off'
            : problem !== undefined
              ? reason(problem)
              : model === undefined
                ? 'starting'
                : 'ok',
      },
      eventsToday: this.#today.events,
      alertsToday: this.#today.alerts,
      eventsWritten: this.book.problem === undefined,
      diskBytes: this.#keeping.bytes,
    };
  }

  /** What time alone brings: events end, and whether all is written down is told. To be called each tick. */
  tick(): void {
    this.service.tidy();
    const { problem } = this.book;
    this.#parts.health.set(
      'cctv.book',
      problem === undefined ? 'ok' : 'degraded',
      problem ?? 'events and alerts are written',
    );
  }

  port(): CctvPort {
    const { book, service } = this;
    return {
      view: () => this.view(),
      events: (query) => book.events(query),
      event: (id) => book.event(id),
      alerts: (query) => book.alerts(query),
      suppressions: (query) => book.suppressions(query),
      falseAlarm: async (alert, on, actor) => {
        await book.setFalsePositive(alert, on);
        this.#parts.log.info(`alert ${alert} is ${on ? '' : 'not '}a false alarm`, { actor });
      },
      snapshot: (event, clean) => this.#keeping.picture(event, clean),
      clip: (event) => this.#keeping.clip(event),
      onChange: (listener) => service.onChange(listener),
    };
  }

  livePort(): LivePort {
    return {
      has: (id) => this.#config.cameras.some((c) => c.id === id && c.enabled),
      watch: (camera, on) => this.fleet.order({ kind: 'watch', camera, on }),
      picture: (camera, width) => this.#picture(camera, width),
    };
  }

  #take(signal: Signal): void {
    if (signal.kind === 'live') return this.#parts.live.take(signal);
    if (signal.kind === 'picture' && signal.request !== undefined)
      return this.#asked.answer(signal.request, signal.clean);
    if (signal.kind === 'state') this.#parts.live.state(signal.camera, signal.state, signal.detail ?? '');
    this.service.take(signal);
    this.recognition.take(signal);
  }

  /** A picture of now; a camera that nobody reads is connected for it. */
  #picture(camera: string, width: number | undefined): Promise<Uint8Array> {
    const size = width === undefined ? {} : { width };
    return this.#asked.ask(camera, (request) =>
      this.fleet.order({ kind: 'picture', camera, request, ...size }),
    );
  }

  /** Starts the detector with the first camera that wants it: it holds the memory of a model. */
  #detect(wanted: boolean): void {
    if (wanted && this.#signal !== undefined) this.#detecting ??= this.detector.run(this.#signal);
  }

  /** Each camera is a component of its own in health. */
  #tellHealth(): void {
    const { health } = this.#parts;
    const cameras = this.service.cameras();
    for (const id of this.#told) if (!cameras.some((c) => c.id === id)) health.remove(`camera.${id}`);
    this.#told = cameras.map((c) => c.id);
    for (const { id, state, cause, detail, picture } of cameras) {
      const why = [cause, detail].filter((part) => part !== undefined).join(': ');
      const note = picture?.detail ?? this.#checkup.noteOf(id);
      if (state === 'live' && note !== undefined) health.set(`camera.${id}`, 'degraded', note);
      else health.set(`camera.${id}`, healthOf[state], state === 'live' ? 'gives pictures' : why || state);
    }
  }

  #arrange(): void {
    const { cameras, performance, processing, cctv } = this.#config;
    const { detection } = processing;
    const { recording } = cctv;
    const plans = cameras
      .filter((c) => c.enabled)
      .map((camera) =>
        planOf(camera, {
          performance,
          labels: detection.classes,
          threshold: detection.confidence_threshold,
          record: {
            mode: recording.mode,
            segmentSeconds: recording.segment_seconds,
            preSeconds: recording.pre_seconds,
            postSeconds: recording.post_seconds,
          },
          folderOf: (id) => path.join(this.#keeping.folders.recordings, id),
          sceneFileOf: (id) => path.resolve(sceneFile(this.#parts.dataDir, id)),
        }),
      );
    this.#detect(plans.some((p) => p.detect));
    for (const camera of cameras) for (const secret of secretsOf(camera)) this.#parts.log.hide(secret);
    const detector = this.#detecting === undefined ? undefined : this.detector.path;
    this.fleet.configure(plans, {
      timeZone: this.#parts.timeZone,
      ...(detector === undefined ? {} : { detector }),
    });
  }

  /** Every minute what nobody waits for: lines of figures, health, retention. */
  async #keepHouse(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#parts;
    let measuredAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      await clock.sleep(minuteMs - (clock.now() % minuteMs), signal);
      if (signal.aborted) return;
      await this.#keeping.claim();
      this.#tellFigures();
      await this.#savePlaces();
      void this.#keeping.sweep(signal);
      if (clock.monotonic() - measuredAt < levelsMs) continue;
      measuredAt = clock.monotonic();
      try {
        const { cameras, cctv } = this.#config;
        await this.#levels.refresh(
          cameras.map((c) => c.id),
          cctv.prefix,
          clock.now(),
        );
      } catch (error) {
        log.error(`cctv error: what the cameras gave in 30 days is not known: ${reason(error)}`, { error });
      }
    }
  }

  /** What is parked where; told again as news after a restart it would be a false alarm. */
  async #savePlaces(): Promise<void> {
    const places = this.service.places();
    if (isDeepStrictEqual(places, this.#saved)) return;
    try {
      await this.#parts.store.state.set(placesKey, places);
      this.#saved = places;
    } catch (error) {
      this.#parts.log.error(`cctv error: what is parked where is not saved: ${reason(error)}`, { error });
    }
  }

  /** The line that operators count frames with. */
  #tellFigures(): void {
    const log = this.#parts.log.child('cctv');
    for (const { id, state, stats } of this.service.cameras()) {
      if (state !== 'live' || stats === undefined) continue;
      const { fps, inferMs, dropped, motion, detections } = stats;
      log.info(
        `FPS=${fps.toFixed(1)} camera=${id} infer_ms=${inferMs.toFixed(1)} drop=${dropped} motion=${motion.toFixed(2)} detections=${detections}`,
      );
    }
  }

  #count(now: number): void {
    const day = localDay(now, this.#parts.timeZone);
    if (this.#today.day === day && Math.abs(now - this.#today.at) < 1_000) return;
    const { from } = period('today', now, this.#parts.timeZone);
    try {
      this.#today = { day, ...this.book.countSince(from), at: now };
    } catch {
      // The figures of before stand; health says what is wrong with the book.
      this.#today = { ...this.#today, at: now };
    }
  }
}

/** What the detector is to load, as the settings say. */
function detectorPlan({ processing: { detection } }: Pick<HouseConfig, 'processing'>): DetectorPlan {
  return {
    model: detection.model,
    inputSize: detection.input_size,
    classes: detection.classes,
    device: detection.device,
    threads: detection.threads,
  };
}
