import { LaresError } from '#kernel/errors.ts';
import type { EntityState } from './model.ts';

/** What the server says on `/api/websocket` (developers.home-assistant.io, WebSocket API). */
export type ServerMessage =
  | { readonly type: 'auth_required' }
  | { readonly type: 'auth_ok' }
  | { readonly type: 'auth_invalid'; readonly message: string }
  | { readonly type: 'result'; readonly id: number; readonly success: boolean; readonly error: string }
  | { readonly type: 'pong'; readonly id: number }
  | { readonly type: 'event'; readonly id: number; readonly event: Json };

type Json = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const seconds = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? Math.round(value * 1000) : undefined;
const instant = (value: unknown): number | undefined => {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
};

/** JSON of a peer. Throws BAD_REPLY instead of SyntaxError, whose text would repeat what the peer sent. */
export function parseJson(body: string, from: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new LaresError('BAD_REPLY', `${from} sent something that is not JSON`);
  }
}

/** An entity of `GET /api/states` or `/api/states/<entity>`. Throws BAD_REPLY on any other shape. */
export function parseState(value: unknown): EntityState {
  if (!isRecord(value) || typeof value['entity_id'] !== 'string' || typeof value['state'] !== 'string')
    throw new LaresError('BAD_REPLY', 'Home Assistant sent a state without entity_id or state');
  return {
    entity: value['entity_id'],
    state: value['state'],
    attributes: isRecord(value['attributes']) ? value['attributes'] : {},
    changedAt: instant(value['last_changed']),
  };
}

const readers: Readonly<Record<string, (m: Json) => ServerMessage>> = {
  auth_required: () => ({ type: 'auth_required' }),
  auth_ok: () => ({ type: 'auth_ok' }),
  auth_invalid: (m) => ({ type: 'auth_invalid', message: text(m['message']) }),
  result: (m) => ({
    type: 'result',
    id: Number(m['id']),
    success: m['success'] === true,
    error: isRecord(m['error']) ? `${text(m['error']['code'])}: ${text(m['error']['message'])}` : '',
  }),
  pong: (m) => ({ type: 'pong', id: Number(m['id']) }),
  event: (m) => ({ type: 'event', id: Number(m['id']), event: isRecord(m['event']) ? m['event'] : {} }),
};

/** One WebSocket text: one message or, with `coalesce_messages`, an array of them. Types unknown to us are skipped. */
export function decodeMessages(body: string): ServerMessage[] {
  const value = parseJson(body, 'Home Assistant');
  const all = Array.isArray(value) ? value : [value];
  return all.flatMap((m): ServerMessage[] => {
    if (!isRecord(m) || typeof m['type'] !== 'string')
      throw new LaresError('BAD_REPLY', 'Home Assistant sent a message without a type');
    const read = Object.hasOwn(readers, m['type']) ? readers[m['type']] : undefined;
    return read === undefined ? [] : [read(m)];
  });
}

/**
 * Applies one `subscribe_entities` event to what is known: `a` adds, `c` changes by difference (`+` new values,
 * `-` names of attributes that went), `r` removes. `lc` is epoch seconds and comes only with a new state.
 * Returns the new table and the entities that the event spoke of.
 */
export function applyEntities(
  known: ReadonlyMap<string, EntityState>,
  event: Json,
): { readonly table: ReadonlyMap<string, EntityState>; readonly touched: readonly string[] } {
  const table = new Map(known);
  const touched = new Set<string>();
  for (const [entity, full] of entries(event['a'])) {
    table.set(entity, {
      entity,
      state: text(full['s']),
      attributes: isRecord(full['a']) ? full['a'] : {},
      changedAt: seconds(full['lc']),
    });
    touched.add(entity);
  }
  for (const [entity, change] of entries(event['c'])) {
    const before = table.get(entity);
    if (before === undefined) continue;
    const plus = isRecord(change['+']) ? change['+'] : {};
    const minus = isRecord(change['-']) && Array.isArray(change['-']['a']) ? change['-']['a'] : [];
    const attributes = { ...before.attributes, ...(isRecord(plus['a']) ? plus['a'] : {}) };
    table.set(entity, {
      entity,
      state: typeof plus['s'] === 'string' ? plus['s'] : before.state,
      attributes: Object.fromEntries(Object.entries(attributes).filter(([key]) => !minus.includes(key))),
      changedAt: seconds(plus['lc']) ?? before.changedAt,
    });
    touched.add(entity);
  }
  for (const entity of Array.isArray(event['r']) ? event['r'] : []) {
    if (typeof entity !== 'string') continue;
    table.delete(entity);
    touched.add(entity);
  }
  return { table, touched: [...touched] };
}

const entries = (value: unknown): [string, Json][] =>
  Object.entries(isRecord(value) ? value : {}).filter((pair): pair is [string, Json] => isRecord(pair[1]));

/** `person.alex` and the like: a domain, a dot, an object id. */
export const entityPattern = /^[a-z0-9_]+\.[a-z0-9_]+$/;
