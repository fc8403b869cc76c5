import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isScalar, type Document } from 'yaml';
import type { z } from 'zod';
import { LaresError, reason } from '#kernel/errors.ts';
import { explain } from './explain.ts';
import type { Problem } from './model.ts';
import { parsePath, pathText, renderProblems, scalarText } from './problems.ts';
import { redactSource } from './redact.ts';
import { metaAt, nodeOf, schemasAt, unwrap, type SchemaNode } from './schema.ts';
import { worldReadable, Secrets, type Env, type FoundSecret } from './secrets.ts';
import { decode, nodeAt, offsetOf, parseSource, problemAt, SecretRef, type Source } from './source.ts';
import type { Notice, Path } from './types.ts';

/**
 * Which environment variables fill which setting: `{ 'homeassistant.token': ['HOMEASSISTANT_TOKEN', 'HA_TOKEN'] }`.
 * The first name is the one to use; the others are understood, with a notice.
 */
export type EnvBindings = Readonly<Record<string, readonly string[]>>;

export interface LoadOptions {
  /** Name of the file in messages, and what is read when `text` is absent. */
  readonly file: string;
  /** The settings themselves, for editors and tests. */
  readonly text?: string;
  readonly env?: Env;
  readonly bindings?: EnvBindings;
  /** Env files in order of precedence, for example `/etc/presence-monitoring.env`. */
  readonly envFiles?: readonly string[];
  /** Defaults to `secrets.yaml` beside the file. */
  readonly secretsFile?: string;
  /** Defaults to `$CREDENTIALS_DIRECTORY`. */
  readonly credentialsDir?: string;
  /** Makes a world-readable file with secrets a problem instead of a warning. */
  readonly refuseWorldReadable?: boolean;
}

export interface Loaded<Config> {
  readonly config: Config;
  readonly document: Document;
  readonly warnings: readonly Notice[];
  /** Every secret value in use; give each to `Logger.hide`. */
  readonly secrets: readonly string[];
  /** Settings that did not come from the file: path → where from. */
  readonly origins: ReadonlyMap<string, string>;
}

/** Something that is wrong between settings which are right one by one: a name that nothing bears, a file that is missing. */
export interface Finding {
  /** `warning`: the settings hold, and probably do not do what was meant. A problem unless said. */
  readonly level?: 'warning';
  readonly path: Path;
  readonly message: string;
  readonly hint?: string;
}

/** Everything that is wrong with a configuration, at once. */
export class ConfigError extends LaresError {
  readonly problems: readonly Problem[];
  /** The file's text with secrets blotted out, for `renderProblems`. */
  readonly source: string;

  constructor(problems: readonly Problem[], source = '') {
    const more = problems.length > 1 ? ` and ${problems.length - 1} more; see: lares check` : '';
    super('CONFIG_INVALID', `${renderProblems(problems.slice(0, 1))}${more}`);
    this.problems = problems;
    this.source = source;
  }

  /** All problems with their source lines and carets. */
  render(): string {
    const file = this.problems.find((p) => !p.file.startsWith('the environment'))?.file;
    return renderProblems(this.problems, { source: this.source, ...(file === undefined ? {} : { file }) });
  }
}

/**
 * Reads, completes and checks the settings; `check` judges them as a whole once each is right by itself.
 * Throws ConfigError with every problem, or CONFIG_UNREADABLE when there is no file to read.
 */
