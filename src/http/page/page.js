// The whole status page. Text from outside reaches the page only as text nodes: a host name cannot become markup.

import { cameraName, drawCameras, refreshCameras } from './cameras.js';
import { drawElectricity, refreshElectricity } from './electricity.js';
import {
  age,
  ago,
  ask,
  byId,
  clockTime,
  dayMs,
  draw,
  el,
  houseNow,
  inTurn,
  listed,
  many,
  moment,
  rich,
  setHouseTime,
  svg,
} from './lib.js';

let presence;
let health;
let stays = [];
let events = [];
let suggestions = [];
const opened = new Set();

const stateOrder = { home: 0, unknown: 1, away: 2 };
const stateWords = { home: 'Home', away: 'Away', unknown: 'Not known' };
const sourceNames = {
  wifi: 'Wi-Fi',
  homeassistant: 'Home Assistant',
  tado: 'Tado',
  graphite: 'Graphite',
  mqtt: 'MQTT',
  broker: 'MQTT broker',
  'electricity.homeassistant': 'Home Assistant, energy',
  store: 'Database',
  cctv: 'Cameras',
  'cctv.disk': 'Disk for pictures and video',
  'alerts.speak': 'Spoken alerts',
  'alerts.email': 'Alerts by e-mail',
  'alerts.webhook': 'Alerts to a web address',
  'alerts.mqtt': 'Alerts over MQTT',
  guard: 'Alert rules',
};
const pretty = (name) => {
  // `electricity.kasa`: the area says nothing to people.
  const last = name.split('.').at(-1);
  // A camera is called as the settings call it, and "Front" alone could be anything.
  if (name.startsWith('camera.')) return `Camera ${cameraName(last)}`;
  return sourceNames[name] ?? last.charAt(0).toUpperCase() + last.slice(1).replaceAll('_', ' ');
};

function headline() {
  const { people } = presence;
  if (people.length === 0) return 'Nobody is configured yet';
  const home = people.filter((p) => p.state === 'home').map((p) => p.name);
  if (home.length === 0)
    return people.every((p) => p.state === 'away') ? 'Nobody is home' : 'Nobody is known to be home';
  if (home.length === people.length && home.length > 1) return 'Everybody is home';
  return `${listed(home)} ${home.length === 1 ? 'is' : 'are'} home`;
}

function summary() {
  if (presence.people.length === 0) return 'Tell Lares about your people with `lares init`.';
  const parts = [
    `${presence.count_home} of ${many(presence.people.length, 'person', 'people')}`,
    many(presence.devices_present, 'device on the network', 'devices on the network'),
  ];
  if (presence.guests > 0) parts.push(many(presence.guests, 'guest', 'guests'));
  return parts.join(' · ');
}

function personCard(person) {
  const percent = Math.round(person.probability * 100);
  const strongest = person.evidence[0];
  const fill = el('i');
  // A style attribute would be refused by the content policy; the style object is not.
  fill.style.width = `${percent}%`;
  const meter = el(
    'div',
    {
      class: 'meter',
      role: 'meter',
      'aria-label': 'Probability of being home',
      'aria-valuemin': '0',
      'aria-valuemax': '100',
      'aria-valuenow': String(percent),
    },
    fill,
  );
  const since = person.since === null ? '' : ` since ${moment(person.since)}`;
  const why =
    strongest === undefined
      ? el('p', { class: 'why' }, 'No evidence yet')
      : el(
          'details',
          { class: 'why' },
          el('summary', {}, el('span', { class: 'text' }, ...said(strongest, plain(strongest.text)))),
          el('ul', {}, ...person.evidence.slice(0, 8).map((e) => el('li', {}, ...said(e)))),
        );
  if (why.tagName === 'DETAILS') {
    why.open = opened.has(person.person);
    why.addEventListener('toggle', () => opened[why.open ? 'add' : 'delete'](person.person));
  }
  return el(
    'li',
    { class: 'person', 'data-person': person.person, 'data-state': person.state },
    el('span', { class: 'face', 'aria-hidden': 'true' }, [...person.name][0]?.toUpperCase() ?? '?'),
    el(
      'div',
      { class: 'who' },
      el('h3', {}, person.name),
      el('p', {}, el('span', { class: 'word' }, stateWords[person.state]), since),
    ),
    el('div', { class: 'belief' }, meter, el('span', {}, `${percent} %`)),
    why,
    person.conflict === null ? undefined : el('p', { class: 'conflict' }, person.conflict),
  );
}

