import { nearest } from '#config/explain.ts';
import type { Conditions } from './conditions.config.ts';
import type { AlertRule } from './config.ts';
import { allOf } from './context.rules.ts';

/** What rules may name. */
export interface Known {
  readonly cameras: readonly {
    readonly id: string;
    /** A camera that is switched off may be named, and is not asked to be calibrated. */
    readonly enabled?: boolean;
    readonly zones: readonly string[];
    /** Names of the references of its calibration; absent while it is not calibrated. */
    readonly references?: readonly string[] | undefined;
  }[];
  readonly speakers: readonly string[];
  readonly webhooks: readonly string[];
  /** Class names of the model in use; any name is taken unless given. */
  readonly classes?: readonly string[];
  /** Those of them that are looked for. */
  readonly wanted: readonly string[];
}

/** Something that is wrong with a rule in this house. */
export interface RuleProblem {
  /** From `alert_rules` on: `[0, 'zones', 1]`. */
  readonly path: (string | number)[];
  readonly message: string;
  readonly hint?: string;
}

type Camera = Known['cameras'][number];
type Path = (string | number)[];

const quoted = (text: string) => JSON.stringify(text);

/** A name that nobody knows, with the nearest that somebody does. */
function unknown(path: Path, kind: string, name: string, known: readonly string[]): RuleProblem {
  const near = nearest(name, known);
  const there =
    known.length === 0 ? 'there is none' : `there ${known.length === 1 ? 'is' : 'are'} ${allOf(known)}`;
  const message = `expected a ${kind} of this house, found ${quoted(name)}; ${there}`;
  return { path, message, ...(near === undefined ? {} : { hint: `did you mean ${near}?` }) };
}

/** Cameras that the rule looks through: those it names, or those that have one of its zones, or all that are on. */
function concerned(rule: AlertRule, { cameras }: Known): readonly Camera[] {
  return cameras.filter(
    ({ id, enabled, zones }) =>
      enabled !== false &&
      (rule.cameras === undefined || rule.cameras.includes(id)) &&
      (rule.zones === undefined || rule.zones.some((zone) => zones.includes(zone))),
  );
}

const at = (index: number, ...rest: Path): Path => [index, ...rest];

function namedCameras(rule: AlertRule, index: number, { cameras }: Known): RuleProblem[] {
  const ids = cameras.map((c) => c.id);
  return (rule.cameras ?? []).flatMap((id, i) =>
    ids.includes(id) ? [] : [unknown(at(index, 'cameras', i), 'camera', id, ids)],
  );
}

function namedZones(rule: AlertRule, index: number, { cameras }: Known): RuleProblem[] {
  const { crossing } = rule.conditions;
  const named: [Path, string][] = [
    ...(rule.zones ?? []).map((zone, i): [Path, string] => [at(index, 'zones', i), zone]),
    ...(crossing === undefined
      ? []
      : (['from', 'to'] as const).map((end): [Path, string] => [
          at(index, 'conditions', 'crossing', end),
          crossing[end],
        ])),
  ];
  const looked = cameras.filter((c) => rule.cameras === undefined || rule.cameras.includes(c.id));
  const known = [...new Set(looked.flatMap((c) => c.zones))];
  return named.flatMap(([path, zone]) => {
    if (known.includes(zone)) return [];
    const elsewhere = cameras.find((c) => c.zones.includes(zone));
    return elsewhere === undefined
      ? [unknown(path, 'zone', zone, known)]
      : [
          {
            path,
            message: `expected a zone of the cameras of this rule, found ${quoted(zone)} of camera ${elsewhere.id}`,
            hint: `add ${elsewhere.id} to the cameras of the rule`,
          },
        ];
  });
}

/** What needs metres: distances, approach and speed. */
function metres({ conditions: c }: AlertRule): { keys: string[]; reference?: string }[] {
  const distance = c.distance_to_reference;
  return [
    ...(distance === undefined
      ? []
      : [{ keys: ['distance_to_reference', 'reference'], reference: distance.reference }]),
    ...(c.approaching === undefined ? [] : [{ keys: ['approaching'], reference: c.approaching }]),
    ...(c.leaving === undefined ? [] : [{ keys: ['leaving'], reference: c.leaving }]),
    ...(c.speed === undefined ? [] : [{ keys: ['speed'] }]),
  ];
}

function uncalibrated(rule: AlertRule, index: number, known: Known): RuleProblem[] {
  if (!rule.enabled) return [];
  const cameras = concerned(rule, known);
  const calibrated = cameras.filter((c) => c.references !== undefined);
  const references = [...new Set(calibrated.flatMap((c) => c.references ?? []))];
  return metres(rule).flatMap(({ keys, reference }) => {
    const path = at(index, 'conditions', ...keys);
    const blind = cameras.find((c) => c.references === undefined);
    if (blind !== undefined)
      return [
        {
          path,
          message: `expected a calibrated camera, because this is measured in metres; camera ${blind.id} is not calibrated`,
          hint: `run: lares cctv calibrate --camera ${blind.id}${rule.cameras === undefined && calibrated.length > 0 ? `, or name the cameras of the rule: cameras: [${calibrated.map((c) => c.id).join(', ')}]` : ''}`,
        },
      ];
    if (reference === undefined) return [];
    if (!references.includes(reference)) return [unknown(path, 'reference', reference, references)];
    const without = calibrated.find((c) => !c.references!.includes(reference));
    return rule.cameras === undefined || without === undefined
      ? []
      : [
          {
            path,
            message: `expected a reference of every camera that the rule names; camera ${without.id} has no ${quoted(reference)}`,
            hint: `run: lares cctv calibrate --camera ${without.id}`,
          },
        ];
  });
}

