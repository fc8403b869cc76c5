// What the house draws: a number, the curve of a day, and a row for each device, the thirstiest first.

import { ask, byId, clockTime, dayMs, draw, el, houseNow, inTurn, moment, svg } from './lib.js';

let points;
const mostRows = 12;

const watts = (value) =>
  Math.abs(value) >= 10_000
    ? `${(value / 1000).toFixed(1)} kW`
    : `${value.toFixed(Math.abs(value) < 10 ? 1 : 0)} W`;
const kwh = (value) => `${value.toFixed(value < 10 ? 2 : 1)} kWh`;

function money(value, currency) {
  if (currency === null) return value.toFixed(2);
  return new Intl.NumberFormat([], { style: 'currency', currency }).format(value);
}

const basisWords = { meter: '', circuits: 'sum of the circuits', devices: 'sum of known devices', none: '' };

function facts(house) {
  return [
    basisWords[house.basis],
    house.energy === null ? '' : `${kwh(house.energy.today_kwh)} today`,
    house.cost_today === null ? '' : money(house.cost_today, house.currency),
    // Meters are read at different moments; less than nothing explains itself in a few seconds.
    house.unexplained_watts === null || house.unexplained_watts < 0
      ? ''
      : `${watts(house.unexplained_watts)} unexplained`,
    house.base_load_watts === null ? '' : `base load ${watts(house.base_load_watts)}`,
  ]
    .filter((fact) => fact !== '')
    .join(' · ');
}

const powerOf = (device) => device.values.power_watts;

function loadRow(device, most, currency) {
  const power = powerOf(device);
  const bar = el('i', {});
  // A style attribute would be refused by the content policy; the style object is not.
  bar.style.width = `${power === undefined || most <= 0 ? 0 : Math.max(0, Math.min(100, (power / most) * 100))}%`;
  const isOn = device.values.is_on;
  const state =
    device.state !== 'ok' ? device.problem : isOn === undefined ? undefined : isOn === 1 ? 'on' : 'off';
  const today = [
    device.energy === null ? undefined : kwh(device.energy.today_kwh),
    device.cost_today === null ? undefined : money(device.cost_today, currency),
  ].filter((text) => text !== undefined);
  return el(
    'li',
    { class: 'load', 'data-device': device.path, 'data-state': device.state },
    el('span', { class: 'name', title: device.path }, device.name),
    el('span', { class: 'gauge', 'aria-hidden': 'true' }, bar),
    el('span', { class: 'watts' }, power === undefined ? '' : watts(power)),
    el('span', { class: 'detail' }, [state, ...today].filter((text) => text !== undefined).join(' · ')),
  );
}

/** Draws the snapshot that the stream brings. */
export function drawElectricity({ house, devices }) {
  byId('power').hidden = devices.length === 0;
  if (devices.length === 0) return;
  byId('power-now').textContent = house.power_watts === null ? '' : watts(house.power_watts);
  byId('power-facts').textContent = facts(house);
  const sorted = devices
    .filter((d) => !d.whole_house && d.medium === 'electricity')
    .toSorted((a, b) => (powerOf(b) ?? -1) - (powerOf(a) ?? -1));
  const most = Math.max(0, ...sorted.map((d) => powerOf(d) ?? 0));
  const rows = sorted.slice(0, mostRows).map((device) => ({
    key: device.path,
    print: JSON.stringify([
      device.name,
      device.values,
      device.state,
      device.problem,
      device.energy?.today_kwh,
      device.cost_today,
      most,
    ]),
    make: () => loadRow(device, most, house.currency),
  }));
  const more = sorted.length - rows.length;
  if (more > 0)
    rows.push({
      key: '-',
      print: String(more),
      make: () => el('li', { class: 'empty' }, `and ${more} more; see lares electricity devices`),
    });
  draw(byId('loads'), rows);
  if (points === undefined) void refreshElectricity();
}

const turn = inTurn();
/** Asks for the curve of the last 24 hours and draws it. */
export async function refreshElectricity() {
  if (byId('power').hidden) return;
  points ??= [];
  const isNews = turn();
  try {
    const answer = await ask('/api/electricity/history?points=288');
    if (!isNews()) return;
    points = answer.points;
  } catch {
    return;
  }
  drawCurve();
}

function drawCurve() {
  const to = houseNow();
  const from = to - dayMs;
  const known = points.map((p) => ({ at: Date.parse(p.at), mean: p.mean, max: p.max }));
  const most = Math.max(100, ...known.map((p) => p.max));
  const x = (at) => ((at - from) / dayMs) * 1440;
  const y = (power) => 100 - (Math.max(0, power) / most) * 96;
  // A gap in what is known is a gap in the curve, not a slope.
  const gapMs = (dayMs / 288) * 2.5;
  const pieces = [];
  for (const point of known) {
    const piece = pieces.at(-1);
    if (piece === undefined || point.at - piece.at(-1).at > gapMs) pieces.push([point]);
    else piece.push(point);
  }
  const shapes = pieces.map((piece) => {
    const line = piece.map((p) => `${x(p.at).toFixed(1)},${y(p.mean).toFixed(1)}`);
    const end = (x(piece.at(-1).at) + 5).toFixed(1);
    return svg('path', {
      d: `M${x(piece[0].at).toFixed(1)},100 L${line.join(' L')} L${end},${y(piece.at(-1).mean).toFixed(1)} L${end},100 Z`,
    });
  });
  const peak = known.reduce((best, p) => (best === undefined || p.max > best.max ? p : best), undefined);
  const words =
    peak === undefined
      ? 'nothing recorded yet'
      : `at most ${watts(peak.max)} at ${moment(new Date(peak.at).toISOString())}`;
  const picture = svg(
    'svg',
    {
      viewBox: '0 0 1440 100',
      preserveAspectRatio: 'none',
      role: 'img',
      'aria-label': `Power in the last 24 hours: ${words}`,
    },
    ...shapes,
  );
  byId('curve').replaceChildren(
    picture,
    el(
      'p',
      { class: 'curve-axis', 'aria-hidden': 'true' },
      el('span', {}, clockTime(from)),
      el('span', {}, peak === undefined ? '' : `peak ${watts(peak.max)}`),
      el('span', {}, 'now'),
    ),
  );
}
