import { cctvTargets } from './cctv.ts';
import { electricityTargets } from './electricity-targets.ts';
import { ofHouse, targets } from './targets.ts';

const expression = (refId: string, model: object) => ({
  refId,
  relativeTimeRange: { from: 0, to: 0 },
  datasourceUid: '__expr__',
  model: { refId, datasource: { type: '__expr__', uid: '__expr__' }, ...model },
});

/** A provisioned rule: a Graphite target, its last value, and the limit above which it fires. */
function rule(options: {
  readonly uid: string;
  readonly title: string;
  readonly target: string;
  readonly windowSeconds: number;
  readonly above: number;
  readonly for: string;
  readonly noDataState: 'Alerting' | 'OK';
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
}): object {
  const { uid, title, target, windowSeconds, above, noDataState, severity, summary } = options;
  return {
    uid,
    title,
    condition: 'C',
    data: [
      {
        refId: 'A',
        relativeTimeRange: { from: windowSeconds, to: 0 },
        datasourceUid: 'graphite',
        model: { refId: 'A', target, textEditor: true, maxDataPoints: 1000 },
      },
      expression('B', { type: 'reduce', expression: 'A', reducer: 'last', settings: { mode: 'dropNN' } }),
      expression('C', {
        type: 'threshold',
        expression: 'B',
        conditions: [{ evaluator: { type: 'gt', params: [above] } }],
      }),
    ],
    noDataState,
    execErrState: 'Error',
    for: options.for,
    labels: { severity },
    annotations: { summary },
  };
}

/** The two alerts that the playbook asks for and those of electricity and cameras, as Grafana provisions them. The data source has the uid `graphite`. */
export function grafanaAlerts(): object {
  return {
    apiVersion: 1,
    groups: [
      {
        orgId: 1,
        name: 'presence',
        folder: 'Lares',
        interval: '30s',
        rules: [
          rule({
            uid: 'lares-service-down',
            title: 'Service Down',
            target: ofHouse('count_home'),
            windowSeconds: 60,
            // Nothing counts so many people: only missing data fires.
            above: 1_000_000,
            for: '2m',
            noDataState: 'Alerting',
            severity: 'critical',
            summary:
              'No presence data for 2 minutes. See: systemctl status presence-monitoring; lares doctor',
          }),
          rule({
            uid: 'lares-inconsistent-detection',
            title: 'Inconsistent Detection',
            target: targets.mismatch,
            windowSeconds: 300,
            above: 0,
            for: '5m',
            noDataState: 'OK',
            severity: 'warning',
            summary:
              'count_home or anyone_home contradicts the people for more than 5 minutes. Is a second sender running?',
          }),
        ],
      },
      {
        orgId: 1,
        name: 'electricity',
        folder: 'Lares',
        interval: '30s',
        rules: [
          rule({
            uid: 'lares-meter-silent',
            title: 'Meter Silent',
            target: electricityTargets.house,
            windowSeconds: 120,
            // Nothing draws a gigawatt: only missing data fires.
            above: 1_000_000_000,
            for: '5m',
            noDataState: 'Alerting',
            severity: 'critical',
            summary: 'The power of the house has been unknown for 5 minutes. See: lares electricity devices',
          }),
          rule({
            uid: 'lares-unexplained-power',
            title: 'Unexplained Power',
            target: electricityTargets.unexplained,
            windowSeconds: 600,
            above: 3_000,
            for: '2h',
            noDataState: 'OK',
            severity: 'warning',
            summary: 'More than 3 kW have been drawn for 2 hours by something that is not measured',
          }),
        ],
      },
      {
        orgId: 1,
        name: 'cameras',
        folder: 'Lares',
        interval: '30s',
        // Their numbers are missing in a house without cameras; that Lares is silent is told above.
        rules: [
          rule({
            uid: 'lares-camera-blind',
            title: 'Camera Gives No Picture',
            target: cctvTargets.blind,
            windowSeconds: 60,
            above: 0,
            for: '2m',
            noDataState: 'OK',
            severity: 'critical',
            summary: 'A camera has given no picture for 2 minutes. See: lares cctv test',
          }),
          rule({
            uid: 'lares-alerts-stuck',
            title: 'Alerts Are Not Delivered',
            target: cctvTargets.stuck,
            windowSeconds: 300,
            above: 0,
            for: '1m',
            noDataState: 'OK',
            severity: 'critical',
            summary: 'Alerts have waited for more than 2 minutes to be told. See: lares status',
          }),
          rule({
            uid: 'lares-alerts-lost',
            title: 'Alerts Were Lost',
            target: cctvTargets.untold,
            windowSeconds: 1_800,
            above: 0,
            for: '0s',
            noDataState: 'OK',
            severity: 'critical',
            summary: 'Alerts could not be told within the last 15 minutes. See: lares status',
          }),
        ],
      },
    ],
  };
}

