import { cameraMetrics, cctvMetrics, defaultPrefix as cctvPrefix } from '#cctv/index.ts';
import {
  defaultPrefix as electricityPrefix,
  deviceMetrics,
  houseMetrics as electricHouseMetrics,
} from '#electricity/index.ts';
import { defaultPrefix, houseMetrics, personMetrics } from '#presence/index.ts';
import { rows } from '../prometheus.ts';

const units = { bool: '0 or 1', count: 'number', ratio: '0 to 1', seconds: 's' } as const;

/** `docs/reference/metrics.md`: every reading that leaves the house, from the tables that make them. */
export function metricReference(): string {
  const graphite = [
    ...personMetrics.map((row) => ({ ...row, path: `${defaultPrefix}.<person>.${row.leaf}` })),
    ...houseMetrics.map((row) => ({ ...row, path: `${defaultPrefix}.${row.leaf}` })),
  ].map(
    ({ path, title, unit, extra }) => `| \`${path}\` | ${title} | ${units[unit]} | ${extra ?? 'always'} |`,
  );
  const always = personMetrics.filter((row) => row.extra === undefined).length;
  const house = houseMetrics.filter((row) => row.extra === undefined).length;
  return [
    '# Metrics',
    '',
    '## Graphite',
    '',
    `Sent every tick as \`name value epoch\`. ${always} readings for each person and ${house} for the house: ` +
      `${always} · P + ${house}, so ${always * 6 + house} for six people. Extras are sent only when they are configured.`,
    '',
    '| name | meaning | value | sent |',
    '|---|---|---|---|',
    ...graphite,
    '',
    'Electricity: what is not known is not sent. The first pulse meter is `meter` without a name.',
    '',
    '| name | meaning | unit |',
    '|---|---|---|',
    ...deviceMetrics.map(
      ({ leaf, title, unit }) =>
        `| \`${electricityPrefix}.<source>.<device>.${leaf}\` | ${title} | ${unit} |`,
    ),
    ...electricHouseMetrics.map(
      ({ leaf, title, unit }) => `| \`${electricityPrefix}.house.${leaf}\` | ${title} | ${unit} |`,
    ),
    '',
    'Cameras: a camera that gives no pictures sends only that it does not, and its counters.',
    '',
    '| name | meaning | unit |',
    '|---|---|---|',
    ...cameraMetrics.map(
      ({ leaf, title, unit }) => `| \`${cctvPrefix}.<camera>.${leaf}\` | ${title} | ${unit} |`,
    ),
    ...cctvMetrics.map(({ leaf, title, unit }) => `| \`${cctvPrefix}.${leaf}\` | ${title} | ${unit} |`),
    '',
    '## Prometheus',
    '',
    'At `/metrics`.',
    '',
    '| name | type | meaning |',
    '|---|---|---|',
    ...rows.map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`),
    '',
  ].join('\n');
}
