import { period, type PeriodName } from './calendar.rules.ts';
import type { Period, PeriodEnergy, Totals } from './model.ts';

const names = ['today', 'week', 'month', 'year'] as const satisfies readonly PeriodName[];

/** Wh drawn and fed in the running day, week, month and year. */
type Sums = Record<PeriodName, { wh: number; exportWh: number }>;

const zero = (): Sums => ({
  today: { wh: 0, exportWh: 0 },
  week: { wh: 0, exportWh: 0 },
  month: { wh: 0, exportWh: 0 },
  year: { wh: 0, exportWh: 0 },
});

/** Sums of the running calendar periods of every device, kept up to date by what is added: answering costs nothing. */
export class Running {
  readonly #sums = new Map<string, Sums>();
  #timeZone = '';
  #periods: Record<PeriodName, Period> = {
    today: { from: 0, to: 0 },
    week: { from: 0, to: 0 },
    month: { from: 0, to: 0 },
    year: { from: 0, to: 0 },
  };
  /** True when the sums no longer belong to the calendar and must be taken from the slots again. */
  stale = true;

  /** Begins new periods when theirs have ended. A clock set back or another time zone makes the sums stale. */
  roll(now: number, timeZone: string): void {
    const { from, to } = this.#periods.today;
    if (timeZone === this.#timeZone && now >= from && now < to) return;
    if (timeZone !== this.#timeZone || now < from) {
      this.stale = true;
      return;
    }
    for (const name of names) {
      if (now < this.#periods[name].to) continue;
      this.#periods[name] = period(name, now, timeZone);
      for (const sums of this.#sums.values()) sums[name] = { wh: 0, exportWh: 0 };
    }
  }

  /** Sets the calendar anew. Returns the span of whole days that `set` needs for each device. */
  begin(now: number, timeZone: string): Period {
    this.#timeZone = timeZone;
    for (const name of names) this.#periods[name] = period(name, now, timeZone);
    this.stale = false;
    return {
      from: Math.min(this.#periods.week.from, this.#periods.year.from),
      to: this.#periods.today.to,
    };
  }

  set(id: string, days: readonly PeriodEnergy[]): void {
    const sums = zero();
    for (const day of days)
      for (const name of names) {
        const { from, to } = this.#periods[name];
        if (day.from < from || day.from >= to) continue;
        sums[name].wh += day.wh;
        sums[name].exportWh += day.exportWh;
      }
    this.#sums.set(id, sums);
  }

  /** Adds what the slot that begins at `at` got. */
  add(id: string, at: number, wh: number, exportWh: number): void {
    let sums = this.#sums.get(id);
    if (sums === undefined) this.#sums.set(id, (sums = zero()));
    for (const name of names) {
      const { from, to } = this.#periods[name];
      if (at < from || at >= to) continue;
      sums[name].wh += wh;
      sums[name].exportWh += exportWh;
    }
  }

  totals(id: string, totalWh: number, totalExportWh: number): Totals {
    const { today, week, month, year } = this.#sums.get(id) ?? zero();
    // Healing takes back what it lays elsewhere and leaves dust of floating point.
    const least = (wh: number) => Math.max(0, wh);
    return {
      todayWh: least(today.wh),
      weekWh: least(week.wh),
      monthWh: least(month.wh),
      yearWh: least(year.wh),
      totalWh,
      todayExportWh: least(today.exportWh),
      weekExportWh: least(week.exportWh),
      monthExportWh: least(month.exportWh),
      yearExportWh: least(year.exportWh),
      totalExportWh,
    };
  }
}
