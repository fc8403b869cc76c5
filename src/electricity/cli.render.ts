import { localTime, table } from '#platform/table.ts';
import type { CostBody, ElectricDeviceBody, ElectricityBody, EnergyBody } from './body.ts';
import type { InsightBody } from './insight.body.ts';
import type { Found } from './model.ts';

const watts = (value: number | undefined | null) =>
  value === undefined || value === null ? '' : `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} W`;
const kwh = (value: number | undefined | null) =>
  value === undefined || value === null ? '' : `${value.toFixed(2)} kWh`;
const coins = (value: number | null | undefined, currency: string | null) =>
  value === null || value === undefined ? '' : `${value.toFixed(2)} ${currency ?? ''}`.trimEnd();

function isOn({ values, state }: ElectricDeviceBody): string {
  if (state !== 'ok') return state;
  const on = values['is_on'];
  return on === undefined ? '' : on === 1 ? 'on' : 'off';
}

/** `lares electricity devices`: one row a device, and the house below. */
export function devicesText({ house, devices }: ElectricityBody): string {
  if (devices.length === 0)
    return 'No device yet. Name networks or devices under electricity in lares.yaml; look with: lares electricity discover';
  const rows = devices.map((d) => [
    d.path,
    d.name,
    isOn(d),
    watts(d.values['power_watts']),
    kwh(d.energy?.today_kwh),
    coins(d.cost_today, house.currency),
    d.model ?? '',
    d.problem ?? d.notes[0] ?? (d.control === 'forbidden' ? 'never switched' : ''),
  ]);
  const basis = {
    meter: 'by the meter',
    circuits: 'by its circuits',
    devices: 'as far as its devices tell',
    none: '',
  };
  const parts = [
    `The house draws ${watts(house.power_watts) || 'an unknown power'} ${basis[house.basis]}`.trimEnd(),
    house.unexplained_watts === null || house.unexplained_watts < 0
      ? ''
      : `${watts(house.unexplained_watts)} of it unexplained`,
    house.energy === null ? '' : `${kwh(house.energy.today_kwh)} today`,
    house.cost_today === null ? '' : `${coins(house.cost_today, house.currency)} today`,
  ].filter((part) => part !== '');
  return `${table(['PATH', 'NAME', 'STATE', 'POWER', 'TODAY', 'COST', 'MODEL', ''], rows)}\n\n${parts.join(', ')}`;
}

/** `lares electricity discover`: what is on the network, and what each thing still needs. */
export function foundText(found: readonly Found[], where: string): string {
  if (found.length === 0) return `Nothing found in ${where}.`;
  const rows = found.map((f) => [
    f.kind,
    f.host,
    f.name ?? '',
    f.model ?? '',
    f.mac ?? '',
    f.metered === undefined ? '?' : f.metered ? 'yes' : 'no',
    f.firmware ?? '',
    f.needs ?? '',
  ]);
  return `${table(['SOURCE', 'ADDRESS', 'NAME', 'MODEL', 'MAC', 'METER', 'FIRMWARE', 'NEEDS'], rows)}\n\n${found.length} found in ${where}`;
}

const bars = ' ▁▂▃▄▅▆▇█';

/** A line of blocks, the highest for `most`; instants without a value are blank. */
export function sparkline(values: readonly (number | undefined)[], most: number): string {
  return values
    .map((v) => {
      if (v === undefined) return ' ';
      const level = most > 0 ? Math.round((Math.max(0, v) / most) * (bars.length - 2)) : 0;
      return bars[1 + Math.min(bars.length - 2, level)];
    })
    .join('');
}

interface HistoryBody {
  readonly series: string;
  readonly from: string;
  readonly to: string;
  readonly points: readonly {
    readonly at: string;
    readonly mean: number;
    readonly min: number;
    readonly max: number;
  }[];
}

/** `lares electricity history`: a picture, and its mean, least and most. */
export function historyText(body: HistoryBody, timeZone: string | undefined, columns = 72): string {
  if (body.points.length === 0)
    return `${body.series}: nothing recorded between ${body.from} and ${body.to}.`;
  const [from, to] = [Date.parse(body.from), Date.parse(body.to)];
  const cells: (number | undefined)[] = Array.from({ length: columns });
  const counts = new Map<number, number>();
  for (const { at, mean } of body.points) {
    const cell = Math.min(
      columns - 1,
      Math.max(0, Math.floor(((Date.parse(at) - from) / (to - from)) * columns)),
    );
    const n = counts.get(cell) ?? 0;
    cells[cell] = ((cells[cell] ?? 0) * n + mean) / (n + 1);
    counts.set(cell, n + 1);
  }
  const most = Math.max(...body.points.map((p) => p.max));
  const least = Math.min(...body.points.map((p) => p.min));
  const mean = body.points.reduce((sum, p) => sum + p.mean, 0) / body.points.length;
  const [left, right] = [localTime(from, timeZone), localTime(to, timeZone)];
  return [
    body.series,
    sparkline(cells, Math.max(...cells.map((c) => c ?? 0))),
    `${left}${' '.repeat(Math.max(1, columns - left.length - right.length))}${right}`,
    `mean ${mean.toFixed(1)}, least ${least.toFixed(1)}, most ${most.toFixed(1)}`,
  ].join('\n');
}

