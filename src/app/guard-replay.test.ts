import { mkdirSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventBook } from '#cctv/book/book.ts';
import { newKept, pathPoint, touchOf } from '#cctv/kept.rules.ts';
import { Observer, type PathOnGround, type Scene } from '#cctv/observer.rules.ts';
import { pastObservations } from '#cctv/past.rules.ts';
import type { Box, Track } from '#cctv/index.ts';
import { guardConfig } from '#guard/config.ts';
import { alertRule } from '#guard/rules/config.ts';
import { replay } from '#guard/rules/replay.rules.ts';
import { Guard } from '#guard/service.ts';
import { pastSituations, situationOf } from '#guard/situation.rules.ts';
import { ManualClock } from '#platform/clock.ts';
import { Logger } from '#platform/log.ts';
import type { Stay } from '#presence/index.ts';
import { scratch } from '../../tests/servers/process.ts';

const timeZone = 'Europe/London';
// Within the story the night begins.
const start = Date.parse('2026-06-15T21:58:00Z');
const second = 1_000;
const settings = guardConfig.parse({ arrival_grace_seconds: 20 });

const half = (name: string, from: number, to: number) => ({
  name,
  polygon: [
    { x: from, y: 0 },
    { x: to, y: 0 },
    { x: to, y: 1 },
    { x: from, y: 1 },
  ],
});

/** Twenty metres of a street, measured without noise; the gate is at its left end. */
function pathOnGround(): PathOnGround {
  let last: { at: number; x: number; approach: number } | undefined;
  return {
    step(at, box) {
      const x = (box.left + box.width / 2) * 20;
      const gone = last === undefined ? 0 : (last.x - x) / ((at - last.at) / second);
      last = { at, x, approach: gone };
      return { ground: { x, y: 0, sigma: 0.25 }, speed: Math.abs(gone) };
    },
    references: () => ({ gate: { distance: last!.x, sigma: 0.25, approach: last!.approach } }),
  };
}

const scene: Scene = {
  camera: 'front',
  zones: [half('street', 0.5, 1), half('garden', 0, 0.5)],
  newPath: pathOnGround,
};

const near = (value: number) => ({ distance_to_reference: { reference: 'gate', operator: '<', value } });
const rules = [
  { id: 'any', classes: ['person', 'car'], cooldown: 20 },
  { id: 'zones', zones: ['garden', 'street'], cooldown: 45, presence: { residents_home: 'alert' } },
  { id: 'near', conditions: { ...near(7), approaching: 'gate' }, home_mode: ['away', 'night'] },
  { id: 'away', home_mode: ['away'], presence: { arrivals: 'ignore' }, cooldown: 0 },
  { id: 'loiters', zones: ['garden'], conditions: { dwell_seconds: 8 }, cooldown: 0 },
  { id: 'loiters_near', conditions: { ...near(12), dwell_seconds: 6 }, cooldown: 0 },
  { id: 'crowd', conditions: { count: { operator: '>=', value: 2 } }, presence: { residents_home: 'alert' } },
  { id: 'comes_in', conditions: { crossing: { from: 'street', to: 'garden' } }, cooldown: 0 },
  { id: 'left', conditions: { direction: 'left' }, cooldown: 10 },
  { id: 'stands', classes: ['person', 'car'], conditions: { stationary: true, dwell_seconds: 12 } },
  { id: 'late', schedule: [{ from: '23:00', to: '06:00' }], presence: { residents_home: 'alert' } },
].map((rule) => alertRule.parse({ actions: [], ...rule }));

const box = (x: number): Box => ({ left: x, top: 0.25, width: 0.125, height: 0.5 });

