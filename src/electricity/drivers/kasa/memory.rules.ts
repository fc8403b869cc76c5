import type { EnergySlot } from '../../model.ts';
import { finite, list, record, type Json } from '../shared/json.codec.ts';
import { epochOfLocal, type DeviceClock } from './zones.rules.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
// A year of months is the most that any device keeps; more would only ask in vain.
const mostMonths = 14;

/** A calendar month of the device, 1 to 12. */
export interface Month {
  readonly year: number;
  readonly month: number;
}

/** The instant at which the device's own clock shows a local time (given as if it were UTC). */
function instantOf(localMs: number, clock: DeviceClock): number {
  return epochOfLocal(localMs, clock.offsetAt) - clock.skewMs;
}

/** What the device's clock shows at an instant, as if it were UTC. */
export function localOf(at: number, { offsetAt, skewMs }: DeviceClock): number {
  return at + skewMs + offsetAt(at + skewMs);
}

/** The months of the device's calendar that overlap a span, oldest first; the newest 14 of more. */
export function monthsBetween(from: number, to: number, clock: DeviceClock): Month[] {
  const [first, last] = [new Date(localOf(from, clock)), new Date(localOf(to - 1, clock))];
  const start = first.getUTCFullYear() * 12 + first.getUTCMonth();
  const end = last.getUTCFullYear() * 12 + last.getUTCMonth();
  const months: Month[] = [];
  for (let m = Math.max(start, end - mostMonths + 1); m <= end; m += 1)
    months.push({ year: Math.floor(m / 12), month: (m % 12) + 1 });
  return months;
}

/** Keeps what overlaps `from`..`to` and has happened: the slot of the current day or hour ends now. */
function clip(slots: readonly EnergySlot[], from: number, to: number, now: number): EnergySlot[] {
  return slots
    .map((slot) => ({ ...slot, to: Math.min(slot.to, now) }))
    .filter((slot) => slot.to > slot.from && slot.to > from && slot.from < to)
    .toSorted((a, b) => a.from - b.from);
}

function energyOf(entry: Json): number | undefined {
  const wh = finite(entry['energy_wh']);
  if (wh !== undefined) return wh >= 0 ? wh : undefined;
  const kwh = finite(entry['energy']);
  return kwh !== undefined && kwh >= 0 ? Math.round(kwh * 1e6) / 1e3 : undefined;
}

const between = (value: number | undefined, least: number, most: number): value is number =>
  value !== undefined && Number.isInteger(value) && value >= least && value <= most;

/** `get_daystat` of one month: one slot a day of the device's calendar. Days that the device does not list are unknown. */
export function daySlots(reply: Json, { year, month }: Month, clock: DeviceClock): EnergySlot[] {
  return list(reply['day_list']).flatMap((item) => {
    const entry = record(item);
    const [day, wh] = [finite(entry['day']), energyOf(entry)];
    if (!between(day, 1, 31) || wh === undefined) return [];
    if ((finite(entry['month']) ?? month) !== month || (finite(entry['year']) ?? year) !== year) return [];
    const start = Date.UTC(year, month - 1, day);
    return [{ from: instantOf(start, clock), to: instantOf(start + dayMs, clock), wh }];
  });
}

/** `get_monthstat` of one year: one slot a month. */
export function monthSlots(reply: Json, year: number, clock: DeviceClock): (EnergySlot & Month)[] {
  return list(reply['month_list']).flatMap((item) => {
    const entry = record(item);
    const [month, wh] = [finite(entry['month']), energyOf(entry)];
    if (!between(month, 1, 12) || wh === undefined || (finite(entry['year']) ?? year) !== year) return [];
    const [from, to] = [Date.UTC(year, month - 1, 1), Date.UTC(year, month, 1)];
    return [{ from: instantOf(from, clock), to: instantOf(to, clock), wh, year, month }];
  });
}

/** Days where the device has them, else the whole month. */
export function finestOfMonths(
  days: readonly EnergySlot[],
  months: readonly EnergySlot[],
  span: { readonly from: number; readonly to: number; readonly now: number },
): EnergySlot[] {
  const coarse = months.filter((m) => !days.some((d) => d.from < m.to && d.to > m.from));
  return clip([...coarse, ...days], span.from, span.to, span.now);
}

/** One question for `get_energy_data`. Timestamps are seconds of local time as if it were UTC. */
export interface EnergyDataQuestion {
  readonly start_timestamp: number;
  readonly end_timestamp: number;
  readonly interval: 60 | 1440;
}

/** Questions by hours for a span: whole local days, at most eight a question. */
export function hourlyQuestions(from: number, to: number, clock: DeviceClock): EnergyDataQuestion[] {
  const first = Math.floor(localOf(from, clock) / dayMs);
  const last = Math.floor(localOf(to - 1, clock) / dayMs);
  const questions: EnergyDataQuestion[] = [];
  for (let day = first; day <= last; day += 8)
    questions.push({
      start_timestamp: (day * dayMs) / 1000,
      end_timestamp: (Math.min(day + 8, last + 1) * dayMs) / 1000 - 1,
      interval: 60,
    });
  return questions;
}

/** Questions by days: they must name the first day of a quarter and bring all of it. */
export function dailyQuestions(from: number, to: number, clock: DeviceClock): EnergyDataQuestion[] {
  const quarters = new Set(
    monthsBetween(from, to, clock).map(
      ({ year, month }) => Date.UTC(year, Math.floor((month - 1) / 3) * 3) / 1000,
    ),
  );
  return [...quarters].map((start) => ({ start_timestamp: start, end_timestamp: start, interval: 1440 }));
}

/**
 * Slots of a `get_energy_data` reply: a list of Wh, one an hour or a day of local time from `start_timestamp` on. An hour
 * that a change of the clocks skips has no length and is left out; one that comes twice is one slot of two hours.
 */
export function energyDataSlots(reply: Json, asked: EnergyDataQuestion, clock: DeviceClock): EnergySlot[] {
  const start = (finite(reply['start_timestamp']) ?? asked.start_timestamp) * 1000;
  const minutes = finite(reply['interval']) ?? asked.interval;
  if (minutes !== 60 && minutes !== 1440) return [];
  const step = minutes * 60_000;
  return list(reply['data'])
    .slice(0, 400)
    .flatMap((item, index) => {
      const wh = finite(item);
      if (wh === undefined || wh < 0) return [];
      const local = start + index * step;
      const slot = { from: instantOf(local, clock), to: instantOf(local + step, clock), wh };
      return slot.to > slot.from ? [slot] : [];
    });
}

/**
 * Hours where the device still has them, days before that. A device answers zeros for hours that it has forgotten, so a day
 * whose hours sum to nothing while the day itself has energy is told by the day.
 */
export function finestOfHours(
  hours: readonly EnergySlot[],
  days: readonly EnergySlot[],
  span: { readonly from: number; readonly to: number; readonly now: number },
): EnergySlot[] {
  const forgotten = days.filter((day) => {
    const own = hours.filter((h) => h.from >= day.from && h.to <= day.to);
    return own.length === 0 || (day.wh > 0 && own.every((h) => h.wh === 0));
  });
  const kept = hours.filter((h) => !forgotten.some((d) => h.from >= d.from && h.to <= d.to));
  return clip([...kept, ...forgotten], span.from, span.to, span.now);
}
