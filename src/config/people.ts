import { isMap, isNode, isPair, isScalar, isSeq, visit, type Node } from 'yaml';
import { normaliseNode } from '#kernel/reading.ts';
import { nearest } from './explain.ts';
import { ConfigError } from './load.ts';
import type { Problem } from './model.ts';
import {
  isYes,
  knownKeys,
  lists,
  macOf,
  personSettings,
  sectionAliases,
  settings,
  target,
  tokens,
  usualUrl,
} from './people-keys.ts';
import { parsePath, pathText, scalarText, soundsSecret } from './problems.ts';
import { nodeAt, offsetOf, parseSource, problemAt, SecretRef, type Source } from './source.ts';
import type { Notice, Path } from './types.ts';

/** What an original `people_config.yaml` says, in the words of `lares.yaml`. */
export interface Imported {
  readonly tree: Readonly<Record<string, unknown>>;
  /** Sections that the original had switched off; they are written as comments. */
  readonly off: Readonly<Record<string, unknown>>;
  readonly notices: readonly Notice[];
  /** What was not understood, kept as comments: `line 12: wifi.color: blue`. */
  readonly kept: readonly string[];
  /** Addresses that cannot be; they are among `kept` too. */
  readonly problems: readonly Problem[];
  /** Where each setting stood in the original: path in `lares.yaml` → path in the original. */
  readonly origins: ReadonlyMap<string, Path>;
  /** Comments of each person, in order, and of the rest of the file. */
  readonly comments: { readonly people: readonly (readonly string[])[]; readonly file: readonly string[] };
  /** Secrets that stood in clear in the original; they belong into the env file. */
  readonly secrets: Readonly<Record<string, string>>;
}

/** Reads the original's file in either key style. Throws ConfigError when it is no YAML. */
export function importPeopleConfig(text: string, file: string): Imported {
  const source = parseSource(text, file);
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  return new Importer(source).run();
}

class Importer {
  readonly #source: Source;
  readonly #tree: Record<string, Record<string, unknown>> = {};
  readonly #notices: Notice[] = [];
  readonly #kept: string[] = [];
  readonly #secrets: Record<string, string> = {};
  readonly #peopleComments: string[][] = [];
  readonly #problems: Problem[] = [];
  readonly #origins = new Map<string, Path>();
  #homeassistantOff = false;
  #token: SecretRef | undefined;

  constructor(source: Source) {
    this.#source = source;
  }

  run(): Imported {
    const root = this.#source.value as Record<string, unknown>;
    const people = this.#people(root['people']);
    for (const key of Object.keys(root)) if (key !== 'people') this.#leaves([key], root[key]);
    if (people.length > 0) this.#put('presence.people', people, ['people']);
    const off = this.#finishHomeAssistant(people);
    return {
      tree: this.#tree,
      off,
      notices: this.#notices,
      kept: this.#kept,
      problems: this.#problems,
      origins: this.#origins,
      comments: { people: this.#peopleComments, file: this.#fileComments() },
      secrets: this.#secrets,
    };
  }

  #people(value: unknown): Record<string, unknown>[] {
    if (value === undefined || value === null) return [];
    const entries: (readonly [string | number, unknown])[] = Array.isArray(value)
      ? value.map((v, i) => [i, v] as const)
      : typeof value === 'object'
        ? Object.entries(value)
        : [];
    return entries.map(([at, entry], index) => {
      const path = ['people', at];
      const facts =
        typeof entry === 'string' ? { person: entry } : ((entry ?? {}) as Record<string, unknown>);
      this.#peopleComments.push(comments(nodeAt(this.#source.document, path)));
      this.#origins.set(`presence.people[${index}]`, path);
      return this.#person(path, index, typeof at === 'string' ? { person: at, ...facts } : facts);
    });
  }