/** The short form for everybody; the full address is one click away. */
const plain = (text) => text.replaceAll(/\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b/gi, 'phone');

const said = (evidence, words = evidence.text) => [
  el('span', { class: 'source' }, pretty(evidence.source)),
  ` ${words}`,
  // Many sentences say themselves how long ago it was.
  ...(/\b(ago|silent for)\b/.test(evidence.text) ? [] : [' · ', age(evidence.at)]),
];

function drawPeople() {
  // Written only when it changed, or a screen reader would repeat it.
  const title = headline();
  if (byId('headline').textContent !== title) byId('headline').textContent = title;
  byId('summary').replaceChildren(...rich(summary()));
  document.title = `${title} · Lares`;
  const people = presence.people.toSorted((a, b) => stateOrder[a.state] - stateOrder[b.state]);
  draw(
    byId('people'),
    people.map((person) => ({
      key: person.person,
      print: JSON.stringify([person, person.since === null ? '' : moment(person.since)]),
      make: () => personCard(person),
    })),
  );
}

/** Instants of round local hours within the last 24 h, each with its share of the way. */
function hours(from, to) {
  const marks = [];
  const at = new Date(from);
  at.setMinutes(0, 0, 0);
  for (at.setHours(at.getHours() + 1); at < to; at.setHours(at.getHours() + 1))
    if (at.getHours() % 3 === 0) marks.push({ at: at.getTime(), share: (at - from) / (to - from) });
  return marks;
}

function drawDay() {
  const { people } = presence;
  byId('day').hidden = people.length === 0;
  const to = houseNow();
  const from = to - dayMs;
  const marks = hours(from, to);
  const x = (at) => ((Math.min(Math.max(at, from), to) - from) / dayMs) * 1440;
  const rows = people.flatMap((person) => {
    const mine = stays.filter((stay) => stay.person === person.person);
    const words = mine.map(
      (s) =>
        `${stateWords[s.state].toLowerCase()} ${moment(s.from)} to ${s.to === null ? 'now' : moment(s.to)}`,
    );
    const bars = mine.map((stay) => {
      const start = x(Date.parse(stay.from));
      const end = x(stay.to === null ? to : Date.parse(stay.to));
      const bar = svg('rect', {
        class: `stay-${stay.state}`,
        x: start,
        y: 0,
        width: Math.max(end - start, 1.5),
        height: 20,
      });
      bar.append(
        svg(
          'title',
          {},
          `${stateWords[stay.state]}, ${moment(stay.from)} to ${stay.to === null ? 'now' : moment(stay.to)}`,
        ),
      );
      return bar;
    });
    const lines = marks.map(({ share }) =>
      svg('line', {
        x1: share * 1440,
        x2: share * 1440,
        y1: 0,
        y2: 20,
        'vector-effect': 'non-scaling-stroke',
      }),
    );
    const strip = svg(
      'svg',
      {
        viewBox: '0 0 1440 20',
        preserveAspectRatio: 'none',
        role: 'img',
        'aria-label': `${person.name}: ${words.length === 0 ? 'nothing known' : words.join(', ')}`,
      },
      ...bars,
      ...lines,
    );
    return [el('span', { class: 'name', title: person.name }, person.name), strip];
  });
  const labels = marks
    .filter(({ share }) => share > 0.02 && share < 0.93)
    .map(({ at, share }) => {
      const label = el('span', { class: new Date(at).getHours() % 6 === 0 ? '' : 'minor' }, clockTime(at));
      label.style.left = `${share * 100}%`;
      return label;
    });
  const end = el('span', {}, 'now');
  end.style.left = '100%';
  byId('strips').replaceChildren(
    ...rows,
    el('div', { class: 'axis', 'aria-hidden': 'true' }, ...labels, end),
  );
}

const partWords = {
  off: 'off',
  starting: 'starting',
  ok: 'works',
  degraded: 'weak',
  down: 'down',
  parked: 'waits for you',
};

