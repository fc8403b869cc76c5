import type { Family } from './model.ts';

/** What a simulated device knows and does, apart from how its words travel. */
export interface SimBrain {
  readonly family: Family;
  /** As in discovery: `IOT.SMARTPLUGSWITCH`, `SMART.TAPOPLUG`. */
  readonly type: string;
  readonly model: string;
  /** `02:00:00:00:00:01` */
  readonly mac: string;
  /** Answers one question as JSON text. */
  answer(question: string, over: 'tcp' | 'udp'): string;
  /** A power cut. */
  reboot(): void;
}

/** A branch of a question or of a fixture. */
export type Branch = Readonly<Record<string, unknown>>;

export const branch = (value: unknown): Branch =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Branch) : {};

export function parseQuestion(question: string): Branch {
  try {
    return branch(JSON.parse(question));
  } catch {
    return {};
  }
}
