/**
 * What alert rules cost: thirty days of stored tracks run through ten rules, as `lares cctv rules try` does, and the same
 * with a loop as one writes it first, which fills every template in and asks the calendar for every sight and every
 * rule, and works out all conditions. Both must give the same alerts.
 * `node bench/rules.ts [--days 30] [--naive-days 3]`
 */
import { parseArgs } from 'node:util';
import type { Observation } from '#cctv/index.ts';
import { seeded } from '#devices/lan/phone-model.ts';
import { table } from '#platform/table.ts';
import { ruleOf } from '../src/guard/rules/fixture.ts';
import type { AlertRule } from '../src/guard/rules/config.ts';
import { evaluate } from '../src/guard/rules/evaluate.rules.ts';
import { newMemory } from '../src/guard/rules/memory.rules.ts';
import { inOrder, replay } from '../src/guard/rules/replay.rules.ts';
import type { Situation } from '../src/guard/model.ts';

const { values } = parseArgs({
  options: {
    days: { type: 'string', default: '30' },
    'naive-days': { type: 'string', default: '3' },
  },
});

const timeZone = 'Europe/London';
const start = Date.UTC(2026, 4, 1);
const dayMs = 86_400_000;
const perDay = 400;
const cameras = 8;
const labels = ['person', 'person', 'person', 'car', 'dog'];
const places = ['gate', 'porch', 'drive', 'lawn'];

/** Walks of ten to sixty seconds, two sights a second, at random times of the day. */
function* walks(days: number): Generator<readonly Observation[]> {
  const random = seeded('rules');
  const starts = Array.from({ length: days * perDay }, () => start + Math.floor(random() * days * dayMs));
  for (const [i, from] of starts.toSorted((a, b) => a - b).entries()) {
    const [camera, label] = [`camera_${i % cameras}`, labels[Math.floor(random() * labels.length)]!];
    const zone = places[Math.floor(random() * places.length)]!;
    const far = 5 + random() * 25;
    const approach = (random() - 0.3) * 2;
    yield Array.from({ length: 20 + Math.floor(random() * 100) }, (_, n): Observation => {
      const distance = Math.max(0, far - (approach * n) / 2);
      return {
        camera,
        event: `e${i}`,
        at: from + n * 500,
        label,
        score: 0.4 + random() * 0.6,
        box: { left: 0.4, top: 0.4, width: 0.1, height: 0.3 },
        bornAt: from,
        velocity: { x: 0.02, y: 0.01 },
        references: { gate: { distance, sigma: 0.2, approach } },
        zones: n < 5 ? {} : { [zone]: from + 2_500 },
        speed: Math.abs(approach),
      };
    });
  }
}

const night = [{ from: '22:00', to: '06:00' }];
const near = (value: number) => ({ distance_to_reference: { reference: 'gate', operator: '<', value } });
const presence = { residents_home: 'alert' };
const message = '{object}, {distance} from {reference}, {movement}, at {time}';
const rules: AlertRule[] = [
  { id: 'gate', conditions: near(5) },
  { id: 'gate_night', conditions: near(10), schedule: night, severity: 'critical' },
  { id: 'porch', zones: ['porch'], confidence_threshold: 0.7 },
  { id: 'drive_cars', zones: ['drive'], classes: ['car'] },
  { id: 'lawn_dogs', zones: ['lawn'], classes: ['dog'], cooldown: 300 },
  { id: 'front', cameras: ['camera_0', 'camera_1'], schedule: night },
  { id: 'weekend', schedule: [{ days: ['sat', 'sun'], from: '08:00', to: '20:00' }], conditions: near(8) },
  { id: 'sure', confidence_threshold: 0.95 },
  { id: 'drive_night', zones: ['drive', 'porch'], schedule: night },
  { id: 'any', classes: ['person', 'car', 'dog'], cooldown: 60 },
].map((rule) => ruleOf({ presence, message, ...rule }));

const nobody = {
  mode: 'away',
  mayBeAway: false,
  residentsHome: [],
  arrivedLately: [],
  unknownPhones: [],
} as const;
const situationAt = (at: number): Situation => ({ at, timeZone, ...nobody });

