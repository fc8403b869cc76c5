import { writeFile } from 'node:fs/promises';
import { LaresError, reason } from '#kernel/errors.ts';
import { table } from '#platform/table.ts';
import type { ChannelIo } from './contract.ts';
import type { SpeakersConfig } from './config.ts';
import { Speakers, usualTiming, type SpeakerState, type SpeechTiming, type Spoken } from './speak/speech.ts';
import { Voice } from './speak/voice.ts';
import { secondsOf, writeWav } from './speak/wav.codec.ts';

/** What a test says unless it is told otherwise. */
const testPhrase = (name: string) => `This is a test of the speaker ${name}.`;

export interface AudioTest {
  readonly speaker: string;
  /** Absent where a file was written instead of playing. */
  readonly spokenBy?: string;
  readonly file?: string;
  readonly text: string;
  readonly seconds: number;
  /** Milliseconds until the player had the first sample. */
  readonly firstSampleMs?: number;
}

export interface AudioTestOptions {
  readonly speaker: string;
  readonly text?: string | undefined;
  /** Write a WAV file instead of playing. */
  readonly file?: string | undefined;
}

/**
 * Says something on one speaker, or into a file: `lares audio test`. A fallback is not used, since the test is of this one.
 * @throws LaresError NOT_FOUND with the speakers that there are; otherwise what stands in the way, with the fix.
 */
export async function testAudio(
  speakers: SpeakersConfig,
  { speaker: id, text, file }: AudioTestOptions,
  io: ChannelIo,
  signal: AbortSignal,
  timing: SpeechTiming = usualTiming,
): Promise<AudioTest> {
  const speaker = speakers.find((s) => s.id === id);
  if (speaker === undefined)
    throw new LaresError(
      'NOT_FOUND',
      `there is no speaker ${id}; ${speakers.length === 0 ? 'name one under speakers in lares.yaml' : `there are ${speakers.map((s) => s.id).join(', ')}`}`,
    );
  const words = text ?? testPhrase(speaker.name ?? speaker.id);
  if (file !== undefined) {
    const sound = await new Voice(io.env).say(words, speaker, signal);
    await save(file, writeWav(sound));
    return { speaker: id, file, text: words, seconds: secondsOf(sound) };
  }
  const { fallback: _unused, ...alone } = speaker;
  const spoken: Spoken = await new Speakers([{ ...alone, enabled: true }], io, timing).say(
    id,
    words,
    { severity: 'critical', at: io.clock.now() },
    signal,
  );
  return {
    speaker: id,
    spokenBy: spoken.speaker,
    text: words,
    seconds: spoken.seconds,
    ...(spoken.firstSampleMs === undefined ? {} : { firstSampleMs: Math.round(spoken.firstSampleMs) }),
  };
}

async function save(file: string, bytes: Buffer): Promise<void> {
  try {
    await writeFile(file, bytes);
  } catch (error) {
    throw new LaresError('USAGE', `${file} cannot be written: ${reason(error)}`, { cause: error });
  }
}

export function renderAudioTest(test: AudioTest): string {
  const what = `${test.seconds.toFixed(1)} s`;
  return test.file === undefined
    ? `${test.spokenBy} said ${JSON.stringify(test.text)} (${what}${test.firstSampleMs === undefined ? '' : `, first sound after ${test.firstSampleMs} ms`})`
    : `${test.file} holds ${JSON.stringify(test.text)} (${what})`;
}

/** Every speaker with its state; Bluetooth ones are asked, and connected where they are not: `lares audio list`. */
export async function listAudio(
  speakers: SpeakersConfig,
  io: ChannelIo,
  signal: AbortSignal,
  timing: SpeechTiming = usualTiming,
): Promise<SpeakerState[]> {
  const all = new Speakers(speakers, io, timing);
  await all.look(signal);
  return all.states();
}

export function renderSpeakers(states: readonly SpeakerState[]): string {
  if (states.length === 0) return 'No speaker is named under speakers in lares.yaml.';
  const said = (s: SpeakerState) => (s.enabled ? (s.trouble ?? s.bluetooth ?? 'on') : 'off');
  return table(
    ['speaker', 'name', 'type', 'device', 'fallback', 'state'],
    states.map((s) => [s.id, s.name, s.type, s.device, s.fallback ?? '', said(s)]),
  );
}
