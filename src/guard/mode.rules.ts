import type { GuardConfig } from './config.ts';
import type { HomeMode } from './model.ts';
import { wallAt, within } from './rules/wall.rules.ts';

/** A mode that somebody set at run time. */
export interface HandMode {
  readonly mode: HomeMode;
  /** Epoch ms at which the house decides again; absent: until it is taken back. */
  readonly until?: number;
}

/** The mode of the house and why, as a sentence. */
export interface ModeView {
  readonly mode: HomeMode;
  readonly why: string;
  /** Chosen by what is known of people and by the hour, and not set by anybody. */
  readonly chosen: boolean;
}

/**
 * The mode of the house at an instant (epoch ms). A mode set by hand comes first while it lasts, then one fixed in the
 * settings, then: away when it is known that nobody is home, night in its hours, otherwise home.
 */
export function modeAt(
  settings: Pick<GuardConfig, 'mode' | 'night'>,
  now: {
    readonly at: number;
    readonly timeZone: string;
    readonly residentsHome: readonly string[] | undefined;
    readonly hand?: HandMode | undefined;
  },
): ModeView {
  const { hand } = now;
  if (hand !== undefined && (hand.until === undefined || now.at < hand.until))
    return { mode: hand.mode, why: 'set by hand', chosen: false };
  if (settings.mode !== 'auto') return { mode: settings.mode, why: 'set in the settings', chosen: false };
  if (now.residentsHome?.length === 0) return { mode: 'away', why: 'nobody is home', chosen: true };
  const { from, to } = settings.night;
  if (within(settings.night, wallAt(now.at, now.timeZone)))
    return { mode: 'night', why: `it is between ${from} and ${to}`, chosen: true };
  return {
    mode: 'home',
    why: now.residentsHome === undefined ? 'nobody can tell who is home' : 'somebody is home',
    chosen: true,
  };
}

const handModes: readonly unknown[] = ['home', 'away', 'night'] satisfies HomeMode[];

/** The data of the journal's event `guard.mode`: the mode from then on, and by whom and for how long. */
export function modeData(mode: HomeMode, hand: HandMode | undefined): Readonly<Record<string, unknown>> {
  return {
    mode,
    by_hand: hand !== undefined,
    ...(hand?.until === undefined ? {} : { until: hand.until }),
  };
}

/** The mode that such an event says was set by hand; undefined where it was taken back. */
export function handOf({ mode, by_hand, until }: Readonly<Record<string, unknown>>): HandMode | undefined {
  if (by_hand !== true || !handModes.includes(mode)) return undefined;
  return { mode: mode as HomeMode, ...(typeof until === 'number' ? { until } : {}) };
}
