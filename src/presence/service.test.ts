import { afterEach, beforeEach, expect, test } from 'vitest';
import { noon, parse, phones, presenceHouse, states, type PresenceHouse } from './fixture.ts';
import { presenceReadings } from './metrics.ts';

let house: PresenceHouse;
beforeEach(async () => {
  house = await presenceHouse();
});
afterEach(() => house.close());

test('an arrival is logged, kept with its evidence, and told at once', async () => {
  const { lan, lines, serviceOf, store } = house;
  const service = await serviceOf();
  const told: number[] = [];
  service.onChange((view) => told.push(view.countHome));
  service.saw(lan.see(phones.alex));
  await service.flushed();
  const [event] = await store.journal.list({ subject: 'person:alex' });
  expect(told).toEqual([1]);
  expect(lines).toEqual(['Detected alex at home (source=wifi)']);
  expect(event).toMatchObject({
    kind: 'presence.arrived',
    at: noon,
    cause: 'fusion',
    data: { from: 'unknown', to: 'home' },
    evidence: [{ source: 'wifi', text: `${phones.alex} was on Wi-Fi 0 s ago` }],
  });
});

test('a departure comes after the grace period and says how long it was silent', async () => {
  const { lan, lines, pass, serviceOf } = house;
  const service = await serviceOf(parse({ policy: 'fixed' }));
  service.saw(lan.see(phones.alex));
  await pass(service, 295);
  expect(states(service)[0]).toBe('home');
  await pass(service, 5);
  expect([states(service)[0], lines.filter((l) => l.startsWith('alex'))]).toEqual([
    'away',
    ['alex left home after 300 s of silence'],
  ]);
});

test('a restart forgets nobody, and the time in between is not silence', async () => {
  const { clock, lan, lines, pass, serviceOf } = house;
  const before = await serviceOf(parse({ policy: 'fixed' }));
  before.saw(lan.see(phones.alex));
  await pass(before, 60);
  await before.stop();
  await clock.advance(3_600_000);
  lines.length = 0;
  const after = await serviceOf(parse({ policy: 'fixed' }));
  await pass(after, 295);
  expect(states(after)[0]).toBe('home');
  await pass(after, 10);
  expect([states(after)[0], lines]).toEqual([
    'away',
    ['alex left home after 3960 s of silence', 'sam is away'],
  ]);
});

test('while the scanner is down nobody leaves; when it works again everybody has their full grace', async () => {
  const { lan, pass, scanner, serviceOf } = house;
  const service = await serviceOf(parse({ policy: 'fixed' }));
  service.saw(lan.see(phones.alex));
  scanner.works = false;
  await pass(service, 3_600);
  expect(states(service)[0]).toBe('home');
  // The metric of the source itself does not claim what nobody has looked at for an hour.
  expect(service.view().people[0]?.from.wifi).toBe(0);
  scanner.works = true;
  await pass(service, 290);
  expect(states(service)[0]).toBe('home');
  await pass(service, 20);
  expect(states(service)[0]).toBe('away');
});

test.each([3_600_000, -3_600_000])(
  'setting the clock by %i ms sends nobody away and holds nobody',
  async (byMs) => {
    const { bus, clock, lan, pass, serviceOf } = house;
    const service = await serviceOf(parse({ policy: 'fixed' }));
    service.saw(lan.see(phones.alex));
    await pass(service, 100);
    clock.jump(byMs);
    bus.emit('clock.jumped', { byMs });
    await pass(service, 195);
    expect(states(service)[0]).toBe('home');
    await pass(service, 10);
    expect(states(service)[0]).toBe('away');
  },
);

test('Home Assistant, a host name and an address all lead to the same person', async () => {
  const { clock, lan, serviceOf } = house;
  const service = await serviceOf();
  service.saw(lan.see('02:00:00:00:00:77', { hostname: 'Sams-Pixel' }));
  const at = clock.now();
  service.report({
    source: 'homeassistant',
    person: 'alex',
    state: 'home',
    at,
    entity: 'person.alex',
    gps: true,
  });
  const { people, countHome } = service.view();
  expect([countHome, people.map((p) => p.from)]).toEqual([
    2,
    [
      { wifi: 0, homeassistant: 1, tado: 0 },
      { wifi: 1, homeassistant: 0, tado: 0 },
    ],
  ]);
});

