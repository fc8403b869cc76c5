import type { AlertRow } from '#cctv/index.ts';
import { localHour } from '#platform/local-time.ts';
import { near } from './conditions.rules.ts';
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
  readonly stricter: (limit: number, now: number) => boolean;
  readonly steps: readonly number[];
  /** Whether an alert would have been given at this limit; undefined where its figures are not known. */
  readonly keeps: (alert: JudgedAlert, limit: number, rule: AlertRule | undefined) => boolean | undefined;
}

const knobs: readonly Knob[] = [
  {
    setting: 'confidence_threshold',
    unit: '',
    now: (rule) => rule.confidence_threshold,
    stricter: (limit, now) => limit > now,
    steps: Array.from({ length: 19 }, (_, i) => (i + 1) / 20),
    keeps: ({ why }, limit) => (typeof why['score'] === 'number' ? why['score'] >= limit : undefined),
  },
  {
    setting: 'conditions.distance_to_reference.value',
    unit: ' m',
    now: (rule) => rule.conditions.distance_to_reference?.value,
    stricter: (limit, now) => limit < now,
    steps: Array.from({ length: 200 }, (_, i) => (200 - i) / 2),
    keeps: ({ distance, why }, value, rule) => {
      const wanted = rule?.conditions.distance_to_reference;
      if (wanted?.operator.startsWith('<') !== true || distance === undefined) return undefined;
      const sigma = typeof why['sigma'] === 'number' ? why['sigma'] : 0;
      return near({ ...wanted, value }, { distance, sigma });
    },
  },
];

/** The mildest step of a knob that keeps the most false alarms away and loses no true alert. */
function turn(knob: Knob, id: string, rule: AlertRule | undefined, alerts: readonly JudgedAlert[]): Advice[] {
  const now = rule && knob.now(rule);
  const steps = knob.steps.filter((limit) => now === undefined || knob.stricter(limit, now));
  const seen = alerts.filter((a) => knob.keeps(a, steps[0] ?? 0, rule) !== undefined);
  const right = seen.filter((a) => !a.falsePositive);
  const wrong = seen.filter((a) => a.falsePositive);
  const removed = (limit: number) => wrong.filter((a) => knob.keeps(a, limit, rule) !== true).length;
  const harmless = steps.filter((limit) => right.every((a) => knob.keeps(a, limit, rule) === true));
  const most = Math.max(0, ...harmless.map(removed));
  const better = harmless.find((limit) => removed(limit) === most);
  if (better === undefined || most < leastFalse) return [];
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
