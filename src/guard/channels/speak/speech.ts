import { LaresError, reason } from '#kernel/errors.ts';
import type { AlertMessage, Severity } from '../../model.ts';
import type { ChannelHealth, ChannelIo, OpenChannel } from '../contract.ts';
import type { SpeakAction } from './action.ts';
import { BluetoothLink, makeAdapter, type BluetoothState } from './bluetooth.ts';
import type { Speaker } from './config.ts';
import { Line } from './line.ts';
import { Playback } from './player.ts';
import { Voice } from './voice.ts';

/** Milliseconds after an alert from which a voice frightens more than it helps. */
export const lateMs = 60_000;

const ranks: Readonly<Record<Severity, number>> = { info: 0, warning: 1, critical: 2 };

// A sound server needs a moment to show a speaker that was connected just now.
const freshTries = 4;

export interface SpeechTiming {
  /** Milliseconds that a player may take longer than its sound. */
  readonly marginMs: number;
  /** Milliseconds that a Bluetooth command may take. */
  readonly commandMs: number;
  /** Milliseconds between tries on a speaker that was connected just now. */
  readonly settleMs: number;
}

export const usualTiming: SpeechTiming = { marginMs: 5_000, commandMs: 12_000, settleMs: 700 };

/** What there is to know about a speaker. */
export interface SpeakerState {
  readonly id: string;
  readonly name: string;
  readonly type: Speaker['type'];
  readonly device: string;
  readonly enabled: boolean;
  readonly bluetooth?: BluetoothState;
  readonly fallback?: string;
  /** What was wrong when it was last used. */
  readonly trouble?: string;
}

/** What became of one text. */
export interface Spoken {
  /** The speaker that said it: the one asked for, or its fallback. */
  readonly speaker: string;
  readonly seconds: number;
  /** Milliseconds from the turn of the text to the first sample that the player took. */
  readonly firstSampleMs: number | undefined;
}

export interface Order {
  readonly severity: Severity;
  /** Epoch milliseconds of what is told. */
  readonly at: number;
}

/** All speakers of the house. Call `keep` for the Bluetooth ones; `close` by aborting the signal of `life`. */
export class Speakers {
  readonly #speakers: ReadonlyMap<string, Speaker>;
  readonly #links = new Map<string, BluetoothLink>();
  readonly #lines = new Map<string, Line>();
  readonly #trouble = new Map<string, string>();
  readonly #io: Pick<ChannelIo, 'clock' | 'log' | 'env'>;
  readonly #timing: SpeechTiming;
  readonly voice: Voice;

