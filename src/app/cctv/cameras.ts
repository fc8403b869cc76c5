import { pathText } from '#config/problems.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import type { Reading } from '#kernel/reading.ts';
import { cctvReadings, type CctvPort, type CctvView } from '#cctv/index.ts';
import { LiveHub, type LivePort } from '#cctv/live/hub.ts';
import { acceptCalibrated } from '#cctv/motion/memory.ts';
import type { Publisher } from '#guard/channels/contract.ts';
import type { GuardPort } from '#guard/index.ts';
import type { Situation } from '#guard/model.ts';
import type { LastAlert } from '#metrics/sinks/mqtt/cctv.render.ts';
import type { AlertChannelStats } from '#platform/stats.ts';
import type { PresenceView } from '#presence/index.ts';
import { Calibrations } from './calibrations.ts';
import { Cctv, type CctvParts } from './cctv.ts';
import type { HouseConfig } from '../config.ts';
import { crossCheck } from '../cross-check.ts';
import { HouseGuard } from '../guard.ts';

export interface CamerasParts extends Omit<CctvParts, 'live' | 'groundOf' | 'aspectOf'> {
  /** Where the calibrations lie. */
  readonly calibrationFolder: string;
  readonly presence: () => PresenceView;
  readonly strangers: () => Situation['unknownPhones'];
  readonly publisher: Publisher | undefined;
}

interface Running {
  readonly cctv: Cctv;
  readonly guard: HouseGuard;
  readonly done: readonly Promise<unknown>[];
  readonly stop: AbortController;
}

const calibrationsMs = 10_000;
const againMs = 60_000;

/**
 * Cameras and guard of one house. A house whose settings name no camera has neither: no process, no database, no
 * readings. They begin with the first camera, also while the house runs.
 */
export class Cameras {
  readonly live: LiveHub;
  readonly #parts: CamerasParts;
  readonly #calibrations: Calibrations;
  #config: HouseConfig;
  #running: Running | undefined;
  #starting: Promise<void> | undefined;
  readonly #stop = new AbortController();
  /** Why they could not start, so that it is told once. */
  #trouble: string | undefined;
  readonly #listeners = new Set<() => void>();
  readonly #lastAlerts = new Map<string, LastAlert | undefined>();

  constructor(config: HouseConfig, parts: CamerasParts) {
    this.#config = config;
    this.#parts = parts;
    this.#calibrations = new Calibrations(parts.calibrationFolder, parts.log.child('calibration'));
    this.live = new LiveHub(this.livePort(), parts.clock);
  }

