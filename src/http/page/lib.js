// What every part of the page is made with. Text from outside reaches it only as text nodes: a name cannot become markup.

export const dayMs = 86_400_000;
export const byId = (id) => document.getElementById(id);

// The house may live in another time than the browser: a demo runs faster, a wrong clock is wrong.
let skewMs = 0;
export const houseNow = () => Date.now() + skewMs;
/** `iso` is the time of the house now. */
export function setHouseTime(iso) {
  skewMs = Date.parse(iso) - Date.now();
}

/** Makes an element; `props` are attributes, children are nodes or text. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== undefined));
  return node;
}

export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const clockTime = (at) =>
  new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });

/** `08:41`, with the weekday when it was not today, with the date when it was not this week. */
export function moment(iso) {
  const at = new Date(iso);
  const now = new Date(houseNow());
  if (at.toDateString() === now.toDateString()) return clockTime(at);
  const near = Math.abs(now - at) < 6 * dayMs;
  const day = near ? { weekday: 'short' } : { day: 'numeric', month: 'short' };
  return `${at.toLocaleDateString([], day)} ${clockTime(at)}`;
}

export function ago(iso) {
  const seconds = Math.max(0, Math.round((houseNow() - Date.parse(iso)) / 1000));
  if (seconds < 5) return 'now';
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/** An age that keeps counting without being drawn anew. */
export const age = (iso) =>
  el('time', { datetime: iso, 'data-ago': '', title: new Date(iso).toLocaleString() }, ago(iso));

/** A sentence whose `commands` stand out; still text nodes only. */
export const rich = (text) => text.split('`').map((part, i) => (i % 2 === 1 ? el('code', {}, part) : part));

export function listed(names) {
  if (names.length < 2) return names.join('');
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

export const many = (n, one, more) => `${n} ${n === 1 ? one : more}`;

/** Replaces what a list shows, keeping rows whose content did not change, and the keyboard focus. */
export function draw(parent, rows) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const nodes = rows.map(({ key, print, make }) => {
    const before = old.get(key);
    if (before !== undefined && before.dataset.print === print) return before;
    const node = make();
    node.dataset.key = key;
    node.dataset.print = print;
    if (before?.contains(document.activeElement)) node.dataset.refocus = '';
    return node;
  });
  if (nodes.length === parent.children.length && nodes.every((node, i) => node === parent.children[i]))
    return;
  parent.replaceChildren(...nodes);
  const focus = parent.querySelector('[data-refocus]');
  if (focus === null) return;
  delete focus.dataset.refocus;
  focus.querySelector('summary, a, button')?.focus({ preventScroll: true });
}

/** For questions that are asked again and again: the answer to one is no news after the answer to a later one. */
export function inTurn() {
  let asked = 0;
  let answered = 0;
  return () => {
    asked += 1;
    const turn = asked;
    return () => {
      if (turn < answered) return false;
      answered = turn;
      return true;
    };
  };
}

export async function ask(path) {
  const reply = await fetch(path);
  if (!reply.ok) throw new Error(`${path}: ${reply.status}`);
  return reply.json();
}
