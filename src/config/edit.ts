import { isDeepStrictEqual } from 'node:util';
import {
  Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  stringify,
  type Node,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { LaresError } from '#kernel/errors.ts';
import { pathText } from './problems.ts';
import { keyText, nodeAt, parseSource, SecretRef, yamlOptions } from './source.ts';
import type { Path } from './types.ts';

/** One change: a new value at a path (one past the end of a list appends), or the removal of what is there. */
export type Edit =
  | { readonly path: Path; readonly value: unknown }
  | { readonly path: Path; readonly remove: true };

/**
 * The text with the edits made, every untouched line byte for byte as it was.
 * Throws USAGE for a path that cannot be set and CONFIG_INVALID for a text that is no YAML.
 */
export function editText(text: string, edits: readonly Edit[]): string {
  const mark = text.startsWith('\uFEFF') ? '\uFEFF' : '';
  // A file with both kinds of line ends is left as it is; YAML reads either.
  const eol = /\r\n/.test(text) && !/(^|[^\r])\n/.test(text) ? '\r\n' : '\n';
  const unix = eol === '\n' ? text.slice(mark.length) : text.slice(mark.length).replaceAll('\r\n', '\n');
  const done = edits.reduce(editOnce, unix);
  return mark + (eol === '\n' ? done : done.replaceAll('\n', eol));
}

function editOnce(text: string, edit: Edit): string {
  const before = valueOf(text);
  const wanted = changed(before, edit);
  const candidate = splice(text, edit);
  // The result is read back: a place where splicing text is not enough is written by the YAML library instead.
  if (candidate !== undefined && isDeepStrictEqual(safeValueOf(candidate), wanted)) return candidate;
  const whole = rewritten(text, edit);
  if (isDeepStrictEqual(safeValueOf(whole), wanted)) return whole;
  throw new LaresError('USAGE', `cannot change ${pathText(edit.path)} in place; edit the file by hand`);
}

/** The plain data of a text; empty text is an empty section. */
export function valueOf(text: string): unknown {
  const source = parseSource(text, 'the settings');
  const [first] = source.problems;
  if (first !== undefined)
    throw new LaresError('CONFIG_INVALID', `${first.line}:${first.column} ${first.message}; mend that first`);
  return source.value;
}

function safeValueOf(text: string): unknown {
  const source = parseSource(text, 'the settings');
  return source.problems.length > 0 ? undefined : source.value;
}

/** What the data must be after the edit; shares nothing with the old data. */
function changed(value: unknown, edit: Edit, depth = 0): unknown {
  const segment = edit.path[depth];
  if (segment === undefined) return 'remove' in edit ? undefined : asData(edit.value);
  const last = depth === edit.path.length - 1;
  const absent = value === null || value === undefined || !Object.hasOwn(Object(value), segment);
  if ('remove' in edit && absent) return value;
  if (typeof segment === 'number') {
    const list = Array.isArray(value) ? [...(value as unknown[])] : [];
    if (segment > list.length || (value !== null && value !== undefined && !Array.isArray(value)))
      throw new LaresError(
        'USAGE',
        `${pathText(edit.path.slice(0, depth + 1))} is not the next entry of a list`,
      );
    if (last && 'remove' in edit) list.splice(segment, 1);
    else list[segment] = changed(list[segment], edit, depth + 1);
    return list;
  }
  if (segment === '__proto__' || segment === '') throw new LaresError('USAGE', `${segment} cannot be a key`);
  if (value !== null && value !== undefined && (typeof value !== 'object' || Array.isArray(value)))
    throw new LaresError('USAGE', `${pathText(edit.path.slice(0, depth))} is not a section`);
  const map = Object.assign(Object.create(null), value) as Record<string, unknown>;
  if (last && 'remove' in edit) delete map[segment];
  else map[segment] = changed(map[segment], edit, depth + 1);
  return map;
}

/** The value as YAML reads it back: null prototypes, no undefined. */
function asData(value: unknown): unknown {
  if (value === undefined) return null;
  if (value instanceof SecretRef) return new SecretRef(value.name);
  if (Array.isArray(value)) return value.map(asData);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, v]) => v !== undefined);
  return Object.assign(Object.create(null), Object.fromEntries(entries.map(([k, v]) => [k, asData(v)])));
}

