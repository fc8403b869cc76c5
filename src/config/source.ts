import {
  Document,
  LineCounter,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
  visit,
  type DocumentOptions,
  type ErrorCode,
  type Node,
  type ParseOptions,
  type ScalarTag,
  type SchemaOptions,
  type YAMLMap,
  type YAMLParseError,
} from 'yaml';
import type { Problem } from './model.ts';
import type { Path } from './types.ts';
import { pathText } from './problems.ts';

/** `!secret name` in a file: the value is kept elsewhere. */
export class SecretRef {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

const secretTag: ScalarTag = {
  tag: '!secret',
  identify: (value) => value instanceof SecretRef,
  resolve: (text) => new SecretRef(text),
  stringify: (item) => (item.value as SecretRef).name,
};

/** How every document of ours is read and written. */
export const yamlOptions: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.2',
  customTags: [secretTag],
  prettyErrors: false,
};

/** The text of a settings file, its tree, and where each line begins. */
export interface Source {
  readonly file: string;
  /** Without a byte order mark. */
  readonly text: string;
  readonly document: Document.Parsed | Document;
  readonly lines: LineCounter;
  /** Plain data with null prototypes; `!secret` stays a SecretRef. */
  readonly value: unknown;
  readonly problems: readonly Problem[];
  readonly empty: boolean;
}

const largestText = 1024 * 1024;
const deepest = 64;
/** A settings file of a large house has some thousand nodes; only an alias bomb has more than this. */
const mostAliasedNodes = 20_000;
const plainTags = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((t) => `tag:yaml.org,2002:${t}`),
);

// The library's own messages quote the text, which may hold a secret; these do not.
const syntax: Partial<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'expected nothing but the name after *, found a tag or an anchor',
  BAD_ALIAS: 'expected the name of an anchor after *, found none',
  BAD_COLLECTION_TYPE: 'expected another kind of collection for this tag',
  BAD_DIRECTIVE: 'expected settings, found a malformed % directive',
  BAD_DQ_ESCAPE:
    'expected a valid escape after \\ in a double-quoted text; use single quotes to keep the backslash',
  BAD_INDENT: 'expected the same indentation as the lines above',
  BAD_PROP_ORDER: 'expected the tag or anchor before the value',
  BAD_SCALAR_START: 'expected a value; one that starts with @ ` % or similar needs quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'expected one "key: value" on a line or a deeper line below; found a second mapping here (a text that contains ": " needs quotes)',
  BLOCK_IN_FLOW: 'expected no indented block between [ ] or { }',
  DUPLICATE_KEY: 'expected each key once, found it a second time',
  KEY_OVER_1024_CHARS: 'expected a short key followed by a colon, found more than 1024 characters',
  MISSING_CHAR: 'expected a closing bracket, a comma or a colon before this place',
  MULTILINE_IMPLICIT_KEY: 'expected a key on one line; is a colon missing after it, or a quote?',
  MULTIPLE_ANCHORS: 'expected one anchor, found several',
  MULTIPLE_DOCS: 'expected one document, found ---',
  MULTIPLE_TAGS: 'expected one tag, found several',
  NON_STRING_KEY: 'expected a text as key',
  TAB_AS_INDENT: 'expected spaces, found a tab as indentation',
  TAG_RESOLVE_FAILED: 'expected a plain value, found an unknown tag',
  UNEXPECTED_TOKEN: 'expected a key or a value, found a character that cannot stand here',
};

