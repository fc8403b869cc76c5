import type { CctvView } from '#cctv/index.ts';
import type { DeviceView, ElectricityView } from '#electricity/index.ts';
import type { Component } from '#platform/health.ts';
import type { AlertChannelStats, HouseStats } from '#platform/stats.ts';
import type { PresenceView } from '#presence/index.ts';
import { cctvRows } from './prometheus-cctv.ts';

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of one name in the Prometheus text format. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly samples: readonly Sample[];
}

export interface Subjects {
  readonly stats: HouseStats;
  readonly components: readonly Component[];
  readonly presence: PresenceView | undefined;
  readonly electricity?: ElectricityView | undefined;
  readonly cctv?: CctvView | undefined;
  readonly alerts?: readonly AlertChannelStats[] | undefined;
}

/** How one family is read. */
export interface Row {
  readonly name: string;
  readonly help: string;
  readonly type: Family['type'];
  readonly read: (subjects: Subjects) => readonly (Sample | undefined)[];
}

const seconds = (ms: number | undefined) => (ms === undefined ? undefined : ms / 1000);
const one = (value: number | undefined): readonly (Sample | undefined)[] => [
  value === undefined ? undefined : { value },
];

type Sink = HouseStats['sinks'][number];
type Scanner = HouseStats['scanners'][number];
type Person = PresenceView['people'][number];

const perSink = (read: (sink: Sink) => number | undefined) => (s: Subjects) =>
  s.stats.sinks.map((sink) => sample({ sink: sink.name }, read(sink)));
const perScanner = (read: (scanner: Scanner) => number | undefined) => (s: Subjects) =>
  s.stats.scanners.map((x) => sample({ network: x.network, method: x.method }, read(x)));
const perPerson = (read: (person: Person) => number | undefined) => (s: Subjects) =>
  (s.presence?.people ?? []).map((person) => sample({ person: person.person }, read(person)));

const perDevice = (read: (device: DeviceView) => number | undefined) => (s: Subjects) =>
  (s.electricity?.devices ?? []).map((device) => sample({ device: device.path }, read(device)));
const house = (read: (view: ElectricityView['house']) => number | undefined) => (s: Subjects) =>
  one(s.electricity === undefined ? undefined : read(s.electricity.house));
// The base unit of energy is the joule (https://prometheus.io/docs/practices/naming/#base-units).
const joules = (wh: number | undefined) => (wh === undefined ? undefined : wh * 3600);

function sample(labels: Record<string, string>, value: number | undefined): Sample | undefined {
  return value === undefined ? undefined : { labels, value };
}

const working = new Set(['ok', 'starting']);

