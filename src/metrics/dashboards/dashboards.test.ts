import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { cctvReadings, type CameraView, type CctvView } from '#cctv/index.ts';
import { electricityReadings, type DeviceView, type ElectricityView } from '#electricity/index.ts';
import { presenceReadings, type PersonView, type PresenceView } from '#presence/index.ts';
import {
  graphiteMissing,
  startGraphite,
  type Datapoint,
  type Graphite,
} from '../../../tests/servers/graphite.ts';
import { promtool, promtoolPath } from '../../../tests/servers/prometheus.ts';
import { scratch, until } from '../../../tests/servers/process.ts';
import { rows } from '../prometheus.ts';
import { deliver } from '../sinks/graphite/receipt.ts';
import { prometheusRules } from './alerts.ts';
import { generated } from './index.ts';
import { metricReference } from './reference.ts';
import { cctvTargets, ofCamera, ofCctv } from './cctv.ts';
import { ofHouse, ofPerson, targets } from './targets.ts';

const root = path.join(import.meta.dirname, '../../..');
const file = (name: string) => generated().find((f) => f.path.endsWith(name))!.content;

interface Dashboard {
  readonly panels: {
    id: number;
    title: string;
    targets: { target: string }[];
    gridPos: Record<'x' | 'y' | 'w' | 'h', number>;
  }[];
  readonly annotations: { list: { name: string; target: { target: string } }[] };
  readonly templating: { list: { name: string; query: string; regex?: string }[] };
}
const dashboard = JSON.parse(file('presence.json')) as Dashboard;
const electricity = JSON.parse(file('electricity.json')) as Dashboard;
const cctv = JSON.parse(file('cctv.json')) as Dashboard;

