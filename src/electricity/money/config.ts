import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';

const meta = (m: Omit<SettingMeta, 'reload'>) => ({ ...m, reload: 'live' as const });

export const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof weekdays)[number];

const dayMinutes = 1440;
const weekMinutes = 7 * dayMinutes;

/** Minutes since local midnight of `05:30`; `24:00` is 1440. */
export function minuteOf(text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3));
}

const price = (title: string, description: string) =>
  z
    .number()
    .min(-1000)
    .max(1000)
    .meta(meta({ title, description, unit: 'currency/kWh', examples: [0.2469] }));

const timeOfDay = (title: string, description: string) =>
  z
    .string()
    .regex(/^(([01]\d|2[0-3]):[0-5]\d|24:00)$/, 'expected a time of day like 00:30')
    .meta(meta({ title, description, examples: ['00:30'] }));

const band = z
  .strictObject({
    from: timeOfDay('From', 'Local time at which the band begins'),
    to: timeOfDay('To', 'Local time at which it ends; earlier than `from` means the next morning'),
    days: z
      .array(z.enum(weekdays))
      .min(1)
      .optional()
      .meta(
        meta({
          title: 'Days',
          description: 'Days on which the band begins; every day unless set',
          examples: [['sat', 'sun']],
        }),
      ),
    price: price('Price', 'Price in this band, taxes included'),
  })
  .meta(meta({ title: 'Band', description: 'A part of the day with a price of its own' }));

export type Band = z.infer<typeof band>;

/** The minutes of the week (from Monday 00:00) that a band covers; it may wrap from Sunday into Monday. */
export function* minutesOfBand({ from, to, days }: Band): Generator<number> {
  const [start, end] = [minuteOf(from), minuteOf(to)];
  const length = end > start ? end - start : end + dayMinutes - start;
  for (const day of days ?? weekdays) {
    const first = weekdays.indexOf(day) * dayMinutes + start;
    for (let minute = first; minute < first + length; minute += 1) yield minute % weekMinutes;
  }
}

const clock = (minute: number) => {
  const two = (n: number) => String(n).padStart(2, '0');
  const ofDay = minute % dayMinutes;
  return `${weekdays[Math.floor(minute / dayMinutes)]} ${two(Math.floor(ofDay / 60))}:${two(ofDay % 60)}`;
};

// One text for all, because the reference shows the key of every kind in one place.
const kind = meta({
  title: 'Kind',
  description:
    'fixed: one price. time-of-use (or day-night): prices by the time of day. half-hourly: prices from a file or an address, for stretches of any length. meter: the price that the smart meter shows',
});

const fixed = z.strictObject({
  kind: z.literal('fixed').meta(kind),
  price: price('Price', 'Price of a kWh, taxes included, in pounds or euros, not pence or cents'),
});

const timeOfUse = z
  .strictObject({
    kind: z.literal(['time-of-use', 'day-night']).meta(kind),
    bands: z
      .array(band)
      .min(1)
      .max(100)
      .meta(meta({ title: 'Bands', description: 'Parts of the day in the local time of the home' })),
    otherwise: price('Otherwise', 'Price outside all bands').optional(),
  })
  .superRefine(({ bands, otherwise }, ctx) => {
    const owner = new Int16Array(weekMinutes).fill(-1);
    for (const [index, each] of bands.entries())
      for (const minute of minutesOfBand(each)) {
        const first = owner[minute]!;
        owner[minute] = index;
        if (first < 0) continue;
        const message = `expected bands that do not overlap; band ${first + 1} already covers ${clock(minute)}`;
        ctx.addIssue({ code: 'custom', path: ['bands', index], message });
        return;
      }
    const open = owner.indexOf(-1);
    if (otherwise === undefined && open >= 0)
      ctx.addIssue({
        code: 'custom',
        path: ['otherwise'],
        message: `expected the price outside the bands, because no band covers ${clock(open)}`,
      });
  });

/** How imported prices are to be read: by what they are divided to be currency units per kWh. A hundredth is a penny or a cent. */
export const priceUnits = {
  'currency/kWh': 1,
  'hundredth/kWh': 100,
  'currency/MWh': 1000,
} as const;
export type PriceUnit = keyof typeof priceUnits;

const file = z
  .string()
  .min(1)
  .optional()
  .meta(
    meta({
      title: 'File',
      description: 'File to read, relative to the settings file; read again when it changes',
      examples: ['agile-2026.csv'],
    }),
  );
const url = z
  .url({ protocol: /^https?$/ })
  .optional()
  .meta(
    meta({
      title: 'Address',
      description:
        'Web address to fetch; {from} and {to} in it become the instants (UTC) between which it is asked',
      examples: [
        'https://api.octopus.energy/v1/products/P/electricity-tariffs/E-1R-P-C/standard-unit-rates/',
      ],
    }),
  );

const oneOrigin = (value: { file?: unknown; url?: unknown }, ctx: z.RefinementCtx) => {
  if ((value.file === undefined) === (value.url === undefined))
    ctx.addIssue({ code: 'custom', path: ['file'], message: 'expected either file or url' });
};

const halfHourly = z
  .strictObject({
    kind: z.literal('half-hourly').meta(kind),
    file,
    url,
    unit: z
      .enum(Object.keys(priceUnits) as [PriceUnit, ...PriceUnit[]])
      .optional()
      .meta(
        meta({
          title: 'Unit',
          description:
            'What the prices mean; hundredth/kWh (pence) for the JSON of Octopus and currency/kWh for all else unless set',
        }),
      ),
    payment_method: z
      .string()
      .min(1)
      .default('DIRECT_DEBIT')
      .meta(
        meta({
          title: 'Payment method',
          description: 'Which price to take where the supplier lists one for each way to pay',
        }),
      ),
  })
  .superRefine(oneOrigin);