/** Every family that `/metrics` shows: one row each. Names follow the Prometheus naming rules (base units, `_total`). */
export const rows: readonly Row[] = [
  {
    name: 'lares_build_info',
    help: 'Always 1; the version is a label.',
    type: 'gauge',
    read: ({ stats }) => [{ labels: { version: stats.version }, value: 1 }],
  },
  {
    name: 'lares_start_time_seconds',
    help: 'Instant at which this process started, epoch seconds.',
    type: 'gauge',
    read: ({ stats }) => one(seconds(stats.startedAt)),
  },
  {
    name: 'lares_uptime_seconds',
    help: 'Time since this process started.',
    type: 'gauge',
    read: ({ stats }) => one(stats.process.uptimeSeconds),
  },
  {
    name: 'process_cpu_seconds_total',
    help: 'User and system time of this process.',
    type: 'counter',
    read: ({ stats }) => one(stats.process.cpuSeconds),
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of this process.',
    type: 'gauge',
    read: ({ stats }) => one(stats.process.rssBytes),
  },
  {
    name: 'lares_heap_used_bytes',
    help: 'JavaScript heap in use.',
    type: 'gauge',
    read: ({ stats }) => one(stats.process.heapUsedBytes),
  },
  {
    name: 'lares_log_lines_total',
    help: 'Log lines written, by level.',
    type: 'counter',
    read: ({ stats }) => Object.entries(stats.logLines).map(([level, value]) => sample({ level }, value)),
  },
  {
    name: 'lares_tick_interval_seconds',
    help: 'Planned time between two ticks.',
    type: 'gauge',
    read: ({ stats }) => one(stats.tick.intervalSeconds),
  },
  {
    name: 'lares_ticks_total',
    help: 'Ticks that were made.',
    type: 'counter',
    read: ({ stats }) => one(stats.tick.count),
  },
  {
    name: 'lares_ticks_missed_total',
    help: 'Ticks that were skipped because the process was held up.',
    type: 'counter',
    read: ({ stats }) => one(stats.tick.missed),
  },
  {
    name: 'lares_tick_jitter_seconds',
    help: 'Distance between the planned and the real instant of recent ticks.',
    type: 'gauge',
    read: ({ stats: { tick } }) => [
      { labels: { statistic: 'p50' }, value: tick.jitterP50Ms / 1000 },
      { labels: { statistic: 'p99' }, value: tick.jitterP99Ms / 1000 },
      { labels: { statistic: 'max' }, value: tick.jitterMaxMs / 1000 },
    ],
  },
  {
    name: 'lares_tick_last_timestamp_seconds',
    help: 'Instant of the last tick, epoch seconds.',
    type: 'gauge',
    read: ({ stats }) => one(seconds(stats.tick.lastAt)),
  },
  {
    name: 'lares_sink_connected',
    help: '1 while the sink delivers.',
    type: 'gauge',
    read: perSink((sink) => (sink.connected ? 1 : 0)),
  },
  {
    name: 'lares_sink_sent_readings_total',
    help: 'Readings delivered with a receipt.',
    type: 'counter',
    read: perSink((sink) => sink.sentTotal),
  },
  {
    name: 'lares_sink_failures_total',
    help: 'Deliveries that failed.',
    type: 'counter',
    read: perSink((sink) => sink.failuresTotal),
  },
  {
    name: 'lares_sink_reconnects_total',
    help: 'Connections opened after the first one.',
    type: 'counter',
    read: perSink((sink) => sink.reconnectsTotal),
  },
  {
    name: 'lares_sink_last_receipt_timestamp_seconds',
    help: 'Instant of the last receipt, epoch seconds.',
    type: 'gauge',
    read: perSink((sink) => seconds(sink.lastReceiptAt)),
  },
  {
    name: 'lares_spool_readings',
    help: 'Readings that wait for delivery.',
    type: 'gauge',
    read: perSink((sink) => sink.backlog),
  },
  {
    name: 'lares_spool_oldest_timestamp_seconds',
    help: 'Instant of the oldest reading that waits, epoch seconds; absent when none waits.',
    type: 'gauge',
    read: perSink((sink) => seconds(sink.oldestAt)),
  },
  {
    name: 'lares_spool_dropped_readings_total',
    help: 'Readings given up because the spool was full.',
    type: 'counter',
    read: perSink((sink) => sink.droppedTotal),
  },
  {
    name: 'lares_component_up',
    help: '1 while a source, sink or store works; 0 while it is degraded, down or parked. Absent when switched off.',
    type: 'gauge',
    read: ({ components }) =>
      components
        .filter((c) => c.state !== 'off')
        .map((c) => sample({ component: c.name }, working.has(c.state) ? 1 : 0)),
  },
  {
    name: 'lares_component_last_ok_timestamp_seconds',
    help: 'Instant of the last proof of life of a component, epoch seconds.',
    type: 'gauge',
    read: ({ components }) => components.map((c) => sample({ component: c.name }, seconds(c.lastOk))),
  },
  {
    name: 'lares_scan_sweeps_total',
    help: 'Sweeps of a network.',
    type: 'counter',
    read: perScanner((scanner) => scanner.sweepsTotal),
  },
  {
    name: 'lares_scan_duration_seconds',
    help: 'How long the last sweep took.',
    type: 'gauge',
    read: perScanner((scanner) => seconds(scanner.lastTookMs)),
  },
  {
    name: 'lares_scan_devices',
    help: 'Devices that the last sweep found.',
    type: 'gauge',
    read: perScanner((scanner) => scanner.lastFound),
  },
  {
    name: 'lares_store_size_bytes',
    help: 'Size of the database.',
    type: 'gauge',
    read: ({ stats }) => one(stats.store.sizeBytes),
  },
  {
    name: 'lares_presence_home',
    help: '1 while the person is home.',
    type: 'gauge',
    read: perPerson((person) => (person.state === 'home' ? 1 : 0)),
  },
  {
    name: 'lares_presence_probability',
    help: 'Probability that the person is home.',
    type: 'gauge',
    read: perPerson((person) => person.probability),
  },
  {
    name: 'lares_presence_last_seen_timestamp_seconds',
    help: 'Instant of the last proof of presence, epoch seconds.',
    type: 'gauge',
    read: perPerson((person) => seconds(person.lastSeen)),
  },
  {
    name: 'lares_presence_conflict',
    help: '1 while two sources contradict each other about the person.',
    type: 'gauge',
    read: perPerson((person) => (person.conflict === undefined ? 0 : 1)),
  },
  {
    name: 'lares_presence_source',
    help: 'What one source says about the person: 1 home, 0 not.',
    type: 'gauge',
    read: ({ presence }) =>
      (presence?.people ?? []).flatMap(({ person, from }) =>
        Object.entries(from).map(([source, value]) => sample({ person, source }, value)),
      ),
  },
  {
    name: 'lares_presence_people_home',
    help: 'People at home.',
    type: 'gauge',
    read: ({ presence }) => one(presence?.people.filter((p) => p.state === 'home').length),
  },
  {
    name: 'lares_presence_devices',
    help: 'Distinct devices seen on the network.',
    type: 'gauge',
    read: ({ presence }) => one(presence?.devicesPresent),
  },
  {
    name: 'lares_presence_guests',
    help: 'Unknown devices that behave like the phones of guests.',
    type: 'gauge',
    read: ({ presence }) => one(presence?.guests),
  },
  {
    name: 'lares_electricity_device_up',
    help: '1 while the device answers or sends; 0 while it is silent or failing.',
    type: 'gauge',
    read: perDevice((device) => (device.state === 'ok' ? 1 : 0)),
  },
  {
    name: 'lares_electricity_device_power_watts',
    help: 'Power that the device draws; negative when it feeds back. Absent while it is not known.',
    type: 'gauge',
    read: perDevice((device) => device.values.power_watts),
  },
  {
    name: 'lares_electricity_device_on',
    help: '1 while the device says that it is switched on.',
    type: 'gauge',
    read: perDevice((device) => device.values.is_on),
  },
  {
    name: 'lares_electricity_device_energy_joules_total',
    help: 'Energy that the device has drawn since Lares knows it; survives resets of its own counter.',
    type: 'counter',
    read: perDevice((device) => joules(device.energy?.totalWh)),
  },
  {
    name: 'lares_electricity_device_measured_timestamp_seconds',
    help: 'Instant of the last measurement of the device, epoch seconds.',
    type: 'gauge',
    read: perDevice((device) => seconds(device.measuredAt)),
  },
  {
    name: 'lares_electricity_house_power_watts',
    help: 'Power that the whole house draws.',
    type: 'gauge',
    read: house((view) => view.powerWatts),
  },
  {
    name: 'lares_electricity_house_unexplained_watts',
    help: 'Power of the house beyond its known devices.',
    type: 'gauge',
    read: house((view) => view.unexplainedWatts),
  },
  {
    name: 'lares_electricity_house_base_load_watts',
    help: 'Power that the house never falls below.',
    type: 'gauge',
    read: house((view) => view.baseLoadWatts),
  },
  {
    name: 'lares_electricity_house_energy_joules_total',
    help: 'Energy that the house has drawn since Lares knows it.',
    type: 'counter',
    read: house((view) => joules(view.energy?.totalWh)),
  },
  {
    name: 'lares_electricity_house_cost_today',
    help: 'Cost of the present local day in the currency of the tariff, standing charge included.',
    type: 'gauge',
    read: house((view) => view.costToday?.total),
  },
  {
    name: 'lares_electricity_price_per_kwh',
    help: 'Price of a kWh now, in the currency of the tariff.',
    type: 'gauge',
    read: house((view) => view.pricePerKwh),
  },
  ...cctvRows,
];

/** Fills the table of rows; families without a sample are left out. */
export function families(subjects: Subjects): Family[] {
  return rows
    .map(({ name, help, type, read }) => ({
      name,
      help,
      type,
      samples: read(subjects).filter((s) => s !== undefined),
    }))
    .filter((family) => family.samples.length > 0);
}

/**
 * The Prometheus text exposition format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/).
 */
export function renderPrometheus(all: readonly Family[]): string {
  return all
    .flatMap(({ name, help, type, samples }) => [
      `# HELP ${name} ${escapeHelp(help)}`,
      `# TYPE ${name} ${type}`,
      ...samples.map((s) => `${name}${renderLabels(s.labels)} ${renderValue(s.value)}`),
    ])
    .map((line) => `${line}\n`)
    .join('');
}

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');

function renderLabels(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(text: string): string {
  return text.toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function renderValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
