import { offset } from '#platform/local-time.ts';

/** Charts as SVG without a script: lines over time, one panel below the other. Legible on white and on black. */

export interface Line {
  readonly name: string;
  /** In order of time; a longer gap than `gapMs` of the panel is left open. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly kind: 'lines' | 'bars';
  readonly lines: readonly Line[];
}

export interface ChartOptions {
  readonly title: string;
  /** Epoch ms. */
  readonly from: number;
  readonly to: number;
  readonly timeZone?: string | undefined;
  /** Points further apart than this are not joined. */
  readonly gapMs: number;
}

const width = 960;
const panelHeight = 190;
const plot = { left: 70, right: 16, top: 34, bottom: 34 };
const headHeight = 44;
const inner = { width: width - plot.left - plot.right, height: panelHeight - plot.top - plot.bottom };
/** Okabe and Ito's colours that are neither too light for white nor too dark for black; told apart by the colour-blind. */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#b8860b', '#56b4e9', '#8a6fdf', '#777777'];

const escape = (text: string) =>
  text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD]/g, '\uFFFD')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');

const n = (value: number) => String(Math.round(value * 10) / 10);

/** Round values from 0 or below `least` to above `most`: 1, 2 or 5 times a power of ten apart. */
export function ticksOf(least: number, most: number, about = 4): number[] {
  const low = Math.min(0, least);
  const span = Math.max(most - low, 1e-9);
  const power = 10 ** Math.floor(Math.log10(span / about));
  const step = ([1, 2, 5, 10].find((m) => span / (m * power) <= about) ?? 10) * power;
  const first = Math.floor(low / step);
  const last = Math.max(first + 1, Math.ceil(most / step - 1e-9));
  // Multiples, not sums: 0.1 three times is not 0.3.
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

const steps = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336, 720].map((h) => h * 3_600_000);

/** Instants to write below the axis: whole local hours, days or weeks. */
function instants({ from, to, timeZone }: ChartOptions): { at: number; text: string }[] {
  const step = steps.find((s) => (to - from) / s <= 8) ?? Math.ceil((to - from) / 8);
  const format = new Intl.DateTimeFormat('en-GB', {
    ...(step < 24 * 3_600_000 ? { hour: '2-digit', minute: '2-digit' } : { month: 'short', day: 'numeric' }),
    ...(timeZone === undefined ? {} : { timeZone }),
  });
  const shift = offset(from, timeZone ?? 'UTC');
  const all: { at: number; text: string }[] = [];
  for (let at = Math.ceil((from + shift) / step) * step - shift; at <= to; at += step)
    all.push({ at, text: format.format(at) });
  return all;
}

function shortNumber(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T'];
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 1000 && unit < units.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  return `${Number(scaled.toPrecision(4))}${units[unit]}`;
}

function panelSvg(panel: Panel, top: number, options: ChartOptions): string {
  const { from, to, gapMs } = options;
  const values = panel.lines.flatMap((l) => l.points.map((p) => p.value));
  const most = Math.max(0, ...values);
  const ticks = ticksOf(Math.min(0, ...values), most === 0 ? 1 : most);
  const [low, high] = [ticks[0]!, ticks.at(-1)!];
  const x = (at: number) => plot.left + ((at - from) / (to - from)) * inner.width;
  const y = (value: number) => plot.top + inner.height * (1 - (value - low) / (high - low));
  const bottom = plot.top + inner.height;
  const parts = [
    `<text class="title" x="${plot.left}" y="16">${escape(panel.title)}${panel.unit === '' ? '' : ` (${escape(panel.unit)})`}</text>`,
    ...ticks.map(
      (t) =>
        `<line class="grid" x1="${plot.left}" x2="${width - plot.right}" y1="${n(y(t))}" y2="${n(y(t))}"/><text class="axis" text-anchor="end" x="${plot.left - 8}" y="${n(y(t) + 4)}">${shortNumber(t)}</text>`,
    ),
    ...instants(options).map(
      ({ at, text }) =>
        `<line class="grid" x1="${n(x(at))}" x2="${n(x(at))}" y1="${bottom}" y2="${bottom + 5}"/><text class="axis" text-anchor="middle" x="${n(x(at))}" y="${bottom + 18}">${text}</text>`,
    ),
  ];
  let legend = width - plot.right;
  for (const [i, line] of [...panel.lines.entries()].toReversed()) {
    legend -= 7 * line.name.length + 22;
    parts.push(
      `<rect x="${legend}" y="7" width="10" height="10" fill="${colour(i)}"/><text class="axis" x="${legend + 14}" y="16">${escape(line.name)}</text>`,
    );
  }
  if (values.length === 0)
    parts.push(
      `<text class="axis" text-anchor="middle" x="${plot.left + inner.width / 2}" y="${plot.top + inner.height / 2}">nothing was stored in this time</text>`,
    );
  for (const [i, line] of panel.lines.entries())
    parts.push(
      panel.kind === 'bars'
        ? bars(line, i, panel.lines.length, { x, y, from, to })
        : `<path fill="none" stroke="${colour(i)}" stroke-width="1.5" stroke-linejoin="round" d="${pathOf(line, gapMs, x, y)}"/>`,
    );
  return `<g transform="translate(0 ${top})">\n${parts.join('\n')}\n</g>`;
}

const colour = (i: number) => colours[i % colours.length]!;

type Scale = (value: number) => number;

function pathOf({ points }: Line, gapMs: number, x: Scale, y: Scale): string {
  let before = Number.NEGATIVE_INFINITY;
  return points
    .map(({ at, value }) => {
      // A point alone is drawn as a short dash, or nobody would see it.
      const word = at - before > gapMs ? `M${n(x(at))} ${n(y(value))}h0.1` : `L${n(x(at))} ${n(y(value))}`;
      before = at;
      return word;
    })
    .join('');
}

const dayMs = 86_400_000;

/** One bar a day; lines stand side by side. `at` is the start of the day. */
function bars(
  { points }: Line,
  index: number,
  count: number,
  { x, y, from, to }: { x: Scale; y: Scale; from: number; to: number },
): string {
  const wide = ((inner.width * dayMs) / (to - from)) * 0.8;
  return points
    .map(({ at, value }) => {
      const left = Math.max(plot.left, x(at + dayMs * 0.1) + (wide / count) * index);
      const right = Math.min(width - plot.right, x(at + dayMs * 0.1) + (wide / count) * (index + 1));
      return `<rect x="${n(left)}" y="${n(y(value))}" width="${n(Math.max(0.5, right - left))}" height="${n(y(0) - y(value))}" fill="${colour(index)}"/>`;
    })
    .join('');
}

/** The whole picture. Panels without lines say that there is nothing. */
export function chartSvg(panels: readonly Panel[], options: ChartOptions): string {
  const height = headHeight + panels.length * panelHeight;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(options.title)}">
<style>
text { font: 12px system-ui, sans-serif; fill: #7d7d7d; }
.head { font-size: 17px; font-weight: 600; }
.title { font-size: 13px; font-weight: 600; }
.grid { stroke: #808080; stroke-opacity: 0.35; }
</style>
<text class="head" x="${plot.left}" y="26">${escape(options.title)}</text>
${panels.map((panel, i) => panelSvg(panel, headHeight + i * panelHeight, options)).join('\n')}
</svg>
`;
}
