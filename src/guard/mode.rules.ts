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
    return { mode: hand.mode, why: 'set by hand' };
  if (settings.mode !== 'auto') return { mode: settings.mode, why: 'set in the settings' };
  if (now.residentsHome?.length === 0) return { mode: 'away', why: 'nobody is home' };
  const { from, to } = settings.night;
  if (within(settings.night, wallAt(now.at, now.timeZone)))
    return { mode: 'night', why: `it is between ${from} and ${to}` };
  return {
    mode: 'home',
    why: now.residentsHome === undefined ? 'nobody can tell who is home' : 'somebody is home',
  };
}
