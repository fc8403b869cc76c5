import { isDeepStrictEqual } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { ManualClock } from '#platform/clock.ts';
import { until } from '../../../../tests/servers/process.ts';
import { speakersConfig } from '../config.ts';
import { someAlert, someIo } from '../fixture.ts';
import { reconnectMs } from './bluetooth.ts';
import { closeAll, house, mac, machine, never, patient } from './fixture.ts';
import { Speakers } from './speech.ts';

afterEach(closeAll);

test('a Bluetooth speaker within reach is connected before it speaks', async () => {
  const sound = machine();
  sound.bluetooth(mac, 'near');
  const speakers = new Speakers(
    speakersConfig.parse([{ id: 'garden', type: 'bluetooth', mac: 'aa-bb-cc-dd-ee-ff' }]),
    someIo({ env: sound.env }),
    patient,
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
    { clock },
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
  const info = `bluetoothctl info ${mac}`;
  const mended = [info, `bluetoothctl connect ${mac}`, info];
  await until(() => isDeepStrictEqual(sound.log().slice(-3), mended));
  await say('Hello');
  expect(lines.filter((l) => l.includes('WARN'))).toHaveLength(2);
});

test('a speaker that is connected does not wait while another one is searched for', async () => {
  const sound = machine();
  const other = '12:22:33:44:55:66';
  sound.bluetooth(mac, 'connected');
  sound.bluetooth(other, 'searched');
  const { open } = house(sound, [
    { id: 'garden', type: 'bluetooth', mac },
    { id: 'shed', type: 'bluetooth', mac: other, device: 'other' },
  ]);
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
