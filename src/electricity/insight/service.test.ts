import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NewEvent } from '#kernel/event.ts';
import type { ChartPoint } from '#store/model.ts';
import { houseId, type Slot, slotMs } from '../energy/model.ts';
import { type Episode, type Episodes, settle } from './episodes.rules.ts';
import { type Home, makeHome } from './home.fixture.ts';
import { Insight, type Occupancy, type Watched } from './service.ts';

const minuteMs = 60_000;
const dayMs = 86_400_000;

/** A made-up house that lives through its minutes, with its ledger, its log and its store in memory. */
class House {
  readonly documents = new Map<string, string>();
  readonly events: NewEvent[] = [];
  readonly power = new Map<string, number[]>();
  readonly warnings: string[] = [];
  minute = 0;
  insight: Insight;
  storeWorks = true;
  silent = new Set<string>();
  readonly from: number;

  constructor(home: Home) {
    this.from = home.from;
    this.power.set(houseId, [...home.house]);
    for (const name of ['fridge', 'freezer', 'tv', 'iron'] as const) this.power.set(name, [...home[name]]);
    this.insight = this.#insight();
  }

  get now(): number {
    return this.from + this.minute * minuteMs;
  }

  #insight(): Insight {
    const slots = (id: string, from: number, to: number): Promise<readonly Slot[]> => {
      const power = this.power.get(id) ?? [];
      const found: Slot[] = [];
      for (
        let at = Math.max(this.from, Math.floor(from / slotMs) * slotMs);
        at < Math.min(to, this.now);
        at += slotMs
      ) {
        const first = (at - this.from) / minuteMs;
        const watts = power.slice(first, Math.min(first + 15, this.minute));
        const wh = watts.reduce((sum, w) => sum + w, 0) / 60;
        found.push({ at, wh, exportWh: 0, how: 'integrated', coveredMs: watts.length * minuteMs });
      }
      return Promise.resolve(found);
    };
    return new Insight({
      log: { warn: (message) => this.warnings.push(message) },
      book: { slots, devices: () => Promise.resolve([...this.power.keys()]) },
      readings: {
        samples: (_, from, to) =>
          Promise.resolve(
            (this.power.get(houseId) ?? [])
              .map((w, i): [number, number] => [this.from + i * minuteMs, w])
              .filter(([at]) => at >= from && at < Math.min(to, this.now)),
          ),
        chart: (series, from, to) => {
          const points: ChartPoint[] = [];
          const power = this.power.get(series) ?? [];
          for (
            let i = Math.max(0, (from - this.from) / minuteMs);
            i + 5 <= Math.min(this.minute, (to - this.from) / minuteMs);
            i += 5
          ) {
            const watts = power.slice(i, i + 5);
            const mean = watts.reduce((sum, w) => sum + w, 0) / 5;
            points.push({
              at: this.from + i * minuteMs,
              mean,
              min: Math.min(...watts),
              max: Math.max(...watts),
            });
          }
          return Promise.resolve(points);
        },
      },
      state: {
        get: <T>(key: string) =>
          Promise.resolve(JSON.parse(this.documents.get(key) ?? 'null') ?? (undefined as T | undefined)),
        set: (key, value) => {
          if (!this.storeWorks) return Promise.reject(new Error('disk full'));
          this.documents.set(key, JSON.stringify(value));
          return Promise.resolve();
        },
        delete: () => Promise.resolve(),
      },
      devices: () => [...this.power.keys()].filter((id) => id !== houseId).map((id) => this.#watched(id)),
      emit: (event) => this.events.push(event),
      timeZone: () => 'Etc/UTC',
      pricePerKwh: () => 0.3,
      houseSeries: houseId,
    });
  }

  #watched(id: string): Watched {
    const watts = this.silent.has(id) ? undefined : this.power.get(id)?.[this.minute - 1];
    return { id, name: id[0]!.toUpperCase() + id.slice(1), watts, series: id };
  }

  /** Lives on for `minutes`. */
  async live(minutes: number, home: Occupancy = {}): Promise<void> {
    for (let i = 0; i < minutes; i += 1) {
      this.minute += 1;
      await this.insight.minute(this.now, this.power.get(houseId)?.[this.minute - 1], home);
      if (this.minute % 60 === 0) await this.insight.hourly(this.now);
    }
  }

  /** Ends without a word and starts again `minutes` later. */
  async crash(minutes: number): Promise<void> {
    this.minute += minutes;
    this.insight = this.#insight();
    await this.insight.start(this.now);
  }

  /** From now on for `minutes`, a device draws this; the house with it. */
  plant(id: string, minutes: number, watts: (i: number) => number): void {
    const [own, house] = [this.power.get(id)!, this.power.get(houseId)!];
    for (let i = 0; i < minutes && this.minute + i < own.length; i += 1) {
      const k = this.minute + i;
      house[k] = house[k]! + watts(i) - own[k]!;
      own[k] = watts(i);
    }
  }

  kinds(not = 'electricity.appliance'): string[] {
    return this.events.filter((e) => e.kind !== not).map((e) => `${e.kind} ${e.subject}`);
  }
}