function partRow(part) {
  const sink = health.sinks.find((s) => s.name === part.name);
  const figures =
    sink === undefined
      ? undefined
      : el(
          'p',
          { class: 'detail' },
          `${sink.sent_total.toLocaleString()} readings delivered to ${sink.target}`,
          sink.backlog > 0 ? `, ${sink.backlog.toLocaleString()} wait` : '',
        );
  return el(
    'li',
    { 'data-state': part.state, 'data-part': part.name },
    el('span', { class: 'dot', 'aria-hidden': 'true' }),
    el('span', { class: 'label' }, pretty(part.name)),
    el('span', { class: 'word' }, partWords[part.state]),
    part.detail === '' ? undefined : el('p', { class: 'detail' }, ...rich(part.detail)),
    figures,
  );
}

const partOrder = { parked: 0, down: 1, degraded: 2, starting: 3, ok: 4, off: 5 };

function drawParts() {
  const parts = health.components.toSorted((a, b) => partOrder[a.state] - partOrder[b.state]);
  const rows = parts.map((part) => ({
    key: part.name,
    print: JSON.stringify([
      pretty(part.name),
      part.state,
      part.detail,
      health.sinks.find((s) => s.name === part.name),
    ]),
    make: () => partRow(part),
  }));
  const none = { key: '-', print: '', make: () => el('li', { class: 'empty' }, 'Nothing is configured yet') };
  draw(byId('parts'), rows.length === 0 ? [none] : rows);
  byId('version').textContent =
    `Lares ${health.version} on Node ${health.node.replace('v', '')}, up since ${moment(health.started_at)}`;
}

function drawAttention() {
  const parts = health.components
    .filter((part) => ['parked', 'down', 'degraded'].includes(part.state))
    .map((part) => ({
      key: `part ${part.name}`,
      print: JSON.stringify([pretty(part.name), part]),
      make: () =>
        el(
          'li',
          {},
          el('b', {}, pretty(part.name)),
          ` ${partWords[part.state]}: `,
          ...rich(part.detail),
          ' ',
          el('span', { class: 'when' }, 'since ', moment(part.since)),
        ),
    }));
  const dropped = health.sinks
    .filter((sink) => sink.dropped_total > 0)
    .map((sink) => ({
      key: `dropped ${sink.name}`,
      print: String(sink.dropped_total),
      make: () =>
        el(
          'li',
          {},
          el('b', {}, pretty(sink.name)),
          ` gave up ${sink.dropped_total.toLocaleString()} readings because too many waited`,
        ),
    }));
  const open = suggestions
    .filter((s) => s.status === 'open')
    .map((s) => ({
      key: `suggestion ${s.id}`,
      print: JSON.stringify(s),
      make: () =>
        el(
          'li',
          {},
          el('b', {}, s.mac),
          ` is probably a device of ${s.person} (${Math.round(s.confidence * 100)} %); decide with `,
          el('code', {}, 'lares presence suggestions'),
        ),
    }));
  const rows = [...parts, ...dropped, ...open];
  byId('attention').hidden = rows.length === 0;
  draw(byId('attention-list'), rows);
}

const nameOf = (subject) => {
  const [kind, id = ''] = [subject.slice(0, subject.indexOf(':')), subject.slice(subject.indexOf(':') + 1)];
  if (kind === 'camera') return cameraName(id);
  return kind === 'person' ? (presence?.people.find((p) => p.person === id)?.name ?? id) : id || subject;
};

const eventWords = {
  'presence.arrived': (name, { from }) => (from === 'unknown' ? `${name} is home` : `${name} came home`),
  'presence.left': (name) => `${name} left`,
  'presence.away': (name) => `${name} is away`,
  'electricity.discovered': (_name, { path }) => `New device ${path}`,
  'electricity.switched': (_name, { name, is_on }) => `${name} was switched ${is_on ? 'on' : 'off'}`,
  'electricity.switch-failed': (_name, { name, wanted }) => `${name} did not switch ${wanted ? 'on' : 'off'}`,
  'electricity.turned-on': (_name, { name }) => `${name} went on`,
  'electricity.turned-off': (_name, { name }) => `${name} went off`,
  'electricity.appliance': (name) => `The ${name.replaceAll('_', ' ')} ran`,
  'electricity.anomaly': (_name, { text }) => text,
  'electricity.left-on': (_name, { text }) => text,
  'camera.lost': (name) => `Camera ${name} gives no picture`,
  'camera.back': (name) => `Camera ${name} is back`,
  'camera.moved': (name) => `Camera ${name} was moved`,
  'camera.covered': (name) => `Camera ${name} is covered`,
  'camera.blurred': (name) => `Camera ${name} is out of focus`,
  'camera.dark': (name) => `Camera ${name} sees nothing`,
  'camera.check': (name, { text }) => `Camera ${name}: ${text}`,
  'guard.mode': (_name, { mode, by_hand }) =>
    by_hand ? `The house was set to ${mode}` : 'The house decides its mode itself again',
  'camera.passage': (name, { direction, zone }) =>
    `Somebody ${direction === 'exit' ? 'left' : 'came in'} by ${zone} (${name})`,
  'camera.alert': (_name, { message }) => message,
  'config.changed': (name) => `Settings changed in ${name}`,
  'device.discovered': (name) =>
    name === 'private' ? 'New device with a private address' : `New device ${name}`,
};

