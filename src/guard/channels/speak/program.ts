import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { LaresError, reason } from '#kernel/errors.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** Debian packages that hold the programs of speech. */
const packages: Readonly<Record<string, string>> = {
  'espeak-ng': 'espeak-ng',
  aplay: 'alsa-utils',
  paplay: 'pulseaudio-utils',
  'pw-play': 'pipewire-bin',
  bluetoothctl: 'bluez',
};

// Passwords of the house stay out of other programs; sound servers are found by these.
const passedOn =
  /^(PATH|HOME|USER|LANG|LC_\w+|TMPDIR|XDG_RUNTIME_DIR|DBUS_\w+|PULSE_\w+|PIPEWIRE_\w+|ALSA_\w+|ESPEAK_\w+)$/;

/** The Debian package that holds a program of speech. */
export const packageOf = (program: string): string => packages[program] ?? program;

const stderrBytes = 2_000;
/** Milliseconds after its end that a program which failed may still say why. */
const lastWordsMs = 1_000;

export interface Running {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Resolves with the exit code and the last words on stderr; rejects when the program cannot be started. */
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>;
}

/** Starts a program without a shell; it is killed when the signal aborts. */
export function start(name: string, args: readonly string[], env: Env, signal: AbortSignal): Running {
  const child = spawn(name, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: Object.fromEntries(Object.entries(env).filter(([key]) => passedOn.test(key))),
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-stderrBytes)));
  // A program that ends early closes the pipe under our hands; its exit code tells why.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {});
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  if (signal.aborted) kill();
  const ended = new Promise<{ code: number | null; said: string }>((resolve, reject) => {
    child.on('error', (error) => {
      signal.removeEventListener('abort', kill);
      reject(missing(name, error));
    });
    // `exit`, not `close`: what it started may hold the pipes for ever.
    child.on('exit', (code) => {
      signal.removeEventListener('abort', kill);
      const over = () => {
        clearTimeout(limit);
        resolve({ code, said: said.replaceAll(/[\p{Cc}]+/gu, ' ').trim() });
      };
      // The last words may still be on their way, and of a failure they are the reason.
      const limit = setTimeout(over, code === 0 || signal.aborted ? 0 : lastWordsMs);
      if (child.stderr.closed) over();
      else child.stderr.once('close', over);
    });
  });
  // Whoever started it awaits this later; until then it must not count as unhandled.
  ended.catch(() => {});
  return { child, ended };
}

function missing(name: string, error: Error): LaresError {
  const absent = (error as NodeJS.ErrnoException).code === 'ENOENT';
  return absent
    ? new LaresError(
        'NOT_FOUND',
        `the program ${name} is not installed; run \`sudo apt install ${packageOf(name)}\``,
      )
    : new LaresError('PERMISSION_MISSING', `the program ${name} cannot be started: ${reason(error)}`, {
        cause: error,
      });
}
