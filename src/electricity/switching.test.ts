import { expect, test } from 'vitest';
import { house, lamp } from './fixture.ts';

test('somebody who presses the button is in the journal as the device itself', async () => {
  const { announce, say, events } = await house();
  announce(lamp);
  say(lamp.id, { is_on: 1 });
  say(lamp.id, { is_on: 1 });
  say(lamp.id, { is_on: 0 });
  const [event, ...more] = await events('electricity.turned-off');
  expect(more).toEqual([]);
  expect(event).toMatchObject({
    subject: 'device:kasa:80aa01',
    cause: 'device',
    data: { name: 'Living room lamp' },
  });
});

test('switching reads back, and says in the journal who, why and what came of it', async () => {
  const { announce, say, service, events } = await house();
  const asked: boolean[] = [];
  announce(lamp, { switches: { turn: async (on: boolean) => (asked.push(on), on) } });
  say(lamp.id, { is_on: 1 });
  const done = await service.turn(
    'living room LAMP',
    false,
    'user:cli',
    'bedtime',
    AbortSignal.timeout(60_000),
  );
  expect([done.path, done.isOn, asked]).toEqual(['kasa.living_room_lamp', false, [false]]);
  const [event] = await events('electricity.switched');
  expect(event).toMatchObject({
    id: done.event,
    subject: 'device:kasa:80aa01',
    cause: 'user:cli',
    data: { wanted: false, why: 'bedtime', is_on: false, was_on: true },
  });
  say(lamp.id, { is_on: 0 });
  expect(await events('electricity.turned-off')).toEqual([]);
});

test('what a device pushes while it is being switched is not taken for somebody at its button', async () => {
  const { announce, say, service, events } = await house();
  const turn = async (on: boolean) => {
    say(lamp.id, { is_on: on ? 1 : 0 });
    return on;
  };
  announce(lamp, { switches: { turn } });
  say(lamp.id, { is_on: 1, power_watts: 40 });
  await service.turn('kasa.living_room_lamp', false, 'user:cli', '', AbortSignal.timeout(60_000));
  expect(await events('electricity.turned-off')).toEqual([]);
  expect(await events('electricity.switched')).toHaveLength(1);
  say(lamp.id, { is_on: 1 });
  expect(await events('electricity.turned-on')).toHaveLength(1);
});

test('a device that was silent is heard again when it says that it switched', async () => {
  const { announce, say, service, clock, device } = await house();
  announce(lamp, { switches: { turn: async (on: boolean) => on } });
  say(lamp.id, { is_on: 1, power_watts: 40 });
  await clock.advance(600_000);
  await service.turn('kasa.living_room_lamp', false, 'user:cli', '', AbortSignal.timeout(60_000));
  expect(device('kasa.living_room_lamp')).toMatchObject({ state: 'ok', values: { is_on: 0 } });
});

test('a device that says something else after the command has not been switched', async () => {
  const { announce, service, events } = await house();
  announce(lamp, { switches: { turn: async () => true } });
  const turned = service.turn('kasa.living_room_lamp', false, 'user:cli', '', AbortSignal.timeout(60_000));
  await expect(turned).rejects.toMatchObject({ code: 'BAD_REPLY' });
  expect(await events('electricity.switched')).toEqual([]);
  expect(await events('electricity.switch-failed')).toHaveLength(1);
});

test('a device with control: false is refused, and the refusal is kept', async () => {
  const settings = { devices: [{ device: 'Living room lamp', control: false }] };
  const { announce, service, events, device } = await house(settings);
  let asked = 0;
  announce(lamp, { switches: { turn: async () => (asked++, true) } });
  expect(device('kasa.living_room_lamp').control).toBe('forbidden');
  const turned = service.turn('kasa.living_room_lamp', true, 'mqtt', '', AbortSignal.timeout(60_000));
  await expect(turned).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(asked).toBe(0);
  expect((await events('electricity.switch-refused')).map((e) => e.cause)).toEqual(['mqtt']);
});
