// What the cameras see: a live picture each with the objects found in it, and what was seen and told lately.

import { age, ask, byId, draw, el, inTurn, listed, many, moment, svg } from './lib.js';
import { attachLive } from './live.js';

const tiles = new Map();
const names = new Map();
const mostRows = 8;

const stateWords = {
  off: 'switched off',
  idle: 'not watched',
  connecting: 'connecting',
  live: 'live',
  down: 'no picture',
};
const veilWords = { off: 'Switched off', idle: 'Not watched', connecting: 'Connecting…', down: 'No picture' };
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

/** Rounded down: only what never failed is 100 %. */
const reliability = ({ service_level: level }) =>
  level === null ? '' : `${Math.floor(level.live * 1000) / 10}\u00a0% of 30 days`;

function newTile(camera) {
  const screen = el('div', { class: 'screen' });
  const boxes = el('div', { class: 'boxes' });
  const veil = el('p', { class: 'veil' });
  const words = el('p', { class: 'seen', 'aria-live': 'polite' });
  const state = el('span', { class: 'camera-state' });
  const name = el('h3', {});
  const node = el(
    'li',
    { class: 'camera', 'data-camera': camera.id },
    el('div', { class: 'frame' }, screen, boxes, veil),
    el('div', { class: 'caption' }, name, state),
    words,
  );
  const tile = {
    node,
    name,
    screen,
    boxes,
    veil,
    words,
    state,
    live: undefined,
    ours: false,
    visible: false,
  };
  new IntersectionObserver(([entry]) => {
    tile.visible = entry.isIntersecting;
    play(tile, camera.id);
  }).observe(node);
  return tile;
}

/** Plays only what somebody can see: a picture that nobody looks at costs the house nothing. */
function play(tile, id) {
  const { state } = tile.node.dataset;
  // A camera that nobody else needs is connected for us, which takes a moment and may fail.
  const ours = state === 'idle' || (tile.ours && tile.live !== undefined && state !== 'off');
  const wanted = tile.visible && !document.hidden && (state === 'live' || ours);
  tile.ours = wanted && ours;
  if (wanted && tile.live === undefined) tile.live = attachLive(tile.screen, id);
  if (!wanted && tile.live !== undefined) {
    // What was seen last stays, faded, under the word that nothing comes.
    const last = tile.node.dataset.state === 'live' ? undefined : tile.live.still();
    if (last !== undefined) tile.screen.before(last);
    tile.live.close();
    tile.live = undefined;
  }
}

