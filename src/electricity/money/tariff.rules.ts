import type { Period } from '../energy/model.ts';
import {
  minuteOf,
  weekdays,
  type Band,
  type PriceSettings,
  type TariffSettings,
  type Weekday,
} from './config.ts';
import type { MeterPrice, Rate, Tariff } from './model.ts';
import { clip, gaps } from './rates.rules.ts';
import { dayMs, evenStretches, startOfDate } from './wall.rules.ts';

/** What a tariff needs besides its settings. */
export interface TariffParts {
  readonly timeZone: string;
  /** Imported rates by `sourceKey`, each without overlaps and oldest first. */
  readonly imported?: ReadonlyMap<string, readonly Rate[]>;
  /** What the smart meter showed, oldest first. */
  readonly shown?: readonly MeterPrice[];
}

type Rates = (from: number, to: number) => readonly Rate[];

const minuteMs = 60_000;

/** Names where half-hourly prices come from and how they are read; equal settings share what was imported. */
export function sourceKey(settings: PriceSettings): string | undefined {
  if (settings.kind !== 'half-hourly') return undefined;
  const { file, url, unit, payment_method } = settings;
  return JSON.stringify([file ?? null, url ?? null, unit ?? null, payment_method]);
}

/** Builds a tariff from its settings: `import`, `export` and `standing_charge`, each as it was at the time. */
export function buildTariff(settings: TariffSettings, parts: TariffParts): Tariff {
  const terms = termsOf(settings, parts.timeZone);
  const along = (way: 'import' | 'export'): Rates => {
    const made = terms.map((term) => ({ ...term, of: term[way] && ratesOf(term[way], parts) }));
    return (from, to) => clip(made, from, to).flatMap((term) => term.of?.(term.from, term.to) ?? []);
  };
  const standingOn = (at: number) => {
    const term = terms.find((t) => at >= t.from && at < t.to);
    if (term === undefined) return 0;
    return term.standing ?? (term.import.kind === 'meter' ? standingShown(parts.shown ?? [], at) : 0);
  };
  return {
    name: settings.name ?? defaultName(terms.at(-1)!.import),
    currency: settings.currency,
    rates: along('import'),
    ...(terms.some((t) => t.export !== undefined) && { exportRates: along('export') }),
    standingPerDay: standingOn(Number.MAX_SAFE_INTEGER),
    standingOn,
  };
}

const defaultName = (price: PriceSettings) => price.kind;

interface Term extends Period {
  readonly import: PriceSettings;
  readonly export: PriceSettings | undefined;
  readonly standing: number | undefined;
}

/** The settings and their changes as one list of what held when. */
function termsOf(settings: TariffSettings, timeZone: string): Term[] {
  const starts = settings.changes.map((c) => startOfDate(c.since, timeZone));
  let { import: imported, export: exported, standing_charge: standing } = settings;
  const first = settings.since === undefined ? -Infinity : startOfDate(settings.since, timeZone);
  const terms: Term[] = [
    { from: first, to: starts[0] ?? Infinity, import: imported, export: exported, standing },
  ];
  for (const [index, change] of settings.changes.entries()) {
    imported = change.import ?? imported;
    exported = change.export ?? exported;
    standing = change.standing_charge ?? standing;
    terms.push({
      from: starts[index]!,
      to: starts[index + 1] ?? Infinity,
      import: imported,
      export: exported,
      standing,
    });
  }
  return terms;
}

function ratesOf(price: PriceSettings, parts: TariffParts): Rates {
  if (price.kind === 'fixed') return (from, to) => [{ from, to, perKwh: price.price }];
  if (price.kind === 'meter') return meterRates(parts.shown ?? []);
  if (price.kind === 'half-hourly') {
    const known = parts.imported?.get(sourceKey(price)!) ?? [];
    return (from, to) => clip(known, from, to);
  }
  const week = sectionsOfWeek(price.bands, price.otherwise);
  return (from, to) => bandRates(week, parts.timeZone, from, to);
}

/** A price that was shown holds until another one is; before the first nothing is known. */
function meterRates(shown: readonly MeterPrice[]): Rates {
  const prices = shown.filter((s) => s.perKwh !== undefined);
  const rates = prices.map((s, i) => ({ from: s.at, to: prices[i + 1]?.at ?? Infinity, perKwh: s.perKwh! }));
  return (from, to) => clip(rates, from, to);
}

function standingShown(shown: readonly MeterPrice[], at: number): number {
  const known = shown.filter((s) => s.standingPerDay !== undefined);
  // The day on which a meter was first seen began before it was: its charge is the first one shown.
  return (known.findLast((s) => s.at <= at) ?? known[0])?.standingPerDay ?? 0;
}

interface Section {
  /** Minutes since local midnight. */
  readonly from: number;
  readonly to: number;
  readonly perKwh: number;
}

/** What holds on each day of the week, Monday first; a band over midnight is cut into two. */
function sectionsOfWeek(bands: readonly Band[], otherwise: number | undefined): Section[][] {
  return weekdays.map((weekday, index) => {
    const yesterday = weekdays[(index + 6) % 7]!;
    const sections = bands.flatMap((band): Section[] => {
      const [from, to] = [minuteOf(band.from), minuteOf(band.to)];
      const on = (day: Weekday) => band.days === undefined || band.days.includes(day);
      const late = { from, to: to > from ? to : 1440, perKwh: band.price };
      const early = { from: 0, to: to > from ? 0 : to, perKwh: band.price };
      return [...(on(yesterday) ? [early] : []), ...(on(weekday) ? [late] : [])].filter((s) => s.to > s.from);
    });
    sections.sort((a, b) => a.from - b.from);
    if (otherwise === undefined) return sections;
    const open = gaps(sections, 0, 1440).map(({ from, to }) => ({ from, to, perKwh: otherwise }));
    return [...sections, ...open].toSorted((a, b) => a.from - b.from);
  });
}

/** Within a stretch of even time the wall clock is a straight line, so the repeated hour simply has its band twice. */
function bandRates(
  week: readonly (readonly Section[])[],
  timeZone: string,
  from: number,
  to: number,
): Rate[] {
  const rates: { from: number; to: number; perKwh: number }[] = [];
  for (const even of evenStretches(from, to, timeZone))
    for (let day = Math.floor((even.from + even.offset) / dayMs); ; day += 1) {
      const midnight = day * dayMs - even.offset;
      if (midnight >= even.to) break;
      // Day 0 of the epoch was a Thursday.
      for (const section of week[(((day + 3) % 7) + 7) % 7]!) {
        const start = Math.max(midnight + section.from * minuteMs, even.from);
        const end = Math.min(midnight + section.to * minuteMs, even.to);
        const last = rates.at(-1);
        if (start >= end) continue;
        if (last?.to === start && last.perKwh === section.perKwh) last.to = end;
        else rates.push({ from: start, to: end, perKwh: section.perKwh });
      }
    }
  return rates;
}

/** The price at one instant, undefined where none is known. */
export function rateAt(tariff: Tariff, at: number): Rate | undefined {
  return tariff.rates(at, at + 1)[0];
}

/** The stretches of `from`..`to` (epoch ms) for which energy that is drawn has no price. */
export function priceGaps(tariff: Tariff, from: number, to: number): Period[] {
  return gaps(tariff.rates(from, to), from, to);
}
