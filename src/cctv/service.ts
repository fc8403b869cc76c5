import { reason } from '#kernel/errors.ts';
import type { EventRow } from './book/model.ts';
import type { CameraConfig } from './config.ts';
import type { Signal } from './ingest/messages.ts';
import { learn, newKept, pathPoint, touchOf, type Kept } from './kept.rules.ts';
import type { Identity, Observation } from './model.ts';
import { Observer, type Passage, type Scene, type SettledPlace } from './observer.rules.ts';
import type { CctvIo } from './service.io.ts';
import type { CameraView } from './view.model.ts';
import { unheard, viewOf, type Watched } from './watched.rules.ts';

const personOf = (identity: Identity | undefined): string | undefined =>
  identity?.kind === 'face' ? identity.name : undefined;

const touchMs = 1_000;
const pathMs = 500;
// A segment that grows is told about at least this often.
const recordingMs = 15_000;

/**
 * What the cameras see, as facts: which camera works, which objects are there, since when and where. Writes events into
 * the book as they happen, so that a crash loses none that was told.
 */
export class CctvService {
  readonly #io: CctvIo;
  readonly #cameras = new Map<string, Watched>();
  readonly #onObserved = new Set<(observation: Observation) => void>();
  readonly #onChange = new Set<() => void>();
  readonly #onSnapshot = new Set<(event: string, file: string) => void>();

  constructor(io: CctvIo) {
    this.#io = io;
  }

  /** Takes the settings; cameras that are gone end their events. Call once before the first signal. */
  configure(cameras: readonly CameraConfig[]): void {
    const { clock, newId, places = {} } = this.#io;
    const wanted = new Set(cameras.map((c) => c.id));
    for (const [id, camera] of this.#cameras)
      if (!wanted.has(id)) {
        this.#endAll(camera);
        this.#cameras.delete(id);
      }
    let open: readonly EventRow[] | undefined;
    for (const settings of cameras) {
      const known = this.#cameras.get(settings.id);
      if (known !== undefined) {
        const wasEnabled = known.settings.enabled;
        known.settings = settings;
        known.observer.configure(this.#scene(settings));
        if (!settings.enabled) this.#endAll(known);
        if (settings.enabled !== wasEnabled) Object.assign(known, unheard(settings, clock.now()));
        continue;
      }
      open ??= this.#openEvents();
      const mine = open.filter((e) => e.camera === settings.id);
      this.#cameras.set(settings.id, {
        settings,
        observer: new Observer(
          this.#scene(settings),
          mine,
          newId,
          Object.hasOwn(places, settings.id) ? places[settings.id] : [],
        ),
        ...unheard(settings, clock.now()),
        streams: {},
        current: new Map(),
        passed: new Map(),
      });
    }
    this.#changed();
  }

