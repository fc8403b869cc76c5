import type { AlertRow } from '#cctv/index.ts';
import { localHour } from '#platform/local-time.ts';
import type { AlertRule } from './config.ts';

/** An alert of the book with what people said of it. */
export interface JudgedAlert extends Pick<AlertRow, 'at' | 'rule' | 'camera' | 'label' | 'distance' | 'why'> {
  readonly falsePositive: boolean;
}

export interface Tally {
  readonly name: string;
  readonly alerts: number;
  readonly false: number;
}

/** A change of a setting that would have kept false alerts away, with what it rests on. */
export interface Advice {
  readonly rule: string;
  readonly setting: string;
  /** Absent where the rule says nothing, or is gone. */
  readonly now?: number;
  readonly better: number;
  readonly falseRemoved: number;
  readonly falseAll: number;
  readonly trueRemoved: number;
  readonly trueAll: number;
  readonly text: string;
}

export interface Analysis {
  readonly alerts: number;
  readonly false: number;
  readonly rules: readonly Tally[];
  readonly cameras: readonly Tally[];
  readonly classes: readonly Tally[];
  /** Hours of the local day with alerts, by hour. */
  readonly hours: readonly Tally[];
  readonly advice: readonly Advice[];
}

// A threshold that rests on fewer false alarms than this would be chance.
const leastFalse = 3;

function tally(alerts: readonly JudgedAlert[], by: (a: JudgedAlert) => string): Tally[] {
  return [...Map.groupBy(alerts, by)]
    .map(([name, list]) => ({ name, alerts: list.length, false: list.filter((a) => a.falsePositive).length }))
    .toSorted((a, b) => b.alerts - a.alerts || a.name.localeCompare(b.name));
}

/** A setting that can be turned: where the alert stands on its scale, and steps people would write, mildest first. */
interface Knob {
  readonly setting: string;
  readonly unit: string;
  readonly now: (rule: AlertRule) => number | undefined;
  readonly applies: (rule: AlertRule | undefined) => boolean;
  readonly value: (alert: JudgedAlert) => number | undefined;
  readonly steps: readonly number[];
  readonly keeps: (value: number, limit: number) => boolean;
}

const nearer = ['<', '<='];
const knobs: readonly Knob[] = [
  {
    setting: 'confidence_threshold',
    unit: '',
    now: (rule) => rule.confidence_threshold,
    applies: () => true,
    value: ({ why }) => (typeof why['score'] === 'number' ? why['score'] : undefined),
    steps: Array.from({ length: 19 }, (_, i) => (i + 1) / 20),
    keeps: (score, limit) => score >= limit,
  },
  {
    setting: 'conditions.distance_to_reference.value',
    unit: ' m',
    now: (rule) => rule.conditions.distance_to_reference?.value,
    applies: (rule) => nearer.includes(rule?.conditions.distance_to_reference?.operator ?? ''),
    value: ({ distance }) => distance,
    steps: Array.from({ length: 200 }, (_, i) => (200 - i) / 2),
    keeps: (distance, limit) => distance <= limit,
  },
];

/** The mildest step of a knob that keeps the most false alarms away and loses no true alert. */
function turn(knob: Knob, id: string, rule: AlertRule | undefined, alerts: readonly JudgedAlert[]): Advice[] {
  if (!knob.applies(rule)) return [];
  const seen = alerts.flatMap((a) => {
    const value = knob.value(a);
    return value === undefined ? [] : [{ value, wrong: a.falsePositive }];
  });
  const right = seen.filter((a) => !a.wrong);
  const wrong = seen.filter((a) => a.wrong);
  const removed = (limit: number) => wrong.filter((a) => !knob.keeps(a.value, limit)).length;
  const harmless = knob.steps.filter((limit) => right.every((a) => knob.keeps(a.value, limit)));
  const most = Math.max(0, ...harmless.map(removed));
  const better = harmless.find((limit) => removed(limit) === most);
  if (better === undefined || most < leastFalse) return [];
  const now = rule && knob.now(rule);
  const from = now === undefined ? '' : ` from ${now}${knob.unit}`;
  return [
    {
      rule: id,
      setting: knob.setting,
      ...(now === undefined ? {} : { now }),
      better,
      falseRemoved: most,
      falseAll: wrong.length,
      trueRemoved: 0,
      trueAll: right.length,
      text: `${id}: ${knob.setting}${from} to ${better}${knob.unit} would have removed ${most} of ${wrong.length} false alerts and 0 of ${right.length} others`,
    },
  ];
}

/**
 * Alerts by rule, camera, class and hour, with the share that was marked false, and which thresholds would have kept false
 * ones away without losing any other. Advice needs at least three false alarms; an alert that nobody marked counts as right.
 */
export function analyse(
  alerts: readonly JudgedAlert[],
  { rules, timeZone }: { readonly rules: readonly AlertRule[]; readonly timeZone?: string | undefined },
): Analysis {
  const byRule = Map.groupBy(alerts, (a) => a.rule);
  const hour = (a: JudgedAlert) => String(localHour(a.at, timeZone)).padStart(2, '0');
  return {
    alerts: alerts.length,
    false: alerts.filter((a) => a.falsePositive).length,
    rules: tally(alerts, (a) => a.rule),
    cameras: tally(alerts, (a) => a.camera),
    classes: tally(alerts, (a) => a.label),
    hours: tally(alerts, hour).toSorted((a, b) => a.name.localeCompare(b.name)),
    advice: [...byRule].flatMap(([id, list]) =>
      knobs.flatMap((knob) =>
        turn(
          knob,
          id,
          rules.find((r) => r.id === id),
          list,
        ),
      ),
    ),
  };
}