  constructor(speakers: readonly Speaker[], io: ChannelIo, timing: SpeechTiming = usualTiming) {
    this.#speakers = new Map(speakers.map((s) => [s.id, s]));
    this.#io = io;
    this.#timing = timing;
    this.voice = new Voice(io.env);
    const adapter = makeAdapter();
    for (const { id, type, mac, device } of speakers) {
      if (type === 'bluetooth' && mac !== undefined)
        this.#links.set(id, new BluetoothLink(mac, id, { ...io, commandMs: timing.commandMs }, adapter));
      // Two names for one device are still one loudspeaker.
      if (!this.#lines.has(device)) this.#lines.set(device, new Line(() => io.clock.now()));
    }
  }

  /** Keeps the Bluetooth speakers connected until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    await Promise.all(
      [...this.#links].filter(([id]) => this.#speakers.get(id)!.enabled).map(([, link]) => link.keep(signal)),
    );
  }

  /** Ids of those that are on. */
  get on(): string[] {
    return [...this.#speakers.values()].filter((s) => s.enabled).map((s) => s.id);
  }

  states(): SpeakerState[] {
    return [...this.#speakers.values()].map(({ id, name, type, device, enabled, fallback }) => {
      const link = this.#links.get(id);
      const trouble = this.#trouble.get(id) ?? (link?.trouble === '' ? undefined : link?.trouble);
      return {
        id,
        name: name ?? id,
        type,
        device,
        enabled,
        ...(link === undefined ? {} : { bluetooth: link.state }),
        ...(fallback === undefined ? {} : { fallback }),
        ...(trouble === undefined ? {} : { trouble }),
      };
    });
  }

  /** Asks the Bluetooth speakers how they are, once; connects those that are not. */
  async look(signal: AbortSignal): Promise<void> {
    await Promise.all(
      this.on.map(async (id) => {
        const link = this.#links.get(id);
        if (link?.state === 'unknown') await link.ready(signal).catch(() => {});
      }),
    );
  }

  /**
   * Says a text on a speaker, or on its fallback when it cannot. `taken` are speakers that say it anyway: none of them
   * stands in, and whoever does is added.
   * @throws LaresError of the first speaker when none of the chain could; TIMEOUT when its turn came too late.
   */
  async say(
    id: string,
    text: string,
    order: Order,
    signal: AbortSignal,
    taken: Set<string> = new Set(),
  ): Promise<Spoken> {
    let first: unknown;
    const tried = new Set<string>();
    for (let next: string | undefined = id; next !== undefined && !tried.has(next);) {
      const speaker: Speaker | undefined = this.#speakers.get(next);
      tried.add(next);
      try {
        const spoken = await this.#sayOn(next, speaker, text, order, signal);
        this.#trouble.delete(next);
        return spoken;
      } catch (error) {
        first ??= error;
        if (signal.aborted || isLate(order, this.#io.clock.now())) throw error;
        this.#trouble.set(next, reason(error));
        next = speaker?.fallback;
        if (next !== undefined && taken.has(next)) break;
        if (next !== undefined) {
          taken.add(next);
          this.#io.log.warn(`speaker ${id} error: ${reason(error)}; ${next} speaks instead`, { error });
        }
      }
    }
    throw first;
  }

  async #sayOn(
    id: string,
    speaker: Speaker | undefined,
    text: string,
    order: Order,
    signal: AbortSignal,
  ): Promise<Spoken> {
    if (speaker === undefined)
      throw new LaresError(
        'NOT_FOUND',
        `there is no speaker ${id}; ${this.#speakers.size === 0 ? 'name one under speakers' : `there are ${[...this.#speakers.keys()].join(', ')}`}`,
      );
    if (!speaker.enabled)
      throw new LaresError('CONFIG_INVALID', `the speaker ${id} is off; set enabled: true to use it`);
    // Before its turn: a speaker that takes long to connect must not hold up another one on the same device.
    const fresh = (await this.#links.get(id)?.ready(signal)) === true;
    let spoken: Spoken | undefined;
    await this.#lines
      .get(speaker.device)!
      .turn(
        { rank: ranks[order.severity], at: order.at, lateAt: order.at + lateMs },
        async () => void (spoken = await this.#play(speaker, text, fresh ? freshTries : 1, signal)),
        signal,
      );
    return spoken!;
  }

  async #play(speaker: Speaker, text: string, tries: number, signal: AbortSignal): Promise<Spoken> {
    const playback = new Playback(speaker.device, text, this.#io.env, signal, this.#timing.marginMs);
    try {
      const sound = await this.voice.say(text, speaker, signal, (rate, samples) =>
        playback.write(rate, samples),
      );
      await playback.finish(sound);
      return {
        speaker: speaker.id,
        seconds: sound.samples.length / 2 / sound.rate,
        firstSampleMs: playback.firstSampleMs,
      };
    } catch (error) {
      if (tries <= 1 || signal.aborted || (error as LaresError).code !== 'UNREACHABLE') throw error;
      await this.#io.clock.sleep(this.#timing.settleMs, signal);
      return await this.#play(speaker, text, tries - 1, signal);
    } finally {
      playback.abandon();
    }
  }
}

const isLate = ({ at }: Order, now: number): boolean => now - at >= lateMs;

/** Speech as a channel. */
export function openSpeech(
  settings: readonly Speaker[],
  io: ChannelIo,
  timing: SpeechTiming = usualTiming,
): OpenChannel<SpeakAction> {
  const life = new AbortController();
  const speakers = new Speakers(settings, io, timing);
  const kept = speakers.keep(life.signal);
  const both = (signal: AbortSignal) => AbortSignal.any([signal, life.signal]);
  return {
    async deliver(alert, { speaker }, signal) {
      await sayEverywhere(
        speakers,
        speaker === undefined ? speakers.on : [speaker].flat(),
        alert,
        both(signal),
        io,
      );
    },
    check: (signal) => checkSpeech(settings, speakers, both(signal)),
    close: async () => {
      life.abort();
      await kept;
    },
  };
}

/** On every speaker at once. Told is told: one that could not is trouble of its own, and no reason to say it again. */
async function sayEverywhere(
  speakers: Speakers,
  ids: readonly string[],
  alert: AlertMessage,
  signal: AbortSignal,
  io: ChannelIo,
): Promise<void> {
  if (ids.length === 0)
    throw new LaresError('CONFIG_INVALID', 'no speaker is on; name one under speakers, or set enabled: true');
  const taken = new Set(ids);
  const results = await Promise.allSettled(
    ids.map((id) => speakers.say(id, alert.text, alert, signal, taken)),
  );
  const failures = results.filter((r) => r.status === 'rejected').map((r) => r.reason as unknown);
  if (failures.length === results.length) throw failures[0];
  for (const error of failures) io.log.warn(`speech error: ${reason(error)}; others have said it`, { error });
}

/** Makes every voice once, without playing it, and asks the Bluetooth speakers. */
async function checkSpeech(
  settings: readonly Speaker[],
  speakers: Speakers,
  signal: AbortSignal,
): Promise<ChannelHealth> {
  const on = settings.filter((s) => s.enabled);
  if (on.length === 0) return { state: 'off', detail: 'no speaker is named under speakers' };
  try {
    for (const speech of on) await speakers.voice.say('Lares', speech, signal);
  } catch (error) {
    return { state: 'down', detail: reason(error) };
  }
  await speakers.look(signal);
  const bad = speakers.states().filter((s) => s.enabled && s.trouble !== undefined);
  if (bad.length === 0) return { state: 'ok', detail: `${on.map((s) => s.id).join(', ')} can speak` };
  const detail = bad.map((s) => s.trouble).join('; ');
  return { state: bad.length === on.length ? 'down' : 'degraded', detail };
}
