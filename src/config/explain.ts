import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { keysAt, metaAt, nodeOf, schemasAt, settingsOf, typeText, unwrap } from './schema.ts';
import type { Problem } from './model.ts';
import { pathText, scalarText, soundsSecret } from './problems.ts';
import { offsetOf, problemAt, type Source } from './source.ts';
import type { Path } from './types.ts';

type Issue = z.core.$ZodIssue;

/** What `explain` needs to know about the value besides its text. */
export interface Explained {
  readonly schema: z.ZodType;
  readonly source: Source;
  /** The value that was checked, with secrets in place. */
  readonly value: unknown;
  /** Paths (as text) that came from elsewhere, and from where. */
  readonly origins: ReadonlyMap<string, string>;
  /** Values that must not appear in any message. */
  readonly secrets: readonly string[];
}

/** Turns what zod found into problems with a place, an expectation and a hint. */
export function explain(issues: readonly Issue[], about: Explained): Problem[] {
  return issues.flatMap((issue) => explainOne(issue, [], about)).map((p) => scrub(p, about.secrets));
}

function explainOne(issue: Issue, above: Path, about: Explained): Problem[] {
  const path = [...above, ...issue.path.map((s) => (typeof s === 'number' ? s : String(s)))];
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(path, key, about));
  if (issue.code === 'invalid_union') return union(issue, path, about);
  if (issue.code === 'invalid_key') return [badName(issue, path, about)];
  return [plain(issue, path, about)];
}

function unknownKey(path: Path, key: string, about: Explained): Problem {
  const known = keysAt(nodeOf(about.schema), path, about.value);
  const shown = known.length > 12 ? [...known.slice(0, 12), `… (${known.length - 12} more)`] : known;
  const expected = known.length === 0 ? 'expected no setting here' : `expected one of ${shown.join(', ')}`;
  return place(
    [...path, key],
    'key',
    `${expected}; found the unknown key ${JSON.stringify(key)}`,
    about,
    suggest(key, known, path, about),
  );
}

/** A name that a record does not allow, for example of a camera. */
function badName(issue: Extract<Issue, { code: 'invalid_key' }>, path: Path, about: Explained): Problem {
  const [why] = issue.issues;
  const form =
    why?.code === 'invalid_format' && why.format === 'regex'
      ? `a name of the form ${why.pattern}`
      : undefined;
  const expected = form ?? (why === undefined || standard.test(why.message) ? 'another name' : why.message);
  return place(path, 'key', `expected ${expected}, found ${JSON.stringify(path.at(-1))}`, about);
}

/** The nearest known key here, or the same key where it belongs. */
function suggest(key: string, known: readonly string[], path: Path, about: Explained): string | undefined {
  const near = nearest(key, known);
  if (near !== undefined) return `did you mean ${near}?`;
  const elsewhere = settingsOf(nodeOf(about.schema)).filter((s) => s.path.split('.').at(-1) === key);
  const here = pathText(path);
  // A word as common as "url" says nothing about where it was meant to stand.
  const [only] = elsewhere;
  return only === undefined || elsewhere.length > 1 || only.path === here
    ? undefined
    : `did you mean ${only.path}?`;
}

/** The known word that is at most a third of its letters away (two letters changing places count as two). */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const lower = word.toLowerCase().replaceAll('-', '_');
  const best = closest(lower, [...known]);
  const allowed = Math.max(lower.length < 4 ? 1 : 2, Math.floor(Math.max(best.length, lower.length) / 3));
  if (distance(lower, best) <= allowed) return best;
  return known.find(
    (k) => lower.length >= 4 && (k.startsWith(lower) || lower.startsWith(`${k}_`) || k.endsWith(`_${lower}`)),
  );
}

function union(issue: Extract<Issue, { code: 'invalid_union' }>, path: Path, about: Explained): Problem[] {
  const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : undefined;
  const found = at(about.value, path);
  if (options !== undefined) {
    const hint = typeof found === 'string' ? nearest(found, options) : undefined;
    const verb = found === undefined ? 'is missing; expected' : 'expected';
    const end = found === undefined ? '' : `, found ${describe(found, path, about)}`;
    return [
      place(
        path,
        'value',
        `${verb} one of ${options.join(', ')}${end}`,
        about,
        hint && `did you mean ${hint}?`,
      ),
    ];
  }
  // The branch that got furthest is the one that the writer meant.
  const fitting = issue.errors.filter(
    (branch) =>
      !branch.some((i) => i.path.length === 0 && (i.code === 'invalid_type' || i.code === 'invalid_value')),
  );
  const best = fitting.toSorted((a, b) => a.length - b.length)[0];
  if (best !== undefined) return best.flatMap((i) => explainOne(i, path, about));
  return [mismatch(path, about)];
}

// zod's own sentences; anything else was written by the author of the area and knows better.
const standard = /^(Invalid |Too (small|big)|Unrecognized |Expected )/;

function plain(issue: Issue, path: Path, about: Explained): Problem {
  if (issue.code === 'custom' || !standard.test(issue.message)) {
    const value = at(about.value, path);
    if (value === undefined && issue.code !== 'custom') return mismatch(path, about);
    const sentence =
      issue.message.startsWith('expected') || issue.code === 'custom'
        ? issue.message
        : `expected ${issue.message}`;
    const found =
      / found /.test(sentence) || value === undefined || typeof value === 'object' || issue.code === 'custom';
    return place(
      path,
      'value',
      found ? sentence : `${sentence}, found ${describe(value, path, about)}`,
      about,
      kindHint(path, about),
    );
  }
  return mismatch(path, about, issue);
}