function drawEvents() {
  const rows = events.slice(0, 10).map((event) => ({
    key: event.id,
    print: moment(event.at),
    make: () => {
      const because = event.evidence[0];
      return el(
        'li',
        {},
        el('time', { datetime: event.at, title: new Date(event.at).toLocaleString() }, moment(event.at)),
        el(
          'span',
          { class: 'what' },
          eventWords[event.kind]?.(nameOf(event.subject), event.data) ??
            `${event.kind.replaceAll(/[._]/g, ' ')}: ${nameOf(event.subject)}`,
        ),
        because === undefined
          ? undefined
          : el(
              'span',
              { class: 'because' },
              `${pretty(because.source)}: ${event.kind.startsWith('presence.') ? plain(because.text) : because.text}`,
            ),
      );
    },
  }));
  const none = { key: '-', print: '', make: () => el('li', { class: 'empty' }, 'Nothing yet') };
  draw(byId('events'), rows.length === 0 ? [none] : rows);
}

const turn = inTurn();
/** What the stream does not carry: the past. A part that fails leaves the rest of the page alone. */
async function refresh() {
  void refreshElectricity();
  void refreshCameras();
  const isNews = turn();
  const [eventsBefore, healthBefore] = [events, health];
  const [history, journal, open, detail] = await Promise.allSettled([
    ask('/api/presence/history'),
    ask('/api/events?limit=10'),
    ask('/api/presence/suggestions'),
    ask('/health/detailed'),
  ]);
  if (!isNews()) return;
  if (history.status === 'fulfilled') stays = history.value.stays;
  // What the stream has brought since is newer.
  if (journal.status === 'fulfilled' && events === eventsBefore) events = journal.value.events;
  if (open.status === 'fulfilled') suggestions = open.value.suggestions;
  if (detail.status === 'fulfilled' && health === healthBefore) health = detail.value;
  drawAll();
}

function drawAll() {
  if (presence !== undefined) {
    drawPeople();
    drawDay();
  }
  if (health !== undefined) {
    drawParts();
    drawAttention();
  }
  drawEvents();
}

function live(state, text) {
  byId('live').dataset.state = state;
  byId('live-text').textContent = text;
}

let asking;
/** Several changes in one moment ask once. */
function refreshSoon() {
  asking ??= setTimeout(() => {
    asking = undefined;
    void refresh();
  }, 200);
}

const stream = new EventSource('/api/stream');
stream.addEventListener('open', () => {
  live('live', 'Live');
  refreshSoon();
});
stream.addEventListener('error', () =>
  live(
    'lost',
    presence === undefined ? 'No answer; trying again' : `Connection lost; as of ${moment(presence.at)}`,
  ),
);
stream.addEventListener('presence', (message) => {
  presence = JSON.parse(message.data);
  setHouseTime(presence.at);
  byId('main').removeAttribute('aria-busy');
  drawPeople();
});
stream.addEventListener('electricity', (message) => drawElectricity(JSON.parse(message.data)));
stream.addEventListener('cctv', (message) => {
  if (drawCameras(JSON.parse(message.data))) drawAll();
});
stream.addEventListener('health', (message) => {
  health = JSON.parse(message.data);
  drawParts();
  drawAttention();
});
stream.addEventListener('event', (message) => {
  const event = JSON.parse(message.data);
  if (!events.some((e) => e.id === event.id)) events = [event, ...events].slice(0, 10);
  drawEvents();
  refreshSoon();
});

setInterval(() => {
  for (const node of document.querySelectorAll('[data-ago]')) {
    const text = ago(node.getAttribute('datetime'));
    if (node.textContent !== text) node.textContent = text;
  }
}, 1000);
setInterval(() => void refresh(), 30_000);
