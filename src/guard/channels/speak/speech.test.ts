import { readFileSync, rmSync, symlinkSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { ManualClock, systemClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import { scratch, until } from '../../../../tests/servers/process.ts';
import { soundMachine, type SoundMachine } from '../../../../tests/servers/sound.ts';
import { listAudio, renderAudioTest, renderSpeakers, testAudio } from '../audio.ts';
import { speakersConfig } from '../config.ts';
import { someAlert, someIo } from '../fixture.ts';
import { reconnectMs } from './bluetooth.ts';
import { Line } from './line.ts';
import { playerFor } from './player.ts';
import { openSpeech, Speakers } from './speech.ts';
import { speakable, Voice } from './voice.ts';
import { readWavHeader, secondsOf, writeWav } from './wav.codec.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const never = new AbortController().signal;
const timing = { marginMs: 400, commandMs: 2_000, settleMs: 50 };
const mac = 'AA:BB:CC:DD:EE:FF';
const speech = { voice: 'en', speed: 160, volume: 80 };

function machine(without?: readonly string[]): SoundMachine {
  const made = soundMachine(without);
  closers.push(() => made.remove());
  return made;
}

function house(sound: SoundMachine, raw: unknown, clock: typeof systemClock | ManualClock = systemClock) {
  const lines: string[] = [];
  const io = someIo({
    clock,
    env: sound.env,
    log: new Logger({ level: 'debug', write: (line) => lines.push(line) }),
  });
  const settings = speakersConfig.parse(raw);
  const open = openSpeech(settings, io, timing);
  closers.push(() => open.close());
  const say = (text: string, more: Parameters<typeof someAlert>[0] = {}, signal = never) =>
    open.deliver(someAlert({ text, at: clock.now(), ...more }), { type: 'speak' }, signal);
  return { open, say, io, lines, settings };
}

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
  const { dir, remove } = scratch('voice');
  closers.push(remove);
  for (const text of [
    `--version; touch ${dir}/a`,
    `$(touch ${dir}/b)`,
    `\`touch ${dir}/c\``,
    '-f /etc/passwd',
  ])
    await say(text);
  expect(sound.log().filter((l) => l === 'aplay end default')).toHaveLength(4);
  expect(() => readFileSync(`${dir}/a`)).toThrow('ENOENT');
  expect(() => readFileSync(`${dir}/b`)).toThrow('ENOENT');
  expect(() => readFileSync(`${dir}/c`)).toThrow('ENOENT');
  expect(speakable('a\u0000b\r\n[[b@n"ana]]  c')).toBe('a b b@n"ana]] c');
  expect(speakable('x'.repeat(1_000))).toHaveLength(300);
  await expect(say(' \n ')).rejects.toMatchObject({ code: 'USAGE' });
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

test('in the line the most severe and newest goes first, and what waited a minute is dropped with a reason', async () => {
  const clock = new ManualClock(1_000_000);
  const line = new Line(() => clock.now());
  const said: string[] = [];
  let release = () => {};
  const first = line.turn(
    { rank: 0, at: 0, lateAt: 2_000_000 },
    () => new Promise((r) => (release = r)),
    never,
  );
  const turn = (name: string, rank: number, at: number, lateAt = 2_000_000, signal = never) =>
    line.turn({ rank, at, lateAt }, async () => void said.push(name), signal);
  const stop = new AbortController();
  const turns = [
    turn('old note', 0, 1),
    turn('old alarm', 2, 2),
    turn('new note', 0, 3),
    turn('new alarm', 2, 4),
    turn('alert', 1, 9),
  ];
  const late = expect(turn('late', 2, 5, 1_000_500)).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: 'it waited too long for its turn; a late voice is worse than none',
  });
  const left = expect(turn('left', 2, 6, 2_000_000, stop.signal)).rejects.toMatchObject({ code: 'TIMEOUT' });
  stop.abort();
  await clock.advance(1_000);
  release();
  await Promise.all([first, late, left, ...turns]);
  expect(said).toEqual(['new alarm', 'old alarm', 'alert', 'new note', 'old note']);
});