  /** Events whose camera the settings no longer name ended when their object was last seen. */
  closeOrphans(): void {
    for (const { id, camera, seenAt } of this.#openEvents())
      if (!this.#cameras.has(camera)) this.#written(this.#io.book.closeEvent(id, { seenAt }));
  }

  /** Every observation of a believed object, as it is made. Returns a function that unsubscribes. */
  onObserved(listener: (observation: Observation) => void): () => void {
    this.#onObserved.add(listener);
    return () => this.#onObserved.delete(listener);
  }

  /** A picture of an event was written; `file` is relative to the data directory. */
  onSnapshot(listener: (event: string, file: string) => void): () => void {
    this.#onSnapshot.add(listener);
    return () => this.#onSnapshot.delete(listener);
  }

  onChange(listener: () => void): () => void {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  cameras(): readonly CameraView[] {
    return [...this.#cameras.values()].map((c) => this.#view(c));
  }

  settingsOf(camera: string): CameraConfig | undefined {
    return this.#cameras.get(camera)?.settings;
  }

  /** Ends the events whose object did not come back after a restart or an outage. Call it every few seconds. */
  tidy(): void {
    for (const camera of this.#cameras.values()) this.#expire(camera, this.#io.clock.now());
  }

  /** What stands as part of the place, by camera; to be given back after a restart. */
  places(): Readonly<Record<string, readonly SettledPlace[]>> {
    return Object.fromEntries([...this.#cameras].map(([id, { observer }]) => [id, observer.places()]));
  }

  /** Ends everything that is followed, at a stop. Events stay open in the book: they may go on after it. */
  stop(): void {
    for (const camera of this.#cameras.values())
      for (const [event, kept] of camera.current) this.#touch(event, kept);
  }

  /** What a reader of cameras says. Unknown cameras are those that the settings no longer name. */
  take(signal: Signal): void {
    if (signal.kind === 'ready' || signal.kind === 'live') return;
    if (signal.kind === 'log') return this.#log(signal);
    const camera = this.#cameras.get(signal.camera);
    if (camera === undefined) return;
    switch (signal.kind) {
      case 'state':
        return this.#state(camera, signal);
      case 'stream':
        camera.streams[signal.role] = signal.info;
        return this.#changed();
      case 'tracks':
        return this.#tracks(camera, signal);
      case 'stats':
        camera.stats = signal.stats;
        return;
      case 'scene':
        return this.#scenery(camera, signal);
      case 'segment':
        camera.recordingUntil = signal.closed
          ? Number.NEGATIVE_INFINITY
          : this.#io.clock.monotonic() + recordingMs;
        return this.#written(this.#io.book.files.segment(signal));
      case 'picture':
        return void this.#picture(camera, signal);
    }
  }

  /**
   * What recognition read of a track: it stands in the observations from now on, and who passed a door a moment ago is
   * told again with their name. Unknown cameras and tracks are those that are gone.
   */
  identify(id: string, track: number, identity: Identity): void {
    const camera = this.#cameras.get(id);
    const event = camera?.observer.eventOf(track);
    if (camera === undefined || event === undefined) return;
    camera.observer.identify(track, identity);
    const passed = camera.passed.get(event);
    const person = personOf(identity);
    if (passed !== undefined && person !== undefined && person !== passed.person)
      this.#tellPassage(camera, passed, person);
  }

  #scene(settings: CameraConfig): Scene {
    return { camera: settings.id, zones: settings.zones, newPath: this.#io.groundOf(settings.id) };
  }

  #log({ level, camera, code, message }: Extract<Signal, { kind: 'log' }>): void {
    const text = camera === undefined ? message : `camera ${camera}: ${message}`;
    this.#io.log[level](text, code === undefined ? {} : { code });
  }

  #state(camera: Watched, signal: Extract<Signal, { kind: 'state' }>): void {
    const { clock, log } = this.#io;
    const { id } = camera.settings;
    const before = camera.state;
    const news = before !== signal.state || camera.cause !== signal.cause;
    if (before !== signal.state) camera.since = clock.now();
    Object.assign(camera, { state: signal.state, cause: signal.cause, detail: signal.detail });
    if (signal.state !== 'live') camera.observer.interrupt();
    // Some causes end with a question to the operator.
    const why = `${signal.detail ?? signal.cause}${signal.detail?.endsWith('?') === true ? '' : ';'}`;
    // One line a disconnection, with the word that operators count, however many tries it takes to come back.
    if (signal.lost === true) {
      log.error(`camera ${id} error: ${why} reconnect follows`, {
        code: signal.cause,
      });
      this.#journal('camera.lost', camera, { cause: signal.cause ?? 'unknown' });
    } else if (signal.state === 'down' && news)
      log.error(`camera ${id} error: ${why} it is tried again`, {
        code: signal.cause,
      });
    if (signal.state === 'live' && before !== 'live') {
      log.info(`camera ${id} is live`);
      if (before === 'down') this.#journal('camera.back', camera, {});
    }
    if (news) this.#changed();
  }

  #scenery(camera: Watched, { problem, detail, at }: Extract<Signal, { kind: 'scene' }>): void {
    camera.picture =
      problem === 'fine' || problem === 'infrared' ? undefined : { problem, detail, since: at };
    if (camera.picture !== undefined) {
      this.#io.log.warn(`camera ${camera.settings.id}: ${detail}`, {
        code: `PICTURE_${problem.toUpperCase()}`,
      });
      this.#journal(`camera.${problem}`, camera, { detail });
    }
    this.#changed();
  }

  #tracks(camera: Watched, { at, tracks, ended }: Extract<Signal, { kind: 'tracks' }>): void {
    const { observations, opened, resumed, passages } = camera.observer.step(at, tracks, ended);
    for (const seen of observations) if (opened.includes(seen.event)) this.#begin(camera, seen);
    // Who records may have been started again in between.
    for (const event of resumed) this.#io.mark(camera.settings.id, event, true, at);
    this.#take(camera, observations);
    for (const passed of passages) this.#pass(camera, passed);
    if (opened.length > 0 || ended.length > 0) this.#changed();
  }

  #begin(camera: Watched, seen: Observation): void {
    const { book, mark } = this.#io;
    const written = book.openEvent({
      id: seen.event,
      at: seen.bornAt,
      camera: seen.camera,
      label: seen.label,
      confidence: seen.score,
      box: seen.box,
      seenAt: seen.at,
      closed: false,
      data: {},
    });
    this.#written(written);
    mark(camera.settings.id, seen.event, true, seen.bornAt);
  }

  #take(camera: Watched, observations: readonly Observation[]): void {
    for (const seen of observations) {
      const kept = camera.current.get(seen.event) ?? newKept(seen);
      camera.current.set(seen.event, kept);
      learn(kept, seen);
      // Also when the clock was set back.
      if (Math.abs(seen.at - kept.pathAt) >= pathMs || seen.ended === true) {
        kept.pathAt = seen.at;
        this.#io.book.addPath(pathPoint(seen));
      }
      if (Math.abs(seen.at - kept.touchedAt) >= touchMs) this.#touch(seen.event, kept);
      if (seen.ended === true) this.#close(camera, seen, kept);
      for (const listener of this.#onObserved) listener(seen);
    }
  }

  /** Ends what did not come back in time. */
  #expire(camera: Watched, now: number): void {
    for (const { id, seenAt } of camera.observer.expired(now)) {
      const kept = camera.current.get(id);
      if (kept === undefined) this.#written(this.#io.book.closeEvent(id, { seenAt }));
      else this.#take(camera, [{ ...kept.seen, ended: true }]);
    }
  }

