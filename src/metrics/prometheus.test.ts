import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CctvView } from '#cctv/index.ts';
import type { Totals } from '#electricity/index.ts';
import type { HouseStats } from '#platform/stats.ts';
import type { PresenceView } from '#presence/index.ts';
import { prometheusPath, promtool, promtoolPath } from '../../tests/servers/prometheus.ts';
import { families, renderPrometheus, rows, type Subjects } from './prometheus.ts';

const at = Date.parse('2026-01-31T08:00:00Z');

const stats: HouseStats = {
  version: '0.1.0',
  startedAt: at - 90_000,
  process: { uptimeSeconds: 90, rssBytes: 100_000_000, heapUsedBytes: 20_000_000, cpuSeconds: 1.5 },
  tick: {
    intervalSeconds: 5,
    count: 18,
    missed: 1,
    jitterP50Ms: 2,
    jitterP99Ms: 40,
    jitterMaxMs: 55,
    lastAt: at,
  },
  sinks: [
    {
      name: 'graphite',
      target: '192.0.2.123:2003',
      connected: false,
      sentTotal: 486,
      failuresTotal: 3,
      reconnectsTotal: 2,
      droppedTotal: 0,
      backlog: 54,
      oldestAt: at - 10_000,
      lastReceiptAt: undefined,
    },
  ],
  scanners: [
    {
      network: '192.0.2.0/24',
      method: 'raw',
      why: '',
      sweepsTotal: 3,
      lastTookMs: 450,
      lastFound: 14,
      lastAt: at,
    },
  ],
  store: { kind: 'sqlite', sizeBytes: 4096, recovered: undefined },
  logLines: { info: 20, warn: 1 },
};

const cctv: CctvView = {
  at,
  cameras: [
    {
      id: 'gate',
      name: 'Gate',
      enabled: true,
      address: 'rtsp://192.0.2.20/s',
      state: 'live',
      since: at,
      streams: {},
      stats: {
        decodedFps: 10,
        fps: 5,
        frames: 100,
        detections: 12,
        dropped: 1,
        decodeErrors: 2,
        reconnects: 3,
        inferMs: 7,
        latencyMs: 20,
        motion: 0.25,
        bytes: 1_000,
      },
      calibrated: false,
      record: 'off',
      recording: false,
      objects: [],
    },
  ],
  detector: undefined,
  eventsToday: 4,
  alertsToday: 1,
  eventsWritten: true,
  diskBytes: { recordings: 5_000, snapshots: 300 },
};

const presence: PresenceView = {
  at,
  people: [
    {
      person: 'alex',
      name: 'Alex',
      state: 'home',
      probability: 0.97,
      since: at,
      lastSeen: at,
      from: { wifi: 1, homeassistant: 0, tado: 0 },
      evidence: [],
      conflict: 'two sources differ',
    },
  ],
  countHome: 1,
  devicesPresent: 14,
  guests: 2,
};

const energy: Totals = {
  todayWh: 1_500,
  weekWh: 2_500,
  monthWh: 3_500,
  yearWh: 4_500,
  totalWh: 5_500,
  todayExportWh: 0,
  weekExportWh: 0,
  monthExportWh: 0,
  yearExportWh: 0,
  totalExportWh: 0,
};

const subjects: Subjects = {
  stats,
  components: [
    { name: 'wifi', state: 'ok', detail: '', since: at, lastOk: at },
    { name: 'tado', state: 'off', detail: '', since: at, lastOk: undefined },
    { name: 'graphite', state: 'down', detail: '', since: at, lastOk: undefined },
  ],
  presence,
  cctv,
  alerts: [
    {
      channel: 'speak',
      waiting: 1,
      delivered: 2,
      failures: 3,
      givenUp: 4,
      failed: 5,
      secondsP50: 0.1,
      secondsP95: 0.4,
    },
  ],
  electricity: {
    at,
    devices: [
      {
        device: { id: 'kasa:1', source: 'kasa', name: 'Kettle' },
        path: 'kasa.kettle',
        state: 'ok',
        control: 'allowed',
        values: { power_watts: 2000, is_on: 1 },
        measuredAt: at,
        energy,
        costToday: 0.1,
      },
    ],
    house: {
      basis: 'meter',
      parts: ['meter:1'],
      powerWatts: 2400,
      unexplainedWatts: 400,
      energy,
      costToday: { total: 0.5, import: 0.3, export: 0, standing: 0.2, unpricedWh: 0 },
      pricePerKwh: -0.02,
      currency: 'GBP',
      baseLoadWatts: 120,
      carbonIntensity: 150,
    },
  },
};