function fill(tile, camera) {
  const before = tile.node.dataset.state;
  const state = camera.state === 'off' && camera.enabled ? 'idle' : camera.state;
  tile.node.dataset.state = state;
  if (tile.name.textContent !== camera.name) tile.name.textContent = camera.name;
  const kept = reliability(camera);
  const still = camera.state === 'live' && camera.picture !== null ? camera.picture.detail : undefined;
  const now =
    camera.state === 'live'
      ? (still ??
        `${camera.recording ? 'recording · ' : ''}${Math.round((camera.fps ?? 0) * 10) / 10} looks a second`)
      : stateWords[state];
  tile.state.textContent = [now, kept].filter((words) => words !== '').join(' · ');
  tile.state.title = kept === '' ? '' : `Gave pictures for ${kept}`;
  const { width, height } = camera.streams.live ?? camera.streams.detect ?? { width: 16, height: 9 };
  tile.screen.parentElement.style.aspectRatio = `${width} / ${height}`;
  tile.boxes.replaceChildren(overlay(camera));
  const veil =
    camera.state === 'live'
      ? ''
      : `${veilWords[state]}${camera.state === 'down' ? ` since ${moment(camera.since)}` : ''}`;
  if (tile.veil.textContent !== veil) tile.veil.textContent = veil;
  tile.veil.hidden = veil === '';
  if (camera.state === 'live') tile.screen.parentElement.querySelector('.last')?.remove();
  tile.words.textContent =
    camera.state === 'live'
      ? camera.objects.length === 0
        ? 'Nobody there'
        : listed(camera.objects.map(objectWords))
      : (camera.detail ?? '');
  if (before !== state) play(tile, camera.id);
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

/** The nearest it came to anything first, then the zones it was in. */
const where = (event) => [
  ...Object.entries(event.data.nearest ?? {})
    .toSorted(([, a], [, b]) => a - b)
    .map(([name, d]) => `${metres({ metres: d })} from ${name.replaceAll('_', ' ')}`),
  ...(event.data.zones ?? []),
];

const isLive = (camera) => tiles.get(camera)?.node.dataset.state === 'live';

/** A card: what it looked like, who it was and when. */
function eventCard(event) {
  const picture =
    event.snapshot === null
      ? el('span', { class: 'thumb' })
      : el('img', { class: 'thumb', src: event.snapshot, alt: '', loading: 'lazy', width: 192, height: 108 });
  const what = `${event.identity?.name ?? event.label}, ${cameraName(event.camera)}`;
  const button = el('button', { type: 'button', 'aria-label': `Show ${what}` }, picture);
  button.addEventListener('click', () => show(event, what));
  return el(
    'li',
    { class: 'sighting', 'data-event': event.id },
    button,
    el('span', { class: 'what' }, what),
    el(
      'span',
      { class: 'because' },
      // Nobody can say of a camera without pictures what is there now.
      event.open && isLive(event.camera) ? el('span', { class: 'now' }, 'there now') : age(event.until),
      ...where(event)
        .slice(0, 1)
        .map((text) => ` · ${text}`),
    ),
  );
}

/** The video of an event, or its picture where there is none (any more). */
function show(event, what) {
  const dialog = byId('event-view');
  const base = `/api/cctv/events/${encodeURIComponent(event.id)}`;
  const picture = event.snapshot === null ? undefined : el('img', { src: event.snapshot, alt: what });
  const video = el('video', {
    controls: '',
    autoplay: '',
    playsinline: '',
    poster: event.snapshot ?? undefined,
  });
  video.muted = true;
  video.addEventListener('error', () => {
    if (dialog.open)
      video.replaceWith(picture ?? el('p', { class: 'empty' }, 'Neither picture nor video was kept'));
  });
  video.src = `${base}/clip.mp4`;
  byId('event-show').replaceChildren(video);
  byId('event-title').textContent = what;
  byId('event-words').textContent = [
    moment(event.at),
    ...where(event),
    `score ${Math.round(event.confidence * 100)}\u00a0%`,
  ].join(' · ');
  dialog.showModal();
}
byId('event-close').addEventListener('click', () => byId('event-view').close());
// Closed, nothing may go on loading.
byId('event-view').addEventListener('close', () => byId('event-show').replaceChildren());
byId('event-view').addEventListener('click', ({ target, currentTarget }) => {
  if (target === currentTarget) currentTarget.close();
});

const falseMark = ' [false positive]';

function alertRow(alert) {
  const message = alert.message.endsWith(falseMark)
    ? alert.message.slice(0, -falseMark.length)
    : alert.message;
  return el(
    'li',
    { class: 'told', 'data-severity': alert.false_alarm ? 'false' : alert.severity },
    el('time', { datetime: alert.at }, moment(alert.at)),
    el('span', { class: 'what' }, message),
    el(
      'span',
      { class: 'because' },
      `${alert.rule}, ${cameraName(alert.camera)}${alert.false_alarm ? ', a false alarm' : ''}`,
    ),
  );
}

const rowsOf = (list, print, make) => {
  const none = { key: '-', print: '', make: () => el('li', { class: 'empty' }, 'Nothing yet') };
  return list.length === 0
    ? [none]
    : list.map((one) => ({ key: one.id, print: print(one), make: () => make(one) }));
};

const turn = inTurn();
/** What the stream does not carry: what was seen and told before. */
export async function refreshCameras() {
  if (byId('cameras').hidden) return;
  const isNews = turn();
  const [seen, told] = await Promise.allSettled([
    ask(`/api/cctv/events?limit=${mostRows}`),
    ask(`/api/cctv/alerts?limit=${mostRows}`),
  ]);
  if (!isNews()) return;
  if (seen.status === 'fulfilled')
    draw(
      byId('sightings'),
      rowsOf(
        seen.value.events,
        (e) => JSON.stringify([e, cameraName(e.camera), isLive(e.camera)]),
        eventCard,
      ),
    );
  if (told.status === 'fulfilled')
    draw(
      byId('told'),
      rowsOf(told.value.alerts, (a) => JSON.stringify([a, cameraName(a.camera), moment(a.at)]), alertRow),
    );
}

document.addEventListener('visibilitychange', () => {
  for (const [id, tile] of tiles) play(tile, id);
});
