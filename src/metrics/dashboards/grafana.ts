import { targets } from './targets.ts';

const datasource = { type: 'graphite', uid: '${datasource}' } as const;

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

const letters = 'ABCDEFGH';
const queries = (all: readonly string[]) =>
  all.map((target, i) => ({ refId: letters[i], datasource, target, textEditor: true }));

const onOff = (off: string, on: string) => [
  {
    type: 'value',
    options: {
      '0': { text: off, color: 'dark-blue', index: 0 },
      '1': { text: on, color: 'green', index: 1 },
    },
  },
];

const stat = (title: string, target: string, place: Place, mappings: readonly object[] = []) => ({
  type: 'stat',
  title,
  gridPos: place,
  datasource,
  targets: queries([target]),
  fieldConfig: {
    defaults: { mappings, decimals: 0, color: { mode: 'fixed', fixedColor: 'green' } },
    overrides: [],
  },
  options: {
    reduceOptions: { calcs: ['lastNotNull'] },
    colorMode: 'value',
    graphMode: 'area',
    textMode: 'value',
  },
});

const timeline = (title: string, target: string, place: Place, mappings: readonly object[]) => ({
  type: 'state-timeline',
  title,
  gridPos: place,
  datasource,
  targets: queries([target]),
  fieldConfig: {
    defaults: {
      mappings,
      custom: { fillOpacity: 85, lineWidth: 0, spanNulls: 60_000 },
      color: { mode: 'thresholds' },
    },
    overrides: [],
  },
  options: { mergeValues: true, showValue: 'never', rowHeight: 0.85, legend: { showLegend: false } },
});

const stepped = {
  drawStyle: 'line',
  lineInterpolation: 'stepAfter',
  lineWidth: 2,
  fillOpacity: 15,
  spanNulls: 60_000,
};

const lines = (title: string, all: readonly string[], place: Place, custom: object, extra: object = {}) => ({
  type: 'timeseries',
  title,
  gridPos: place,
  datasource,
  targets: queries(all),
  fieldConfig: { defaults: { custom, min: 0, ...extra }, overrides: [] as object[] },
  options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
});

/** Panels from top to bottom; the grid of Grafana is 24 wide. */
function panels(): object[] {
  const overlay = lines(
    'Electricity while people are home',
    [targets.power, targets.count],
    { x: 0, y: 28, w: 24, h: 9 },
    { ...stepped, fillOpacity: 5 },
    { unit: 'watt' },
  );
  overlay.fieldConfig.overrides.push({
    matcher: { id: 'byName', options: 'people at home' },
    properties: [
      { id: 'unit', value: 'short' },
      { id: 'decimals', value: 0 },
      { id: 'custom.axisPlacement', value: 'right' },
      { id: 'custom.fillOpacity', value: 25 },
      { id: 'custom.lineWidth', value: 0 },
    ],
  });
  return [
    stat('People at home', targets.count, { x: 0, y: 0, w: 8, h: 4 }),
    stat('Anyone home', targets.anyone, { x: 8, y: 0, w: 8, h: 4 }, onOff('Nobody', 'Yes')),
    stat('Devices on the network', targets.devices, { x: 16, y: 0, w: 8, h: 4 }),
    timeline('Who is home', targets.home, { x: 0, y: 4, w: 24, h: 9 }, onOff('Away', 'Home')),
    lines('People at home', [targets.count], { x: 0, y: 13, w: 12, h: 7 }, stepped, { decimals: 0 }),
    lines(
      'Share of each day at home',
      [targets.share],
      { x: 12, y: 13, w: 12, h: 7 },
      { drawStyle: 'bars', fillOpacity: 60, lineWidth: 0 },
      { unit: 'percentunit', max: 1 },
    ),
    timeline('What each source says', targets.sources, { x: 0, y: 20, w: 24, h: 8 }, onOff('Away', 'Home')),
    overlay,
    lines(
      'People and house disagree (should stay 0)',
      [targets.mismatch],
      { x: 0, y: 37, w: 12, h: 6 },
      stepped,
    ),
    lines('Devices on the network', [targets.devices], { x: 12, y: 37, w: 12, h: 6 }, stepped, {
      decimals: 0,
    }),
  ].map((panel, i) => ({ id: i + 1, ...panel }));
}

const annotation = (name: string, target: string, iconColor: string) => ({
  name,
  datasource,
  enable: true,
  iconColor,
  target: { refId: 'Anno', target, textEditor: true },
});

/** The presence dashboard of Grafana, for a Graphite data source of any name. */
export function presenceDashboard(): object {
  return {
    uid: 'lares-presence',
    title: 'Lares: who is home',
    tags: ['lares', 'presence'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-24h', to: 'now' },
    timezone: 'browser',
    templating: {
      list: [
        {
          name: 'datasource',
          label: 'Data source',
          type: 'datasource',
          query: 'graphite',
          current: {},
          hide: 0,
        },
        {
          name: 'person',
          label: 'Person',
          type: 'query',
          datasource,
          query: targets.people,
          definition: targets.people,
          regex: '/^home\\.presence\\.([^.]+)\\.is_home$/',
          multi: true,
          includeAll: true,
          allValue: '*',
          current: { text: ['All'], value: ['$__all'] },
          refresh: 2,
          sort: 1,
        },
      ],
    },
    annotations: {
      list: [
        annotation('Arrivals', targets.arrivals, 'green'),
        annotation('Departures', targets.departures, 'orange'),
      ],
    },
    panels: panels(),
  };
}
