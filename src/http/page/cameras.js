// What the cameras see: a live picture each with the objects found in it, and what was seen and told lately.

import { age, ask, byId, draw, el, listed, many, moment, svg } from './lib.js';
import { attachLive } from './live.js';

const tiles = new Map();
const names = new Map();
const mostRows = 8;

const stateWords = { off: 'switched off', connecting: 'connecting', live: 'live', down: 'no picture' };
/** What the settings call a camera, where the stream has told it. */
export const cameraName = (id) => names.get(id) ?? id.replaceAll(/[_-]/g, ' ');

const metres = (d) => `${d.metres < 10 ? d.metres.toFixed(1) : Math.round(d.metres)} m`;

function objectWords(object) {
  const who = object.identity?.name ?? object.identity?.text ?? object.label;
  const near = Object.entries(object.distances).map(
    ([name, d]) => `${metres(d)} from ${name.replaceAll('_', ' ')}`,
  );
  return [who, ...near.slice(0, 1)].join(', ');
}

/** The boxes lie over the picture in its own proportions. */
function overlay(camera) {
  const boxes = camera.objects.map((o) =>
    svg(
      'g',
      { 'data-still': String(o.stationary) },
      svg('rect', {
        x: o.box.left * 1000,
        y: o.box.top * 1000,
        width: o.box.width * 1000,
        height: o.box.height * 1000,
      }),
    ),
  );
  return svg(
    'svg',
    { viewBox: '0 0 1000 1000', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ...boxes,
  );
}

function newTile(camera) {
  const screen = el('div', { class: 'screen' });
  const boxes = el('div', { class: 'boxes' });
  const words = el('p', { class: 'seen', 'aria-live': 'polite' });
  const state = el('span', { class: 'camera-state' });
  const node = el(
    'li',
    { class: 'camera', 'data-camera': camera.id },
    el('div', { class: 'frame' }, screen, boxes),
    el('div', { class: 'caption' }, el('h3', {}, camera.name), state),
    words,
  );
  const tile = { node, screen, boxes, words, state, live: undefined, visible: false };
  new IntersectionObserver(([entry]) => {
    tile.visible = entry.isIntersecting;
    play(tile, camera.id);
  }).observe(node);
  return tile;
}

/** Plays only what somebody can see: a picture that nobody looks at costs the house nothing. */
function play(tile, id) {
  const wanted = tile.visible && !document.hidden && tile.node.dataset.state === 'live';
  if (wanted && tile.live === undefined) tile.live = attachLive(tile.screen, id);
  if (!wanted && tile.live !== undefined) {
    tile.live.close();
    tile.live = undefined;
  }
}

function fill(tile, camera) {
  const before = tile.node.dataset.state;
  tile.node.dataset.state = camera.state;
  const still = camera.state === 'live' && camera.picture !== null ? camera.picture.detail : undefined;
  tile.state.textContent =
    camera.state === 'live'
      ? (still ??
        `${camera.recording ? 'recording · ' : ''}${Math.round((camera.fps ?? 0) * 10) / 10} looks a second`)
      : stateWords[camera.state];
  const { width, height } = camera.streams.live ?? camera.streams.detect ?? { width: 16, height: 9 };
  tile.screen.parentElement.style.aspectRatio = `${width} / ${height}`;
  tile.boxes.replaceChildren(overlay(camera));
  tile.words.textContent =
    camera.state === 'live'
      ? camera.objects.length === 0
        ? 'Nobody there'
        : listed(camera.objects.map(objectWords))
      : (camera.detail ?? '');
  if (before !== camera.state) play(tile, camera.id);
}

/** Draws the snapshot that the stream brings. True when a camera is called otherwise than before. */
export function drawCameras({ cameras, events_today: seen, alerts_today: told }) {
  const first = byId('cameras').hidden && cameras.length > 0;
  byId('cameras').hidden = cameras.length === 0;
  const ids = new Set(cameras.map((c) => c.id));
  for (const [id, tile] of tiles)
    if (!ids.has(id)) {
      tile.live?.close();
      tiles.delete(id);
    }
  const before = JSON.stringify([...names]);
  names.clear();
  for (const camera of cameras) {
    names.set(camera.id, camera.name);
    if (!tiles.has(camera.id)) tiles.set(camera.id, newTile(camera));
    fill(tiles.get(camera.id), camera);
  }
  const list = byId('camera-list');
  const nodes = cameras.map((c) => tiles.get(c.id).node);
  if (nodes.length !== list.children.length || nodes.some((node, i) => node !== list.children[i]))
    list.replaceChildren(...nodes);
  byId('camera-facts').textContent =
    `${many(seen, 'event', 'events')} and ${many(told, 'alert', 'alerts')} today`;
  if (first) void refreshCameras();
  return JSON.stringify([...names]) !== before;
}

function eventRow(event) {
  const picture =
    event.snapshot === null
      ? el('span', { class: 'thumb' })
      : el('img', { class: 'thumb', src: event.snapshot, alt: '', loading: 'lazy', width: 96, height: 54 });
  const zones = event.data.zones ?? [];
  const nearest = Object.entries(event.data.nearest ?? {}).map(
    ([name, d]) => `${metres({ metres: d })} from ${name.replaceAll('_', ' ')}`,
  );
  return el(
    'li',
    { class: 'sighting', 'data-event': event.id },
    event.snapshot === null ? picture : el('a', { href: event.snapshot }, picture),
    el('span', { class: 'what' }, `${event.identity?.name ?? event.label}, ${cameraName(event.camera)}`),
    el(
      'span',
      { class: 'because' },
      [...zones, ...nearest, `${Math.round(event.confidence * 100)}\u00a0%`].join(' · '),
    ),
    event.open ? el('span', { class: 'now' }, 'there now') : age(event.until),
  );
}

function alertRow(alert) {
  return el(
    'li',
    { class: 'told', 'data-severity': alert.severity },
    el('time', { datetime: alert.at }, moment(alert.at)),
    el('span', { class: 'what' }, alert.message),
    el('span', { class: 'because' }, `${alert.rule}, ${cameraName(alert.camera)}`),
  );
}

const rowsOf = (list, print, make) => {
  const none = { key: '-', print: '', make: () => el('li', { class: 'empty' }, 'Nothing yet') };
  return list.length === 0
    ? [none]
    : list.map((one) => ({ key: one.id, print: print(one), make: () => make(one) }));
};

/** What the stream does not carry: what was seen and told before. */
export async function refreshCameras() {
  if (byId('cameras').hidden) return;
  const [seen, told] = await Promise.allSettled([
    ask(`/api/cctv/events?limit=${mostRows}`),
    ask(`/api/cctv/alerts?limit=${mostRows}`),
  ]);
  if (seen.status === 'fulfilled')
    draw(
      byId('sightings'),
      rowsOf(seen.value.events, (e) => JSON.stringify([e.until, e.snapshot, e.open]), eventRow),
    );
  if (told.status === 'fulfilled')
    draw(
      byId('told'),
      rowsOf(told.value.alerts, (a) => JSON.stringify([a.message, moment(a.at)]), alertRow),
    );
}

document.addEventListener('visibilitychange', () => {
  for (const [id, tile] of tiles) play(tile, id);
});
