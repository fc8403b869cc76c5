import { afterEach, beforeEach, expect, test } from 'vitest';
import { parse, phones, presenceHouse, type PresenceHouse } from './fixture.ts';
import type { PresenceService } from './service.ts';

let house: PresenceHouse;
beforeEach(async () => {
  house = await presenceHouse();
});
afterEach(() => house.close());

/** The address that the phone of alex changes to, and by what it is known again. */
const fresh = '02:00:00:00:00:99';
const traits = { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' };

test('a changed address is proposed, used by itself only above the configured confidence, and keeps its habits', async () => {
  const { lan, pass, serviceOf } = house;
  const rotate = async (service: PresenceService) => {
    service.saw(lan.see(phones.alex, traits));
    await pass(service, 120, [phones.alex]);
    lan.see(fresh, traits);
    await pass(service, 300, [fresh]);
    return service;
  };
  const asking = await rotate(await serviceOf());
  expect(asking.suggestions()).toMatchObject([
    { person: 'alex', mac: fresh, replaces: phones.alex, status: 'open' },
  ]);
  expect(asking.ownerOf(fresh, undefined)).toBeUndefined();
  const trusting = await serviceOf(parse({ randomised_macs: { relink_above: 0.6 } }));
  await pass(trusting, 60, [fresh]);
  expect([trusting.ownerOf(fresh, undefined), trusting.suggestions()[0]?.status]).toEqual([
    'alex',
    'applied',
  ]);
  await trusting.stop();
  expect((await serviceOf(parse({ randomised_macs: { relink_above: 0.6 } }))).ownerOf(fresh, undefined)).toBe(
    'alex',
  );
});

test('what the configuration says of an address counts more than a link that was made by itself', async () => {
  const { lan, pass, serviceOf } = house;
  const trusting = { randomised_macs: { relink_above: 0.6 } };
  const service = await serviceOf(parse(trusting));
  service.saw(lan.see(phones.alex, traits));
  await pass(service, 120, [phones.alex]);
  lan.see(fresh, traits);
  await pass(service, 300, [fresh]);
  expect(service.ownerOf(fresh, undefined)).toBe('alex');
  service.configure(
    parse({
      ...trusting,
      people: [
        { person: 'alex', wifi_macs: [phones.alex] },
        { person: 'sam', wifi_macs: [fresh] },
      ],
    }),
  );
  expect(service.ownerOf(fresh, undefined)).toBe('sam');
  service.configure(parse({ ...trusting, people: [{ person: 'sam', wifi_macs: [phones.sam] }] }));
  expect(service.ownerOf(fresh, undefined)).toBeUndefined();
});

test('a link that was made by itself is undone when somebody rejects it', async () => {
  const { lan, pass, serviceOf, store } = house;
  const service = await serviceOf(parse({ randomised_macs: { relink_above: 0.6 } }));
  service.saw(lan.see(phones.alex, traits));
  await pass(service, 120, [phones.alex]);
  lan.see(fresh, traits);
  await pass(service, 300, [fresh]);
  await store.state.set('presence.rejected', [service.suggestions()[0]?.id]);
  await pass(service, 60, [fresh]);
  expect([service.ownerOf(fresh, undefined), service.suggestions()[0]?.status]).toEqual([
    undefined,
    'rejected',
  ]);
});

test('a phone whose new address was accepted keeps its habits', async () => {
  const { lan, pass, serviceOf, store } = house;
  const service = await serviceOf();
  service.saw(lan.see(phones.alex, traits));
  await pass(service, 120, [phones.alex]);
  await pass(service, 300);
  await pass(service, 120, [phones.alex]);
  lan.see(fresh, traits);
  await pass(service, 300, [fresh]);
  service.configure(parse({ people: [{ person: 'alex', wifi_macs: [phones.alex, fresh] }] }));
  await service.stop();
  const saved = await store.state.get<{ beliefs: { habits: Record<string, { counts: number[] }> }[] }>(
    'presence.beliefs',
  );
  const habits = saved?.beliefs[0]?.habits ?? {};
  expect(habits[fresh]?.counts).toEqual(habits[phones.alex]?.counts);
  expect(habits[fresh]?.counts).toHaveLength(26);
});

test('what a source said long ago does not speak against a new address', async () => {
  const { clock, lan, pass, serviceOf } = house;
  const service = await serviceOf();
  const report = { source: 'homeassistant', person: 'alex', state: 'away', entity: 'person.alex' } as const;
  service.report({ ...report, at: clock.now(), gps: true });
  await pass(service, 3_600, [phones.alex]);
  service.saw(lan.see(phones.alex, traits));
  lan.see(fresh, traits);
  await pass(service, 300, [fresh]);
  expect(service.suggestions()[0]?.evidence.map((e) => e.source)).not.toContain('homeassistant');
});