const home = makeHome({ days: 60, seed: 31 });

test('sixty days pass without an alarm, while the appliances are told', async () => {
  const house = new House(home);
  await house.live(60 * 1_440 - 1);
  expect(house.kinds()).toEqual([]);
  const told = house.events.map((e) => e.subject);
  const uses = (appliance: string) => home.uses.filter((u) => u.appliance === appliance).length;
  for (const appliance of ['kettle', 'washing_machine', 'dishwasher']) {
    const share = told.filter((s) => s === `appliance:${appliance}`).length / uses(appliance);
    expect([appliance, share > 0.85 && share < 1.15]).toEqual([appliance, true]);
  }
  expect(house.warnings).toEqual([]);
});

test('the report tells standby in money, the base load and what was recognised', async () => {
  const house = new House(home);
  await house.live(9 * 1_440);
  const { standby, baseLoad, anomalies, appliances } = await house.insight.report(house.now);
  expect(standby.map((s) => [s.id, s.kind])).toEqual(
    expect.arrayContaining([
      ['tv', 'standby'],
      ['fridge', 'cycling'],
      ['freezer', 'cycling'],
    ]),
  );
  const tv = standby.find((s) => s.id === 'tv');
  expect(tv?.watts).toBeCloseTo(0.85, 1);
  expect(tv?.costPerYear).toBeCloseTo(tv!.kwhPerYear * 0.3, 9);
  expect(baseLoad?.watts).toBeGreaterThan(70);
  expect(baseLoad?.watts).toBeLessThan(130);
  expect(house.insight.baseLoadWatts()).toBe(baseLoad?.watts);
  expect(anomalies).toEqual([]);
  expect(appliances.length).toBeGreaterThan(20);
  expect(appliances.map((a) => a.to)).toEqual(appliances.map((a) => a.to).toSorted((a, b) => b - a));
});

const learned = (async () => {
  const house = new House(home);
  await house.live(28 * 1_440);
  return house;
})();

/** A house that was watched for four weeks, with midnight just past. */
async function watched(): Promise<House> {
  const { documents, minute } = await learned;
  const house = new House(home);
  for (const [key, value] of documents) house.documents.set(key, value);
  house.minute = minute;
  await house.crash(0);
  return house;
}

test('each planted fault is told once with its reason, and once when it is over', async () => {
  const house = await watched();
  house.plant('freezer', 540, () => 97);
  await house.live(540);
  expect(house.kinds()).toEqual(['electricity.anomaly device:freezer']);
  const [event] = house.events.filter((e) => e.kind === 'electricity.anomaly');
  expect(event?.data).toMatchObject({ what: 'runs-too-long', severity: 'warning' });
  expect(event?.data['text']).toMatch(/^Freezer has run \d h( \d+ min)? without a pause \(usual: 2\d min\)$/);
  expect(event?.evidence).toHaveLength(2);
  const report = await house.insight.report(house.now);
  expect(report.anomalies.map((a) => a.text)).toEqual([
    expect.stringMatching(/^Freezer has run (9 h|8 h) without a pause/) as string,
  ]);
  await house.live(180);
  expect(house.kinds()).toEqual([
    'electricity.anomaly device:freezer',
    'electricity.anomaly-ended device:freezer',
  ]);
  expect((await house.insight.report(house.now)).anomalies).toEqual([]);
});

test('a fault is not told again after a crash in the middle of it', async () => {
  const house = await watched();
  house.plant('freezer', 700, () => 0.2);
  await house.live(400);
  await house.crash(10);
  await house.live(290);
  expect(house.kinds()).toEqual(['electricity.anomaly device:freezer']);
  expect(house.events.find((e) => e.kind === 'electricity.anomaly')?.data['what']).toBe('does-not-run');
});

test('far more energy than usual is told once, and over with the day', async () => {
  const house = await watched();
  house.plant('tv', 1_000, () => 450);
  await house.live(1_439);
  await house.live(120);
  const about = house.events
    .filter((e) => e.subject === 'device:tv')
    .map((e) => `${e.kind} ${String(e.data['what'])}`);
  expect(about).toContain('electricity.anomaly uses-too-much');
  expect(about).toContain('electricity.anomaly-ended uses-too-much');
  expect(new Set(about).size).toBe(about.length);
});