export function loadConfig<S extends z.ZodType>(
  schema: S,
  options: LoadOptions,
  check?: (config: z.output<S>) => readonly Finding[],
): Loaded<z.output<S>> {
  const { source, problems: early } = readSource(options);
  const env = options.env ?? {};
  const credentialsDir = options.credentialsDir ?? env['CREDENTIALS_DIRECTORY'];
  const secrets = new Secrets({
    env,
    credentialsDir,
    envFiles: options.envFiles,
    secretsFile: options.secretsFile ?? path.join(path.dirname(options.file), 'secrets.yaml'),
  });
  const filler = new Filler(nodeOf(schema), source, secrets);
  const value = filler.fill(source.value, []);
  filler.bind(value, options.bindings ?? {});
  const notices = [...filler.notices, ...secrets.notices, ...fileNotices(options, source, filler.inClear)];
  const refused =
    options.refuseWorldReadable === true ? notices.filter((n) => n.fix?.startsWith('chmod') === true) : [];
  const problems = [
    ...early,
    ...source.problems,
    ...secrets.problems,
    ...filler.problems,
    ...refused.map((n) => ({
      file: n.subject,
      line: 1,
      column: 1,
      path: '',
      message: n.message,
      hint: `${n.fix}`,
    })),
  ];
  const result = schema.safeParse(value);
  if (!result.success && source.problems.length === 0) {
    const about = { schema, source, value, origins: filler.origins, secrets: [...filler.values] };
    const known = new Set(problems.map((p) => p.path));
    problems.push(...explain(result.error.issues, about).filter((p) => !known.has(p.path) || p.path === ''));
  }
  if (result.success && problems.length === 0)
    for (const { level, path: at, message, hint } of check?.(result.data) ?? []) {
      const problem = problemAt(source, offsetOf(source.document, at, 'value'), at, message, hint);
      if (level === undefined) problems.push(problem);
      else notices.push(noticeOf(level, problem));
    }
  if (problems.length > 0 || !result.success)
    throw new ConfigError(
      sorted(problems, options.file),
      redactSource(source, nodeOf(schema), [...filler.values]),
    );
  return {
    config: result.data,
    document: source.document,
    warnings: notices.filter((n) => !refused.includes(n)),
    secrets: [...filler.values],
    origins: filler.origins,
  };
}

const noticeOf = (level: 'warning', { file, line, path: subject, message, hint }: Problem): Notice => ({
  level,
  subject,
  message: `${message} (${file}:${line})`,
  ...(hint === undefined ? {} : { fix: hint }),
});

const sorted = (problems: readonly Problem[], file: string) =>
  problems.toSorted(
    (a, b) =>
      Number(b.file === file) - Number(a.file === file) ||
      a.file.localeCompare(b.file) ||
      a.line - b.line ||
      a.column - b.column,
  );