/** `expected <what the schema wants>, found <what is there>`, or `is missing`. */
function mismatch(path: Path, about: Explained, issue?: Issue): Problem {
  const schemas = schemasAt(nodeOf(about.schema), path, about.value);
  const { unit } = metaAt(nodeOf(about.schema), path, about.value);
  const expected =
    schemas.length === 0
      ? `something else (${issue?.message ?? ''})`
      : [...new Set(schemas.map((s) => typeText(s, unit)))].join(' or ');
  const value = at(about.value, path);
  if (value === undefined) {
    const examples = schemas.flatMap((s) => unwrap(s).meta.examples ?? []);
    const hint =
      examples.length === 0
        ? undefined
        : `for example ${String(path.at(-1))}: ${JSON.stringify(examples[0])}`;
    return place(path, 'value', `is missing; expected ${expected}`, about, hint);
  }
  const extra =
    issue?.code === 'invalid_format' && issue.format === 'regex' && expected === 'text'
      ? ` of the form ${issue.pattern}`
      : '';
  return place(
    path,
    'value',
    `expected ${expected}${extra}, found ${describe(value, path, about)}`,
    about,
    kindHint(path, about) ?? wordHint(issue, value),
  );
}

function wordHint(issue: Issue | undefined, value: unknown): string | undefined {
  if (issue?.code !== 'invalid_value' || typeof value !== 'string') return undefined;
  const near = nearest(value, issue.values.map(String));
  return near === undefined ? undefined : `did you mean ${near}?`;
}

/** The usual slips between text, numbers and lists. */
function kindHint(path: Path, about: Explained): string | undefined {
  if (about.origins.has(pathText(path))) return undefined;
  const value = at(about.value, path);
  const types = schemasAt(nodeOf(about.schema), path, about.value).map((s) => unwrap(s).node.def.type);
  const wants = (...kinds: string[]) => types.some((t) => kinds.includes(t));
  if (typeof value === 'number' || typeof value === 'boolean') {
    const word = schemasAt(nodeOf(about.schema), path, about.value).some((s) =>
      typeText(s).split(/[ ,]+/).includes(String(value)),
    );
    if (wants('string') || (wants('enum', 'literal') && word)) return 'write it in quotes';
  }
  if (
    typeof value === 'string' &&
    wants('number', 'int') &&
    value.trim() !== '' &&
    Number.isFinite(Number(value))
  )
    return 'write it without quotes';
  if (typeof value === 'string' && wants('number', 'int') && /^\d+\s*(s|sec|seconds|ms|m|min|h)$/.test(value))
    return 'write the number only; the unit is in the name';
  if (typeof value === 'string' && wants('boolean') && /^(yes|on|no|off|true|false)$/i.test(value))
    return `write ${/^(yes|on|true)$/i.test(value) ? 'true' : 'false'}`;
  if (typeof value === 'string' && /^[\w.-]+(:\d+)?$/.test(value) && expectsUrl(path, about))
    return `write http://${value}`;
  if (wants('array') && !Array.isArray(value) && value !== null)
    return typeof value === 'object' ? 'begin each entry with "- "' : 'write it as a list: [value]';
  return undefined;
}

const expectsUrl = (path: Path, about: Explained) =>
  schemasAt(nodeOf(about.schema), path, about.value).some((s) => typeText(s).startsWith('an address (URL)'));

/** What stands there, in words; never a secret. */
function describe(value: unknown, path: Path, about: Explained): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'a section of settings';
  const key = String(path.findLast((s) => typeof s === 'string') ?? '');
  if (soundsSecret(key) || metaAt(nodeOf(about.schema), path, about.value).secret)
    return 'another value (not shown because it is a secret)';
  const text = typeof value === 'string' ? JSON.stringify(value) : scalarText(value);
  return text.length > 80 ? `${text.slice(0, 60)}… (${text.length} characters)` : text;
}

function place(path: Path, what: 'key' | 'value', message: string, about: Explained, hint?: string): Problem {
  const origin = about.origins.get(pathText(path));
  if (origin !== undefined)
    return {
      file: origin,
      line: 1,
      column: 1,
      path: pathText(path),
      message,
      ...(hint === undefined ? {} : { hint }),
    };
  return problemAt(about.source, offsetOf(about.source.document, path, what), path, message, hint);
}

const at = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (v, s) => (v === null || v === undefined ? undefined : (v as Record<string | number, unknown>)[s]),
    value,
  );

/** Authors of checks may quote what they refuse; a secret must not get out that way either. */
function scrub(problem: Problem, secrets: readonly string[]): Problem {
  const clean = (text: string) =>
    secrets.reduce(
      (t, s) =>
        s.length < 4 ? t : t.replaceAll(s, '[secret]').replaceAll(JSON.stringify(s).slice(1, -1), '[secret]'),
      text,
    );
  return {
    ...problem,
    message: clean(problem.message),
    ...(problem.hint === undefined ? {} : { hint: clean(problem.hint) }),
  };
}
