import { existsSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { someIo } from '../fixture.ts';
import { closeAll, folder, house, machine, never, speech } from './fixture.ts';
import { speakable, Voice } from './voice.ts';
import { secondsOf } from './wav.codec.ts';

afterEach(closeAll);

test('volume, speed and language change the sound', async () => {
  const voice = new Voice(someIo().env);
  const say = (more: object) => voice.say('A car is in front of the garage', { ...speech, ...more }, never);
  const loudness = ({ samples }: { samples: Buffer }) => {
    let sum = 0;
    for (let i = 0; i < samples.length; i += 2) sum += samples.readInt16LE(i) ** 2;
    return Math.sqrt(sum / (samples.length / 2));
  };
  const [usual, quiet, loud, fast, german] = [
    await say({}),
    await say({ volume: 20 }),
    await say({ volume: 100 }),
    await say({ speed: 300 }),
    await say({ voice: 'de' }),
  ];
  expect(loudness(quiet)).toBeLessThan(loudness(usual) / 2);
  expect(loudness(loud)).toBeGreaterThan(loudness(usual));
  expect(loudness(await say({ volume: 0 }))).toBe(0);
  expect(secondsOf(fast)).toBeLessThan(secondsOf(usual) * 0.8);
  expect(german.samples.equals(usual.samples)).toBe(false);
});

test('the sound begins before all of it is made, and the pieces are the whole', async () => {
  const voice = new Voice(someIo().env);
  const pieces: Buffer[] = [];
  const text = 'A person is at the gate. '.repeat(11);
  const sound = await voice.say(text, speech, never, (_rate, samples) => pieces.push(samples));
  expect(pieces.length).toBeGreaterThan(1);
  expect(Buffer.concat(pieces).subarray(0, sound.samples.length).equals(sound.samples)).toBe(true);
});

test('a text is neither an option, nor a command, nor phonemes', async () => {
  const sound = machine();
  const { say } = house(sound, [{ id: 'hall' }]);
  const dir = folder();
  for (const text of [
    `--version; touch ${dir}/a`,
    `$(touch ${dir}/b)`,
    `\`touch ${dir}/c\``,
    '-f /etc/passwd',
  ])
    await say(text);
  expect(sound.log().filter((l) => l === 'aplay end default')).toHaveLength(4);
  expect(existsSync(`${dir}/a`)).toBe(false);
  expect(existsSync(`${dir}/b`)).toBe(false);
  expect(existsSync(`${dir}/c`)).toBe(false);
  expect(speakable('a\u0000b\r\n[[b@n"ana]]  c')).toBe('a b b@n"ana]] c');
  expect(speakable('x'.repeat(1_000))).toHaveLength(300);
  await expect(say(' \n ')).rejects.toMatchObject({ code: 'USAGE' });
});
