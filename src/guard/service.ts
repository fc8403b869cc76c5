import type { AlertRow, DeliveryRow, Observation, StoredAlert, SuppressedRow } from '#cctv/index.ts';
import type { Clock } from '#kernel/driver.ts';
import { reason } from '#kernel/errors.ts';
import type { Logger } from '#platform/log.ts';
import type { Journal, StateStore } from '#store/model.ts';
import type { AlertMessage, Situation, Verdict } from './model.ts';
import type { Action } from './channels/registry.ts';
import type { AlertRule } from './rules/config.ts';
import { judge } from './rules/evaluate.rules.ts';
import { newMemory, recall, restoreMemory, saveMemory, type Memory } from './rules/memory.rules.ts';

/** The book of the cameras as the guard writes into it; what it promises is on disk when it resolves. */
export interface AlertPages {
  alert(row: AlertRow, deliveries: readonly DeliveryRow[]): Promise<void>;
  suppressed(row: SuppressedRow): Promise<void>;
  alerts(query: { readonly from?: number; readonly limit?: number }): {
    readonly rows: readonly StoredAlert[];
  };
}

export interface GuardIo {
  readonly clock: Clock;
  readonly log: Logger;
  readonly book: AlertPages;
  readonly journal: Pick<Journal, 'append'>;
  readonly state: StateStore;
  readonly situation: (at: number) => Situation;
  readonly cameraName: (camera: string) => string;
  /** The series of readings that says whether anybody is home. */
  readonly presenceSeries: () => string;
  /** What a rule that names no action does: every channel that is set up. */
  readonly usualActions: () => readonly Action[];
  readonly newId: (at: number) => string;
  /** Told when deliveries wait. */
  readonly waiting: () => void;
}

type Alert = Extract<Verdict, { kind: 'alert' }>;

/** What gates rest on that are not about what the camera sees, by the series of readings of who is home. */
const sources: Readonly<
  Record<string, ((presence: string) => { source: string; ref?: string }) | undefined>
> = {
  schedule: () => ({ source: 'clock' }),
  news: () => ({ source: 'guard' }),
  cooldown: () => ({ source: 'guard' }),
  'home mode': (ref) => ({ source: 'guard', ref }),
  arrival: (ref) => ({ source: 'presence', ref }),
  residents: (ref) => ({ source: 'presence', ref }),
  // The address of a guest's phone is kept for a day, the journal for good.
  'unknown phone': () => ({ source: 'wifi' }),
};

const stateKey = 'guard.memory';
const saveEveryMs = 60_000;
// Nothing is told twice because of a restart; what happened before this is over anyway.
const recallMs = 24 * 3_600_000;
// An alert carries the instant of its picture, which was looked at a little later.
const latenessMs = 10_000;
const mostRecalled = 1_000;
const mostRecent = 1_000;

/**
 * Judges what the cameras see by the rules of the house, and who is home. An alert and everything that is to be sent for
 * it are written down together before anything is sent; what is held back keeps its reason.
 */
export class Guard {
  readonly #io: GuardIo;
  readonly #listeners = new Set<(alert: AlertMessage) => void>();
  #rules: readonly AlertRule[] = [];
  #memory: Memory = newMemory();
  readonly #recent = new Map<string, AlertMessage>();
  #savedAt = 0;

  constructor(io: GuardIo) {
    this.#io = io;
  }