/** `lares electricity standby`: what costs money while nobody uses it, dearest first. */
export function standbyText({ standby, base_load }: InsightBody): string {
  const known = standby.filter((s) => s.kind !== 'none');
  const rows = known.map((s) => [
    s.name,
    `${s.watts.toFixed(1)} W`,
    `${s.hours_per_day.toFixed(0)} h a day`,
    `${s.kwh_per_year.toFixed(0)} kWh`,
    s.cost_per_year === null ? '' : s.cost_per_year.toFixed(2),
    s.note,
  ]);
  const base =
    base_load === null
      ? 'The base load is known after the first whole night.'
      : `Base load ${base_load.watts} W (${base_load.kwh_per_year} kWh a year) over ${base_load.nights} nights; ${base_load.unexplained_watts} W of it no known device explains.`;
  const list =
    known.length === 0
      ? 'No device has a day of history yet.'
      : table(['DEVICE', 'IDLE', 'FOR', 'A YEAR', 'COST', ''], rows);
  return `${list}\n\n${base}`;
}

/** `lares electricity insight`: what is out of the ordinary, and which appliances ran. */
export function insightText({ anomalies, appliances }: InsightBody, timeZone: string | undefined): string {
  const odd =
    anomalies.length === 0
      ? 'Nothing is out of the ordinary.'
      : anomalies
          .flatMap((a) => [
            `${a.severity}: ${a.text} (since ${localTime(Date.parse(a.since), timeZone)})`,
            ...a.evidence.map((e) => `    ${e.source}: ${e.text}`),
          ])
          .join('\n');
  if (appliances.length === 0) return odd;
  const rows = appliances.map((a) => [
    localTime(Date.parse(a.from), timeZone),
    a.appliance.replaceAll('_', ' '),
    `${Math.round((Date.parse(a.to) - Date.parse(a.from)) / 60_000)} min`,
    kwh(a.kwh),
    `${Math.round(a.confidence * 100)} %`,
    a.text,
  ]);
  return `${odd}\n\n${table(['WHEN', 'APPLIANCE', 'FOR', 'USED', 'SURE', 'BECAUSE'], rows)}`;
}

const knownHow = {
  counter: 'counted',
  integrated: 'from power',
  remembered: 'partly from the device',
  spread: 'partly spread over a gap',
  missing: 'with gaps',
} as const;

/** Energy per local day, with how sure it is. */
export function energyText({ path, days }: EnergyBody, timeZone: string | undefined): string {
  const most = Math.max(...days.map((d) => d.kwh), 0);
  const rows = days.map((d) => [
    localTime(Date.parse(d.from), timeZone).slice(0, 10),
    kwh(d.kwh),
    d.export_kwh > 0 ? kwh(d.export_kwh) : '',
    sparkline([d.kwh], most),
    `${Math.round(d.covered * 100)} %`,
    knownHow[d.how],
  ]);
  return `${path}\n${table(['DAY', 'DRAWN', 'FED BACK', '', 'COVERED', 'KNOWN'], rows)}`;
}

type CostDay = CostBody['days'][number];

const isEmpty = (d: CostDay) => d.kwh === 0 && d.import === 0 && d.export === 0;

function costNote(d: CostDay): string {
  if (d.unpriced_kwh > 0) return `${kwh(d.unpriced_kwh)} without a price`;
  return isEmpty(d) ? 'nothing recorded' : '';
}

/** Cost per local day and path, and the sum of each path. Devices that drew nothing would bury the others. */
export function costText({ currency, days: all }: CostBody, timeZone: string | undefined): string {
  const days = all.filter((d) => d.path === 'house' || !isEmpty(d));
  if (days.length === 0) return 'Nothing was recorded in that time.';
  const byPath = Map.groupBy(days, (d) => d.path);
  const rows = [...byPath].flatMap(([path, all]) => [
    ...all.map((d) => [
      path,
      localTime(Date.parse(d.from), timeZone).slice(0, 10),
      kwh(d.kwh),
      coins(d.total, currency),
      costNote(d),
    ]),
    ...(all.length > 1
      ? [
          [
            path,
            'together',
            kwh(all.reduce((s, d) => s + d.kwh, 0)),
            coins(
              all.reduce((s, d) => s + d.total, 0),
              currency,
            ),
            '',
          ],
        ]
      : []),
  ]);
  return table(['PATH', 'DAY', 'DRAWN', 'COST', ''], rows);
}
