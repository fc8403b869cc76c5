import type { Observation } from '#cctv/index.ts';
import type { Gate, Severity, Situation, Verdict } from '../model.ts';
import type { AlertRule } from './config.ts';
import { concerns, conditionChecks, inPlace, together } from './conditions.rules.ts';
import type { Check, Context } from './context.rules.ts';
import { countHeld, explainedBy, holdChecks, phoneRaises, phoneText, type Hold } from './holds.rules.ts';
import { note, remember, toldKey, toldOf, type Memory } from './memory.rules.ts';
import { defaultTemplate, spokenReference, valuesOf } from './message.rules.ts';
import { fill, parseTemplate, type Template } from './template.rules.ts';

/** A rule made ready: only the gates that it has, its template taken apart. */
interface Ready {
  readonly conditions: readonly Check[];
  readonly holds: readonly Hold[];
  readonly template: Template | undefined;
}

const ready = new WeakMap<AlertRule, Ready>();

function prepare(rule: AlertRule): Ready {
  let known = ready.get(rule);
  if (known === undefined) {
    known = {
      conditions: conditionChecks.filter((check) => check.wanted(rule)),
      holds: holdChecks.filter((check) => check.wanted(rule)),
      template: rule.message === undefined ? undefined : parseTemplate(rule.message),
    };
    ready.set(rule, known);
  }
  return known;
}

const raised: Readonly<Record<Severity, Severity>> = {
  info: 'warning',
  warning: 'critical',
  critical: 'critical',
};

// Out of the place for less than this is a wobble of its outline, not a coming back.
const leastAwayMs = 30_000;
// A hole this long in being there is bridged for the dwell time.
const bridgedMs = 5_000;

/** Follows an object in and out of the place of a rule: for dwell times, and for alerting again when it comes back. */
function follow(c: Context): Context {
  const { rule, o, memory } = c;
  const key = toldKey(rule.id, o.event);
  if (o.ended === true) {
    // What was told stays, in case that the object is found again; the rest ends with it.
    if (c.told !== undefined && c.told.alertedAt === undefined) memory.told.delete(key);
    return c;
  }
  const dwells =
    rule.conditions.dwell_seconds !== undefined && rule.conditions.distance_to_reference !== undefined;
  if (c.told?.alertedAt === undefined && !dwells) return c;
  const here = inPlace(c);
  if (c.told === undefined && !here) return c;
  const seenAt = c.told?.at;
  const told = toldOf(memory, rule.id, o.event, o.at);
  if (here) {
    // Where it was at its last sight, it has been since then, however long nobody looked.
    const bridged = told.hereAt !== undefined && (told.hereAt === seenAt || o.at - told.hereAt <= bridgedMs);
    if (!bridged || told.hereSince === undefined) told.hereSince = o.at;
    told.hereAt = o.at;
  }
  if (told.alertedAt !== undefined) {
    const stood = o.furniture === true || (o.stationarySince ?? Infinity) <= (told.leftAt ?? -Infinity);
    if (!here) told.leftAt ??= o.at;
    else {
      const away = told.leftAt === undefined ? 0 : o.at - told.leftAt;
      if (away >= Math.max(leastAwayMs, rule.cooldown * 1000) && !stood) delete told.alertedAt;
      delete told.leftAt;
    }
  }
  return { ...c, told };
}

const gateOf = (c: Context, check: Check): Gate => ({
  gate: check.gate,
  passed: check.passes(c),
  text: check.text(c),
});

/** What is decided of one observation, before anybody asks why. */
type Decision =
  | { readonly kind: 'no'; readonly c: Context }
  | { readonly kind: 'held'; readonly c: Context; readonly hold: Hold; readonly again: boolean }
  | { readonly kind: 'alert'; readonly c: Context };

function decide(rule: AlertRule, o: Observation, situation: Situation, memory: Memory): Decision {
  const present = note(memory, o);
  const plain: Context = {
    rule,
    o,
    situation,
    memory,
    present,
    told: undefined,
    zones: rule.zones?.filter((zone) => Object.hasOwn(o.zones, zone)) ?? [],
  };
  if (!concerns(rule, o.camera, o.label)) return { kind: 'no', c: plain };
  const c = follow({ ...plain, told: memory.told.get(toldKey(rule.id, o.event)) });
  const { conditions, holds } = prepare(rule);
  if (!conditions.every((check) => check.passes(c))) return { kind: 'no', c };
  const hold = holds.find((check) => !check.passes(c));
  return hold === undefined
    ? { kind: 'alert', c }
    : { kind: 'held', c, hold, again: c.told?.heldBy === hold.cause };
}