export type HalfHourly = z.infer<typeof halfHourly>;

const meter = z.strictObject({
  kind: z.literal('meter').meta(kind),
  device: z
    .string()
    .min(1)
    .optional()
    .meta(
      meta({
        title: 'Device',
        description: 'Id of the meter to believe, where more than one shows a price',
        examples: ['glow:020000000001'],
      }),
    ),
});

const importPrice = z.discriminatedUnion('kind', [fixed, timeOfUse, halfHourly, meter]);
const exportPrice = z.discriminatedUnion('kind', [fixed, timeOfUse, halfHourly]);

export type PriceSettings = z.infer<typeof importPrice>;

const terms = {
  import: importPrice.meta(
    meta({
      title: 'Import',
      description: 'What a kWh that is drawn costs',
      examples: [{ kind: 'fixed', price: 0.2469 }],
    }),
  ),
  export: exportPrice.optional().meta(
    meta({
      title: 'Export',
      description: 'What a kWh that is fed back earns; nothing unless set',
      examples: [{ kind: 'fixed', price: 0.15 }],
    }),
  ),
  standing_charge: z
    .number()
    .min(0)
    .max(100_000)
    .optional()
    .meta(
      meta({
        title: 'Standing charge',
        description: 'What each local day costs besides the energy; 0 unless set or shown by the meter',
        unit: 'currency/day',
        examples: [0.6],
      }),
    ),
};

const since = (example: string) =>
  z.iso.date().meta(
    meta({
      title: 'Since',
      description: 'Local date from whose midnight on it holds',
      examples: [example],
    }),
  );

const change = z
  .strictObject({
    since: since('2026-10-01'),
    import: terms.import.optional(),
    export: terms.export,
    standing_charge: terms.standing_charge,
  })
  .meta(meta({ title: 'Change', description: 'What is different since a date; the rest stays as it was' }));

export const carbonSettings = z
  .strictObject({ file, url })
  .superRefine(oneOrigin)
  .meta(
    meta({
      title: 'Carbon intensity',
      description: 'Grams of CO2 per kWh, in the JSON of api.carbonintensity.org.uk',
      examples: [{ url: 'https://api.carbonintensity.org.uk/intensity/{from}/{to}' }],
    }),
  );

// In these currencies a kWh never costs more than 5, so a larger number is the usual slip of writing pence or cents.
const small = new Set(['GBP', 'EUR', 'USD', 'CHF', 'AUD', 'CAD', 'NZD']);
const most = 5;
// The dearest homes pay some pounds a day; 60 pence written as 60 would be the larger part of every bill.
const mostStanding = 10;

/** `electricity.tariff` in the settings, and the whole of a TARIFF.yaml for what-if. */
export const tariffConfig = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(64)
      .optional()
      .meta(meta({ title: 'Name', description: 'What tables call it', examples: ['Agile'] })),
    currency: z
      .string()
      .refine(
        (text) => Intl.supportedValuesOf('currency').includes(text),
        'expected an ISO 4217 currency like GBP or EUR',
      )
      .meta(meta({ title: 'Currency', description: 'ISO 4217 code of all prices', examples: ['GBP'] })),
    since: since('2026-01-01').optional(),
    ...terms,
    changes: z
      .array(change)
      .default([])
      .meta(meta({ title: 'Changes', description: 'Later prices, each with the date since which it holds' })),
    carbon: carbonSettings.optional(),
  })
  .superRefine((tariff, ctx) => {
    const dates = [tariff.since, ...tariff.changes.map((c) => c.since)].filter((d) => d !== undefined);
    for (const [index, date] of dates.entries())
      if (index > 0 && date <= dates[index - 1]!)
        ctx.addIssue({
          code: 'custom',
          path: ['changes', tariff.changes.findLastIndex((c) => c.since === date), 'since'],
          message: `expected dates in order, oldest first; ${date} follows ${dates[index - 1]}`,
        });
    if (!small.has(tariff.currency)) return;
    const parts = [[[] as (string | number)[], tariff] as const].concat(
      tariff.changes.map((c, i) => [['changes', i], c as typeof tariff] as const),
    );
    for (const [path, part] of parts) {
      const { standing_charge: standing = 0 } = part;
      if (standing > mostStanding)
        ctx.addIssue({
          code: 'custom',
          path: [...path, 'standing_charge'],
          message: `expected ${tariff.currency} per day, not hundredths of it: write ${Number((standing / 100).toPrecision(12))} for ${standing}`,
        });
      for (const way of ['import', 'export'] as const)
        for (const [inner, value] of pricesOf(part[way]))
          if (Math.abs(value) > most)
            ctx.addIssue({
              code: 'custom',
              path: [...path, way, ...inner],
              message: `expected ${tariff.currency} per kWh, not hundredths of it: write ${Number((value / 100).toPrecision(12))} for ${value}`,
            });
    }
  })
  .meta(meta({ title: 'Tariff', description: 'What electricity costs and earns' }));

export type TariffSettings = z.infer<typeof tariffConfig>;

function pricesOf(settings: PriceSettings | undefined): [path: (string | number)[], value: number][] {
  if (settings?.kind === 'fixed') return [[['price'], settings.price]];
  if (settings === undefined || !('bands' in settings)) return [];
  const bands = settings.bands.map((b, i): [(string | number)[], number] => [['bands', i, 'price'], b.price]);
  return settings.otherwise === undefined ? bands : [...bands, [['otherwise'], settings.otherwise]];
}