test('the text is exactly what the format asks for', () => {
  const text = renderPrometheus([
    { name: 'a', help: 'back\\slash\nline', type: 'gauge', samples: [{ value: 1.5 }] },
    {
      name: 'b_total',
      help: 'b',
      type: 'counter',
      samples: [{ labels: { x: 'say "hi"\n\\' }, value: 1e21 }],
    },
    {
      name: 'c',
      help: 'c',
      type: 'gauge',
      samples: [{ value: NaN }, { labels: { q: '1' }, value: -Infinity }],
    },
  ]);
  expect(text).toBe(
    [
      '# HELP a back\\\\slash\\nline',
      '# TYPE a gauge',
      'a 1.5',
      '# HELP b_total b',
      '# TYPE b_total counter',
      'b_total{x="say \\"hi\\"\\n\\\\"} 1e+21',
      '# HELP c c',
      '# TYPE c gauge',
      'c NaN',
      'c{q="1"} -Inf',
      '',
    ].join('\n'),
  );
});

test('presence, tick, sink, spool, source and process are all there with their values', () => {
  const lines = renderPrometheus(families(subjects)).split('\n');
  expect(lines.filter((line) => /^lares_(presence|spool|sink|component_up|ticks)/.test(line))).toEqual([
    'lares_ticks_total 18',
    'lares_ticks_missed_total 1',
    'lares_sink_connected{sink="graphite"} 0',
    'lares_sink_sent_readings_total{sink="graphite"} 486',
    'lares_sink_failures_total{sink="graphite"} 3',
    'lares_sink_reconnects_total{sink="graphite"} 2',
    'lares_spool_readings{sink="graphite"} 54',
    'lares_spool_oldest_timestamp_seconds{sink="graphite"} 1769846390',
    'lares_spool_dropped_readings_total{sink="graphite"} 0',
    'lares_component_up{component="wifi"} 1',
    'lares_component_up{component="graphite"} 0',
    'lares_presence_home{person="alex"} 1',
    'lares_presence_probability{person="alex"} 0.97',
    'lares_presence_last_seen_timestamp_seconds{person="alex"} 1769846400',
    'lares_presence_conflict{person="alex"} 1',
    'lares_presence_source{person="alex",source="wifi"} 1',
    'lares_presence_source{person="alex",source="homeassistant"} 0',
    'lares_presence_source{person="alex",source="tado"} 0',
    'lares_presence_people_home 1',
    'lares_presence_devices 14',
    'lares_presence_guests 2',
  ]);
});

test('every row of the table can have a sample, and each name stands once', () => {
  const full: Subjects = {
    ...subjects,
    stats: { ...stats, sinks: [{ ...stats.sinks[0]!, lastReceiptAt: at }] },
  };
  expect(families(full).map((f) => f.name)).toEqual(rows.map((row) => row.name));
  expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
});

test('a house that knows nothing yet still gives valid text', () => {
  const bare = families({
    stats: { ...stats, sinks: [], scanners: [] },
    components: [],
    presence: undefined,
  });
  expect(bare.every((family) => family.samples.length > 0)).toBe(true);
});

const missing = promtoolPath === undefined || prometheusPath === undefined;
describe.skipIf(missing)(`promtool${missing ? ' (needs the Debian package prometheus)' : ''}`, () => {
  test('has nothing to say against the names, types and help texts', () => {
    expect(promtool(['check', 'metrics'], renderPrometheus(families(subjects)))).toEqual({
      code: 0,
      output: '',
    });
  });

  test('reads any label value, however hostile', () => {
    const text = fc.sample(fc.string({ unit: 'binary', maxLength: 40 }), { numRuns: 300, seed: 7 });
    const samples = text.map((value, i) => ({ labels: { id: String(i), value }, value: i }));
    const page = renderPrometheus([{ name: 'lares_names', help: 'h', type: 'gauge', samples }]);
    expect(promtool(['check', 'metrics'], page)).toEqual({ code: 0, output: '' });
  });
});