/** Writes into the memory what was decided. */
function commit(decision: Decision): void {
  const { c, kind } = decision;
  const { rule, o, memory } = c;
  if (kind === 'held') {
    const told = toldOf(memory, rule.id, o.event, o.at);
    told.heldBy = decision.hold.cause;
    const explained = explainedBy(c);
    if (explained !== undefined) told.explained = explained;
    if (decision.hold.cause === 'cooldown' && !decision.again) countHeld(c);
  }
  if (kind === 'alert') {
    const alert = { at: o.at, rule: rule.id, camera: o.camera, label: o.label, zones: c.zones };
    for (const event of told(c)) remember(memory, { ...alert, event });
  }
}

/** The objects that an alert tells of: one, or all that were counted. */
const told = (c: Context) =>
  c.rule.conditions.count === undefined ? [c.o.event] : [...new Set([c.o.event, ...together(c)])];

function gatesOf({ c, kind }: Decision): Gate[] {
  const { conditions, holds } = prepare(c.rule);
  const seen = conditions.map((check) => gateOf(c, check));
  if (kind === 'no') return seen;
  const phone = phoneRaises(c) ? [{ gate: 'unknown phone', passed: true, text: phoneText(c) }] : [];
  return [...seen, ...holds.map((check) => gateOf(c, check)), ...phone];
}

const millimetres = (n: number) => Math.round(n * 1000) / 1000;

function verdictOf(decision: Decision, cameraName: string): Verdict {
  const { c, kind } = decision;
  const gates = gatesOf(decision);
  if (kind === 'no') return { kind, gates };
  if (kind === 'held') {
    const { hold, again } = decision;
    return { kind, gates, reason: hold.text(c), cause: hold.cause, again };
  }
  const { rule, o } = c;
  const values = valuesOf(c, cameraName);
  const reference = spokenReference(c);
  const others = told(c).filter((event) => event !== o.event);
  return {
    kind,
    gates,
    severity: phoneRaises(c) ? raised[rule.severity] : rule.severity,
    message: fill(prepare(rule).template ?? defaultTemplate(values), values),
    ...(reference === undefined ? {} : { distance: millimetres(reference.to.distance) }),
    why: {
      score: millimetres(o.score),
      zones: [...c.zones],
      gates,
      situation: {
        mode: c.situation.mode,
        residents_home: c.situation.residentsHome ?? null,
        arrived_lately: c.situation.arrivedLately,
        unknown_phones: c.situation.unknownPhones.length,
      },
      ...(reference === undefined
        ? {}
        : {
            reference: reference.name,
            distance: millimetres(reference.to.distance),
            sigma: millimetres(reference.to.sigma),
          }),
      ...(others.length === 0 ? {} : { events: others }),
    },
  };
}

/**
 * What a rule says of one observation, with every gate and what it saw. The memory is changed: an alert is
 * remembered as told, so write it down before the memory is used again, or use a copy. Observations of a camera come in order of
 * time; the order of the rules does not matter. `cameraName` is how messages call the camera.
 */
export function evaluate(
  rule: AlertRule,
  observation: Observation,
  situation: Situation,
  memory: Memory,
  cameraName: string = observation.camera,
): Verdict {
  const decision = decide(rule, observation, situation, memory);
  const verdict = verdictOf(decision, cameraName);
  commit(decision);
  return verdict;
}

/**
 * As evaluate(), but says only what is new: an alert, or that one is held back for a reason not given before for
 * this object. For the many observations of a busy yard or of a replay, of which nearly all say nothing.
 */
export function judge(
  rule: AlertRule,
  observation: Observation,
  situation: Situation,
  memory: Memory,
  cameraName: string = observation.camera,
): Exclude<Verdict, { kind: 'no' }> | undefined {
  const decision = decide(rule, observation, situation, memory);
  const silent = decision.kind === 'no' || (decision.kind === 'held' && decision.again);
  const verdict = silent ? undefined : verdictOf(decision, cameraName);
  commit(decision);
  return verdict?.kind === 'no' ? undefined : verdict;
}
