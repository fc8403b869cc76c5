import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { pathText } from './problems.ts';
import { maskConfig } from './redact.ts';
import { metaAt, nodeOf } from './schema.ts';
import type { Path } from './types.ts';

/** A setting that is no longer what it was, as everybody may see it. */
export interface Change {
  /** `performance.fps_limit`, `cameras[front].name`: entries of a list go by their name where each has one. */
  readonly path: string;
  /** As JSON, secrets masked, at most 100 characters; `none` where there was nothing. */
  readonly from: string;
  /** As `from`; `none` where there is nothing any more. */
  readonly to: string;
  /** In force already; the others wait for a restart. */
  readonly live: boolean;
}

export const changeText = ({ path, from, to }: Change): string => `${path}: ${from} -> ${to}`;

interface Settings {
  readonly config: unknown;
  readonly secrets: readonly string[];
}

/** One value of one of the two trees: as it is, and as it may be shown. */
interface Side {
  readonly value: unknown;
  readonly shown: unknown;
  readonly path: Path;
}

const widest = 100;
// What settings call the entries of their lists.
const nameKeys = ['id', 'person', 'name'] as const;
const masked = '[secret]';

/** What differs between two checked configurations, setting by setting, in the order of the tree. */
export function describeChanges(schema: z.ZodType, before: Settings, after: Settings): Change[] {
  // A secret of one of them is one wherever it stands.
  const secrets = [...before.secrets, ...after.secrets];
  const side = ({ config }: Settings): Side => ({
    value: config,
    shown: maskConfig(schema, { config, secrets }),
    path: [],
  });
  const found: Change[] = [];
  const isLive = ({ path }: Side, { config }: Settings) =>
    metaAt(nodeOf(schema), path, config).reload === 'live';
  const visit = (old: Side, next: Side, name: string): void => {
    if (isDeepStrictEqual(old.value, next.value)) return;
    const known = found.length;
    for (const [key, a, b] of entries(old, next)) visit(a, b, `${name}${name === '' ? key.slice(1) : key}`);
    if (found.length > known) return;
    const both = old.shown === masked && next.shown === masked;
    found.push({
      path: name,
      from: text(orderOf(old)),
      to: both ? '[another secret]' : text(orderOf(next)),
      live: isLive(old, before) && isLive(next, after),
    });
  };
  visit(side(before), side(after), '');
  return found;
}

/** What the two have in them, by the name under which it is shown: `.fps_limit`, `[front]`, `[0]`. */
function entries(old: Side, next: Side): [name: string, old: Side, next: Side][] {
  if (isSection(old.value) && isSection(next.value))
    return union(Object.keys(old.value), Object.keys(next.value)).map((key) => [
      pathText(['_', key]).slice(1),
      child(old, key),
      child(next, key),
    ]);
  if (!Array.isArray(old.value) || !Array.isArray(next.value)) return [];
  const [was, is] = [namesOf(old.value), namesOf(next.value)];
  if (was !== undefined && is !== undefined)
    return union(was, is).map((name) => [
      `[${name}]`,
      child(old, was.indexOf(name)),
      child(next, is.indexOf(name)),
    ]);
  if (old.value.length !== next.value.length) return [];
  return old.value.map((_, i) => [`[${i}]`, child(old, i), child(next, i)]);
}

const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])];

function child({ value, shown, path }: Side, key: string | number): Side {
  const of = (tree: unknown) => (tree as Record<string | number, unknown>)[key];
  return { value: of(value), shown: of(shown), path: [...path, key] };
}

/** A list of which no entry differs has another order, and is shown by it; everything else as it is. */
const orderOf = ({ value, shown }: Side): unknown =>
  Array.isArray(value) ? (namesOf(value) ?? shown) : shown;

/** The names of the entries of a list; undefined unless each has one of its own. */
function namesOf(list: readonly unknown[]): string[] | undefined {
  const names = list.map((one) =>
    isSection(one) ? nameKeys.map((key) => one[key]).find((n) => typeof n === 'string') : undefined,
  );
  return names.includes(undefined) || new Set(names).size < names.length ? undefined : (names as string[]);
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function text(shown: unknown): string {
  if (shown === undefined) return 'none';
  if (shown === masked) return masked;
  const all = JSON.stringify(shown);
  return all.length > widest ? `${all.slice(0, widest)}…` : all;
}
