import { reason } from '#kernel/errors.ts';
import type { Values } from '../model.ts';
import { priceUnits, type HalfHourly, type PriceSettings, type TariffSettings } from './config.ts';
import { Feed, type FeedParts, type FeedSource, type FeedStatus } from './feed.ts';
import { parseCarbon } from './import/carbon.codec.ts';
import { parseRates } from './import/rates.codec.ts';
import type { Shape } from './kept.ts';
import type { Intensity, MeterPrice, Rate, Tariff } from './model.ts';
import { buildTariff, sourceKey } from './tariff.rules.ts';

const dayMs = 86_400_000;
const meterKey = 'electricity.prices.meter';
const mostShown = 20_000;

export interface PricesParts extends FeedParts {
  /** `electricity.tariff`; without it nothing has a price. */
  readonly settings: TariffSettings | undefined;
}

interface ShownByMeter {
  readonly device: string;
  readonly prices: readonly MeterPrice[];
}

const rateShape: Shape<Rate> = {
  value: (rate) => rate.perKwh,
  make: (from, to, perKwh) => ({ from, to, perKwh }),
};
const carbonShape: Shape<Intensity> = {
  value: (rate) => rate.gramsPerKwh,
  make: (from, to, gramsPerKwh) => ({ from, to, gramsPerKwh }),
};

/** What the electricity of the house costs at any time, kept up to date from wherever the settings say. */
export class Prices {
  readonly #parts: PricesParts;
  readonly #feeds: ReadonlyMap<string, Feed<Rate>>;
  readonly #carbon: Feed<Intensity> | undefined;
  #shown: ShownByMeter | undefined;
  #tariff: Tariff | undefined;

  constructor(parts: PricesParts) {
    this.#parts = parts;
    const { settings } = parts;
    const changed = () => (this.#tariff = undefined);
    // Export first, so that prices which are used both ways are called those of import.
    const ways = settings === undefined ? [] : (['export', 'import'] as const);
    this.#feeds = new Map(
      ways.flatMap((way) =>
        pricesIn(settings!, way)
          .filter((price) => price.kind === 'half-hourly')
          .map((price) => [
            sourceKey(price)!,
            new Feed(rateSource(`${way} prices`, price, parts.timeZone), parts, changed),
          ]),
      ),
    );
    const carbon = settings?.carbon;
    this.#carbon = carbon && new Feed(carbonSource(carbon), parts, changed);
  }

  /** The tariff with everything known now; undefined when the settings have none. */
  tariff(): Tariff | undefined {
    const { settings, timeZone } = this.#parts;
    if (settings === undefined) return undefined;
    this.#tariff ??= buildTariff(settings, {
      timeZone,
      imported: new Map([...this.#feeds].map(([key, feed]) => [key, feed.rates])),
      shown: this.#shown?.prices ?? [],
    });
    return this.#tariff;
  }

  /** Carbon intensity known now, oldest first; empty when the settings name no source. */
  carbon(): readonly Intensity[] {
    return this.#carbon?.rates ?? [];
  }

  status(): readonly FeedStatus[] {
    return this.#all().map((feed) => feed.status());
  }

  /** What a smart meter shows: its unit price and standing charge, told whenever it was measured. */
  async meterShows(device: string, at: number, values: Values): Promise<void> {
    const { settings, state, log } = this.#parts;
    const meters =
      settings === undefined ? [] : pricesIn(settings, 'import').filter((p) => p.kind === 'meter');
    const wanted = meters.find((m) => m.device !== undefined)?.device ?? this.#shown?.device ?? device;
    if (meters.length === 0 || device !== wanted) return;
    const prices = this.#shown?.device === device ? this.#shown.prices : [];
    const next = nextShown(prices, at, values);
    if (next === prices) return;
    this.#shown = { device, prices: next };
    this.#tariff = undefined;
    await state.set(meterKey, this.#shown).catch((error: unknown) => {
      log.warn('the price that the meter shows cannot be kept at the moment', { error: String(error) });
    });
  }

  /** Everything that is known without asking a server. Throws CONFIG_INVALID or NOT_FOUND for a file. */
  async load(): Promise<void> {
    await this.#remember();
    for (const feed of this.#all()) await feed.load();
  }

  /** Asks now for the prices since an instant (epoch ms), for a command. Throws LaresError. */
  async refresh(since: number, signal: AbortSignal): Promise<void> {
    for (const feed of this.#feeds.values()) await feed.refresh(since, signal);
  }

  /** Keeps everything up to date until the signal aborts. A source that fails delays no other and throws nothing. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#remember().catch((error: unknown) =>
      this.#parts.log.warn(`the price that the meter showed last cannot be read: ${reason(error)}`),
    );
    await Promise.all(
      this.#all().map(async (feed) => {
        // A file that cannot be read is reported by `run`, which tries again.
        await feed.load().catch(() => undefined);
        await feed.run(signal);
      }),
    );
  }

  async #remember(): Promise<void> {
    const kept = await this.#parts.state.get<ShownByMeter>(meterKey);
    if (kept !== undefined && this.#shown === undefined) {
      this.#shown = kept;
      this.#tariff = undefined;
    }
  }

  #all(): Feed<Rate | Intensity>[] {
    return [...this.#feeds.values(), this.#carbon].filter((f) => f !== undefined) as Feed<Rate | Intensity>[];
  }
}

/** Every price that the settings name for one way, now or since a change. */
function pricesIn(settings: TariffSettings, way: 'import' | 'export'): PriceSettings[] {
  return [settings, ...settings.changes].map((s) => s[way]).filter((p) => p !== undefined);
}

function rateSource(title: string, price: HalfHourly, timeZone: string): FeedSource<Rate> {
  const { file, url, unit, payment_method: paymentMethod } = price;
  const divisor = unit && priceUnits[unit];
  return {
    title,
    key: sourceKey(price)!,
    file,
    url,
    historyMs: 400 * dayMs,
    recentMs: 3 * dayMs,
    parse: (text, name, code) => parseRates(text, { name, code, divisor, paymentMethod, timeZone }),
    shape: rateShape,
  };
}

function carbonSource({
  file,
  url,
}: {
  file?: string | undefined;
  url?: string | undefined;
}): FeedSource<Intensity> {
  return {
    title: 'carbon intensity',
    key: `carbon ${file ?? url}`,
    file,
    url,
    // The British service answers for at most 14 days, of which two lie ahead.
    historyMs: 11 * dayMs,
    recentMs: 2 * dayMs,
    parse: (text, name, code) => parseCarbon(text, { name, code }),
    shape: carbonShape,
  };
}

/** The list with what is new; the same list when nothing is. A meter that knows no price yet shows 0. */
function nextShown(shown: readonly MeterPrice[], at: number, values: Values): readonly MeterPrice[] {
  const real = (n: number | undefined) => (n !== undefined && Number.isFinite(n) && n !== 0 ? n : undefined);
  const [perKwh, standingPerDay] = [real(values.unit_price), real(values.standing_charge)];
  const last = shown.at(-1);
  const price = perKwh ?? last?.perKwh;
  const standing = standingPerDay ?? last?.standingPerDay;
  const same = price === last?.perKwh && standing === last?.standingPerDay;
  if (same || (last !== undefined && at <= last.at)) return shown;
  return [...shown, { at, perKwh: price, standingPerDay: standing }].slice(-mostShown);
}