interface Rule {
  readonly title: string;
  readonly for: string;
  readonly noDataState: string;
  readonly data: { refId: string; model: { target?: string } }[];
}
const alerts = (parse(file('alerts.yaml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules);

test('what is committed is what the tables make', () => {
  for (const { path: name, content } of generated()) {
    expect(existsSync(path.join(root, name)), name).toBe(true);
    expect(readFileSync(path.join(root, name), 'utf8') === content, `${name} is stale: make generate`).toBe(
      true,
    );
  }
});

test('a reading that no table has cannot be drawn', () => {
  expect(() => ofPerson('*', 'is_asleep')).toThrow('no reading is_asleep');
  expect(() => ofHouse('temperature')).toThrow('no reading temperature');
  expect(() => ofCamera('mood')).toThrow('no reading mood of a camera');
  expect(() => ofCctv('mood')).toThrow('no reading mood of the cameras');
});

test.each([
  ['presence', dashboard],
  ['electricity', electricity],
  ['cctv', cctv],
])('panels of %s have their own ids and do not overlap', (_name, { panels }) => {
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(new Set(panels.map((p) => p.id)).size).toBe(panels.length);
});

test('the alerts of the playbook, of electricity and of cameras are there with their times', () => {
  expect(alerts.map((rule) => [rule.title, rule.for, rule.noDataState])).toEqual([
    ['Service Down', '2m', 'Alerting'],
    ['Inconsistent Detection', '5m', 'OK'],
    ['Meter Silent', '5m', 'Alerting'],
    ['Unexplained Power', '2h', 'OK'],
    ['Camera Gives No Picture', '2m', 'OK'],
    ['Alerts Are Not Delivered', '1m', 'OK'],
    ['Alerts Were Lost', '0s', 'OK'],
  ]);
});

test('every name in a Prometheus rule is one that /metrics has', () => {
  const known = new Set([...rows.map((row) => row.name), 'up']);
  const used = prometheusRules.flatMap((rule) => rule.expr.match(/\b(lares_|process_)\w+/g) ?? []);
  expect(used.length).toBeGreaterThan(5);
  expect(used.filter((name) => !known.has(name))).toEqual([]);
});

test('the reference says how many readings six people give', () => {
  expect(metricReference()).toContain('4 · P + 3, so 27 for six people');
});

describe.skipIf(promtoolPath === undefined)(
  `promtool${promtoolPath === undefined ? ' (needs the Debian package prometheus)' : ''}`,
  () => {
    test('accepts the rules, and they fire when they should and not before', () => {
      const { dir, remove } = scratch('rules');
      writeFileSync(path.join(dir, 'alerts.yml'), file('prometheus/alerts.yml'));
      writeFileSync(
        path.join(dir, 'alerts.test.yml'),
        readFileSync(path.join(root, 'deploy/prometheus/alerts.test.yml'), 'utf8'),
      );
      const checked = promtool(['check', 'rules', path.join(dir, 'alerts.yml')]);
      const tested = promtool(['test', 'rules', path.join(dir, 'alerts.test.yml')]);
      remove();
      expect([checked.code, tested.code], `${checked.output}${tested.output}`).toEqual([0, 0]);
    });
  },
);

describe.skipIf(graphiteMissing !== undefined)(
  `a real graphite-web${graphiteMissing === undefined ? '' : ` (needs: ${graphiteMissing})`}`,
  () => {
    let graphite: Graphite;
    const step = 5_000;
    const end = Math.floor(Date.now() / step) * step;
    const start = end - 900_000;

    /** Alex is home at first and leaves half-way; Sam comes home then; Jo is away all the time. */
    function view(at: number): PresenceView {
      const late = at >= start + 450_000;
      const person = (name: string, home: boolean): PersonView => ({
        person: name,
        name,
        state: home ? 'home' : 'away',
        probability: 0.5,
        since: at,
        lastSeen: at,
        from: { wifi: home ? 1 : 0, homeassistant: 0, tado: 0 },
        evidence: [],
        conflict: undefined,
      });
      const people = [person('alex', !late), person('sam', late), person('jo', false)];
      return { at, people, countHome: 1, devicesPresent: 9, guests: 0 };
    }

    /** A kettle and a circuit behind a meter; the fridge is not measured by itself. */
    function drawn(at: number): ElectricityView {
      const totalWh = (at - start) / 1000;
      const energy = {
        todayWh: totalWh,
        weekWh: totalWh,
        monthWh: totalWh,
        yearWh: totalWh,
        totalWh,
        todayExportWh: 0,
        weekExportWh: 0,
        monthExportWh: 0,
        yearExportWh: 0,
        totalExportWh: 0,
      };
      const device = (source: string, name: string, power_watts: number): DeviceView => ({
        device: { id: `${source}:${name}`, source, name },
        path: source === 'meter' ? 'meter' : `${source}.${name}`,
        state: 'ok',
        control: 'impossible',
        values: { power_watts, voltage_volts: 231, is_on: 1 },
        measuredAt: at,
        energy,
        costToday: 0.1,
      });
      const cost = { total: 0.5, import: 0.3, export: 0, standing: 0.2, unpricedWh: 0 };
      return {
        at,
        devices: [
          device('kasa', 'kettle', 2000),
          device('circuit', 'kitchen', 2100),
          device('meter', 'm', 2500),
        ],
        house: {
          basis: 'meter',
          parts: ['meter:m'],
          powerWatts: 2500,
          unexplainedWatts: 400,
          energy,
          costToday: cost,
          pricePerKwh: 0.3,
          currency: 'GBP',
          baseLoadWatts: 120,
          carbonIntensity: 150,
        },
      };
    }

    /** Two cameras: the yard goes blind at half-time, and from then on nobody is told what the front sees. */
    function watched(at: number): CctvView {
      const late = at >= start + 450_000;
      const n = (at - start) / step;
      const camera = (id: string, live: boolean): CameraView => ({
        id,
        name: id,
        enabled: true,
        address: `rtsp://192.0.2.21/${id}`,
        state: live ? 'live' : 'down',
        since: start,
        streams: {},
        stats: {
          decodedFps: 10,
          fps: 5,
          frames: n * 50,
          detections: n * 2,
          dropped: n,
          decodeErrors: 0,
          reconnects: live ? 0 : 1,
          inferMs: 7,
          latencyMs: 20,
          motion: 0.25,
          bytes: n * 1_000,
        },
        calibrated: false,
        record: 'off',
        recording: false,
        objects: [],
      });
      return {
        at,
        cameras: [camera('front', true), camera('yard', !late)],
        detector: undefined,
        eventsToday: n,
        alertsToday: 1,
        eventsWritten: true,
        telling: late ? { waiting: 1, lost: 2 } : { waiting: n % 2, lost: 0 },
        diskBytes: { recordings: 1e9, snapshots: 1e6 },
      };
    }

    const send = (lines: readonly string[]) =>
      deliver(graphite, lines.map((line) => `${line}\n`).join(''), 60_000);

    beforeAll(async () => {
      graphite = await startGraphite({ schema: '5s:1d' });
      const lines = [];
      for (let at = start; at <= end; at += step) {
        for (const { series, value } of presenceReadings(view(at)))
          lines.push(`${series} ${value} ${at / 1000}`);
        for (const { series, value } of electricityReadings(drawn(at)))
          lines.push(`${series} ${value} ${at / 1000}`);
        for (const { series, value } of cctvReadings(watched(at)))
          lines.push(`${series} ${value} ${at / 1000}`);
      }
      await send(lines);
      const shown = async () =>
        (await graphite.points(ofHouse('count_home'), start, end)).get(ofHouse('count_home'))?.size;
      await until(
        async () => (await shown()) === 181,
        () => 'the readings never appeared',
        60_000,
      );
    });
    afterAll(() => graphite.stop());

    const filled = (target: string, who = '*') => target.replaceAll(/\$(person|device|camera)/g, who);
    const points = (datapoints: readonly Datapoint[]) => datapoints.filter(([value]) => value !== null);
    const all: [string, string][] = [
      ...[...dashboard.panels, ...electricity.panels, ...cctv.panels].flatMap((p) =>
        p.targets.map(({ target }): [string, string] => [p.title, target]),
      ),
      ...dashboard.annotations.list.map((a): [string, string] => [a.name, a.target.target]),
      ...alerts.flatMap((rule) =>
        rule.data.flatMap(({ model }): [string, string][] =>
          model.target === undefined ? [] : [[rule.title, model.target]],
        ),
      ),
    ];

    test.each(all)('%s: %s has data', async (_title, target) => {
      const shown = await graphite.render(filled(target), start, end);
      expect(shown.size).toBeGreaterThan(0);
      expect([...shown.values()].flatMap(points).length).toBeGreaterThan(0);
    });

    test('series are named after people, and one person can be chosen', async () => {
      const everybody = await graphite.render(filled(targets.home), start, end);
      const chosen = await graphite.render(filled(targets.home, '{alex,sam}'), start, end);
      expect([...everybody.keys()].toSorted()).toEqual(['alex', 'jo', 'sam']);
      expect([...chosen.keys()].toSorted()).toEqual(['alex', 'sam']);
      const sources = await graphite.render(filled(targets.sources, 'alex'), start, end);
      expect([...sources.keys()].toSorted()).toEqual([
        'alex.from_homeassistant',
        'alex.from_tado',
        'alex.from_wifi',
      ]);
    });

    test('the person variable offers people and nothing else', async () => {
      const { query, regex } = dashboard.templating.list.find((v) => v.name === 'person')!;
      const pattern = query.replace(/^expand\((.*)\)$/, '$1');
      const reply = await fetch(`${graphite.renderUrl}/metrics/expand?query=${encodeURIComponent(pattern)}`);
      const { results } = (await reply.json()) as { results: string[] };
      const capture = new RegExp(regex!.slice(1, -1));
      expect(results.map((name) => capture.exec(name)?.[1] ?? name).toSorted()).toEqual([
        'alex',
        'jo',
        'sam',
      ]);
    });

    test('what draws power adds up to the house, and circuits and meters are not stacked on plugs', async () => {
      const parts = electricity.panels.find((p) => p.title === 'What draws it')!.targets;
      const shown = await Promise.all(parts.map(({ target }) => graphite.render(target, start, end)));
      expect(shown.flatMap((series) => [...series.keys()])).toEqual(['kettle', 'unexplained']);
    });

    test('the device variable offers devices by name', async () => {
      const { query, regex } = electricity.templating.list.find((v) => v.name === 'device')!;
      const pattern = query.replace(/^expand\((.*)\)$/, '$1');
      const reply = await fetch(`${graphite.renderUrl}/metrics/expand?query=${encodeURIComponent(pattern)}`);
      const { results } = (await reply.json()) as { results: string[] };
      const capture = new RegExp(regex!.slice(1, -1));
      expect(results.map((name) => capture.exec(name)?.[1] ?? name).toSorted()).toEqual([
        'kettle',
        'kitchen',
      ]);
    });

    test('the camera variable offers cameras and nothing else', async () => {
      const { query, regex } = cctv.templating.list.find((v) => v.name === 'camera')!;
      const pattern = query.replace(/^expand\((.*)\)$/, '$1');
      const reply = await fetch(`${graphite.renderUrl}/metrics/expand?query=${encodeURIComponent(pattern)}`);
      const { results } = (await reply.json()) as { results: string[] };
      const capture = new RegExp(regex!.slice(1, -1));
      expect(results.map((name) => capture.exec(name)?.[1] ?? name).toSorted()).toEqual(['front', 'yard']);
    });

    test('a blind camera, alerts that are stuck and alerts that were lost show above 0, and only then', async () => {
      const late = start + 450_000;
      const above = async (target: string) =>
        [...(await graphite.render(target, start, end))].map(([name, data]) => {
          const high = points(data).filter(([value]) => (value ?? 0) > 0);
          return [name, high[0]?.[1], high.at(-1)?.[1]];
        });
      const blind = await above(cctvTargets.blind);
      expect(blind.toSorted((a, b) => String(a[0]).localeCompare(String(b[0])))).toEqual([
        ['front', undefined, undefined],
        ['yard', late / 1000, end / 1000],
      ]);
      // As long as some alerts go, none is stuck.
      expect(await above(cctvTargets.stuck)).toEqual([
        ['waiting for 2 minutes', late / 1000 + 120 - step / 1000, end / 1000],
      ]);
      expect(await above(cctvTargets.untold)).toEqual([
        ['lost in 15 minutes', (late + step) / 1000, end / 1000],
      ]);
    });

    test('an arrival and a departure are one mark each, with the name', async () => {
      const at = (start + 450_000) / 1000;
      const marks = async (target: string) => {
        const shown = await graphite.render(filled(target), start, end);
        return [...shown].flatMap(([name, data]) => points(data).map(([, epoch]) => [name, epoch]));
      };
      expect(await marks(targets.arrivals)).toEqual([['sam came home', at]]);
      expect(await marks(targets.departures)).toEqual([['alex left', at]]);
    });

    test('the mismatch is 0 while people and house agree, and not when they do not', async () => {
      const mismatch = async () =>
        new Set(
          [...(await graphite.render(targets.mismatch, start, end)).values()]
            .flatMap(points)
            .map(([value]) => value),
        );
      expect(await mismatch()).toEqual(new Set([0]));
      await send([`${ofHouse('count_home')} 3 ${end / 1000}`, `${ofHouse('anyone_home')} 0 ${end / 1000}`]);
      await until(
        async () => (await mismatch()).has(3),
        () => 'the mismatch never appeared',
      );
      // Two people too many, and nobody home although Sam is.
      expect(await mismatch()).toEqual(new Set([0, 3]));
    });
  },
);
