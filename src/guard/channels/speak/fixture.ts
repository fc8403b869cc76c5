import type { Clock } from '#kernel/driver.ts';
import { systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { scratch } from '../../../../tests/servers/process.ts';
import { soundMachine, type SoundMachine } from '../../../../tests/servers/sound.ts';
import { speakersConfig } from '../config.ts';
import { someAlert, someIo } from '../fixture.ts';
import { openSpeech, type SpeechTiming } from './speech.ts';

/** What a test has opened; it closes them by `closeAll` after each test. */
export const closers: (() => unknown)[] = [];
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).toReversed()) await close();
}

export const never = new AbortController().signal;
/** Only a hang reaches these limits. */
export const patient: SpeechTiming = { marginMs: 60_000, commandMs: 60_000, settleMs: 50 };
export const mac = 'AA:BB:CC:DD:EE:FF';
export const speech = { voice: 'en', speed: 160, volume: 80 };

export function folder(): string {
  const { dir, remove } = scratch('speak');
  closers.push(remove);
  return dir;
}

/** Players and a Bluetooth adapter that make no sound. */
export function machine(): SoundMachine {
  const made = soundMachine();
  closers.push(() => made.remove());
  return made;
}

/** Speakers on such a machine, and what was logged of them; `say` tells an alert of now on all that are on. */
export function house(
  sound: SoundMachine,
  raw: unknown,
  { clock = systemClock, timing = patient }: { clock?: Clock; timing?: SpeechTiming } = {},
) {
  const lines: string[] = [];
  const io = someIo({
    clock,
    env: sound.env,
    log: new Logger({ level: 'debug', write: (line) => lines.push(line) }),
  });
  const open = openSpeech(speakersConfig.parse(raw), io, timing);
  closers.push(() => open.close());
  const say = (text: string) => open.deliver(someAlert({ text, at: clock.now() }), { type: 'speak' }, never);
  return { open, say, lines };
}
