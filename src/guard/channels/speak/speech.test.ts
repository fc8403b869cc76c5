import { rmSync, symlinkSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { speakersConfig } from '../config.ts';
import { someAlert, someIo } from '../fixture.ts';
import { closeAll, closers, folder, house, machine, never, patient } from './fixture.ts';
import { openSpeech, Speakers } from './speech.ts';

afterEach(closeAll);

test('the real voice on a real player: the whole text is played, and again from memory much sooner', async () => {
  const io = someIo();
  const speakers = new Speakers(speakersConfig.parse([{ id: 'hall', device: 'null' }]), io);
  const order = { severity: 'critical' as const, at: Date.now() };
  const first = await speakers.say('hall', 'A person, 4 metres from the gate', order, never);
  expect(first.speaker).toBe('hall');
  expect(first.seconds).toBeGreaterThan(1);
  expect(first.firstSampleMs).toBeGreaterThan(0);
  const again = await speakers.say('hall', 'A person, 4 metres from the gate', order, never);
  expect(again.seconds).toBe(first.seconds);
});

test('there are never two voices at once on one device, whatever its names', async () => {
  const sound = machine();
  sound.device('default', 0.1);
  const { say } = house(sound, [{ id: 'hall' }, { id: 'stairs' }, { id: 'garden', device: 'other' }]);
  await Promise.all([say('one'), say('two')]);
  const log = sound.log().filter((l) => l.endsWith('default'));
  expect(log).toEqual(Array.from({ length: 4 }, () => ['aplay start default', 'aplay end default']).flat());
  expect(sound.log().filter((l) => l.endsWith('other'))).toHaveLength(4);
});

test('a speaker that stands in for several, or speaks anyway, says a sentence once', async () => {
  const sound = machine();
  for (const device of ['a', 'b']) sound.device(device, 'fails');
  const { open } = house(sound, [
    { id: 'attic', device: 'a', fallback: 'hall' },
    { id: 'cellar', device: 'b', fallback: 'hall' },
    { id: 'hall', device: 'good' },
  ]);
  const told = async (...speaker: string[]) => {
    const before = sound.log().length;
    await open.deliver(someAlert({ text: 'Hi', at: Date.now() }), { type: 'speak', speaker }, never);
    return sound
      .log()
      .slice(before)
      .filter((line) => line === 'aplay end good').length;
  };
  expect([await told('attic', 'cellar'), await told('attic', 'hall'), await told('cellar')]).toEqual([
    1, 1, 1,
  ]);
});

test('without any speaker that works the first reason is told; one of several that works is enough', async () => {
  const sound = machine();
  for (const device of ['a', 'b']) sound.device(device, 'fails');
  const { open, say, lines } = house(sound, [
    { id: 'hall', device: 'a', fallback: 'kitchen' },
    { id: 'kitchen', device: 'b' },
  ]);
  await expect(say('Hello')).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message:
      'aplay cannot play on the device a: Unknown PCM default; audio open error: Device or resource busy; `aplay -L` lists the devices',
  });
  sound.device('b', 'plays');
  await open.deliver(
    someAlert({ text: 'Hello', at: Date.now() }),
    { type: 'speak', speaker: ['kitchen', 'nowhere'] },
    never,
  );
  expect(lines.at(-1)).toContain('there is no speaker nowhere; there are hall, kitchen');
});

test('what was said before is said again without asking the voice', async () => {
  const dir = folder();
  for (const name of ['aplay', 'espeak-ng']) symlinkSync(`/usr/bin/${name}`, `${dir}/${name}`);
  const open = openSpeech(
    speakersConfig.parse([{ id: 'hall', device: 'null' }]),
    someIo({ env: { PATH: dir } }),
    patient,
  );
  closers.push(() => open.close());
  const say = (text: string) => open.deliver(someAlert({ text, at: Date.now() }), { type: 'speak' }, never);
  await say('A person at the gate');
  rmSync(`${dir}/espeak-ng`);
  await say('A person at the gate');
  await expect(say('Something else')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