  /** Starts when there is a camera. Trouble with the book is told in health and does not stop the house. */
  async start(): Promise<void> {
    if (this.#config.cameras.length === 0 || this.#running !== undefined || this.#stop.signal.aborted) return;
    this.#starting ??= this.#begin().finally(() => (this.#starting = undefined));
    await this.#starting;
  }

  configure(config: HouseConfig): void {
    this.#config = config;
    this.#calibrations.load(config.cameras);
    if (this.#running === undefined) return void this.start();
    this.#running.cctv.configure(config);
    this.#running.guard.configure(config);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#starting;
    this.live.close();
    const running = this.#running;
    if (running === undefined) return;
    running.stop.abort();
    // Whatever failed, what is known is written down.
    await Promise.allSettled(running.done);
    await running.guard.stop();
    await running.cctv.stop();
    this.#running = undefined;
  }

  view(): CctvView {
    const running = this.#running;
    if (running === undefined) return this.#nothing();
    const sum = (read: (channel: AlertChannelStats) => number) =>
      running.guard.stats().reduce((total, channel) => total + read(channel), 0);
    const telling = { waiting: sum((c) => c.waiting), lost: sum((c) => c.givenUp + c.failed) };
    return { ...running.cctv.view(), telling };
  }

  /** The readings of one tick. */
  read(): Reading[] {
    this.#running?.cctv.tick();
    return cctvReadings(this.view(), this.#config.cctv.prefix);
  }

  /** Called when a camera, what it sees or its last alert changes; also of cameras that come later. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The last alert of a camera, from before a restart, too. */
  lastAlert(camera: string): LastAlert | undefined {
    const book = this.#running?.cctv.book;
    if (book !== undefined && !this.#lastAlerts.has(camera)) {
      const [last] = book.alerts({ camera, limit: 1 }).rows;
      this.#lastAlerts.set(camera, last && { at: last.at, text: last.message });
    }
    return this.#lastAlerts.get(camera);
  }

  livePort(): LivePort {
    return {
      has: (id) => this.#running?.cctv.livePort().has(id) === true,
      watch: (camera, on) => this.#running?.cctv.livePort().watch(camera, on),
      picture: (camera, width) => this.#now().cctv.livePort().picture(camera, width),
    };
  }

  cctvPort(): CctvPort {
    const port = () => this.#running?.cctv.port();
    return {
      view: () => this.view(),
      events: (query) => port()?.events(query) ?? { rows: [] },
      event: (id) => port()?.event(id),
      alerts: (query) => port()?.alerts(query) ?? { rows: [] },
      suppressions: (query) => port()?.suppressions(query) ?? { rows: [] },
      falseAlarm: (alert, on, actor) => this.#now().cctv.port().falseAlarm(alert, on, actor),
      snapshot: (event, clean) => port()?.snapshot(event, clean),
      clip: (event) => this.#now().cctv.port().clip(event),
      onChange: (listener) => this.onChange(listener),
    };
  }

  guardPort(): GuardPort {
    return {
      mode: () =>
        this.#running?.guard.mode() ?? { mode: 'home', why: 'no camera is set up', until: undefined },
      setMode: (mode, ms, actor) => this.#now().guard.setMode(mode, ms, actor),
      rules: () => this.#running?.guard.guard.rules() ?? [],
      channels: () => this.#running?.guard.stats() ?? [],
    };
  }

  #now(): Running {
    if (this.#running !== undefined) return this.#running;
    throw new LaresError('NOT_FOUND', 'no camera is set up; add one with: lares cctv add');
  }

  async #begin(): Promise<void> {
    const { clock, log, store, health, timeZone, dataDir, presence, strangers, publisher } = this.#parts;
    const config = this.#config;
    let cctv: Cctv | undefined;
    try {
      this.#calibrations.load(config.cameras);
      this.#accept();
      cctv = await Cctv.open(config, {
        ...this.#parts,
        live: this.live,
        groundOf: (camera) => this.#calibrations.groundOf(camera),
        aspectOf: (camera) => this.#calibrations.aspectOf(camera),
      });
      const guard = new HouseGuard(config, {
        clock,
        log,
        store,
        health,
        book: cctv.book,
        timeZone,
        dataDir,
        presence,
        strangers,
        cameraName: (id) => this.#config.cameras.find((c) => c.id === id)?.name ?? id,
        publisher,
      });
      await guard.start();
      const changed = () => this.#listeners.forEach((listener) => listener());
      const { service } = cctv;
      service.onChange(changed);
      guard.guard.onAlert(({ camera, at, text }) => {
        this.#lastAlerts.set(camera, { at, text });
        changed();
      });
      service.onObserved((observation) => guard.observe(observation));
      // A picture lets a mail go that waited for it.
      service.onSnapshot(() => guard.queue.wake());
      const stop = new AbortController();
      const done = [
        cctv.run(stop.signal),
        guard.run(stop.signal),
        this.#watchCalibrations(cctv, stop.signal),
      ];
      for (const part of done)
        part.catch((error: unknown) => log.error(`cctv error: ${reason(error)}`, { error }));
      this.#running = { cctv, guard, done, stop };
      this.#trouble = undefined;
      health.set('cctv', 'ok', `${config.cameras.filter((c) => c.enabled).length} cameras`);
      if (config !== this.#config) this.configure(this.#config);
    } catch (error) {
      await cctv?.book.close().catch(() => {});
      health.set('cctv', 'down', reason(error));
      if (this.#trouble !== reason(error))
        log.error(`cctv error: the cameras cannot start, which is tried again: ${reason(error)}`, { error });
      this.#trouble = reason(error);
      void this.#again();
    }
  }

  /** A disk that comes late, or a lock that somebody holds, must not leave the house blind. */
  async #again(): Promise<void> {
    await this.#parts.clock.sleep(againMs, this.#stop.signal);
    await this.start();
  }

  /** A camera that was calibrated just now has its metres without a restart. */
  async #watchCalibrations(cctv: Cctv, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#parts.clock.sleep(calibrationsMs, signal);
      if (signal.aborted || !this.#calibrations.load(this.#config.cameras)) continue;
      this.#accept();
      cctv.service.configure(this.#config.cameras);
      // A rule that lost its reference would be noticed only by what it did not tell.
      for (const { level, path, message } of crossCheck(this.#config, this.#parts.calibrationFolder))
        if (level === undefined)
          this.#parts.log.error(`${pathText(path)} can never hold: ${message}`, { code: 'CONFIG_INVALID' });
    }
  }

  /** What a camera saw when it was calibrated is its right view. */
  #accept(): void {
    const { dataDir, log } = this.#parts;
    for (const { id } of this.#config.cameras)
      try {
        acceptCalibrated(dataDir, id, this.#calibrations.madeAt(id) ?? 0);
      } catch (error) {
        log.warn(`camera ${id}: its view of before it was calibrated stays its usual one: ${reason(error)}`);
      }
  }

  #nothing(): CctvView {
    return {
      at: this.#parts.clock.now(),
      cameras: [],
      detector: undefined,
      eventsToday: 0,
      alertsToday: 0,
      eventsWritten: true,
      diskBytes: undefined,
    };
  }
}