/** Alerts on Lares itself, for Prometheus. */
export const prometheusRules = [
  {
    alert: 'LaresDown',
    expr: 'up{job="lares"} == 0',
    for: '2m',
    labels: { severity: 'critical' },
    annotations: {
      summary: 'Lares does not answer. See: systemctl status presence-monitoring; lares doctor',
    },
  },
  {
    alert: 'LaresTickStuck',
    // Where ticks are rare, an old one is no trouble yet.
    expr: 'time() - lares_tick_last_timestamp_seconds > 30 unless time() - lares_tick_last_timestamp_seconds < 3 * lares_tick_interval_seconds',
    for: '1m',
    labels: { severity: 'critical' },
    annotations: { summary: 'Lares answers but takes no readings' },
  },
  {
    alert: 'LaresSinkDown',
    expr: 'lares_sink_connected == 0',
    for: '5m',
    labels: { severity: 'warning' },
    annotations: {
      summary: '{{ $labels.sink }} takes no readings; they wait in the spool. See: lares doctor',
    },
  },
  {
    alert: 'LaresReadingsDropped',
    expr: 'increase(lares_spool_dropped_readings_total[10m]) > 0',
    labels: { severity: 'critical' },
    annotations: { summary: 'The spool of {{ $labels.sink }} is full and readings are given up' },
  },
  {
    alert: 'LaresComponentDown',
    expr: 'lares_component_up == 0',
    for: '10m',
    labels: { severity: 'warning' },
    annotations: {
      summary: '{{ $labels.component }} does not work; the status page says why and what to do',
    },
  },
  {
    alert: 'LaresPresenceInconsistent',
    expr: 'abs(sum by (job, instance) (lares_presence_home) - on (job, instance) lares_presence_people_home) > 0',
    for: '5m',
    labels: { severity: 'warning' },
    annotations: { summary: 'The count of people at home contradicts the people' },
  },
  {
    alert: 'LaresElectricityDeviceSilent',
    expr: 'lares_electricity_device_up == 0',
    for: '30m',
    labels: { severity: 'warning' },
    annotations: {
      summary:
        '{{ $labels.device }} has not been measured for 30 minutes. See: lares electricity show {{ $labels.device }}',
    },
  },
  {
    alert: 'LaresHousePowerUnknown',
    // Only where the house was measured before: a home without a meter has nothing to lose.
    expr: 'lares_electricity_house_energy_joules_total unless lares_electricity_house_power_watts',
    for: '5m',
    labels: { severity: 'critical' },
    annotations: {
      summary: 'The power of the house is not known: its meter is silent. See: lares electricity devices',
    },
  },
  {
    alert: 'LaresPriceUnknown',
    expr: 'lares_electricity_house_cost_today unless lares_electricity_price_per_kwh',
    for: '1h',
    labels: { severity: 'warning' },
    annotations: {
      summary:
        'There is no price for the present half-hour; cost leaves its energy out. See: lares electricity cost',
    },
  },
  {
    alert: 'LaresCameraBlind',
    expr: 'lares_camera_up == 0',
    for: '2m',
    labels: { severity: 'critical' },
    annotations: {
      summary: 'Camera {{ $labels.camera }} has given no picture for 2 minutes. See: lares cctv test',
    },
  },
  {
    alert: 'LaresAlertsNotDelivered',
    // New alerts may come while old ones go: only where some waited all the time is something stuck.
    expr: 'min_over_time(lares_alerts_waiting[2m]) > 0',
    for: '1m',
    labels: { severity: 'critical' },
    annotations: {
      summary: 'Alerts wait to be told by {{ $labels.channel }}. See: lares status',
    },
  },
  {
    alert: 'LaresAlertsLost',
    expr: 'increase(lares_alerts_lost_total[15m]) > 0',
    labels: { severity: 'critical' },
    annotations: {
      summary: 'Alerts could not be told by {{ $labels.channel }}. See: lares status',
    },
  },
  {
    alert: 'LaresBusy',
    expr: 'rate(process_cpu_seconds_total{job="lares"}[5m]) > 0.1',
    for: '5m',
    labels: { severity: 'warning' },
    annotations: { summary: 'Lares uses more than 10 % of a core' },
  },
] as const;
