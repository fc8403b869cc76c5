import { Command } from 'commander';
import { expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { silent } from '#platform/log.ts';
import { audioCommands } from './cli.ts';
import { speakersConfig } from './config.ts';

/** What a command printed, as text and as data. */
async function call(...args: string[]) {
  const printed: { data: unknown; text: string }[] = [];
  const program = new Command('lares').exitOverride();
  audioCommands(program, {
    config: async () => ({ speakers: speakersConfig.parse([{ id: 'living_room', device: 'null' }]) }),
    env: { PATH: process.env['PATH'] },
    log: silent,
    signal: new AbortController().signal,
    print: (data: unknown, human: () => string) => void printed.push({ data, text: human() }),
  } as unknown as Parameters<typeof audioCommands>[1]);
  for (const command of program.commands[0]!.commands)
    command.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(args, { from: 'user' });
  return printed;
}

test('the original call, in our words, speaks and says what was said', async () => {
  const [printed] = await call('audio', 'test', '--speaker', 'living_room', '--text', 'One two');
  expect(printed!.data).toMatchObject({ speaker: 'living_room', spokenBy: 'living_room', text: 'One two' });
  expect(printed!.text).toMatch(/^living_room said "One two"/);
});

test('an unknown speaker is an error that names the known ones, a missing one is a wrong call', async () => {
  await expect(call('audio', 'test', '--speaker', 'attic')).rejects.toBeInstanceOf(LaresError);
  await expect(call('audio', 'test', '--speaker', 'attic')).rejects.toThrow('there are living_room');
  await expect(call('audio', 'test')).rejects.toThrow('--speaker');
});

test('the list is a table', async () => {
  const [printed] = await call('audio', 'list');
  expect(printed!.text.split('\n')).toEqual([
    'speaker      name         type   device  fallback  state',
    'living_room  living_room  wired  null              on',
  ]);
});
