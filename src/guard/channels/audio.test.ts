import { readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { listAudio, renderAudioTest, renderSpeakers, testAudio } from './audio.ts';
import { speakersConfig } from './config.ts';
import { someIo } from './fixture.ts';
import { closeAll, folder, mac, machine, never } from './speak/fixture.ts';
import { readWavHeader } from './speak/wav.codec.ts';

afterEach(closeAll);

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
  const dir = folder();
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