test('a player that hangs is killed, and the fallback speaks', async () => {
  const sound = machine();
  sound.device('dead', 'hangs');
  const { open, lines } = house(sound, [
    { id: 'hall', device: 'dead', fallback: 'kitchen' },
    { id: 'kitchen', device: 'good' },
  ]);
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

test('an unknown device of the real aplay is named with the command that lists them', async () => {
  const speakers = new Speakers(speakersConfig.parse([{ id: 'hall', device: 'nonsense' }]), someIo());
  await expect(
    speakers.say('hall', 'Hello', { severity: 'info', at: Date.now() }, never),
  ).rejects.toMatchObject({ code: 'UNREACHABLE', message: expect.stringContaining('Unknown PCM nonsense') });
});

test('a missing program is named with its Debian package, an unknown voice with the command that lists them', async () => {
  const { dir, remove } = scratch('path');
  closers.push(remove);
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

test('a Bluetooth speaker within reach is connected before it speaks', async () => {
  const sound = machine();
  sound.bluetooth(mac, 'near');
  const speakers = new Speakers(
    speakersConfig.parse([{ id: 'garden', type: 'bluetooth', mac: 'aa-bb-cc-dd-ee-ff' }]),
    someIo({ env: sound.env }),
    timing,
  );
  const order = { severity: 'info' as const, at: Date.now() };
  await speakers.say('garden', 'Hello', order, never);
  await speakers.say('garden', 'Hello', order, never);
  expect(sound.log()).toEqual([
    `bluetoothctl info ${mac}`,
    `bluetoothctl connect ${mac}`,
    `bluetoothctl info ${mac}`,
    'aplay start default',
    'aplay end default',
    `bluetoothctl info ${mac}`,
    'aplay start default',
    'aplay end default',
  ]);
});

test('a Bluetooth speaker that is away is fetched in the background, ever more rarely, while the fallback speaks', async () => {
  const sound = machine();
  sound.bluetooth(mac, 'away');
  const clock = new ManualClock(1_000_000);
  const { open, say, lines } = house(
    sound,
    [
      { id: 'garden', type: 'bluetooth', mac, device: 'bt', fallback: 'hall' },
      { id: 'hall', device: 'wired', enabled: true },
    ],
    clock,
  );
  const asked = () => sound.log().filter((l) => l.startsWith('bluetoothctl connect')).length;
  await until(() => asked() === 1);
  await until(() => lines.some((l) => l.includes('it is tried again in the background')));
  const speak = () =>
    open.deliver(someAlert({ text: 'Hello', at: clock.now() }), { type: 'speak', speaker: 'garden' }, never);
  await speak();
  // Known to be away: nobody waits for it.
  expect(asked()).toBe(1);
  expect(sound.log().slice(-2)).toEqual(['aplay start wired', 'aplay end wired']);
  await clock.advance(5_000);
  await until(() => asked() === 2);
  sound.bluetooth(mac, 'near');
  await until(async () => {
    await clock.advance(1_000);
    return lines.some((l) => l.includes('the speaker garden is connected again'));
  });
  await speak();
  expect(sound.log().slice(-2)).toEqual(['aplay start bt', 'aplay end bt']);
  sound.bluetooth(mac, 'near');
  // The connection broke; the next look mends it before anybody speaks.
  await clock.advance(61_000);
  await until(() => sound.log().at(-1) === `bluetoothctl info ${mac}`);
  await say('Hello');
  expect(lines.filter((l) => l.includes('WARN'))).toHaveLength(2);
});

test('a speaker that is connected does not wait while another one is searched for', async () => {
  const sound = machine();
  const other = '12:22:33:44:55:66';
  sound.bluetooth(mac, 'connected');
  sound.bluetooth(other, 'searched');
  const settings = speakersConfig.parse([
    { id: 'garden', type: 'bluetooth', mac },
    { id: 'shed', type: 'bluetooth', mac: other, device: 'other' },
  ]);
  const open = openSpeech(settings, someIo({ env: sound.env }), { ...timing, commandMs: 60_000 });
  closers.push(() => open.close());
  await until(() => sound.log().includes(`bluetoothctl connect ${other}`));
  await open.deliver(someAlert({ at: Date.now() }), { type: 'speak', speaker: 'garden' }, never);
  expect(sound.log().at(-1)).toBe('aplay end default');
  // A search that had ended would have been followed by a question.
  expect(sound.log().filter((l) => l === `bluetoothctl info ${other}`)).toHaveLength(1);
});

test('a speaker that was never paired says how to pair it', async () => {
  const sound = machine();
  const { open } = house(sound, [{ id: 'garden', type: 'bluetooth', mac }]);
  expect(await open.check(never)).toEqual({
    state: 'down',
    detail: `the Bluetooth speaker garden (${mac}) was never paired; run \`bluetoothctl pair ${mac}\` and \`bluetoothctl trust ${mac}\``,
  });
});

test('the waits between connections double from 5 s to 5 min', () => {
  expect([0, 1, 2, 5, 6, 99].map((n) => reconnectMs(n, 1))).toEqual([5e3, 1e4, 2e4, 16e4, 3e5, 3e5]);
  expect(reconnectMs(0, 0)).toBe(2_500);
});

test('what was said before is said again without asking the voice', async () => {
  const { dir, remove } = scratch('ready');
  closers.push(remove);
  for (const name of ['aplay', 'espeak-ng']) symlinkSync(`/usr/bin/${name}`, `${dir}/${name}`);
  const open = openSpeech(
    speakersConfig.parse([{ id: 'hall', device: 'null' }]),
    someIo({ env: { PATH: dir } }),
    timing,
  );
  closers.push(() => open.close());
  const say = (text: string) => open.deliver(someAlert({ text, at: Date.now() }), { type: 'speak' }, never);
  await say('A person at the gate');
  rmSync(`${dir}/espeak-ng`);
  await say('A person at the gate');
  await expect(say('Something else')).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('the audio test plays, or writes a file, and names the speakers when it does not know one', async () => {
  const io = someIo();
  const speakers = speakersConfig.parse([
    { id: 'living_room', name: 'Living room', device: 'null', enabled: false },
    { id: 'hall', device: 'null' },
  ]);
  const played = await testAudio(speakers, { speaker: 'living_room' }, io, never);
  expect(played).toMatchObject({
    spokenBy: 'living_room',
    text: 'This is a test of the speaker Living room.',
  });
  expect(renderAudioTest(played)).toMatch(
    /^living_room said "This is a test.*" \(\d\.\d s, first sound after \d+ ms\)$/,
  );
  const { dir, remove } = scratch('audio');
  closers.push(remove);
  const file = `${dir}/out.wav`;
  const written = await testAudio(speakers, { speaker: 'hall', text: 'One two three', file }, io, never);
  expect(written.seconds).toBeGreaterThan(0.5);
  const bytes = readFileSync(file);
  expect(readWavHeader(bytes)).toEqual({ kind: 'header', rate: 22_050, dataAt: 44 });
  expect(bytes.readUInt32LE(40)).toBe(bytes.length - 44);
  await expect(testAudio(speakers, { speaker: 'attic' }, io, never)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: 'there is no speaker attic; there are living_room, hall',
  });
  await expect(
    testAudio(speakers, { speaker: 'hall', file: `${dir}/no/x.wav` }, io, never),
  ).rejects.toMatchObject({
    code: 'USAGE',
  });
});

test('the list shows every speaker with its state', async () => {
  const sound = machine();
  sound.bluetooth(mac, 'connected');
  const speakers = speakersConfig.parse([
    { id: 'hall', enabled: false },
    { id: 'garden', name: 'Garden', type: 'bluetooth', mac, fallback: 'hall' },
  ]);
  const states = await listAudio(speakers, someIo({ env: sound.env }), never);
  expect(states).toEqual([
    { id: 'hall', name: 'hall', type: 'wired', device: 'default', enabled: false },
    {
      id: 'garden',
      name: 'Garden',
      type: 'bluetooth',
      device: 'default',
      enabled: true,
      bluetooth: 'connected',
      fallback: 'hall',
    },
  ]);
  expect(renderSpeakers(states)).toMatch(/hall +hall +wired +default +off/);
  expect(renderSpeakers([])).toBe('No speaker is named under speakers in lares.yaml.');
});

test.each([
  [[{ id: 'a', device: '-D x' }], 'a device does not begin with -'],
  [[{ id: 'a', device: 'x;y' }], 'expected a name as aplay -L prints it'],
  [[{ id: 'a', voice: '-w/etc/passwd' }], 'expected a language or voice'],
  [[{ id: 'a', type: 'bluetooth' }], 'a Bluetooth speaker needs its address'],
  [[{ id: 'a', type: 'bluetooth', mac: 'nonsense' }], 'expected a MAC address'],
  [[{ id: 'a' }, { id: 'a' }], 'there are two speakers a'],
  [[{ id: 'a', fallback: 'b' }], 'there is no speaker b'],
  [
    [
      { id: 'a', fallback: 'b' },
      { id: 'b', fallback: 'a' },
    ],
    'the fallback of a leads back to itself',
  ],
  [[{ id: 'a', volume: 101 }], 'volume'],
  [[{ id: 'a', loudness: 1 }], 'loudness'],
])('the speakers %j are refused', (raw, why) => {
  expect(() => speakersConfig.parse(raw)).toThrow(why);
});

test('a WAV that is written is read again; whatever else comes is refused or waited for, never believed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 4_000, max: 192_000 }),
      fc.uint8Array({ maxLength: 200 }),
      (rate, bytes) => {
        const wav = writeWav({ rate, samples: Buffer.from(bytes) });
        expect(readWavHeader(wav)).toEqual({ kind: 'header', rate, dataAt: 44 });
        for (let cut = 0; cut < 44; cut += 1) expect(readWavHeader(wav.subarray(0, cut)).kind).toBe('more');
      },
    ),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, riff) => {
      const head = riff ? Buffer.from('RIFF\0\0\0\0WAVE', 'latin1') : Buffer.alloc(0);
      expect(['more', 'header', 'bad']).toContain(readWavHeader(Buffer.concat([head, bytes])).kind);
    }),
    { numRuns: 2_000 },
  );
  expect(readWavHeader(Buffer.from('<html><body>no sound here'))).toMatchObject({ kind: 'bad' });
});
