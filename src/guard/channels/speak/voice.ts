import { LaresError } from '#kernel/errors.ts';
import type { Speaker } from './config.ts';
import { start, type Env } from './program.ts';
import { readWavHeader, type Sound } from './wav.codec.ts';

/** The longest text that is spoken; more than this nobody listens to. */
const longestText = 300;

/** Seconds in which the longest text must be synthesised; it takes well below one. */
const synthesisMs = 10_000;

/** Two minutes at the usual rate. */
const mostBytes = 22_050 * 2 * 120;

const cacheBytes = 16 * 2 ** 20;

export type Speech = Pick<Speaker, 'voice' | 'speed' | 'volume'>;

/** A text as it is given to the voice: one line, bounded, without the marks that espeak-ng takes for phonemes. */
export function speakable(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]+/gu, ' ')
    .replaceAll('[[', ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .slice(0, longestText)
    .replace(/[\uD800-\uDBFF]$/, '')
    .trim();
}

/** `-a` of espeak-ng, whose own loudness is 100: above 130 its peaks are cut off (measured with 1.51). */
const amplitude = (volume: number) => String(Math.round(volume * 1.3));

/** The voice: texts into sound, by espeak-ng. What was said lately is kept, because alerts repeat themselves. */
export class Voice {
  readonly #env: Env;
  readonly #kept = new Map<string, Sound>();
  #keptBytes = 0;

  constructor(env: Env) {
    this.#env = env;
  }

  /**
   * Synthesises a text. `onSamples` gets the sound piece by piece while it is made; the whole is the result.
   * @throws LaresError NOT_FOUND without espeak-ng, CONFIG_INVALID for an unknown voice, TIMEOUT.
   */
  async say(
    text: string,
    speech: Speech,
    signal: AbortSignal,
    onSamples: (rate: number, samples: Buffer) => void = () => {},
  ): Promise<Sound> {
    const words = speakable(text);
    if (words === '') throw new LaresError('USAGE', 'there is nothing to say: the text is empty');
    const key = `${speech.voice}|${speech.speed}|${speech.volume}|${words}`;
    const kept = this.#kept.get(key);
    if (kept === undefined) return this.#keep(key, await this.#synthesise(words, speech, signal, onSamples));
    this.#keep(key, kept);
    onSamples(kept.rate, kept.samples);
    return kept;
  }

  /** Puts it where the newest are and lets the oldest go. */
  #keep(key: string, sound: Sound): Sound {
    if (this.#kept.delete(key)) this.#keptBytes -= sound.samples.length;
    this.#kept.set(key, sound);
    this.#keptBytes += sound.samples.length;
    for (const [old, { samples }] of this.#kept) {
      if (this.#keptBytes <= cacheBytes) break;
      this.#kept.delete(old);
      this.#keptBytes -= samples.length;
    }
    return sound;
  }

  async #synthesise(
    words: string,
    { voice, speed, volume }: Speech,
    signal: AbortSignal,
    onSamples: (rate: number, samples: Buffer) => void,
  ): Promise<Sound> {
    const limit = AbortSignal.timeout(synthesisMs);
    const stop = new AbortController();
    const { child, ended } = start(
      'espeak-ng',
      ['--stdin', '--stdout', '-b', '1', '-v', voice, '-s', String(speed), '-a', amplitude(volume)],
      this.#env,
      AbortSignal.any([signal, limit, stop.signal]),
    );
    child.stdin.end(words);
    let head = Buffer.alloc(0);
    let rate: number | undefined;
    let broken: string | undefined;
    const pieces: Buffer[] = [];
    let bytes = 0;
    const over = new Promise<void>((resolve) => child.stdout.once('close', resolve));
    child.stdout.on('data', (chunk: Buffer) => {
      let samples = chunk;
      if (rate === undefined) {
        head = Buffer.concat([head, chunk]);
        const header = readWavHeader(head);
        if (header.kind === 'bad') broken = header.reason;
        if (header.kind !== 'header') return header.kind === 'bad' ? stop.abort() : undefined;
        rate = header.rate;
        samples = head.subarray(header.dataAt);
      }
      bytes += samples.length;
      if (bytes > mostBytes) return stop.abort();
      if (samples.length === 0) return;
      pieces.push(samples);
      onSamples(rate, samples);
    });
    const { code, said } = await ended;
    if (signal.aborted) throw new LaresError('TIMEOUT', 'the voice was stopped');
    if (limit.aborted)
      throw new LaresError('TIMEOUT', `espeak-ng did not finish within ${synthesisMs / 1_000} s`);
    if (/voice does not exist/i.test(said))
      throw new LaresError(
        'CONFIG_INVALID',
        `espeak-ng has no voice ${voice}; \`espeak-ng --voices\` lists them`,
      );
    await over;
    if (code !== 0 || broken !== undefined || rate === undefined || bytes === 0)
      throw new LaresError(
        'BAD_REPLY',
        `espeak-ng made no sound: ${broken ?? (said.slice(0, 200) || 'no samples')}`,
      );
    // A sample is two bytes; half of one would shift all that follow.
    const samples = Buffer.concat(pieces);
    return { rate, samples: samples.subarray(0, samples.length - (samples.length % 2)) };
  }
}