  #person(path: Path, index: number, facts: Record<string, unknown>): Record<string, unknown> {
    const out: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(facts)) {
      const at = [...path, key];
      const to = target(personSettings, key.toLowerCase());
      if (to === undefined) this.#keep(at, value);
      else if (value === null || (Array.isArray(value) && value.length === 0)) continue;
      else if (to === 'homeassistant_device_trackers') this.#trackers(out, at, value);
      else if (to === 'wifi_macs') append(out, to, this.#macs(at, value));
      else if (lists.has(to)) append(out, to, asList(value).map(scalarText));
      else out[to] = value;
      if (to !== undefined) this.#origins.set(`presence.people[${index}].${to}`, at);
      if (to !== undefined && to !== key) this.#alias(at, to);
    }
    return this.#named(path, out);
  }

  /** Everybody needs the short name of their metrics; an old file may have only a display name. */
  #named(path: Path, person: Record<string, unknown>): Record<string, unknown> {
    const given = person['person'] ?? person['name'];
    const shown = given === undefined ? '' : scalarText(given);
    const slug = normaliseNode(shown, `person_${Number(path.at(-1)) + 1 || 1}`);
    if (slug !== shown)
      this.#notices.push({
        level: person['person'] === undefined && shown !== '' ? 'info' : 'warning',
        subject: pathText(path),
        message: `${JSON.stringify(shown)} is called ${slug} in metrics`,
      });
    const name = person['name'] ?? (slug === shown ? undefined : shown);
    const { person: _person, name: _name, ...rest } = person;
    return {
      person: slug,
      ...(name === undefined || name === '' ? {} : { name: scalarText(name) }),
      ...rest,
    };
  }

  /** The predecessor's `ha_device_tracker` could also name a person entity. */
  #trackers(out: Record<string, unknown>, at: Path, value: unknown): void {
    const all = asList(value).map(scalarText);
    const [person, ...more] = all.filter((entity) => entity.startsWith('person.'));
    if (person !== undefined && out['homeassistant_entity'] === undefined)
      out['homeassistant_entity'] = person;
    else if (person !== undefined && out['homeassistant_entity'] !== person) more.unshift(person);
    for (const entity of more) this.#keep(at, entity);
    append(
      out,
      'homeassistant_device_trackers',
      all.filter((entity) => !entity.startsWith('person.')),
    );
  }

  #macs(at: Path, value: unknown): string[] {
    const node = nodeAt(this.#source.document, at);
    return asList(value).flatMap((entry, i) => {
      // The text as written: unquoted digits would have lost their leading zeros.
      const item = isSeq(node) ? (node.items[i] as Node) : node;
      const written =
        isScalar(item) && typeof item.value !== 'string' ? (item.source ?? '') : scalarText(entry);
      const mac = macOf(written);
      if (mac !== undefined) return [mac];
      const place = Array.isArray(value) ? [...at, i] : at;
      this.#keep(
        place,
        written,
        'is no MAC address; it is kept as a comment',
        'find it with: lares presence discover',
      );
      const expected = `expected a MAC address like AA:BB:CC:DD:EE:FF, found ${JSON.stringify(written)}`;
      this.#problems.push(
        problemAt(this.#source, offsetOf(this.#source.document, place, 'value'), place, expected),
      );
      return [];
    });
  }

  /** Walks everything but the people, down to values that the table knows. */
  #leaves(path: Path, value: unknown): void {
    const [first = '', ...rest] = path.map((s) => String(s).toLowerCase());
    const key = [sectionAliases[first] ?? first, ...rest].join('.');
    if (tokens.includes(key)) return this.#foundToken(path, value);
    if (key === 'homeassistant.token_env_var' || key === 'homeassistant.token_env')
      return this.#tokenVariable(value);
    if (key === 'homeassistant.enabled') {
      this.#homeassistantOff = !isYes(value);
      return undefined;
    }
    const to = target(settings, key);
    const isGroup =
      typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof SecretRef);
    if (isGroup && to === undefined) {
      for (const [inner, v] of Object.entries(value)) this.#leaves([...path, inner], v);
      return undefined;
    }
    if (to === undefined) return this.#keep(path, value);
    if (value === null) return undefined;
    if (to !== path.join('.')) this.#alias(path, to);
    if (to === 'presence.metrics.prefix' && value === 'home.presence') return undefined;
    if (to.endsWith('.enabled')) this.#put(to, isYes(value), path);
    else if (to === 'homeassistant.url') this.#put(to, urlOf(scalarText(value)), path);
    else this.#put(to, lists.has(to) ? asList(value) : value, path);
    return undefined;
  }

  #foundToken(path: Path, value: unknown): void {
    if (path.join('.') !== 'homeassistant.token') this.#alias(path, 'homeassistant.token');
    if (value instanceof SecretRef) this.#token = value;
    else if (value !== null && value !== '') {
      this.#token = new SecretRef('homeassistant_token');
      this.#secrets['homeassistant_token'] = scalarText(value);
      this.#notices.push({
        level: 'warning',
        subject: pathText(path),
        message: 'the token stood in clear; it is taken out of the settings',
        fix: 'keep it in the env file as HOMEASSISTANT_TOKEN',
      });
    }
  }

  #tokenVariable(value: unknown): void {
    const name = scalarText(value);
    this.#token = new SecretRef(name.toLowerCase());
    this.#notices.push({
      level: 'info',
      subject: 'homeassistant.token',
      message: `is read from ${name}, as before`,
    });
  }

  #finishHomeAssistant(people: readonly Record<string, unknown>[]): Record<string, unknown> {
    const named = people.some(
      (p) => p['homeassistant_entity'] !== undefined || p['homeassistant_device_trackers'] !== undefined,
    );
    const section = this.#tree['homeassistant'];
    if (section === undefined && !named && this.#token === undefined && !this.#homeassistantOff) return {};
    const complete = {
      url: usualUrl,
      token: this.#token ?? new SecretRef('homeassistant_token'),
      ...section,
    };
    delete this.#tree['homeassistant'];
    if (this.#homeassistantOff) {
      this.#notices.push({
        level: 'info',
        subject: 'homeassistant',
        message: 'was switched off; it is written as a comment',
      });
      return { homeassistant: complete };
    }
    if (section?.['url'] === undefined)
      this.#notices.push({
        level: 'info',
        subject: 'homeassistant.url',
        message: `was not named; ${usualUrl} is used, as the original did`,
      });
    this.#tree['homeassistant'] = complete;
    return {};
  }

  #put(to: string, value: unknown, from: Path): void {
    this.#origins.set(to, from);
    const path = parsePath(to).map(String);
    let here: Record<string, unknown> = this.#tree;
    for (const key of path.slice(0, -1)) here = (here[key] ??= {}) as Record<string, unknown>;
    const last = path.at(-1)!;
    if (Array.isArray(value) && Array.isArray(here[last]))
      here[last] = [...new Set([...(here[last] as unknown[]), ...(value as unknown[])])];
    else here[last] = value;
  }

  #alias(from: Path, to: string): void {
    this.#notices.push({ level: 'info', subject: pathText(from), message: `is now called ${to}` });
  }

  #keep(path: Path, value: unknown, why = 'is not known; it is kept as a comment', fix?: string): void {
    const { line } = this.#source.lines.linePos(offsetOf(this.#source.document, path, 'key'));
    const key = String(path.at(-1));
    const isSecret = soundsSecret(key) && value !== null && typeof value !== 'object';
    const shown = isSecret
      ? '(a secret, not copied)'
      : value instanceof SecretRef
        ? `!secret ${value.name}`
        : JSON.stringify(value);
    this.#kept.push(`line ${line}: ${pathText(path)}: ${shown}`);
    const near = typeof path.at(-1) === 'number' ? undefined : nearest(key, knownKeys(path));
    const hint = fix ?? (near === undefined ? undefined : `did you mean ${near}?`);
    this.#notices.push({
      level: 'warning',
      subject: `${this.#source.file}:${line} ${pathText(path)}`,
      message: why,
      ...(hint === undefined ? {} : { fix: hint }),
    });
  }

  #fileComments(): string[] {
    const { document } = this.#source;
    const own = new Set(this.#peopleComments.flat());
    return comments(document.contents, [document.commentBefore, document.comment]).filter((c) => !own.has(c));
  }
}

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);
const urlOf = (text: string) =>
  text.includes('://') ? text : `http://${text}${/:\d+$/.test(text) ? '' : ':8123'}`;

function append(out: Record<string, unknown>, key: string, values: readonly string[]): void {
  if (values.length > 0) out[key] = [...new Set([...((out[key] as string[] | undefined) ?? []), ...values])];
}

function comments(node: unknown, first: readonly (string | null | undefined)[] = []): string[] {
  const found: string[] = [];
  const add = (text: string | null | undefined) => {
    for (const line of (text ?? '').split('\n')) if (line.trim() !== '') found.push(line.trim());
  };
  first.forEach(add);
  if (isNode(node))
    visit(node, (_key, inner) => {
      if (!isPair(inner) && isNode(inner)) {
        add(inner.commentBefore);
        add(inner.comment);
      } else if (isMap(inner)) add(inner.comment);
    });
  return found;
}
