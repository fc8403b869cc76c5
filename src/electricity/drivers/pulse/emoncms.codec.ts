import { LaresError } from '#kernel/errors.ts';
import type { Fields } from './model.ts';
import { parseJson } from './own.codec.ts';

/** Input API of emoncms (docs.openenergymonitor.org): `/input/post` and `/input/bulk`, in the query or a form. */

const mostItems = 1_000;
const mostValues = 100;
const bad = (text: string) => new LaresError('BAD_REPLY', text);

/** `node=&time=&fulljson={}`, or `json=`, `csv=`, `data=` with pairs or bare numbers. Throws BAD_REPLY. */
export function parsePost(form: URLSearchParams): Fields[] {
  const key = ['json', 'fulljson', 'csv', 'data'].find((name) => (form.get(name) ?? '') !== '');
  if (key === undefined) throw bad('the request contains no data: expected fulljson, json, csv or data');
  const text = form.get(key)!;
  const seconds = numeric(form.get('time'));
  return [
    {
      ids: [form.get('node') ?? '0'],
      ...(seconds === undefined ? {} : { at: seconds * 1_000 }),
      values: key === 'fulljson' ? object(parseJson(text)) : pairs(text),
    },
  ];
}

/** `data=[[t,node,v1,v2 or {name:v},…],…]` with `sentat`, `offset` or `time`, seconds. Throws BAD_REPLY. */
export function parseBulk(form: URLSearchParams): Fields[] {
  const list = parseJson(form.get('data') ?? '');
  if (!Array.isArray(list) || list.length === 0 || list.length > mostItems)
    throw bad(`data must be a list of 1 to ${mostItems} items`);
  const items = list.map((item: unknown) => {
    const [at, node, ...values] = Array.isArray(item) ? (item as unknown[]) : [];
    if (
      typeof at !== 'number' ||
      !Number.isFinite(at) ||
      (typeof node !== 'number' && typeof node !== 'string')
    )
      throw bad('each item of data must be [time, node, value, …]');
    return { at, node: String(node), values };
  });
  const time = numeric(form.get('time'));
  const sent = numeric(form.get('sentat')) ?? numeric(form.get('offset'));
  const now = sent ?? items.at(-1)!.at;
  return items
    .filter(({ values }) => values.length > 0)
    .map(({ at, node, values }) => ({
      ids: [node],
      ...(sent === undefined && time !== undefined
        ? { at: (time + at) * 1_000 }
        : { ageMs: Math.max(0, now - at) * 1_000 }),
      values: bulkValues(values),
    }));
}

/** Values are counted from 1; a named one takes no number. */
function bulkValues(list: readonly unknown[]): Map<string, number> {
  const values = new Map<string, number>();
  let place = 0;
  for (const value of list.slice(0, mostValues)) {
    if (typeof value === 'object' && value !== null)
      for (const [name, inner] of object(value)) values.set(name, inner);
    else {
      place += 1;
      if (typeof value === 'number') values.set(String(place), value);
    }
  }
  return values;
}

function object(value: unknown): Map<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw bad('the input must be a JSON object');
  const entries = Object.entries(value).slice(0, mostValues);
  return new Map(
    entries.flatMap(([name, inner]: [string, unknown]) => {
      const number =
        typeof inner === 'number' ? inner : typeof inner === 'string' ? numeric(inner) : undefined;
      return number === undefined ? [] : [[name.slice(0, 64), number] as const];
    }),
  );
}

/** `{power:252.4,pulse:12}` without quotes, `power:252.4,pulse:12`, or `252.4,12` counted from 1. */
function pairs(text: string): Map<string, number> {
  const values = new Map<string, number>();
  let place = 0;
  for (const part of text
    .replaceAll(/[{}"'\s]/g, '')
    .split(',')
    .slice(0, mostValues)) {
    const [name = '', given, ...more] = part.split(':');
    const value = numeric(given ?? name);
    if (more.length > 0 || value === undefined || (given !== undefined && name === ''))
      throw bad(`${JSON.stringify(part.slice(0, 60))} is neither name:number nor a number`);
    values.set(given === undefined ? String((place += 1)) : name.slice(0, 64), value);
  }
  return values;
}

function numeric(text: string | null): number | undefined {
  return text !== null && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim())
    ? Number(text)
    : undefined;
}