function namedClasses(rule: AlertRule, index: number, { classes, wanted }: Known): RuleProblem[] {
  return rule.classes.flatMap((label, i) => {
    const path = at(index, 'classes', i);
    const near = nearest(label, classes ?? wanted);
    const hint = near === undefined || near === label ? {} : { hint: `did you mean ${near}?` };
    if (classes?.includes(label) === false)
      return [{ path, message: `expected a class that the model knows, found ${quoted(label)}`, ...hint }];
    if (wanted.includes(label) || !rule.enabled) return [];
    const message = `expected a class that is looked for, found ${quoted(label)}; nothing of it is ever seen`;
    return [{ path, message, hint: `add ${label} to processing.detection.classes` }];
  });
}

/** Speakers and webhooks; whether mail is set up is a switch, and no mistake of a rule. */
function namedActions(rule: AlertRule, index: number, { speakers, webhooks }: Known): RuleProblem[] {
  return (rule.actions ?? []).flatMap((action, i) => {
    const path = (...rest: Path) => at(index, 'actions', i, ...rest);
    if (action.type === 'webhook')
      return webhooks.includes(action.to) ? [] : [unknown(path('to'), 'webhook', action.to, webhooks)];
    if (action.type !== 'speak' || action.speaker === undefined) return [];
    const list = typeof action.speaker === 'string' ? [action.speaker] : action.speaker;
    return list.flatMap((id, k) =>
      speakers.includes(id)
        ? []
        : [
            unknown(
              path('speaker', ...(typeof action.speaker === 'string' ? [] : [k])),
              'speaker',
              id,
              speakers,
            ),
          ],
    );
  });
}

// Faster than this nothing is said to stand still.
const stillSpeed = 0.5;

/** Conditions that can never hold: the key to blame, when, and the sentence. */
const impossible: readonly {
  readonly key: keyof Conditions;
  readonly when: (c: Conditions) => boolean;
  readonly message: string;
}[] = [
  {
    key: 'distance_to_reference',
    when: ({ distance_to_reference: d }) => d?.operator === '<' && d.value === 0,
    message: 'nothing is nearer than 0 m; write <= 0 for what stands on it',
  },
  {
    key: 'leaving',
    when: (c) => c.leaving !== undefined && c.leaving === c.approaching,
    message: 'nothing approaches and leaves the same reference at the same time',
  },
  {
    key: 'stationary',
    when: (c) =>
      c.stationary === true &&
      (c.approaching !== undefined || c.leaving !== undefined || c.direction !== undefined),
    message: 'what stands still neither approaches nor leaves nor moves in a direction',
  },
  {
    key: 'speed',
    when: ({ stationary, speed }) =>
      stationary === true &&
      speed !== undefined &&
      speed.operator.startsWith('>') &&
      speed.value / (speed.unit === 'km/h' ? 3.6 : 1) >= stillSpeed,
    message: 'what stands still is not that fast',
  },
  {
    key: 'speed',
    when: ({ speed }) => speed?.operator === '<' && speed.value === 0,
    message: 'no speed is below 0',
  },
  {
    key: 'count',
    when: ({ count }) =>
      (count?.operator === '<' && count.value <= 1) || (count?.operator === '<=' && count.value < 1),
    message: 'the object itself counts, so the number is never below 1',
  },
  {
    key: 'crossing',
    when: ({ crossing }) => crossing !== undefined && crossing.from === crossing.to,
    message: 'nothing crosses from a zone into the same zone',
  },
];

function contradictions(rule: AlertRule, index: number): RuleProblem[] {
  const never = impossible
    .filter(({ when }) => when(rule.conditions))
    .map(({ key, message }) => ({
      path: at(index, 'conditions', key),
      message: `can never hold: ${message}`,
    }));
  const silent =
    rule.presence.residents_home === 'log' && rule.home_mode?.every((mode) => mode === 'home') === true;
  const stranger = rule.identity?.is === 'unknown' && rule.identity.names !== undefined;
  return [
    ...never,
    ...(silent
      ? [
          {
            path: at(index, 'presence', 'residents_home'),
            message:
              'can never alert: the mode home means that somebody is home, and then this rule only logs',
            hint: 'write residents_home: alert, or add away or night to home_mode',
          },
        ]
      : []),
    ...(stranger
      ? [
          {
            path: at(index, 'identity', 'names'),
            message: 'can never hold: who is unknown has no name',
            hint: 'write is: known, or leave out names',
          },
        ]
      : []),
  ];
}

/** Where the rule looks; what follows from a name that is wrong is not told beside it. */
function places(rule: AlertRule, index: number, known: Known): RuleProblem[] {
  for (const part of [namedCameras, namedZones, uncalibrated]) {
    const found = part(rule, index, known);
    if (found.length > 0) return found;
  }
  return [];
}

/**
 * What is wrong with rules in this house: names that do not exist, metres on cameras without calibration, and
 * conditions that can never hold. Empty when all is well.
 */
export function checkRules(rules: readonly AlertRule[], known: Known): RuleProblem[] {
  return rules.flatMap((rule, index) => [
    ...places(rule, index, known),
    ...namedClasses(rule, index, known),
    ...namedActions(rule, index, known),
    ...contradictions(rule, index),
  ]);
}
