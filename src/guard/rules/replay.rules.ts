import type { AlertRow, Observation } from '#cctv/index.ts';
import type { HoldCause, Situation, Verdict } from '../model.ts';
import type { AlertRule } from './config.ts';
import { evaluate, judge } from './evaluate.rules.ts';
import { newMemory } from './memory.rules.ts';

/** Observations of objects, each list in order of time and the lists by their first instant, as one stream in order of time. */
export function* inOrder(objects: Iterable<readonly Observation[]>): Generator<Observation> {
  const open: { readonly list: readonly Observation[]; next: number }[] = [];
  const instant = (o: (typeof open)[number]) => o.list[o.next]!.at;
  function* until(limit: number): Generator<Observation> {
    while (open.length > 0) {
      let first = 0;
      for (let i = 1; i < open.length; i += 1) if (instant(open[i]!) < instant(open[first]!)) first = i;
      const one = open[first]!;
      if (instant(one) >= limit) return;
      yield one.list[one.next]!;
      one.next += 1;
      if (one.next === one.list.length) open.splice(first, 1);
    }
  }
  for (const list of objects) {
    if (list.length === 0) continue;
    yield* until(list[0]!.at);
    open.push({ list, next: 0 });
  }
  yield* until(Infinity);
}

export interface ReplayInput {
  readonly rules: readonly AlertRule[];
  /** In order of time; see inOrder(). */
  readonly observations: Iterable<Observation>;
  /** What the house knew at an instant (epoch ms). */
  readonly situationAt: (at: number) => Situation;
  /** Alerts that were really given in that time. */
  readonly real: readonly AlertRow[];
  readonly cameraName?: (camera: string) => string;
}

/** One alert that would be given, was given, or both. */
export interface Replayed {
  readonly change: 'appeared' | 'vanished' | 'same';
  readonly rule: string;
  readonly camera: string;
  readonly event: string;
  readonly label: string;
  /** Epoch ms: when it would be given, or was. */
  readonly at: number;
  readonly message: string;
  readonly severity: string;
  /** Why an alert that was given would not be. */
  readonly why?: string;
}

export interface RuleReplay {
  readonly rule: string;
  /** Alerts that would be given, and that really were. */
  readonly would: number;
  readonly did: number;
  readonly same: number;
  readonly appeared: number;
  readonly vanished: number;
  /** Objects held back, by cause. */
  readonly held: Readonly<Partial<Record<HoldCause, number>>>;
}

export interface Replay {
  readonly observations: number;
  readonly objects: number;
  readonly rules: readonly RuleReplay[];
  /** In order of time. */
  readonly alerts: readonly Replayed[];
}

const silence = ({ gates }: Verdict) => {
  const failed = gates.find((g) => !g.passed);
  return failed === undefined ? 'another alert tells of it' : `${failed.gate}: ${failed.text}`;
};

/** The verdicts on objects that were really told of, nearest to the instant of the telling. */
class Doubts {
  readonly #events: ReadonlySet<string>;
  readonly #real = new Map<string, { readonly at: number; nearest: number; why: string }>();

  constructor(real: readonly AlertRow[]) {
    this.#events = new Set(real.map((row) => row.event));
    for (const { rule, event, at } of real)
      this.#real.set(`${rule}\n${event}`, {
        at,
        nearest: Infinity,
        why: 'its path is not stored, or not any more',
      });
  }

  has(rule: string, event: string): boolean {
    // Nearly no object was told of, and asking for two words at once is what takes time.
    return this.#events.has(event) && this.#real.has(`${rule}\n${event}`);
  }

  hear(rule: string, { event, at }: Observation, verdict: Verdict): void {
    const doubt = this.#real.get(`${rule}\n${event}`);
    if (doubt === undefined || verdict.kind === 'alert' || Math.abs(at - doubt.at) >= doubt.nearest) return;
    doubt.nearest = Math.abs(at - doubt.at);
    doubt.why = verdict.kind === 'held' ? verdict.reason : silence(verdict);
  }

  why = (rule: string, event: string) => this.#real.get(`${rule}\n${event}`)?.why ?? '';
}

/**
 * Runs stored observations through rules as they are now: which alerts would have been given, and how that differs
 * from those that were. Alerts of one rule about one object are the same alert, whenever they were given. What the detector
 * itself passed over was not stored, so a lower confidence than at that time shows nothing new.
 */
export function replay({
  rules,
  observations,
  situationAt,
  real,
  cameraName = (c) => c,
}: ReplayInput): Replay {
  const memory = newMemory();
  const active = rules.filter((rule) => rule.enabled);
  const doubts = new Doubts(real);
  const would: Replayed[] = [];
  const held = new Map(rules.map((rule) => [rule.id, {} as Partial<Record<HoldCause, number>>]));
  const objects = new Set<string>();
  let count = 0;
  for (const o of observations) {
    count += 1;
    objects.add(o.event);
    const situation = situationAt(o.at);
    for (const rule of active) {
      // Only what is doubted is asked for all its reasons: that costs several times as much.
      const doubted = doubts.has(rule.id, o.event);
      const verdict = (doubted ? evaluate : judge)(rule, o, situation, memory, cameraName(o.camera));
      if (verdict === undefined) continue;
      if (doubted) doubts.hear(rule.id, o, verdict);
      if (verdict.kind === 'held' && !verdict.again) {
        const counts = held.get(rule.id)!;
        counts[verdict.cause] = (counts[verdict.cause] ?? 0) + 1;
      }
      if (verdict.kind === 'alert')
        would.push({
          change: 'appeared',
          rule: rule.id,
          camera: o.camera,
          event: o.event,
          label: o.label,
          at: o.at,
          message: verdict.message,
          severity: verdict.severity,
        });
    }
  }
  const alerts = compareWith(would, real, new Set(rules.map((r) => r.id)), doubts);
  const of = (rule: string, change: Replayed['change']) =>
    alerts.filter((a) => a.rule === rule && a.change === change).length;
  const ids = new Set([...rules.map((r) => r.id), ...real.map((r) => r.rule)]);
  return {
    observations: count,
    objects: objects.size,
    rules: [...ids].map((rule) => {
      const [same, appeared, vanished] = [of(rule, 'same'), of(rule, 'appeared'), of(rule, 'vanished')];
      return {
        rule,
        would: same + appeared,
        did: same + vanished,
        same,
        appeared,
        vanished,
        held: held.get(rule) ?? {},
      };
    }),
    alerts,
  };
}

function compareWith(
  would: readonly Replayed[],
  real: readonly AlertRow[],
  known: ReadonlySet<string>,
  doubts: Doubts,
): Replayed[] {
  const keyOf = (a: { rule: string; event: string }) => `${a.rule}\n${a.event}`;
  const left = new Map([...Map.groupBy(real, keyOf)].map(([key, rows]) => [key, rows.length]));
  const now = would.map((alert): Replayed => {
    const open = left.get(keyOf(alert)) ?? 0;
    if (open === 0) return alert;
    left.set(keyOf(alert), open - 1);
    return { ...alert, change: 'same' };
  });
  const gone = real
    .toSorted((a, b) => b.at - a.at)
    .filter((row) => {
      const open = left.get(keyOf(row)) ?? 0;
      left.set(keyOf(row), open - 1);
      return open > 0;
    })
    .map(({ rule, camera, event, label, at, message, severity }): Replayed => {
      const why = known.has(rule) ? doubts.why(rule, event) : 'there is no such rule any more';
      return { change: 'vanished', rule, camera, event, label, at, message, severity, why };
    });
  return [...now, ...gone].toSorted((a, b) => a.at - b.at);
}
