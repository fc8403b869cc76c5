import { symlinkSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { speakersConfig } from '../config.ts';
import { someAlert, someIo } from '../fixture.ts';
import { closeAll, folder, house, machine, mac, never, speech } from './fixture.ts';
import { playerFor } from './player.ts';
import { Speakers, usualTiming } from './speech.ts';
import { Voice } from './voice.ts';

afterEach(closeAll);

test('a player that hangs is killed, and the fallback speaks', async () => {
  const sound = machine();
  sound.device('dead', 'hangs');
  const speakers = [
    { id: 'hall', device: 'dead', fallback: 'kitchen' },
    { id: 'kitchen', device: 'good' },
  ];
  // The player that works has the same limit.
  const { open, lines } = house(sound, speakers, { timing: usualTiming });
  await open.deliver(someAlert({ text: 'Hi', at: Date.now() }), { type: 'speak', speaker: 'hall' }, never);
  expect(sound.log()).toEqual(['aplay start dead', 'aplay start good', 'aplay end good']);
  expect(lines.join('\n')).toContain('speaker hall error: aplay hung on the device dead and was killed');
  expect(await open.check(never)).toMatchObject({
    state: 'degraded',
    detail: expect.stringContaining('aplay hung on the device dead'),
  });
});

test('a speaker that is pulled out while it speaks hands the whole sentence to its fallback', async () => {
  const sound = machine();
  sound.device('usb', 'breaks');
  const { open, lines } = house(sound, [
    { id: 'hall', device: 'usb', fallback: 'kitchen' },
    { id: 'kitchen', device: 'good' },
  ]);
  await open.deliver(someAlert({ at: Date.now() }), { type: 'speak', speaker: 'hall' }, never);
  expect(sound.log()).toEqual(['aplay start usb', 'aplay start good', 'aplay end good']);
  expect(lines.join('\n')).toContain(
    'aplay cannot play on the device usb: write error: No such device; `aplay -L` lists the devices; kitchen speaks instead',
  );
  const { samples } = await new Voice(sound.env).say(someAlert().text, speech, never);
  expect(sound.played() - 4_000).toBe(samples.length);
});

test('an unknown device of the real aplay is named with the command that lists them', async () => {
  const speakers = new Speakers(speakersConfig.parse([{ id: 'hall', device: 'nonsense' }]), someIo());
  await expect(
    speakers.say('hall', 'Hello', { severity: 'info', at: Date.now() }, never),
  ).rejects.toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('Unknown PCM nonsense') });
});

test('a missing program is named with its Debian package, an unknown voice with the command that lists them', async () => {
  const dir = folder();
  const io = someIo({ env: { PATH: dir } });
  const say = (id: string, raw: object, env = io) =>
    new Speakers(speakersConfig.parse([{ id, ...raw }]), env).say(
      id,
      'Hello',
      { severity: 'info', at: Date.now() },
      never,
    );
  await expect(say('hall', {})).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'the program espeak-ng is not installed; run `sudo apt install espeak-ng`',
  });
  symlinkSync('/usr/bin/espeak-ng', `${dir}/espeak-ng`);
  await expect(say('hall', {})).rejects.toMatchObject({
    message: 'the program aplay is not installed; run `sudo apt install alsa-utils`',
  });
  await expect(say('hall', { device: 'pulse:sink' })).rejects.toMatchObject({
    message: 'the program paplay is not installed; run `sudo apt install pulseaudio-utils`',
  });
  await expect(say('hall', { type: 'bluetooth', mac })).rejects.toMatchObject({
    message: 'the program bluetoothctl is not installed; run `sudo apt install bluez`',
  });
  await expect(say('hall', { voice: 'xx-nobody' }, someIo())).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'espeak-ng has no voice xx-nobody; `espeak-ng --voices` lists them',
  });
});

test('each kind of device has its player, and the sound arrives whole at each', async () => {
  expect(playerFor('plughw:CARD=Device,DEV=0').program).toBe('aplay');
  expect(playerFor('pulse').program).toBe('aplay');
  const sound = machine();
  const { say } = house(sound, [
    { id: 'a', device: 'pulse:bluez_output.AA' },
    { id: 'b', device: 'pipewire:alsa_output.usb' },
  ]);
  await say('Hello there');
  expect(sound.log().toSorted()).toEqual([
    'paplay end bluez_output.AA',
    'paplay start bluez_output.AA',
    'pw-play end alsa_output.usb',
    'pw-play start alsa_output.usb',
  ]);
  const { samples } = await new Voice(sound.env).say('Hello there', speech, never);
  expect(sound.played()).toBe(samples.length * 2 + 44);
});
