import { annotation, dashboard, datasource, lines, onOff, stat, stepped, timeline } from './panels.ts';
import { targets } from './targets.ts';

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
  ];
}

/** The presence dashboard of Grafana, for a Graphite data source of any name. */
export function presenceDashboard(): object {
  return dashboard({
    uid: 'lares-presence',
    title: 'Lares: who is home',
    tag: 'presence',
    variables: [
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
    annotations: [
      annotation('Arrivals', targets.arrivals, 'green'),
      annotation('Departures', targets.departures, 'orange'),
    ],
    panels: panels(),
  });
}
