import type { Observation } from '#cctv/index.ts';

export type Severity = 'info' | 'warning' | 'critical';

export type HomeMode = 'home' | 'away' | 'night';

/** What the house knows beside the cameras at one instant. */
export interface Situation {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly timeZone: string;
  readonly mode: HomeMode;
  /** The house chose the mode itself, and nobody can tell whether anybody is home: it may as well be away. */
  readonly mayBeAway: boolean;
  /** People known to be home; undefined while nobody can tell. */
  readonly residentsHome: readonly string[] | undefined;
  /** People who arrived within the last minutes. */
  readonly arrivedLately: readonly string[];
  /** Phones on the network that belong to nobody known, with the instant of their first sight. */
  readonly unknownPhones: readonly { readonly id: string; readonly since: number }[];
}

/** One gate of a rule with what it saw, so that an alert can be explained and a rule that stays silent too. */
export interface Gate {
  readonly gate: string;
  readonly passed: boolean;
  /** `4.2 m ± 0.3 from gate, wanted < 5 m` */
  readonly text: string;
}

/** What held an alert back: a mode of the house, who is home, who has just come, or an alert shortly before. */
export type HoldCause = 'mode' | 'residents' | 'arrival' | 'cooldown';

/** What a rule says of one observation. */
export type Verdict =
  | { readonly kind: 'no'; readonly gates: readonly Gate[] }
  | {
      readonly kind: 'held';
      readonly gates: readonly Gate[];
      readonly reason: string;
      readonly cause: HoldCause;
      /** The same was said of this object before: it need not be written down again. */
      readonly again: boolean;
    }
  | {
      readonly kind: 'alert';
      readonly gates: readonly Gate[];
      readonly severity: Severity;
      readonly message: string;
      /** Metres to the reference that the message speaks of. */
      readonly distance?: number;
      /** What it was decided from, for `why` of the row in the book; a memory can be rebuilt from it. */
      readonly why: Readonly<Record<string, unknown>>;
    };

/** What channels deliver. */
export interface AlertMessage {
  /** Unique for ever: channels that can, use it so that nothing is told twice. */
  readonly id: string;
  readonly at: number;
  readonly rule: string;
  readonly ruleName: string;
  readonly camera: string;
  readonly cameraName: string;
  readonly label: string;
  readonly severity: Severity;
  /** `A person, 4 metres from the gate, coming closer` */
  readonly text: string;
  readonly observation: Observation;
  /** Absolute file of the picture, once there is one. */
  readonly snapshot?: string;
  readonly gates: readonly Gate[];
}
