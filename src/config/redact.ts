import { distance } from 'fastest-levenshtein';
import { isMap, visit } from 'yaml';
import type { z } from 'zod';
import { scalarText, soundsSecret } from './problems.ts';
import { metaAt, nodeOf, schemasAt, settingsOf, type SchemaNode } from './schema.ts';
import { keyText, SecretRef, type Source } from './source.ts';
import type { Path } from './types.ts';

/** The source text with every secret replaced by stars of the same length, so that columns stay right. */
export function redactSource(source: Source, schema: SchemaNode, secrets: readonly string[]): string {
  const secretKeys = settingsOf(schema)
    .filter((s) => s.meta.secret === true)
    .map((s) => s.path.split('.').at(-1)!.replaceAll('[]', ''));
  let { text } = source;
  const star = (from: number, to: number) => {
    text = text.slice(0, from) + text.slice(from, to).replaceAll(/[^\s]/g, '*') + text.slice(to);
  };
  visit(source.document, {
    Scalar(_key, node, ancestors) {
      if (
        node.range === undefined ||
        node.range === null ||
        node.value === null ||
        node.value instanceof SecretRef
      )
        return;
      const path = pathOf([...ancestors, node]);
      // The key itself is also a scalar node; only what stands at the path is a value.
      if (path === undefined) return;
      const key = String(path.findLast((s) => typeof s === 'string') ?? '');
      const unknown = schemasAt(schema, path, source.value).length === 0;
      if (
        soundsSecret(key) ||
        (unknown && isSecretKey(key, secretKeys)) ||
        metaAt(schema, path, source.value).secret
      )
        star(node.range[0], node.range[1]);
    },
  });
  // A file that cannot be parsed has no nodes to go by; its lines still have keys.
  if (source.problems.length > 0)
    text = text.replaceAll(
      /([\w-]+)(["']?\s*:\s+)(?!!secret\s)([^\n]*)/g,
      (all, key: string, between: string, value: string) =>
        isSecretKey(key, secretKeys) ? key + between + value.replaceAll(/[^\s,}\]]/g, '*') : all,
    );
  text = text.replaceAll(
    /(:\/\/)([^\s/@]+)(@)/g,
    (_all, a: string, b: string, c: string) => a + '*'.repeat(b.length) + c,
  );
  for (const secret of secrets)
    if (secret.length >= 4) text = text.replaceAll(secret, (found) => found.replaceAll(/[^\s]/g, '*'));
  return text;
}

/** Also misspelt: the value after `tokn:` is a token all the same. */
function isSecretKey(key: string, known: readonly string[]): boolean {
  if (soundsSecret(key)) return true;
  const lower = key.toLowerCase();
  return [...known, 'token', 'password'].some((k) => k === key || (k.length > 4 && distance(lower, k) <= 2));
}

/** Keys and positions of a node given its ancestors; undefined for a key. */
function pathOf(chain: readonly unknown[]): Path | undefined {
  const path: (string | number)[] = [];
  for (const [i, node] of chain.entries()) {
    const next = chain[i + 1];
    if (next === undefined) return path;
    if (isMap(node)) {
      const pair = next as { key: unknown; value: unknown };
      const child = chain[i + 2];
      if (child === pair.key) return undefined;
      path.push(keyText(pair.key));
    } else if (typeof node === 'object' && node !== null && 'items' in node && Array.isArray(node.items)) {
      path.push(node.items.indexOf(next));
    }
  }
  return path;
}

/** The configuration as it may be shown: every secret setting, and every secret inside another, is `[secret]`. */
export function maskConfig(
  schema: z.ZodType,
  loaded: { readonly config: unknown; readonly secrets: readonly string[] },
): unknown {
  const secrets = loaded.secrets.filter((secret) => secret.length >= 4);
  const mask = (value: unknown, path: Path): unknown => {
    if (Array.isArray(value)) return value.map((item, i) => mask(item, [...path, i]));
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, mask(v, [...path, key])]));
    if (value === undefined || value === null) return value;
    if (metaAt(nodeOf(schema), path, loaded.config).secret || loaded.secrets.includes(scalarText(value)))
      return '[secret]';
    return typeof value === 'string'
      ? secrets.reduce((text, s) => text.replaceAll(s, '[secret]'), value)
      : value;
  };
  return mask(loaded.config, []);
}
