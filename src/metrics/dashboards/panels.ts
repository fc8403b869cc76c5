/** The Graphite data source that the user picks on the dashboard. */
export const datasource = { type: 'graphite', uid: '${datasource}' } as const;

/** In cells of Grafana's grid, which is 24 wide. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

const letters = 'ABCDEFGH';
export const queries = (all: readonly string[]) =>
  all.map((target, i) => ({ refId: letters[i], datasource, target, textEditor: true }));

/** Words and colours of 0 and 1. */
export const onOff = (off: string, on: string) => [
  {
    type: 'value',
    options: {
      '0': { text: off, color: 'dark-blue', index: 0 },
      '1': { text: on, color: 'green', index: 1 },
    },
  },
];

/** One number, the last one of its target. */
export const stat = (title: string, target: string, place: Place, mappings: readonly object[] = []) => ({
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

/** A row of coloured bars for each series of 0 and 1. */
export const timeline = (title: string, target: string, place: Place, mappings: readonly object[]) => ({
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

/** For what holds until it changes. */
export const stepped = {
  drawStyle: 'line',
  lineInterpolation: 'stepAfter',
  lineWidth: 2,
  fillOpacity: 15,
  spanNulls: 60_000,
};

/** Curves over time. */
export const lines = (
  title: string,
  all: readonly string[],
  place: Place,
  custom: object,
  extra: object = {},
) => ({
  type: 'timeseries',
  title,
  gridPos: place,
  datasource,
  targets: queries(all),
  fieldConfig: { defaults: { custom, min: 0, ...extra }, overrides: [] as object[] },
  options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
});

/** A mark on every panel wherever the target has a value. */
export const annotation = (name: string, target: string, iconColor: string) => ({
  name,
  datasource,
  enable: true,
  iconColor,
  target: { refId: 'Anno', target, textEditor: true },
});

/** What every dashboard of ours has in common. `variables` come after the choice of the data source. */
export const dashboard = (about: {
  readonly uid: string;
  readonly title: string;
  readonly tag: string;
  readonly variables?: readonly object[];
  readonly annotations?: readonly object[];
  readonly panels: readonly object[];
}) => ({
  uid: about.uid,
  title: about.title,
  tags: ['lares', about.tag],
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
      ...(about.variables ?? []),
    ],
  },
  annotations: { list: about.annotations ?? [] },
  panels: about.panels.map((panel, i) => ({ id: i + 1, ...panel })),
});
