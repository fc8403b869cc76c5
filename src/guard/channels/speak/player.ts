import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LaresError } from '#kernel/errors.ts';
import { start, type Env, type Running } from './program.ts';
import { secondsOf, writeWav, type Sound } from './wav.codec.ts';

/** Seconds of sound that one character of text may become at the slowest; only a bound for the watch. */
const secondsPerCharacter = 0.3;

interface Player {
  readonly program: string;
  readonly args: (rate: number) => readonly string[];
  /** Reads a file instead of its input. */
  readonly file: boolean;
}

/** Which program plays on a device, and how it is told. */
export function playerFor(device: string): Player {
  const [, kind, sink] = /^(pulse|pipewire):(.+)$/.exec(device) ?? [];
  if (kind === 'pulse')
    return {
      program: 'paplay',
      args: (rate) => ['--raw', '--format=s16le', '--channels=1', `--rate=${rate}`, `--device=${sink}`],
      file: false,
    };
  if (kind === 'pipewire') return { program: 'pw-play', args: () => [`--target=${sink}`], file: true };
  return {
    program: 'aplay',
    args: (rate) => ['-q', '-t', 'raw', '-f', 'S16_LE', '-c', '1', '-r', String(rate), '-D', device],
    file: false,
  };
}

/**
 * One sound on its way to one device. It begins with the first samples, while the rest is still being made; `finish`
 * says that there are no more and waits for the end.
 */
export class Playback {
  readonly #player: Player;
  readonly #device: string;
  readonly #env: Env;
  readonly #signal: AbortSignal;
  readonly #hung = new AbortController();
  readonly #startedAt = performance.now();
  readonly #marginMs: number;
  #watch: NodeJS.Timeout;
  #running: Running | undefined;
  /** Milliseconds from the construction to the first sample that the player took. */
  firstSampleMs: number | undefined;

  /** `marginMs`: how much longer than the sound it may take, because devices wake up and buffers drain. */
  constructor(device: string, text: string, env: Env, signal: AbortSignal, marginMs: number) {
    this.#marginMs = marginMs;
    this.#player = playerFor(device);
    this.#device = device;
    this.#env = env;
    this.#signal = AbortSignal.any([signal, this.#hung.signal]);
    this.#watch = this.#deadline(text.length * secondsPerCharacter * 1_000);
  }

  write(rate: number, samples: Buffer): void {
    if (this.#player.file || this.#signal.aborted) return;
    this.#running ??= start(this.#player.program, this.#player.args(rate), this.#env, this.#signal);
    this.#running.child.stdin.write(samples, (error) => {
      if (error === null || error === undefined) this.firstSampleMs ??= performance.now() - this.#startedAt;
    });
  }

  /** @throws LaresError UNREACHABLE where the device does not play, TIMEOUT, NOT_FOUND without the player. */
  async finish(sound: Sound): Promise<void> {
    clearTimeout(this.#watch);
    this.#watch = this.#deadline(secondsOf(sound) * 1_000);
    try {
      const { code, said } = this.#player.file ? await this.#playFile(sound) : await this.#drain();
      if (this.#hung.signal.aborted)
        throw new LaresError(
          'TIMEOUT',
          `${this.#player.program} hung on the device ${this.#device} and was killed; is the speaker switched on?`,
        );
      if (this.#signal.aborted) throw new LaresError('TIMEOUT', 'the voice was stopped');
      if (code !== 0) throw refused(this.#player.program, this.#device, said);
    } finally {
      clearTimeout(this.#watch);
    }
  }

  /** Gives up: kills the player, if there is one. */
  abandon(): void {
    clearTimeout(this.#watch);
    this.#hung.abort();
  }

  async #drain() {
    const running = this.#running;
    if (running === undefined) throw new LaresError('TIMEOUT', 'the voice was stopped');
    running.child.stdout.resume();
    running.child.stdin.end();
    return running.ended;
  }

  async #playFile(sound: Sound) {
    const folder = await mkdtemp(path.join(tmpdir(), 'lares-voice-'));
    try {
      const file = path.join(folder, 'alert.wav');
      await writeFile(file, writeWav(sound));
      this.firstSampleMs = performance.now() - this.#startedAt;
      const { program, args } = this.#player;
      const running = start(program, [...args(sound.rate), file], this.#env, this.#signal);
      running.child.stdout.resume();
      running.child.stdin.end();
      return await running.ended;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #deadline(ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#hung.abort(), ms + this.#marginMs);
  }
}

function refused(program: string, device: string, said: string): LaresError {
  // ALSA tells line by line how it came to fail; the last two say what is wrong, and what came of it.
  const why = said
    .split(/(?:ALSA lib )?[\w-]+\.c:\d+:\(\w+\) |\b(?:aplay|paplay|pw-play): (?:\w+:\d+: )?/)
    .flatMap((part) => part.trim() || [])
    .slice(-2)
    .join('; ')
    .slice(0, 200);
  if (/permission denied/i.test(said))
    return new LaresError(
      'PERMISSION_MISSING',
      `${program} may not use the device ${device}; add the user of the service to the group audio`,
    );
  return new LaresError(
    'UNREACHABLE',
    `${program} cannot play on the device ${device}: ${why === '' ? 'it gave no reason' : why}; \`aplay -L\` lists the devices`,
  );
}