  /** The camera is switched off: nothing of it goes on. */
  #endAll(camera: Watched): void {
    this.#take(camera, camera.observer.close());
    this.#expire(camera, Number.POSITIVE_INFINITY);
  }

  /** Without them new events are written all the same. */
  #openEvents(): readonly EventRow[] {
    try {
      return this.#io.book.openEvents();
    } catch (error) {
      this.#io.log.error(`book error: ${reason(error)}`, { error, code: 'BOOK_READ' });
      return [];
    }
  }

  #touch(event: string, kept: Kept): void {
    kept.touchedAt = kept.seen.at;
    this.#io.book.touchEvent(event, touchOf(kept));
  }

  #close(camera: Watched, seen: Observation, kept: Kept): void {
    this.#written(this.#io.book.closeEvent(seen.event, touchOf(kept)));
    this.#io.mark(camera.settings.id, seen.event, false, seen.at);
    camera.current.delete(seen.event);
    camera.passed.delete(seen.event);
  }

  #pass(camera: Watched, passage: Passage): void {
    const { direction, event, zone, confidence } = passage;
    this.#io.log.info(
      `camera ${camera.settings.id}: somebody ${direction === 'exit' ? 'left' : 'came in'} by ${zone}`,
    );
    this.#tellPassage(camera, passage, personOf(passage.identity));
    this.#journal('camera.passage', camera, { direction, zone, event, confidence });
  }

  #tellPassage(camera: Watched, passage: Passage, person: string | undefined): void {
    const { direction, at, event, confidence } = passage;
    if (camera.current.has(event)) camera.passed.set(event, { ...passage, person });
    this.#io.bus.emit('movement', {
      direction,
      at,
      source: `camera.${camera.settings.id}`,
      confidence,
      ref: event,
      ...(person === undefined ? {} : { person }),
    });
  }

  async #picture(camera: Watched, signal: Extract<Signal, { kind: 'picture' }>): Promise<void> {
    if (signal.track === undefined) return;
    const event = camera.observer.eventOf(signal.track);
    if (event === undefined) return;
    try {
      const file = await this.#io.pictures.save({
        event,
        at: signal.at,
        clean: signal.clean,
        boxed: signal.boxed,
      });
      if (file === undefined) return;
      await this.#io.book.files.attachPicture(event, file);
      for (const listener of this.#onSnapshot) listener(event, file);
    } catch (error) {
      this.#io.log.error(`snapshot error: ${reason(error)}`, { error, code: 'SNAPSHOT_WRITE' });
    }
  }

  /** The book tells its own trouble in health; here only that something of it is missing. */
  #written(work: Promise<void>): void {
    work.catch((error: unknown) =>
      this.#io.log.error(`book error: ${reason(error)}`, { error, code: 'BOOK_WRITE' }),
    );
  }

  #journal(kind: string, camera: Watched, data: Readonly<Record<string, unknown>>): void {
    const { clock, journal, log } = this.#io;
    const at = clock.now();
    const { id } = camera.settings;
    const ref = typeof data['event'] === 'string' ? { ref: data['event'] } : {};
    journal
      .append({
        at,
        kind,
        subject: `camera:${id}`,
        cause: 'cctv',
        evidence: [{ at, source: `camera.${id}`, text: camera.detail ?? kind, ...ref }],
        data,
      })
      .catch((error: unknown) => log.error(`store error: ${reason(error)}`, { error }));
  }

  #changed(): void {
    for (const listener of this.#onChange) listener();
  }

  #view(camera: Watched): CameraView {
    const { groundOf, usualRecording, clock } = this.#io;
    const { id, record = usualRecording() } = camera.settings;
    return viewOf(camera, { calibrated: groundOf(id) !== undefined, record, monotonic: clock.monotonic() });
  }
}
