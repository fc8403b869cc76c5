import type { Command } from 'commander';
import { systemClock } from '#platform/clock.ts';
import type { CliHouse } from '#platform/command.ts';
import { listAudio, renderAudioTest, renderSpeakers, testAudio } from './audio.ts';
import type { SpeakersConfig } from './config.ts';
import type { ChannelIo } from './contract.ts';

type AudioHouse = CliHouse<{ readonly speakers: SpeakersConfig }>;

/** `lares audio test | list`: works beside the running service and without it. */
export function audioCommands(program: Command, house: AudioHouse): void {
  const { env, log, signal } = house;
  // Commands speak no mails and no times, so the zone does not matter here.
  const io: ChannelIo = { clock: systemClock, log, random: Math.random, timeZone: 'UTC', env };
  const audio = program.command('audio').description('The speakers that alerts are spoken on');
  audio
    .command('test')
    .description('say something on one speaker; ends with 0 only when it was said')
    .requiredOption('--speaker <id>', 'a speaker of the settings')
    .option('--text <text>', 'what to say')
    .option('--file <wav>', 'write a WAV file instead of playing')
    .action(async (options: { speaker: string; text?: string; file?: string }) => {
      const { speakers } = await house.config();
      const test = await testAudio(speakers, options, io, signal);
      house.print(test, () => renderAudioTest(test));
    });
  audio
    .command('list')
    .description('every speaker with its state; Bluetooth ones are connected to find out')
    .action(async () => {
      const { speakers } = await house.config();
      const states = await listAudio(speakers, io, signal);
      house.print(states, () => renderSpeakers(states));
    });
}