const calendar = new Intl.DateTimeFormat('en-GB', {
  timeZone,
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit',
  hourCycle: 'h23',
});

/** The loop as one writes it first. */
function naive(observations: Iterable<Observation>): number {
  const told = new Set<string>();
  const last = new Map<string, number>();
  let alerts = 0;
  for (const o of observations)
    for (const rule of rules) {
      const parts = Object.fromEntries(calendar.formatToParts(o.at).map((p) => [p.type, p.value]));
      const [day, time] = [parts['weekday']!.toLowerCase(), `${parts['hour']}:${parts['minute']}`];
      const distance = rule.conditions.distance_to_reference;
      const to = o.references['gate']!;
      const zones = rule.zones?.filter((zone) => zone in o.zones) ?? [''];
      const words: Record<string, string> = {
        object: `a ${o.label}`,
        distance: `${Math.round(to.distance)} metres`,
        reference: 'the gate',
        movement: to.approach > 0 ? 'coming closer' : 'going away',
        time,
      };
      const text = rule.message!.replaceAll(/\{(\w+)\}/g, (_, key: string) => words[key] ?? '');
      const inForce = rule.schedule?.some(({ days, from, to: end }) =>
        end > from
          ? (days === undefined || days.includes(day as 'mon')) && time >= from && time < end
          : time >= from || time < end,
      );
      const conditions = [
        rule.classes.includes(o.label),
        rule.cameras?.includes(o.camera) ?? true,
        o.score >= (rule.confidence_threshold ?? 0),
        zones.length > 0,
        distance === undefined || to.distance - to.sigma < distance.value,
        inForce ?? true,
        !told.has(`${rule.id} ${o.event}`),
        zones.every(
          (z) => !(o.at - (last.get(`${rule.id} ${o.camera} ${o.label} ${z}`) ?? 0) < rule.cooldown * 1000),
        ),
        text !== '',
      ];
      if (!conditions.every(Boolean)) continue;
      alerts += 1;
      told.add(`${rule.id} ${o.event}`);
      for (const z of zones) last.set(`${rule.id} ${o.camera} ${o.label} ${z}`, o.at);
    }
  return alerts;
}

interface Run {
  readonly title: string;
  readonly observations: number;
  readonly alerts: number;
  readonly ms: number;
}

function timed(title: string, days: number, work: (list: Iterable<Observation>) => number): Run {
  // Made beforehand, so that only the rules are measured.
  const list = [...inOrder(walks(days))];
  const begin = performance.now();
  const alerts = work(list);
  return { title, observations: list.length, alerts, ms: performance.now() - begin };
}

const days = Number(values.days);
const few = Number(values['naive-days']);
const replayed = (list: Iterable<Observation>) =>
  replay({ rules, observations: list, situationAt, real: [] }).alerts.length;

function explained(list: Iterable<Observation>): number {
  const memory = newMemory();
  let alerts = 0;
  for (const o of list)
    for (const rule of rules) if (evaluate(rule, o, situationAt(o.at), memory).kind === 'alert') alerts += 1;
  return alerts;
}

replayed(inOrder(walks(1)));
const runs = [
  timed(`replay, ${days} days`, days, replayed),
  timed(`replay, ${few} days`, few, replayed),
  timed(`every gate in words, ${few} days`, few, explained),
  timed(`naive loop, ${few} days`, few, naive),
];
const rival = runs.at(-1)!;
const rate = ({ observations, ms }: Run) => observations / (ms / 1000);
console.log(`${rules.length} rules, ${perDay} objects a day at ${cameras} cameras`);
console.log(
  table(
    ['SIGHTS', 'ALERTS', 'SECONDS', 'SIGHTS/S', 'TIMES NAIVE', 'WHAT'],
    runs.map((r) => [
      String(r.observations),
      String(r.alerts),
      (r.ms / 1000).toFixed(2),
      String(Math.round(rate(r))),
      (rate(r) / rate(rival)).toFixed(1),
      r.title,
    ]),
  ),
);
if (runs[1]!.alerts !== rival.alerts) throw new Error('the two do not give the same alerts');
