import { type Slot } from '../energy/model.ts';
import type { DayEnergy } from './anomaly.rules.ts';

/** Share of a day that must be known for it to be compared with others. */
const leastKnown = 0.85;
const dayMs = 86_400_000;

/** Energy by local day, oldest first; days of which too little is known are left out. `dayOf` gives the local day. */
export function dayEnergies(slots: readonly Slot[], dayOf: (at: number) => number): DayEnergy[] {
  const days = new Map<number, { wh: number; known: number }>();
  for (const slot of slots) {
    const day = dayOf(slot.at);
    const { wh, known } = days.get(day) ?? { wh: 0, known: 0 };
    days.set(day, { wh: wh + slot.wh, known: known + slot.coveredMs });
  }
  return [...days]
    .filter(([, { known }]) => known >= leastKnown * dayMs)
    .map(([day, { wh }]) => ({ day, wh }))
    .toSorted((a, b) => a.day - b.day);
}
