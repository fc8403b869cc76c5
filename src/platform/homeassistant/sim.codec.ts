export type Json = Readonly<Record<string, unknown>>;

/** What the simulated Home Assistant knows of one entity; instants are epoch ms. */
export interface Kept {
  readonly state: string;
  readonly attributes: Json;
  readonly changed: number;
  readonly updated: number;
  readonly context: string;
}

/** An entity as REST writes it. */
export const rest = (entity: string, kept: Kept) => ({
  entity_id: entity,
  state: kept.state,
  attributes: kept.attributes,
  last_changed: iso(kept.changed),
  last_reported: iso(kept.updated),
  last_updated: iso(kept.updated),
  context: { id: kept.context, parent_id: null, user_id: null },
});

const iso = (at: number) => new Date(at).toISOString().replace('Z', '000+00:00');

/** An entity as `subscribe_entities` adds it; `lu` is left out when it equals `lc`. */
export const full = (kept: Kept) => ({
  s: kept.state,
  a: kept.attributes,
  c: kept.context,
  lc: kept.changed / 1000,
  ...(kept.updated === kept.changed ? {} : { lu: kept.updated / 1000 }),
});

/** What changed, as the real one says it: `lc` stands for `lu` too when the state itself changed. */
export function difference(before: Kept, after: Kept): Json {
  const a = Object.entries(after.attributes).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(before.attributes[key]),
  );
  const gone = Object.keys(before.attributes).filter((key) => !Object.hasOwn(after.attributes, key));
  return {
    '+': {
      ...(after.state === before.state
        ? { lu: after.updated / 1000 }
        : { s: after.state, lc: after.changed / 1000 }),
      ...(a.length === 0 ? {} : { a: Object.fromEntries(a) }),
      c: after.context,
    },
    ...(gone.length === 0 ? {} : { '-': { a: gone } }),
  };
}