/** Reads YAML 1.2 without executing anything: no tags but `!secret`, no alias bombs, no silent repairs. */
export function parseSource(input: string, file: string): Source {
  const text = input.startsWith('\uFEFF') ? input.slice(1) : input;
  const lines = new LineCounter();
  const fail = (message: string, offset = 0, hint?: string): Source => ({
    file,
    text,
    lines,
    document: new Document({}, yamlOptions),
    value: {},
    empty: false,
    problems: [problemAt({ file, lines }, offset, [], message, hint)],
  });
  if (text.length > largestText)
    return fail(`expected at most 1 MiB of settings, found ${(text.length / largestText).toFixed(1)} MiB`);
  // Nesting is recursive in every YAML parser; a thousand brackets in a row would exhaust its stack.
  const nested = /[[{][\s[{]{400}/.exec(text);
  if (nested !== null) return fail(`expected at most ${deepest} levels, found far more`, nested.index);
  let documents: Document.Parsed[];
  try {
    const parsed = parseAllDocuments(text, { ...yamlOptions, lineCounter: lines });
    documents = 'empty' in parsed ? [] : parsed;
  } catch (error) {
    if (error instanceof RangeError) return fail(`expected at most ${deepest} levels, found far more`);
    throw error;
  }
  const [document, second] = documents;
  if (document === undefined)
    return {
      file,
      text,
      lines,
      document: new Document({}, yamlOptions),
      value: {},
      problems: [],
      empty: true,
    };
  const place = { file, lines };
  const problems = document.errors.map((e) => syntaxProblem(document, place, e));
  if (second !== undefined)
    problems.push(
      problemAt(
        place,
        second.range[0],
        [],
        'expected one document, found a second one after ---',
        'remove the --- line',
      ),
    );
  if (document.directives.yaml.version !== '1.2')
    problems.push(
      problemAt(
        place,
        0,
        [],
        `expected YAML 1.2, found a %YAML ${document.directives.yaml.version} line`,
        'remove that line',
      ),
    );
  const walker = new Walker(document, place);
  const value = walker.plain(document.contents);
  problems.push(...walker.problems);
  const empty =
    document.contents === null || (isScalar(document.contents) && document.contents.value === null);
  if (!empty && !isMap(document.contents) && problems.length === 0)
    problems.push(
      problemAt(
        place,
        document.contents?.range?.[0] ?? 0,
        [],
        `expected settings as "key: value", found ${isSeq(document.contents) ? 'a list' : 'a single value'}`,
      ),
    );
  return { file, text, lines, document, value: empty ? {} : value, problems, empty };
}

function syntaxProblem(
  document: Document,
  place: Pick<Source, 'file' | 'lines'>,
  error: YAMLParseError,
): Problem {
  const path = pathAtOffset(document, error.pos[0]);
  // The parser notices a missing quote at the end of the file; people look for where it was opened.
  if (error.code === 'MISSING_CHAR' && error.message.includes('quote'))
    return problemAt(
      place,
      offsetOf(document, path, 'value'),
      path,
      'expected a closing quote for this text, found none',
    );
  const hint = error.code === 'DUPLICATE_KEY' ? 'keep one of them' : undefined;
  return problemAt(place, error.pos[0], path, syntax[error.code] ?? 'expected valid YAML', hint);
}

/** Text of a file's bytes, or a problem with the place of the first byte that is not UTF-8. */
export function decode(bytes: Uint8Array, file: string): { text: string; problem?: Problem } {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  const again = new TextEncoder().encode(text);
  const bad = again.findIndex((byte, i) => byte !== bytes[i]);
  if (bad === -1 && again.length === bytes.length) return { text };
  const before = new TextDecoder().decode(bytes.subarray(0, bad)).split('\n');
  return {
    text,
    problem: {
      file,
      line: before.length,
      column: (before.at(-1) ?? '').length + 1,
      path: '',
      message: `expected UTF-8 text, found the byte 0x${(bytes[bad] ?? 0).toString(16).padStart(2, '0')}`,
      hint: `save the file as UTF-8: iconv -f LATIN1 -t UTF-8 ${file}`,
    },
  };
}

export function problemAt(
  source: Pick<Source, 'file' | 'lines'>,
  offset: number,
  path: Path,
  message: string,
  hint?: string,
): Problem {
  const { line, col } = source.lines.linePos(offset);
  return {
    file: source.file,
    line: Math.max(1, line),
    column: Math.max(1, col),
    path: pathText(path),
    message,
    ...(hint === undefined ? {} : { hint }),
  };
}

export const keyText = (key: unknown): string =>
  isScalar(key) ? (key.source ?? String(key.value)) : String(key);

const step = (map: YAMLMap, key: string) => map.items.find((pair) => keyText(pair.key) === key);

/** The node at a path, or undefined. Follows aliases. */
export function nodeAt(document: Document, path: Path): Node | undefined {
  let node: unknown = document.contents;
  for (const segment of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) node = step(node, String(segment))?.value;
    else if (isSeq(node)) node = node.items[Number(segment)];
    else return undefined;
  }
  return (node ?? undefined) as Node | undefined;
}

/** Where a key stands, or where the nearest existing key above it does. */
export function offsetOf(document: Document, path: Path, what: 'key' | 'value'): number {
  const last = path.at(-1);
  if (last === undefined) return document.contents?.range?.[0] ?? 0;
  const parent = path.slice(0, -1);
  let node: unknown = nodeAt(document, parent);
  if (isAlias(node)) node = node.resolve(document);
  const pair = isMap(node) ? step(node, String(last)) : undefined;
  const key = (pair?.key as Node | undefined)?.range?.[0];
  const value = isSeq(node) ? (node.items[Number(last)] as Node | undefined) : (pair?.value as Node | null);
  const start = value?.range?.[0];
  const isEmpty = isScalar(value) && value.source === '';
  if (what === 'value' && start !== undefined && !isEmpty) return start;
  return key ?? start ?? offsetOf(document, parent, 'key');
}

/** The path of the innermost key that begins at or before an offset, for syntax errors. */
function pathAtOffset(document: Document, offset: number): Path {
  const path: (string | number)[] = [];
  let node: unknown = document.contents;
  for (;;) {
    const inside = (n: unknown) => {
      const range = (n as Node | null)?.range;
      return range !== undefined && range !== null && range[0] <= offset && offset <= range[2];
    };
    if (isMap(node)) {
      const pair = node.items.findLast((p) => ((p.key as Node | null)?.range?.[0] ?? Infinity) <= offset);
      if (pair === undefined || !isPair(pair)) return path;
      path.push(keyText(pair.key));
      node = inside(pair.value) ? pair.value : undefined;
    } else if (isSeq(node)) {
      const index = node.items.findLastIndex(inside);
      if (index === -1) return path;
      path.push(index);
      node = node.items[index];
    } else return path;
    if (path.length > deepest) return path;
  }
}

/** What each alias stands for: the nearest anchor of its name above it. One pass, so that many aliases cost no more. */
function aliasTargets(document: Document.Parsed): ReadonlyMap<Node, Node> {
  const anchors = new Map<string, Node>();
  const targets = new Map<Node, Node>();
  visit(document, {
    Node(_key, node) {
      if (isAlias(node)) {
        const target = anchors.get(node.source);
        if (target !== undefined) targets.set(node, target);
      } else if ('anchor' in node && typeof node.anchor === 'string') anchors.set(node.anchor, node);
    },
  });
  return targets;
}

/** Turns nodes into plain data, refusing what plain settings never need. */
class Walker {
  readonly problems: Problem[] = [];
  readonly #targets: ReadonlyMap<Node, Node>;
  readonly #place: Pick<Source, 'file' | 'lines'>;
  #aliased = 0;
  #stopped = false;

  constructor(document: Document.Parsed, place: Pick<Source, 'file' | 'lines'>) {
    this.#targets = aliasTargets(document);
    this.#place = place;
  }

  plain(node: unknown, path: Path = [], alias?: number): unknown {
    if (this.#stopped || node === null || node === undefined) return null;
    const at = (node as Node).range?.[0] ?? 0;
    if (alias !== undefined) this.#aliased += 1;
    if (this.#aliased > mostAliasedNodes || path.length > deepest) {
      this.#stopped = true;
      const what = path.length > deepest ? `at most ${deepest} levels` : 'few repetitions';
      return this.#refuse(
        alias ?? at,
        path.slice(0, 1),
        `expected ${what}, found aliases or nesting without end`,
      );
    }
    if (isAlias(node)) {
      const target = this.#targets.get(node);
      if (target === undefined)
        return this.#refuse(
          at,
          path,
          `expected an anchor &${node.source} above this alias, found none`,
          `write the value itself, or quote it: "*${node.source}"`,
        );
      return this.plain(target, path, alias ?? at);
    }
    const { tag } = node as Node & { tag?: string };
    const isSecret = isScalar(node) && node.value instanceof SecretRef;
    if (tag !== undefined && !isSecret && !plainTags.has(tag))
      return this.#refuse(
        at,
        path,
        `expected a plain value, found the tag ${shownTag(tag)}`,
        'remove the tag; only !secret NAME is known',
      );
    if (isSecret && !/^[\w.-]{1,128}$/.test((node.value as SecretRef).name))
      return this.#refuse(
        at,
        path,
        'expected the name of a secret after !secret: letters, digits, _ . and -',
        'write token: !secret homeassistant_token',
      );
    if (isScalar(node)) return node.value;
    if (isSeq(node)) return node.items.map((item, i) => this.plain(item, [...path, i], alias));
    if (isMap(node)) return this.#map(node, path, alias);
    return null;
  }

  #map(node: YAMLMap, path: Path, alias: number | undefined): unknown {
    const out = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of node.items) {
      const at = (key as Node | null)?.range?.[0] ?? node.range?.[0] ?? 0;
      const name = keyText(key);
      if (!isScalar(key) || name === '')
        this.#refuse(at, path, 'expected a text as key, found something else');
      else if (name === '__proto__')
        this.#refuse(at, path, 'expected a setting, found the forbidden key __proto__');
      else out[name] = this.plain(value, [...path, name], alias);
    }
    return out;
  }

  #refuse(offset: number, path: Path, message: string, hint?: string): null {
    this.problems.push(problemAt(this.#place, offset, path, message, hint));
    return null;
  }
}

const shownTag = (tag: string) => tag.replace('tag:yaml.org,2002:', '!!').slice(0, 80);
