import type { EventBook } from '#cctv/book/book.ts';
import { cameraNode } from '#cctv/metrics.ts';
import { periods } from '#electricity/energy/calendar.rules.ts';
import { duration } from '#platform/table.ts';
import type { ReadingLog } from '#store/model.ts';
import { chartSvg, type Line, type Panel } from './chart.render.ts';

export interface PlotOptions {
  readonly readings: Pick<ReadingLog, 'chart' | 'series'>;
  /** Undefined in a house whose cameras never saw anything. */
  readonly book: Pick<EventBook, 'countSince'> | undefined;
  /** Path of the readings: `home.cctv`. */
  readonly prefix: string;
  /** Cameras of the settings; others that were measured once are drawn as well. */
  readonly cameras: readonly { readonly id: string; readonly name: string }[];
  readonly days: number;
  /** Epoch ms. */
  readonly now: number;
  readonly timeZone: string | undefined;
}

const hourMs = 3_600_000;
const dayMs = 86_400_000;
const points = 450;
const mostCameras = 16;

interface CameraPanel {
  readonly leaf: string;
  readonly title: string;
  readonly unit: string;
}

const cameraPanels: readonly CameraPanel[] = [
  { leaf: 'fps', title: 'Frames looked at', unit: '1/s' },
  { leaf: 'infer_ms', title: 'Time of an inference', unit: 'ms' },
  { leaf: 'latency_ms', title: 'From frame to objects', unit: 'ms' },
  { leaf: 'objects', title: 'Objects in the picture', unit: '' },
];

export interface Plotted {
  readonly svg: string;
  /** Points that are drawn. */
  readonly points: number;
  readonly cameras: readonly string[];
}

/** The stored readings of the cameras as one picture. */
export async function plotMetrics(options: PlotOptions): Promise<Plotted> {
  const { readings, book, prefix, days, now, timeZone } = options;
  const nodes = await nodesOf(options);
  const asked = now - days * dayMs;
  const from = await beginning(options, [...nodes.keys()], asked);
  const lineOf = async (series: string, name: string): Promise<Line> => {
    const chart = await readings.chart(series, from, now, points);
    return { name, points: chart.map(({ at, mean }) => ({ at, value: mean })) };
  };
  const panels: Panel[] = [];
  for (const { leaf, title, unit } of cameraPanels) {
    const lines = await Promise.all(
      [...nodes].map(([node, name]) => lineOf(`${prefix}.${node}.${leaf}`, name)),
    );
    panels.push({ title, unit, kind: 'lines', lines: lines.filter((l) => l.points.length > 0) });
  }
  panels.push({
    title: 'Events and alerts a day',
    unit: '',
    kind: 'bars',
    lines: book === undefined ? [] : perDay(book, from, now, timeZone),
  });
  const disk = await Promise.all(
    ['recordings', 'snapshots'].map((kind) => lineOf(`${prefix}.${kind}_bytes`, kind)),
  );
  panels.push({ title: 'Disk', unit: 'B', kind: 'lines', lines: disk.filter((l) => l.points.length > 0) });
  const svg = chartSvg(panels, {
    title: `Cameras, the last ${from > asked ? duration(now - from) : days === 1 ? 'day' : `${days} days`}`,
    from,
    to: now,
    timeZone,
    // Three empty buckets, or three minutes where a bucket is shorter than the beat of the readings.
    gapMs: Math.max(180_000, (3 * (now - from)) / points),
  });
  const drawn = panels.flatMap((p) => p.lines).reduce((n, l) => n + l.points.length, 0);
  return { svg, points: drawn, cameras: [...nodes.values()] };
}

/** When the picture begins: as asked, or with the first reading of a house that is younger, an hour ago at the latest. */
async function beginning(
  { readings, book, prefix, now }: PlotOptions,
  nodes: readonly string[],
  asked: number,
): Promise<number> {
  let first = now - hourMs;
  for (const node of nodes) {
    const [point] = await readings.chart(`${prefix}.${node}.online`, asked, now, points);
    if (point !== undefined) first = Math.min(first, point.at);
  }
  const { events: all = 0 } = book?.countSince(asked) ?? {};
  const { events: shown = 0 } = book?.countSince(first) ?? {};
  return all > shown ? asked : Math.max(asked, first);
}

/** Node of the readings and name of every camera, those of the settings first. */
async function nodesOf({ readings, prefix, cameras }: PlotOptions): Promise<Map<string, string>> {
  const nodes = new Map(cameras.map(({ id, name }) => [cameraNode(id), name]));
  for (const series of await readings.series()) {
    const node = series.startsWith(`${prefix}.`)
      ? /^([^.]+)\.online$/.exec(series.slice(prefix.length + 1))?.[1]
      : undefined;
    if (node !== undefined && !nodes.has(node)) nodes.set(node, node);
  }
  return new Map([...nodes].slice(0, mostCameras));
}

/** How many events and alerts began on each local day. */
function perDay(
  book: Pick<EventBook, 'countSince'>,
  from: number,
  now: number,
  timeZone: string | undefined,
): Line[] {
  const days = periods('today', from, now, timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const counts = days.map((day) => ({
    at: day.from,
    since: book.countSince(day.from),
    after: book.countSince(day.to),
  }));
  return (['events', 'alerts'] as const).map((name) => ({
    name,
    points: counts.map(({ at, since, after }) => ({ at, value: since[name] - after[name] })),
  }));
}