test('an exit seen at the door shortens the wait for the one who went silent, not for the one who answers', async () => {
  const { bus, clock, lan, pass, serviceOf, store } = house;
  const service = await serviceOf();
  service.saw(lan.see(phones.alex));
  service.saw(lan.see(phones.sam));
  bus.emit('movement', { direction: 'exit', at: clock.now() + 5_000, source: 'camera.front', confidence: 1 });
  await pass(service, 190, [phones.sam]);
  const [event] = await store.journal.list({ kinds: ['presence.left'] });
  expect([states(service), event?.evidence.map((e) => e.source).toSorted()]).toEqual([
    ['away', 'home'],
    ['camera.front', 'wifi'],
  ]);
});

test('in every tick the count equals the sum, and six people make 27 readings', async () => {
  const { pass, serviceOf } = house;
  const six = ['alex', 'sam', 'jo', 'kit', 'max', 'robin'].map((person, i) => ({
    person,
    wifi_macs: [`02:00:00:00:00:0${i + 1}`],
  }));
  const service = await serviceOf(parse({ people: six }));
  for (let round = 0; round < 40; round += 1) {
    await pass(
      service,
      50,
      six.filter((_, i) => (round >> (i % 4)) % 2 === 0).map((p) => p.wifi_macs[0] ?? ''),
    );
    const readings = presenceReadings(service.view(), 'home.presence', []);
    const value = (leaf: string) =>
      readings.filter((r) => r.series.endsWith(leaf)).reduce((n, r) => n + r.value, 0);
    expect([readings.length, value('.count_home'), value('.anyone_home')]).toEqual([
      27,
      value('.is_home'),
      value('.is_home') > 0 ? 1 : 0,
    ]);
  }
});

test('a phone that nobody owns is counted as a guest after ten minutes, and not kept', async () => {
  const { pass, serviceOf } = house;
  const service = await serviceOf();
  await pass(service, 900, ['da:a1:19:00:00:05']);
  expect(service.view().guests).toBe(1);
  await pass(service, 1_800);
  expect(service.view().guests).toBe(0);
});

test('what lives here is no guest after a restart', async () => {
  const { clock, lan, pass, serviceOf } = house;
  const tablet = 'da:a1:19:00:00:05';
  const before = await serviceOf();
  lan.see(tablet);
  for (let day = 0; day < 5 * 24; day += 1) {
    await clock.advance(3_000_000);
    lan.see(tablet);
    await before.maintain();
  }
  expect(before.view().guests).toBe(0);
  await before.stop();
  const after = await serviceOf();
  await pass(after, 900, [tablet]);
  expect(after.view().guests).toBe(0);
});

test('a database that cannot be written stops nobody from arriving', async () => {
  const { lan, lines, serviceOf, store } = house;
  const service = await serviceOf();
  await store.close();
  service.saw(lan.see(phones.alex));
  await service.maintain();
  await service.flushed();
  expect([states(service)[0], lines.filter((l) => l.includes('could not be kept')).length]).toEqual([
    'home',
    1,
  ]);
});

test.each([3_600_000, -3_600_000])(
  'what is seen and looked at between a jump of the clock by %i ms and its discovery holds nobody',
  async (byMs) => {
    const { bus, clock, lan, pass, serviceOf } = house;
    const service = await serviceOf(parse({ policy: 'fixed' }));
    await pass(service, 100, [phones.alex]);
    clock.jump(byMs);
    service.saw(lan.see(phones.alex));
    service.view();
    bus.emit('clock.jumped', { byMs });
    await pass(service, 310);
    expect(states(service)[0]).toBe('away');
  },
);

test('a listener that fails stops neither the arrival nor the other listeners', async () => {
  const { lan, lines, serviceOf } = house;
  const service = await serviceOf();
  const told: number[] = [];
  service.onChange(() => {
    throw new Error('planted');
  });
  service.onChange((view) => told.push(view.countHome));
  service.saw(lan.see(phones.alex));
  expect([told, states(service)[0], lines.at(-1)]).toEqual([
    [1],
    'home',
    expect.stringMatching(/^presence error: a listener failed: planted/),
  ]);
});

test('a passage that is told again with a name no longer speaks against the others', async () => {
  const { bus, clock, lan, serviceOf } = house;
  const service = await serviceOf();
  service.saw(lan.see(phones.sam));
  await clock.advance(40_000);
  const left = () =>
    service
      .view()
      .people.find((p) => p.person === 'sam')!
      .evidence.filter((e) => e.source === 'camera.front')
      .map((e) => e.text);
  const exit = {
    direction: 'exit',
    at: clock.now(),
    source: 'camera.front',
    confidence: 0.8,
    ref: 'event-1',
  } as const;
  bus.emit('movement', exit);
  expect(left()).toEqual(['somebody left through a watched door']);
  bus.emit('movement', { ...exit, person: 'alex' });
  expect(left()).toEqual([]);
});