function readSource(options: LoadOptions): { source: Source; problems: Problem[] } {
  if (options.text !== undefined) return { source: parseSource(options.text, options.file), problems: [] };
  let bytes: Buffer;
  try {
    bytes = readFileSync(options.file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const fix =
      code === 'ENOENT' ? 'write one with: lares init' : `check its owner and mode: ls -l ${options.file}`;
    throw new LaresError('CONFIG_UNREADABLE', `cannot read ${options.file}: ${reason(error)}; ${fix}`, {
      cause: error,
    });
  }
  const { text, problem } = decode(bytes, options.file);
  if (problem === undefined) return { source: parseSource(text, options.file), problems: [] };
  // What follows a broken byte is guesswork; the byte itself is the one thing to mend.
  return { source: parseSource('', options.file), problems: [problem] };
}

function fileNotices(options: LoadOptions, source: Source, inClear: readonly Path[]): Notice[] {
  const notices: Notice[] = source.empty
    ? [
        {
          level: 'warning',
          subject: options.file,
          message: `${options.file} is empty: every setting has its default`,
          fix: 'lares init',
        },
      ]
    : [];
  for (const at of inClear)
    notices.push({
      level: 'warning',
      subject: pathText(at),
      message: `${pathText(at)} is written in clear in ${options.file}`,
      fix: `put it into the env file or secrets.yaml and write ${String(at.at(-1))}: !secret ${secretName(at)}`,
    });
  const open =
    inClear.length > 0 && options.text === undefined ? worldReadable(options.file, 'group') : undefined;
  return open === undefined ? notices : [...notices, open];
}

/** An address that may hold a password, and holds neither one nor a query. */
function withoutSecret(value: unknown): boolean {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  return url !== null && url.host !== '' && url.username === '' && url.password === '' && url.search === '';
}

const secretName = (at: Path) =>
  at
    // Cameras of one list have a password each.
    .map((s) => (typeof s === 'number' ? s + 1 : s))
    .join('_')
    .replaceAll(/[^\w.-]/g, '_');

/** Puts secrets and environment variables into the plain data, and remembers where each came from. */
class Filler {
  readonly problems: Problem[] = [];
  readonly notices: Notice[] = [];
  readonly origins = new Map<string, string>();
  readonly values = new Set<string>();
  readonly inClear: Path[] = [];
  readonly #schema: SchemaNode;
  readonly #source: Source;
  readonly #secrets: Secrets;

  constructor(schema: SchemaNode, source: Source, secrets: Secrets) {
    this.#schema = schema;
    this.#source = source;
    this.#secrets = secrets;
  }

  fill(value: unknown, at: Path): unknown {
    if (value instanceof SecretRef) return this.#resolve(value.name, at);
    if (Array.isArray(value)) return value.map((item, i) => this.fill(item, [...at, i]));
    if (typeof value === 'object' && value !== null) {
      const out = Object.create(null) as Record<string, unknown>;
      for (const [key, inner] of Object.entries(value)) {
        const here = [...at, key];
        // `graphite:` with every line below it commented out means: not set.
        if (inner === null && !this.#acceptsNull(here)) continue;
        out[key] = this.fill(inner, here);
      }
      return out;
    }
    if (
      value !== null &&
      value !== undefined &&
      value !== '' &&
      !withoutSecret(value) &&
      metaAt(this.#schema, at, this.#source.value).secret
    ) {
      this.inClear.push(at);
      const node = nodeAt(this.#source.document, at);
      this.values.add(scalarText(value));
      if (isScalar(node) && node.source !== undefined) this.values.add(node.source);
    }
    return value;
  }

  #acceptsNull(at: Path): boolean {
    const schemas = schemasAt(this.#schema, at, this.#source.value);
    return schemas.length === 0 || schemas.some((s) => (s as unknown as z.ZodType).safeParse(null).success);
  }

  #resolve(name: string, at: Path): unknown {
    const found = this.#secrets.find(name);
    if ('lookedIn' in found) {
      const offset = nodeAt(this.#source.document, at)?.range?.[0] ?? 0;
      const message = `expected a secret named ${name}, found none; looked in ${found.lookedIn}`;
      this.problems.push(problemAt(this.#source, offset, at, message, found.fix));
      return undefined;
    }
    this.values.add(found.value);
    return this.#typed(found.value, at, this.#source.value);
  }

  /** Sets what the environment says; it wins over the file. */
  bind(value: unknown, bindings: EnvBindings): void {
    const found = Object.entries(bindings).flatMap(([setting, names]) => {
      const at = parsePath(setting);
      const hit = this.#first(setting, names);
      return hit === undefined ? [] : [{ at, hit, secret: metaAt(this.#schema, at, value).secret }];
    });
    // A password alone does not switch a section on, an address does.
    for (const { at, hit, secret } of found.toSorted((a, b) => Number(a.secret) - Number(b.secret))) {
      const typed = this.#typed(hit.value, at, value);
      if (!this.#put(value, at, typed, secret)) continue;
      this.origins.set(pathText(at), hit.from);
      if (secret) this.values.add(hit.value);
    }
  }

  #first(setting: string, names: readonly string[]): FoundSecret | undefined {
    const [main = ''] = names;
    for (const name of names) {
      const hit = this.#secrets.variable(name);
      if (hit === undefined) continue;
      if (name !== main)
        this.notices.push({
          level: 'info',
          subject: setting,
          message: `${name} is an older name of ${main}; it is understood`,
          fix: `rename ${name} to ${main}`,
        });
      return hit;
    }
    return undefined;
  }

  #put(root: unknown, at: Path, value: unknown, onlyIfSectionExists: boolean): boolean {
    let here = root as Record<string, unknown>;
    for (const [i, key] of at.slice(0, -1).entries()) {
      const next = here[key];
      if (next === undefined || next === null) {
        const optional = schemasAt(this.#schema, at.slice(0, i + 1), root).every((s) => {
          const { required, fallback } = unwrap(s);
          return !required && fallback === undefined;
        });
        if (onlyIfSectionExists && optional) return false;
        here[key] = Object.create(null);
      } else if (typeof next !== 'object') return false;
      here = here[key] as Record<string, unknown>;
    }
    here[String(at.at(-1))] = value;
    return true;
  }

  /** Text from the environment as the kind of value that the schema wants; left as text when it does not look like one. */
  #typed(text: string, at: Path, root: unknown): unknown {
    const kinds = schemasAt(this.#schema, at, root).map((s) => unwrap(s).node.def.type);
    if (kinds.includes('string')) return text;
    if (kinds.includes('number') && text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
    if (kinds.includes('boolean')) return truth.get(text.trim().toLowerCase()) ?? text;
    if (kinds.includes('array'))
      return text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== '');
    return text;
  }
}

const truth = new Map([
  ...['true', 'yes', 'on', '1'].map((t) => [t, true] as const),
  ...['false', 'no', 'off', '0'].map((t) => [t, false] as const),
]);
