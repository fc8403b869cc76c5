import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { isRandomised } from '#devices/mac.ts';
import type { LanDevice, LanSighting } from '#devices/model.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger, silent } from '#platform/log.ts';
import { openStore, type Store } from '#store/index.ts';
import { presenceConfig } from './config.ts';
import { presenceReadings } from './metrics.ts';
import { PresenceService, type Lan } from './service.ts';

const noon = Date.UTC(2026, 10, 21, 12);
const phones = { alex: '02:00:00:00:00:01', sam: '02:00:00:00:00:02' };
const parse = (over: object = {}) =>
  presenceConfig.parse({
    people: [
      { person: 'alex', wifi_macs: [phones.alex] },
      { person: 'sam', wifi_macs: [phones.sam], wifi_hostnames: ['sams-*'] },
    ],
    ...over,
  });

/** A LAN whose devices a test lets appear; the registry of a real house keeps the same rows. */
class TestLan implements Lan {
  readonly rows = new Map<string, LanDevice>();
  readonly clock: ManualClock;
  constructor(clock: ManualClock) {
    this.clock = clock;
  }
  see(mac: string, over: Partial<LanDevice> = {}): LanSighting {
    const at = this.clock.now();
    const before = this.rows.get(mac);
    const row: LanDevice = {
      mac,
      ip: '10.0.0.9',
      network: '10.0.0.0/24',
      hostname: undefined,
      vendor: undefined,
      randomised: isRandomised(mac),
      dhcpFingerprint: undefined,
      dhcpVendorClass: undefined,
      ipv6Suffix: undefined,
      firstSeen: at,
      lastVia: 'arp-reply',
      ...before,
      lastSeen: at,
      ...over,
    };
    this.rows.set(mac, row);
    const { hostname } = row;
    return {
      mac,
      ip: row.ip,
      at,
      via: 'arp-reply',
      network: row.network,
      ...(hostname === undefined ? {} : { hostname }),
    };
  }
  devices = () => [...this.rows.values()];
  get = (mac: string) => this.rows.get(mac);
  present = (withinMs: number) => this.devices().filter((d) => this.clock.now() - d.lastSeen <= withinMs);
}

let dir: string;
let clock: ManualClock;
let store: Store;
let lan: TestLan;
let bus: Bus;
let lines: string[];
let scannerWorks: boolean;

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-presence-'));
  clock = new ManualClock(noon);
  lan = new TestLan(clock);
  lines = [];
  scannerWorks = true;
  bus = new Bus((error) => {
    throw error;
  });
  store = await openStore({ dataDir: dir, clock, log: silent, bus, migrations: [] });
});

afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

const logger = () =>
  new Logger({ write: (line) => lines.push(line.split('|').at(-1) ?? ''), now: () => clock.now() });

async function serviceOf(config = parse()): Promise<PresenceService> {
  const service = new PresenceService(config, {
    clock,
    log: logger(),
    bus,
    store,
    lan,
    lanWorks: () => scannerWorks,
    hourOf: (at) => new Date(at).getUTCHours(),
    scanIntervalMs: () => 30_000,
    reportTtlMs: () => ({ homeassistant: 600_000, tado: 2_700_000 }),
  });
  await service.start();
  return service;
}

/** Lets time pass in 5 s ticks, judging at each as the house does; phones in `present` answer at every tick. */
async function pass(service: PresenceService, seconds: number, present: string[] = []): Promise<void> {
  for (let s = 0; s < seconds; s += 5) {
    await clock.advance(5_000);
    for (const mac of present) service.saw(lan.see(mac));
    service.view();
    await service.maintain();
  }
  await service.flushed();
}

const states = (service: PresenceService) => service.view().people.map((p) => p.state);

test('an arrival is logged, kept with its evidence, and told at once', async () => {
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
  const service = await serviceOf(parse({ policy: 'fixed' }));
  service.saw(lan.see(phones.alex));
  scannerWorks = false;
  await pass(service, 3_600);
  expect(states(service)[0]).toBe('home');
  // The metric of the source itself does not claim what nobody has looked at for an hour.
  expect(service.view().people[0]?.from.wifi).toBe(0);
  scannerWorks = true;
  await pass(service, 290);
  expect(states(service)[0]).toBe('home');
  await pass(service, 20);
  expect(states(service)[0]).toBe('away');
});

test.each([3_600_000, -3_600_000])(
  'setting the clock by %i ms sends nobody away and holds nobody',
  async (byMs) => {
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

test('people are added and removed without a restart', async () => {
  const service = await serviceOf();
  service.saw(lan.see(phones.alex));
  service.configure(parse({ people: [{ person: 'alex', wifi_macs: [phones.alex] }, { person: 'jo' }] }));
  expect(service.view().people.map((p) => [p.person, p.state])).toEqual([
    ['alex', 'home'],
    ['jo', 'unknown'],
  ]);
});

test('a changed address is proposed, used by itself only above the configured confidence, and keeps its habits', async () => {
  const fresh = '02:00:00:00:00:99';
  const rotate = async (service: PresenceService) => {
    for (const mac of [phones.alex])
      service.saw(lan.see(mac, { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' }));
    await pass(service, 120, [phones.alex]);
    lan.see(fresh, { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' });
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

test('a phone that nobody owns is counted as a guest after ten minutes, and not kept', async () => {
  const service = await serviceOf();
  await pass(service, 900, ['da:a1:19:00:00:05']);
  expect(service.view().guests).toBe(1);
  await pass(service, 1_800);
  expect(service.view().guests).toBe(0);
});

test('a database that cannot be written stops nobody from arriving', async () => {
  const service = await serviceOf();
  await store.close();
  service.saw(lan.see(phones.alex));
  await service.maintain();
  await service.flushed();
  expect([states(service)[0], lines.filter((l) => l.includes('could not be kept')).length]).toEqual([
    'home',
    1,
  ]);
  store = await openStore({ dataDir: dir, clock, log: silent, bus, migrations: [] });
});

test.each([3_600_000, -3_600_000])(
  'what is seen and looked at between a jump of the clock by %i ms and its discovery holds nobody',
  async (byMs) => {
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

test('somebody who is added while their phone is here is home at once, and was never away', async () => {
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

test('a phone not seen for a quarter of a year is forgotten', async () => {
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

test('what the configuration says of an address counts more than a link that was made by itself', async () => {
  const fresh = '02:00:00:00:00:99';
  const trusting = { randomised_macs: { relink_above: 0.6 } };
  const service = await serviceOf(parse(trusting));
  const traits = { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' };
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
  const fresh = '02:00:00:00:00:99';
  const service = await serviceOf(parse({ randomised_macs: { relink_above: 0.6 } }));
  const traits = { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' };
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

test('what lives here is no guest after a restart', async () => {
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

test('a phone whose new address was accepted keeps its habits', async () => {
  const fresh = '02:00:00:00:00:99';
  const traits = { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' };
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
  const fresh = '02:00:00:00:00:99';
  const traits = { hostname: 'alexs-own-phone', dhcpFingerprint: '1,3,6' };
  const service = await serviceOf();
  const report = { source: 'homeassistant', person: 'alex', state: 'away', entity: 'person.alex' } as const;
  service.report({ ...report, at: clock.now(), gps: true });
  await pass(service, 3_600, [phones.alex]);
  service.saw(lan.see(phones.alex, traits));
  lan.see(fresh, traits);
  await pass(service, 300, [fresh]);
  expect(service.suggestions()[0]?.evidence.map((e) => e.source)).not.toContain('homeassistant');
});

test('a listener that fails stops neither the arrival nor the other listeners', async () => {
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
