import type { Clock, Log } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { Journal, StateStore } from '#store/model.ts';
import type { CameraConfig } from '../config.ts';
import { plainUrl, signedUrl } from '../plan.rules.ts';
import type { CameraView } from '../view.model.ts';
import {
  compared,
  isDue,
  mayLogin,
  nothingKnown,
  type Memory,
  type Note,
  type Said,
} from './checkup.rules.ts';
import { askAgain } from './device.ts';
import { loginOf } from './digest.ts';

export interface CheckupIo {
  readonly clock: Clock;
  readonly log: Log;
  readonly journal: Pick<Journal, 'append'>;
  readonly state: Pick<StateStore, 'get' | 'set'>;
  /** The cameras as they are now, and as the settings have them. */
  readonly cameras: () => readonly CameraView[];
  readonly settingsOf: (camera: string) => CameraConfig | undefined;
  /** Width over height of the picture that a camera was calibrated on. */
  readonly aspectOf: (camera: string) => number | undefined;
  /** Called when a note comes or goes. */
  readonly changed: () => void;
}

const stateKey = 'cctv.checkup';
const minuteMs = 60_000;

/**
 * Looks at each camera again, once a day and after each outage: its clock and firmware where it speaks ONVIF, and whether
 * its streams are what they were. Asks no host but those of the cameras that the settings name.
 */
export class Checkup {
  readonly #io: CheckupIo;
  #memories: ReadonlyMap<string, Memory> = new Map();

  constructor(io: CheckupIo) {
    this.#io = io;
  }

  /** What somebody should know of a camera, in one sentence; undefined where all is as it should be. */
  noteOf(camera: string): string | undefined {
    const notes = this.#memories.get(camera)?.notes ?? [];
    return notes.length === 0 ? undefined : notes.map(({ text }) => text).join('; ');
  }

  /** Runs until the signal aborts. No camera can make it throw. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, state } = this.#io;
    try {
      const kept = (await state.get<readonly (readonly [string, Memory])[]>(stateKey)) ?? [];
      this.#memories = new Map(kept);
      if (kept.length > 0) this.#io.changed();
    } catch (error) {
      log.warn(`what was known of the cameras is not known any more: ${reason(error)}`);
    }
    while (!signal.aborted) {
      await clock.sleep(minuteMs, signal);
      for (const camera of this.#io.cameras())
        if (!signal.aborted && camera.state === 'live')
          await this.#check(camera, signal).catch((error: unknown) =>
            log.error(`camera ${camera.id} cannot be looked at again: ${reason(error)}`, { error }),
          );
    }
  }

  async #check(camera: CameraView, signal: AbortSignal): Promise<void> {
    const { clock, settingsOf, aspectOf } = this.#io;
    const settings = settingsOf(camera.id);
    if (settings === undefined) return;
    const { url, streams = {} } = settings;
    const address = [url, ...Object.values(streams)].map((one) => plainUrl(one ?? url)).join(' ');
    const known = this.#memories.get(camera.id);
    const memory = known?.address === address ? known : nothingKnown(address);
    if (!isDue(memory, camera.since, clock.now())) return;
    const said = await this.#ask(settings, memory, signal);
    if (signal.aborted) return;
    const calibratedAspect = aspectOf(camera.id);
    const { memory: after, news } = compared(
      memory,
      { said, streams: camera.streams, ...(calibratedAspect !== undefined && { calibratedAspect }) },
      clock.now(),
    );
    for (const note of news) this.#tell(camera.id, note);
    await this.#keep(camera.id, after);
  }

  async #ask(settings: CameraConfig, memory: Memory, signal: AbortSignal): Promise<Said> {
    const { clock, log } = this.#io;
    const url = new URL(signedUrl(settings.url, settings.username, settings.password));
    if (url.hostname === '') return {};
    const credentials = mayLogin(memory, clock.now()) ? loginOf(url) : undefined;
    try {
      return await askAgain(url.hostname, {
        signal,
        now: () => clock.now(),
        ...(credentials !== undefined && { credentials }),
      });
    } catch (error) {
      // Pictures come all the same; what is not known is looked for again tomorrow.
      log.debug(`camera ${settings.id} says nothing of itself: ${reason(error)}`);
      return {};
    }
  }

  #tell(camera: string, { topic, text, at }: Note): void {
    const { log, journal } = this.#io;
    log.warn(`camera ${camera}: ${text}`, { code: `CAMERA_${topic.toUpperCase()}` });
    journal
      .append({
        at,
        kind: 'camera.check',
        subject: `camera:${camera}`,
        cause: 'cctv',
        evidence: [{ at, source: `camera.${camera}`, text }],
        data: { topic, text },
      })
      .catch((error: unknown) => log.error(`store error: ${reason(error)}`, { error }));
  }

  /** Of cameras that the settings no longer name nothing is kept. */
  async #keep(camera: string, memory: Memory): Promise<void> {
    const { log, state, settingsOf, changed } = this.#io;
    const before = this.noteOf(camera);
    const memories = [...this.#memories].filter(([id]) => id !== camera && settingsOf(id) !== undefined);
    this.#memories = new Map([...memories, [camera, memory]]);
    if (before !== this.noteOf(camera)) changed();
    try {
      await state.set(stateKey, [...this.#memories]);
    } catch (error) {
      log.error(`store error: what is known of camera ${camera} is not kept: ${reason(error)}`, { error });
    }
  }
}
