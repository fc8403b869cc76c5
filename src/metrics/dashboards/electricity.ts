import { electricityTargets as targets } from './electricity-targets.ts';
import {
  dashboard,
  datasource,
  lines,
  onOff,
  queries,
  stat,
  stepped,
  timeline,
  type Place,
} from './panels.ts';
import { targets as presence } from './targets.ts';

const smooth = {
  drawStyle: 'line',
  lineInterpolation: 'stepAfter',
  lineWidth: 1,
  fillOpacity: 10,
  spanNulls: 60_000,
};
const stacked = { ...smooth, fillOpacity: 60, stacking: { mode: 'normal', group: 'A' } };
const bars = { drawStyle: 'bars', fillOpacity: 70, lineWidth: 0 };

/** A number with its unit. */
const figure = (title: string, target: string, place: Place, unit: string, decimals: number) => {
  const panel = stat(title, target, place);
  return {
    ...panel,
    fieldConfig: { defaults: { ...panel.fieldConfig.defaults, unit, decimals }, overrides: [] },
  };
};

/** One row for each series, its last value, the largest first. */
const ranking = (title: string, target: string, place: Place, unit: string) => ({
  type: 'table',
  title,
  gridPos: place,
  datasource,
  targets: queries([target]),
  transformations: [
    { id: 'reduce', options: { reducers: ['lastNotNull'] } },
    { id: 'sortBy', options: { sort: [{ field: 'Last *', desc: true }] } },
  ],
  fieldConfig: {
    defaults: { unit, custom: { cellOptions: { type: 'gauge', mode: 'gradient' } } },
    overrides: [],
  },
  options: { showHeader: true },
});

/** Panels from top to bottom; the grid of Grafana is 24 wide. */
function panels(): object[] {
  const overlay = lines(
    'Power and people at home',
    [targets.house, presence.count],
    { x: 0, y: 51, w: 24, h: 8 },
    smooth,
    { unit: 'watt' },
  );
  overlay.fieldConfig.overrides.push({
    matcher: { id: 'byName', options: 'people at home' },
    properties: [
      { id: 'unit', value: 'short' },
      { id: 'decimals', value: 0 },
      { id: 'custom.axisPlacement', value: 'right' },
    ],
  });
  const seven = figure('7 days', targets.perDay, { x: 9, y: 0, w: 4, h: 4 }, 'kwatth', 1);
  const total = { ...seven, options: { ...seven.options, reduceOptions: { calcs: ['sum'] } } };
  const week = lines('Energy a day, last 7 days', [targets.perDay], { x: 0, y: 13, w: 12, h: 8 }, bars, {
    unit: 'kwatth',
  });
  return [
    figure('Whole house now', targets.house, { x: 0, y: 0, w: 5, h: 4 }, 'watt', 0),
    figure('Today', targets.today, { x: 5, y: 0, w: 4, h: 4 }, 'kwatth', 2),
    { ...total, timeFrom: '7d' },
    figure('Cost today', targets.costToday, { x: 13, y: 0, w: 3, h: 4 }, 'none', 2),
    figure('Unexplained now', targets.unexplained, { x: 16, y: 0, w: 4, h: 4 }, 'watt', 0),
    figure('Base load', targets.baseLoad, { x: 20, y: 0, w: 4, h: 4 }, 'watt', 0),
    lines('What draws it', [targets.devices, targets.unexplained], { x: 0, y: 4, w: 24, h: 9 }, stacked, {
      unit: 'watt',
    }),
    { ...week, timeFrom: '7d' },
    lines(
      'Price and carbon intensity',
      [targets.price, targets.carbon],
      { x: 12, y: 13, w: 12, h: 8 },
      stepped,
      {
        // Prices may be negative.
        min: undefined,
      },
    ),
    ranking('Power now', targets.devices, { x: 0, y: 21, w: 8, h: 9 }, 'watt'),
    ranking('Energy today', targets.deviceToday, { x: 8, y: 21, w: 8, h: 9 }, 'kwatth'),
    ranking('Cost today', targets.deviceCost, { x: 16, y: 21, w: 8, h: 9 }, 'none'),
    lines('Circuits', [targets.circuits], { x: 0, y: 30, w: 12, h: 8 }, stacked, { unit: 'watt' }),
    {
      ...lines('Circuits, energy a day', [targets.circuitDays], { x: 12, y: 30, w: 12, h: 8 }, bars, {
        unit: 'kwatth',
      }),
      timeFrom: '7d',
    },
    lines('Chosen devices', [targets.chosen], { x: 0, y: 38, w: 12, h: 7 }, smooth, { unit: 'watt' }),
    lines('Voltage', [targets.voltage], { x: 12, y: 38, w: 12, h: 7 }, smooth, {
      unit: 'volt',
      min: undefined,
    }),
    timeline('Switched on', targets.switched, { x: 0, y: 45, w: 24, h: 6 }, onOff('Off', 'On')),
    overlay,
  ];
}

/** The electricity dashboard of Grafana, for a Graphite data source of any name. */
export function electricityDashboard(): object {
  return dashboard({
    uid: 'lares-electricity',
    title: 'Lares: electricity',
    tag: 'electricity',
    variables: [
      {
        name: 'device',
        label: 'Device',
        type: 'query',
        datasource,
        query: targets.names,
        definition: targets.names,
        regex: '/^home\\.electricity\\.[^.]+\\.([^.]+)\\.power_watts$/',
        multi: true,
        includeAll: true,
        allValue: '*',
        current: { text: ['All'], value: ['$__all'] },
        refresh: 2,
        sort: 1,
      },
    ],
    panels: panels(),
  });
}