  /** Remembers what was told before a restart. */
  async start(): Promise<void> {
    const { state, book, clock, log } = this.#io;
    let from = clock.now() - recallMs;
    try {
      const { memory, at } = restoreMemory(await state.get(stateKey));
      this.#memory = memory;
      // What was told before is in that memory, and perhaps forgotten there because the object came back.
      if (at <= clock.now()) from = Math.max(from, at - latenessMs);
    } catch (error) {
      log.warn(`guard error: what rules remembered cannot be read, they begin anew: ${reason(error)}`);
    }
    recall(this.#memory, book.alerts({ from, limit: mostRecalled }).rows);
  }

  configure(rules: readonly AlertRule[]): void {
    this.#rules = rules.filter((r) => r.enabled);
  }

  rules(): readonly AlertRule[] {
    return this.#rules;
  }

  /** One of the last alerts, also before the book has it. */
  recent(id: string): AlertMessage | undefined {
    return this.#recent.get(id);
  }

  /** Every alert once it is written down. Returns a function that unsubscribes. */
  onAlert(listener: (alert: AlertMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Judges one observation by every rule. */
  observe(observation: Observation): void {
    const { situation, cameraName, clock } = this.#io;
    const now = situation(observation.at);
    for (const rule of this.#rules) {
      const verdict = judge(rule, observation, now, this.#memory, cameraName(observation.camera));
      if (verdict === undefined) continue;
      if (verdict.kind === 'alert') this.#alert(rule, observation, verdict);
      else if (!verdict.again) this.#hold(rule, observation, verdict.reason);
    }
    if (Math.abs(clock.now() - this.#savedAt) > saveEveryMs) void this.#save();
  }

  /** Writes down what rules remember. Where that cannot be done, the alerts in the book are remembered. */
  async stop(): Promise<void> {
    await this.#save();
  }

  async #save(): Promise<void> {
    const { state, clock, log } = this.#io;
    this.#savedAt = clock.now();
    try {
      await state.set(stateKey, saveMemory(this.#memory, this.#savedAt));
    } catch (error) {
      log.warn(`guard error: what rules remember is not saved: ${reason(error)}`, { error });
    }
  }

  #hold(rule: AlertRule, { at, camera, event, label }: Observation, why: string): void {
    const { log, book } = this.#io;
    const fields = { code: 'ALERT_HELD', rule: rule.id, camera, object: label, event };
    log.child('alerts').info(`held back: ${why}`, fields);
    this.#aside(book.suppressed({ at, rule: rule.id, camera, event, reason: why }));
  }

  #alert(rule: AlertRule, seen: Observation, verdict: Alert): void {
    const { book, newId, cameraName, usualActions, waiting } = this.#io;
    const message: AlertMessage = {
      id: newId(seen.at),
      at: seen.at,
      rule: rule.id,
      ruleName: rule.name ?? rule.id,
      camera: seen.camera,
      cameraName: cameraName(seen.camera),
      label: seen.label,
      severity: verdict.severity,
      text: verdict.message,
      observation: seen,
      gates: verdict.gates,
    };
    const deliveries = (rule.actions ?? usualActions()).map((action): DeliveryRow => ({
      id: newId(seen.at),
      alert: message.id,
      channel: action.type,
      action,
      state: 'waiting',
      attempts: 0,
      dueAt: seen.at,
    }));
    // Its deliveries may be asked for before the book has it: a disk may be full, or another program hold the file.
    this.#recent.set(message.id, message);
    for (const old of this.#recent.keys()) if (this.#recent.size > mostRecent) this.#recent.delete(old);
    const written = book.alert(rowOf(message, verdict), deliveries).then(() => {
      waiting();
      this.#tell(message, deliveries.length);
    });
    this.#aside(written);
  }

  #tell(alert: AlertMessage, deliveries: number): void {
    const { journal, log, presenceSeries } = this.#io;
    for (const listener of this.#listeners)
      try {
        listener(alert);
      } catch (error) {
        log.error(`guard error: a listener failed: ${reason(error)}`, { error });
      }
    log.info(`alert: ${alert.text}`, { rule: alert.rule, camera: alert.camera, deliveries });
    this.#aside(
      journal.append({
        at: alert.at,
        kind: 'camera.alert',
        subject: `camera:${alert.camera}`,
        cause: `rule:${alert.rule}`,
        evidence: alert.gates
          .filter((g) => g.passed)
          .map(({ gate, text }) => ({
            at: alert.at,
            text,
            ...(sources[gate]?.(presenceSeries()) ?? {
              source: `camera.${alert.camera}`,
              ref: alert.observation.event,
            }),
          })),
        data: { alert: alert.id, message: alert.text, severity: alert.severity, label: alert.label },
      }),
    );
  }

  #aside(work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#io.log.error(`guard error: ${reason(error)}`, { error, code: 'BOOK_WRITE' }),
    );
  }
}

/** The message as a row of the book, from which `messageOf` makes it again. */
function rowOf(message: AlertMessage, verdict: Alert): AlertRow {
  return {
    id: message.id,
    at: message.at,
    rule: message.rule,
    camera: message.camera,
    event: message.observation.event,
    label: message.label,
    message: message.text,
    severity: message.severity,
    why: {
      ...verdict.why,
      rule_name: message.ruleName,
      camera_name: message.cameraName,
      gates: message.gates,
      observation: message.observation,
    },
    ...(verdict.distance === undefined ? {} : { distance: verdict.distance }),
  };
}

/** An alert of the book as channels tell it; `folder` is the data directory, to which pictures are relative. */
export function messageOf(row: AlertRow, absolute: (file: string) => string): AlertMessage {
  const {
    rule_name: ruleName,
    camera_name: cameraName,
    gates,
    observation,
  } = row.why as {
    rule_name: string;
    camera_name: string;
    gates: AlertMessage['gates'];
    observation: Observation;
  };
  return {
    id: row.id,
    at: row.at,
    rule: row.rule,
    ruleName,
    camera: row.camera,
    cameraName,
    label: row.label,
    severity: row.severity as AlertMessage['severity'],
    text: row.message,
    observation,
    gates,
    ...(row.snapshot === undefined ? {} : { snapshot: absolute(row.snapshot) }),
  };
}