test('a step of the base load is told once, and stays told through a crash', async () => {
  const house = await watched();
  const power = house.power.get(houseId)!;
  for (let i = house.minute; i < power.length; i += 1) power[i] = power[i]! + 90;
  await house.live(4 * 1_440);
  await house.crash(5);
  await house.live(1_440);
  const about = house.kinds().filter((k) => k.includes('anomaly'));
  expect(about).toEqual(['electricity.anomaly house']);
  const text = house.events.find((e) => e.kind === 'electricity.anomaly')?.data['text'];
  expect(text).toMatch(/^The base load has risen by (8|9)\d W since Monday: \d+ W instead of \d+ W$/);
});

test('an iron that is left on is told, sooner when nobody is home, and over when it is off', async () => {
  const on = (i: number) => (i % 3 === 0 ? 2_000 : 500);
  const slow = await watched();
  slow.plant('iron', 200, on);
  await slow.live(200);
  expect(slow.kinds().filter((k) => k.includes('iron'))).toContain('electricity.left-on device:iron');
  const fast = await watched();
  fast.plant('iron', 50, on);
  await fast.live(10);
  await fast.live(40, { nobodyHomeSince: fast.now });
  await fast.live(60);
  const about = fast.events.filter((e) => e.kind.startsWith('electricity.left-on'));
  expect(about.map((e) => e.kind)).toEqual(['electricity.left-on', 'electricity.left-on-ended']);
  expect(about[0]?.data['text']).toMatch(
    /^Iron has been on for [34]\d min \(usually [12]\d min\) and nobody has been home for [23]\d min$/,
  );
  expect(about[0]?.data['severity']).toBe('urgent');
});

test('after a crash nothing is told twice and nothing that was measured is lost', async () => {
  const house = new House(home);
  const steady = new House(home);
  await steady.live(6 * 1_440);
  await house.live(3 * 1_440 + 7 * 60 + 50);
  for (let i = 0; i < 8; i += 1) {
    await house.crash(0);
    await house.live(35 + i * 13);
  }
  await house.live(6 * 1_440 - house.minute);
  const told = (h: House) => h.events.map((e) => [e.kind, e.subject, e.at]);
  expect(told(house)).toEqual(told(steady));
});

test('a store that cannot be written is a warning, not an end', async () => {
  const house = new House(home);
  house.storeWorks = false;
  await house.live(23 * 60);
  expect(house.warnings.length).toBeGreaterThan(0);
  expect(new Set(house.warnings)).toEqual(
    new Set(['insight: what was learned could not be kept: disk full']),
  );
  expect(house.events.length).toBeGreaterThan(0);
});

test('what is learned is bounded', async () => {
  const house = await watched();
  const bytes = [...house.documents.values()].reduce((sum, text) => sum + text.length, 0);
  expect(bytes).toBeLessThan(40_000);
});

test('a device that goes silent keeps its episode open until it is heard again', async () => {
  const house = await watched();
  house.plant('freezer', 400, () => 97);
  await house.live(400);
  house.silent.add('freezer');
  await house.live(300);
  expect(house.kinds()).toEqual(['electricity.anomaly device:freezer']);
  house.silent.delete('freezer');
  await house.live(120);
  expect(house.kinds()).toEqual([
    'electricity.anomaly device:freezer',
    'electricity.anomaly-ended device:freezer',
  ]);
});

test('whatever comes and goes, every episode begins once and ends once, in turn', () => {
  const names = ['a', 'b', 'c'] as const;
  const step = fc.record({
    found: fc.uniqueArray(fc.constantFrom(...names)),
    heard: fc.uniqueArray(fc.constantFrom(...names)),
    minutes: fc.integer({ min: 1, max: 60 }),
  });
  const episode = (subject: string): Episode => ({
    kind: 'left-on',
    event: 'left-on',
    subject,
    since: 0,
    text: subject,
    evidence: [],
    severity: 'info',
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let [episodes, now]: [Episodes, number] = [[], dayMs];
      const open = new Set<string>();
      for (const { found, heard, minutes } of steps) {
        now += minutes * minuteMs;
        const next = settle(episodes, found.map(episode), now, (s) =>
          heard.includes(s as (typeof names)[number]),
        );
        for (const e of next.began) {
          expect(open.has(e.subject)).toBe(false);
          open.add(e.subject);
        }
        for (const e of next.ended) expect(open.delete(e.subject)).toBe(true);
        episodes = next.episodes;
        expect(episodes.map((e) => e.subject).toSorted()).toEqual([...open].toSorted());
      }
    }),
  );
});