/** The text with only the bytes of one setting changed; undefined where that needs more than splicing. */
function splice(text: string, edit: Edit): string | undefined {
  const document = parseDocument(text, { ...yamlOptions, keepSourceTokens: true });
  if ('remove' in edit) return removed(text, document, edit.path);
  const { value } = edit;
  const last = edit.path.at(-1);
  if (last === undefined) return undefined;
  const parent = nodeAt(document, edit.path.slice(0, -1));
  if (edit.path.length === 1 && document.contents === null) return appended(text, String(last), value);
  if (isAlias(parent)) return undefined;
  if (isMap(parent)) {
    const pair = parent.items.find((p) => keyText(p.key) === last);
    return pair === undefined
      ? withPair(text, parent, String(last), value)
      : withValue(text, pair, value, parent.flow === true);
  }
  if (isSeq(parent)) {
    const item = parent.items[Number(last)] as Node | undefined;
    return item === undefined
      ? withItem(text, parent, value)
      : replaced(text, item, value, parent.flow === true);
  }
  // The section does not exist yet: write it with this setting in it.
  const above = edit.path.slice(0, -1);
  if (above.length === 0) return undefined;
  return splice(text, { path: above, value: typeof last === 'number' ? [value] : { [last]: value } });
}

function appended(text: string, key: string, value: unknown): string {
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${start}${block({ [key]: value }, 0)}\n`;
}

function withValue(text: string, pair: Pair, value: unknown, flow: boolean): string | undefined {
  const node = pair.value as Node | null;
  const empty = node === null || (isScalar(node) && node.source === '' && node.type === 'PLAIN');
  if (!empty) return replaced(text, node, value, flow);
  const end = (pair.key as Node).range?.[1];
  if (end === undefined) return undefined;
  const colon = /^\s*:/.exec(text.slice(end));
  if (colon === null) return undefined;
  const at = end + colon[0].length;
  return `${text.slice(0, at)} ${inline(value)}${text.slice(at)}`;
}

function replaced(text: string, node: Node, value: unknown, inFlow: boolean): string | undefined {
  if (node.range === undefined || node.range === null) return undefined;
  const [, end] = node.range;
  // Tags and anchors stand before the range of their node.
  const start = beforeProperties(text, node.range[0], node);
  const tail = text.slice(start, end).endsWith('\n') ? '\n' : '';
  const isBlock = !isScalar(node) && (node as YAMLMap).flow !== true;
  const column = start - (text.lastIndexOf('\n', start - 1) + 1);
  const written = isBlock && !inFlow ? block(value, column) : inline(value);
  return text.slice(0, start) + written + tail + text.slice(end);
}

function beforeProperties(text: string, start: number, node: Node): number {
  const hasProperties = node.tag !== undefined || ('anchor' in node && node.anchor !== undefined);
  if (!hasProperties) return start;
  const props = /(?:[!&][^\s,[\]{}]*\s+)+$/.exec(text.slice(0, start));
  return props === null ? start : props.index;
}

function withPair(text: string, map: YAMLMap, key: string, value: unknown): string | undefined {
  const flow = map.flow === true;
  if (flow) return intoFlow(text, map, `${inline(key)}: ${inline(value)}`);
  const first = map.items[0]?.key as Node | undefined;
  const at = endOfContent(text, map);
  if (first?.range === undefined || first.range === null || at === undefined) return undefined;
  return insertLine(
    text,
    at,
    block({ [key]: value }, column(text, first.range[0])),
    column(text, first.range[0]),
  );
}

function withItem(text: string, list: YAMLSeq, value: unknown): string | undefined {
  if (list.flow === true) return intoFlow(text, list, inline(value));
  const at = endOfContent(text, list);
  if (list.range === undefined || list.range === null || at === undefined) return undefined;
  const indent = column(text, list.range[0]);
  return insertLine(text, at, block([value], indent), indent);
}

function intoFlow(text: string, node: YAMLMap | YAMLSeq, what: string): string | undefined {
  const close = (node.range?.[1] ?? 0) - 1;
  if (close < 0) return undefined;
  const before = text.slice(0, close).trimEnd();
  const padding = text.slice(before.length, close);
  const comma = node.items.length === 0 || before.endsWith(',') ? '' : ',';
  const gap = before.endsWith('[') || before.endsWith('{') ? '' : ' ';
  return `${before}${comma}${gap}${what}${padding}${text.slice(close)}`;
}

const column = (text: string, offset: number) => offset - (text.lastIndexOf('\n', offset - 1) + 1);

/** The offset of the end of the last line that belongs to a block collection, without the comments below it. */
function endOfContent(text: string, node: YAMLMap | YAMLSeq): number | undefined {
  const end = lastOffset(node);
  if (end === undefined) return undefined;
  if (text[end - 1] === '\n') return end - 1;
  const line = text.indexOf('\n', end);
  return line === -1 ? text.length : line;
}

function lastOffset(node: unknown): number | undefined {
  if ((isMap(node) || isSeq(node)) && node.flow !== true) {
    const last = node.items.at(-1);
    if (last === undefined) return node.range?.[1];
    if (isMap(node)) {
      const pair = last as Pair;
      return lastOffset(pair.value) ?? (pair.key as Node).range?.[1];
    }
    return lastOffset(last);
  }
  const { range, source } = (node ?? {}) as { range?: [number, number, number]; source?: string };
  return range === undefined || (isScalar(node) && source === '' && node.type === 'PLAIN')
    ? undefined
    : range[1];
}

function insertLine(text: string, at: number, lines: string, indent: number): string {
  return `${text.slice(0, at)}\n${' '.repeat(indent)}${lines}${text.slice(at)}`;
}

function removed(text: string, document: Document, path: Path): string | undefined {
  const parent = nodeAt(document, path.slice(0, -1));
  const last = path.at(-1);
  if (last === undefined || !(isMap(parent) || isSeq(parent))) return text;
  const index = isMap(parent) ? parent.items.findIndex((p) => keyText(p.key) === last) : Number(last);
  const item = parent.items[index];
  if (item === undefined) return text;
  if (parent.flow === true) return undefined;
  if (parent.items.length === 1)
    return path.length === 1 ? undefined : replaced(text, parent, isMap(parent) ? {} : [], false);
  const key = isMap(parent) ? ((item as Pair).key as Node) : (item as Node);
  const from = key.range?.[0];
  const end = isMap(parent) ? (lastOffset((item as Pair).value) ?? key.range?.[1]) : lastOffset(item);
  if (from === undefined || end === undefined) return undefined;
  const start = text.lastIndexOf('\n', from - 1) + 1;
  const stop = text[end - 1] === '\n' ? end : text.indexOf('\n', end) + 1 || text.length;
  return text.slice(0, start) + text.slice(stop);
}

/** By the YAML library: comments stay, indentation and quotes may become the usual ones. */
function rewritten(text: string, edit: Edit): string {
  const document = parseDocument(text, yamlOptions);
  if (document.contents === null)
    return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${stringify(changed({}, edit), yamlOptions)}`;
  if ('remove' in edit) document.deleteIn(edit.path);
  else document.setIn(edit.path, document.createNode(asData(edit.value)));
  return document.toString({ lineWidth: 0 });
}

/** A value on one line, fit for any place. */
function inline(value: unknown): string {
  if (typeof value === 'string' && /[\n\u0085\u2028\u2029]/.test(value)) return JSON.stringify(value);
  const document = new Document([asData(value)], yamlOptions);
  (document.contents as unknown as YAMLSeq).flow = true;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false }).trim().slice(1, -1).trim();
}

/** A value in block style; lines after the first are indented by `indent` blanks. */
function block(value: unknown, indent: number): string {
  const document = new Document(asData(value), yamlOptions);
  return document
    .toString({ lineWidth: 0, indentSeq: true })
    .trimEnd()
    .split('\n')
    .map((line, i) => (i === 0 || line === '' ? line : ' '.repeat(indent) + line))
    .join('\n');
}
