import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse, phones, presenceHouse, states, type PresenceHouse } from './fixture.ts';

let house: PresenceHouse;
beforeEach(async () => {
  house = await presenceHouse();
});
afterEach(() => house.close());

test('people are added and removed without a restart', async () => {
  const { lan, serviceOf } = house;
  const service = await serviceOf();
  service.saw(lan.see(phones.alex));
  service.configure(parse({ people: [{ person: 'alex', wifi_macs: [phones.alex] }, { person: 'jo' }] }));
  expect(service.view().people.map((p) => [p.person, p.state])).toEqual([
    ['alex', 'home'],
    ['jo', 'unknown'],
  ]);
});

test('somebody who is added while their phone is here is home at once, and was never away', async () => {
  const { lines, pass, serviceOf } = house;
  const service = await serviceOf(parse({ people: [] }));
  await pass(service, 600, [phones.alex]);
  service.configure(parse());
  await service.flushed();
  expect([states(service)[0], lines]).toEqual([
    'home',
    ['Detected alex at home (source=wifi)', 'sam is away'],
  ]);
});

test('who is removed and added again begins anew and keeps the habits of their phone', async () => {
  const { lines, pass, serviceOf } = house;
  const service = await serviceOf();
  await pass(service, 3_600, [phones.alex]);
  service.configure(parse({ people: [] }));
  await pass(service, 7_200);
  lines.length = 0;
  service.configure(parse());
  await pass(service, 60, [phones.alex]);
  expect([states(service)[0], lines[0]]).toEqual(['home', 'alex is away']);
  expect(lines.some((line) => line.includes('left home'))).toBe(false);
});

test('a phone that is given to somebody else no longer keeps its former owner at home', async () => {
  const { pass, serviceOf } = house;
  const service = await serviceOf();
  await pass(service, 600, [phones.alex]);
  service.configure(
    parse({
      people: [
        { person: 'alex', wifi_macs: ['02:00:00:00:00:0a'] },
        { person: 'sam', wifi_macs: [phones.alex] },
      ],
    }),
  );
  expect(states(service)).toEqual(['away', 'home']);
});

test('what is no longer asked about somebody no longer keeps them at home', async () => {
  const { clock, pass, serviceOf } = house;
  const alex = { person: 'alex', homeassistant_device_trackers: ['device_tracker.tablet'] };
  const service = await serviceOf(parse({ people: [{ ...alex, homeassistant_entity: 'person.alex' }] }));
  const say = (entity: string, state: 'home' | 'away') =>
    service.report({
      source: 'homeassistant',
      person: 'alex',
      state,
      at: clock.now(),
      entity,
      gps: false,
    });
  say('person.alex', 'away');
  say('device_tracker.tablet', 'home');
  await pass(service, 60);
  expect(service.view().people[0]?.from.homeassistant).toBe(1);
  service.configure(parse({ people: [{ person: 'alex', homeassistant_entity: 'person.alex' }] }));
  expect(service.view().people[0]?.from.homeassistant).toBe(0);
  expect(service.view().people[0]?.evidence).toHaveLength(1);
});

test('a phone not seen for a quarter of a year is forgotten', async () => {
  const { clock, lan, serviceOf, store } = house;
  const service = await serviceOf();
  service.saw(lan.see(phones.alex));
  clock.jump(91 * 86_400_000);
  const second = '02:00:00:00:00:0b';
  service.configure(parse({ people: [{ person: 'alex', wifi_macs: [phones.alex, second] }] }));
  service.saw(lan.see(second));
  await service.stop();
  const saved = await store.state.get<{ beliefs: { person: string; seen: object }[] }>('presence.beliefs');
  expect(saved?.beliefs.find((b) => b.person === 'alex')?.seen).toEqual({ [second]: clock.now() });
});
