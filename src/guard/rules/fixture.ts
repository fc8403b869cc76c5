import type { Observation } from '#cctv/index.ts';
import type { Situation } from '../model.ts';
import { alertRule, type AlertRule } from './config.ts';

/** Saturday, 13:00 in London. */
export const noon = Date.UTC(2026, 5, 13, 12);

/** A person who walks through the picture, seen well. For tests and benchmarks. */
export function sight(over: Partial<Observation> = {}): Observation {
  return {
    camera: 'front',
    event: 'e1',
    at: noon,
    label: 'person',
    score: 0.8,
    box: { left: 0.4, top: 0.3, width: 0.1, height: 0.4 },
    bornAt: noon - 1_000,
    velocity: { x: 0, y: 0 },
    references: {},
    zones: {},
    ...over,
  };
}

/** Nobody home and nothing else known. */
export function house(over: Partial<Situation> = {}): Situation {
  return {
    at: noon,
    timeZone: 'Europe/London',
    mode: 'away',
    mayBeAway: false,
    residentsHome: [],
    arrivedLately: [],
    unknownPhones: [],
    ...over,
  };
}

/** A rule as settings write it, with its defaults. */
export const ruleOf = (over: Record<string, unknown> = {}): AlertRule =>
  alertRule.parse({ id: 'rule', ...over });
