import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { pathText } from './problems.ts';
import { metaAt, nodeOf, type SchemaNode } from './schema.ts';
import type { Path } from './types.ts';

export interface ConfigDiff {
  /** Paths of every setting that differs, in the order of the tree. */
  readonly changed: readonly string[];
  /** Those that take effect at once. */
  readonly live: readonly string[];
  /** Those that count only after a restart. */
  readonly needRestart: readonly string[];
}

/** What differs between two checked configurations, and what each difference needs to take effect. */
export function diffConfig(schema: z.ZodType, old: unknown, next: unknown): ConfigDiff {
  const paths = differences(old, next, []);
  const isLive = (path: Path) => reloadOf(nodeOf(schema), path, old, next) === 'live';
  return {
    changed: paths.map(pathText),
    live: paths.filter(isLive).map(pathText),
    needRestart: paths.filter((p) => !isLive(p)).map(pathText),
  };
}

/** What disappeared is described by the old value, what is new by the next. */
function reloadOf(schema: SchemaNode, path: Path, old: unknown, next: unknown): 'live' | 'restart' {
  const words = [old, next].map((value) => metaAt(schema, path, value).reload);
  return words.every((word) => word === 'live') ? 'live' : 'restart';
}

function differences(old: unknown, next: unknown, path: Path): Path[] {
  if (isDeepStrictEqual(old, next)) return [];
  if (Array.isArray(old) && Array.isArray(next) && old.length === next.length)
    return old.flatMap((item, i) => differences(item, next[i], [...path, i]));
  if (isSection(old) && isSection(next)) {
    const keys = [...new Set([...Object.keys(old), ...Object.keys(next)])];
    return keys.flatMap((key) => differences(old[key], next[key], [...path, key]));
  }
  return [path];
}

const isSection = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