/** Objects that come, walk, stand and go; places are on the grid of the stored paths. */
const object = fc.record({
  from: fc.integer({ min: 0, max: 150 }),
  label: fc.constantFrom('person', 'person', 'car'),
  score: fc.constantFrom(0.8, 0.4),
  legs: fc.array(
    fc.record({
      to: fc.integer({ min: 0, max: 28 }),
      walks: fc.integer({ min: 1, max: 8 }),
      stands: fc.nat(30),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});
const story = fc.record({
  objects: fc.array(object, { minLength: 1, maxLength: 6 }),
  /** Seconds at which alex and sam come or go; each begins away or unknown. */
  alex: fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 4 }),
  sam: fc.uniqueArray(fc.integer({ min: 1, max: 200 }), { maxLength: 3 }),
  known: fc.boolean(),
});
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

/** What the tracker says of one object, two times a second, at instants of its own. */
function tracksOf({ from, label, score, legs }: Story['objects'][number], id: number): Track[] {
  const tracks: Track[] = [];
  let at = start + from * second + id * 7;
  const bornAt = at;
  let x = legs[0]!.to / 32;
  const push = (velocity: number, since?: number) => {
    const stationary = since === undefined ? {} : { stationarySince: since };
    const common = { id, label, score, bornAt, seenAt: at, hits: 5, state: 'confirmed' } as const;
    tracks.push({ ...common, box: box(x), velocity: { x: velocity, y: 0 }, ...stationary });
    at += second / 2;
  };
  push(0);
  for (const { to, walks, stands } of legs) {
    const step = Math.round(((to / 32 - x) * 8192) / (walks * 2)) / 8192;
    for (let i = 0; i < walks * 2; i += 1) {
      x += step;
      push(step * 2);
    }
    const since = at;
    for (let i = 0; i < stands * 2; i += 1) push(0, since);
  }
  return tracks;
}

function staysOf(person: string, changes: readonly number[], known: boolean): Stay[] {
  const marks = [0, ...changes.toSorted((a, b) => a - b)];
  return marks.map((from, i): Stay => {
    const state = i === 0 ? (known ? 'away' : 'unknown') : i % 2 === 1 ? 'home' : 'away';
    const to = marks[i + 1];
    return {
      person,
      state,
      from: start + from * second,
      to: to === undefined ? undefined : start + to * second,
    };
  });
}

const causes: readonly (readonly [RegExp, string])[] = [
  [/^the house is in mode/, 'mode'],
  [/just arrived$/, 'arrival'],
  [/home$/, 'residents'],
  [/cooldown \d+ s$/, 'cooldown'],
];
const causeOf = (reason: string) => causes.find(([words]) => words.test(reason))![1];

/** Lives through a story, then tries the same rules on what was kept of it. */
async function liveAndAgain({ objects, alex, sam, known }: Story) {
  const { dir, remove } = scratch('live-and-again');
  mkdirSync(path.join(dir, 'data'));
  const clock = new ManualClock(start);
  const book = await EventBook.open({
    dataDir: path.join(dir, 'data'),
    clock,
    log: new Logger({ level: 'fatal' }),
  });
  const stays = [...staysOf('alex', alex, known), ...staysOf('sam', sam, true)];
  let ids = 0;
  const guard = new Guard({
    clock,
    log: new Logger({ level: 'fatal' }),
    book,
    journal: { append: async (event) => ({ ...event, id: 'x' }) },
    state: { get: async () => undefined, set: async () => {}, delete: async () => {} },
    situation: (at) =>
      situationOf(settings, {
        at,
        timeZone,
        phones: [],
        people: ['alex', 'sam'].map((name) => {
          const mine = stays.filter((s) => s.person === name);
          const index = mine.findLastIndex((s) => s.from <= at);
          const { state, from } = mine[index]!;
          return { name, state, since: mine[index - 1]?.state === 'away' ? from : undefined };
        }),
      }),
    cameraName: (camera) => camera,
    presenceSeries: () => 'home.presence.anyone_home',
    usualActions: () => [],
    newId: () => `alert-${(ids += 1)}`,
    waiting: () => {},
  });
  await guard.start();
  guard.configure(rules);
  const observer = new Observer(scene, [], () => `event-${(ids += 1)}`);
  const frames = objects.flatMap((o, i) => {
    const tracks = tracksOf(o, i + 1);
    const last = tracks.at(-1)!;
    return [
      ...tracks.map((t) => ({ at: t.seenAt, tracks: [t], ended: [] as number[] })),
      { at: last.seenAt + 1, tracks: [], ended: [last.id] },
    ];
  });
  for (const { at, tracks, ended } of frames.toSorted((a, b) => a.at - b.at)) {
    await clock.advance(at - clock.now());
    const { observations, opened } = observer.step(at, tracks, ended);
    for (const seen of observations) {
      const { event, camera, label, score: confidence, box: where, bornAt } = seen;
      if (opened.includes(event))
        void book.openEvent({
          id: event,
          at: bornAt,
          camera,
          label,
          confidence,
          box: where,
          seenAt: seen.at,
          closed: false,
          data: {},
        });
      book.addPath(pathPoint(seen));
      if (seen.ended === true) void book.closeEvent(event, touchOf(newKept(seen)));
      guard.observe(seen);
    }
  }
  const [from, to] = [start, start + 600 * second];
  const real = book.alerts({ limit: 1_000, order: 'asc' }).rows;
  const held = book.suppressions({ limit: 1_000, order: 'asc' }).rows;
  const again = replay({
    rules,
    observations: pastObservations({
      points: book.paths(from, to),
      eventOf: (id) => book.event(id),
      sceneOf: () => scene,
    }),
    situationAt: pastSituations(settings, { timeZone, stays, names: new Map(), phones: [] }),
    real,
  });
  await book.close();
  remove();
  return { real, held, again };
}

test('property: rules tried on the past give the verdicts that they gave live', async () => {
  let alerts = 0;
  const heldBy = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(story, async (told) => {
      const { real, held, again } = await liveAndAgain(told);
      expect(again.alerts.filter((a) => a.change !== 'same')).toEqual([]);
      expect(again.alerts).toHaveLength(real.length);
      alerts += real.length;
      for (const { id } of rules) {
        const counts: Record<string, number> = {};
        for (const row of held.filter((h) => h.rule === id)) {
          const cause = causeOf(row.reason);
          counts[cause] = (counts[cause] ?? 0) + 1;
          heldBy.set(cause, (heldBy.get(cause) ?? 0) + 1);
        }
        expect([id, again.rules.find((r) => r.rule === id)?.held]).toEqual([id, counts]);
      }
      for (const row of real)
        expect([row.event, row.why['gates'], row.why['observation']]).toEqual([
          expect.stringMatching(/^event-/),
          expect.arrayContaining([{ gate: 'class', passed: true, text: expect.any(String) }]),
          expect.objectContaining({ event: row.event, camera: 'front' }),
        ]);
    }),
    { numRuns: 60 },
  );
  // The stories say something of every kind.
  expect(alerts).toBeGreaterThan(25);
  expect([...heldBy.keys()].toSorted()).toEqual(['arrival', 'cooldown', 'mode', 'residents']);
});
