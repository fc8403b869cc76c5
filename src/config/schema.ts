import { z } from 'zod';
import { scalarText } from './problems.ts';
import type { Reload, SettingMeta } from './model.ts';
import type { Path } from './types.ts';

/** The part of a zod schema that we walk. Every zod 4 class has it. */
export interface SchemaNode {
  readonly def: {
    readonly type: string;
    readonly innerType?: SchemaNode;
    readonly in?: SchemaNode;
    readonly out?: SchemaNode;
    readonly getter?: () => SchemaNode;
    readonly shape?: Readonly<Record<string, SchemaNode>>;
    readonly element?: SchemaNode;
    readonly valueType?: SchemaNode;
    readonly options?: readonly SchemaNode[];
    readonly discriminator?: string;
    readonly left?: SchemaNode;
    readonly right?: SchemaNode;
    readonly items?: readonly SchemaNode[];
    readonly defaultValue?: unknown;
    readonly values?: readonly unknown[];
    readonly entries?: Readonly<Record<string, string | number>>;
  };
}

export const nodeOf = (schema: z.ZodType): SchemaNode => schema as unknown as SchemaNode;

/** What stands under a wrapper (`optional`, `default`, a transform), with all that the wrappers say. */
export interface Unwrapped {
  readonly node: SchemaNode;
  readonly meta: Partial<SettingMeta>;
  /** False when the key may be left out. */
  readonly required: boolean;
  /** The value that is used when the key is left out; undefined when there is none. */
  readonly fallback: unknown;
}

export function unwrap(schema: SchemaNode): Unwrapped {
  let node = schema;
  let meta: Partial<SettingMeta> = {};
  let required = true;
  let fallback: unknown;
  for (;;) {
    // The outermost word wins: `.meta()` after `.default()` is about the whole setting.
    meta = { ...(z.globalRegistry.get(node as unknown as z.ZodType) as Partial<SettingMeta>), ...meta };
    const { def } = node;
    if (def.type === 'default' || def.type === 'prefault') {
      required = false;
      fallback ??= def.defaultValue;
    }
    if (def.type === 'optional' || def.type === 'exactOptional') required = false;
    const inner = def.innerType ?? (def.type === 'pipe' ? inputOf(def) : undefined) ?? def.getter?.();
    if (inner === undefined) return { node, meta, required, fallback };
    node = inner;
  }
}

// `z.preprocess` is a pipe whose input is a transform; what people write is then described by its output.
const inputOf = (def: SchemaNode['def']) => (def.in?.def.type === 'transform' ? def.out : def.in);

/** Every schema that may apply at one key of a value: one, or one for each branch of a union. */
function children(schema: SchemaNode, segment: string | number, value: unknown): SchemaNode[] {
  const { def } = unwrap(schema).node;
  if (def.shape !== undefined) return Object.hasOwn(def.shape, segment) ? [def.shape[segment]!] : [];
  if (def.element !== undefined) return typeof segment === 'number' ? [def.element] : [];
  if (def.items !== undefined)
    return def.items[Number(segment)] === undefined ? [] : [def.items[Number(segment)]!];
  if (def.valueType !== undefined) return [def.valueType];
  return branches(schema, value).flatMap((branch) => children(branch, segment, value));
}

/** The branches of a union that the value has chosen by its discriminator, or all of them. */
function branches(schema: SchemaNode, value: unknown): SchemaNode[] {
  const { def } = unwrap(schema).node;
  if (def.left !== undefined && def.right !== undefined) return [def.left, def.right];
  const options = [...(def.options ?? [])];
  const { discriminator } = def;
  if (discriminator === undefined) return options;
  const chosen = (value as Record<string, unknown> | null | undefined)?.[discriminator];
  const fitting = options.filter((option) => {
    const literal = unwrap(option).node.def.shape?.[discriminator];
    return literal !== undefined && unwrap(literal).node.def.values?.includes(chosen) === true;
  });
  return fitting.length > 0 ? fitting : options;
}

/** The schemas that apply at a path of `value`; empty when the path is unknown. */
export function schemasAt(schema: SchemaNode, path: Path, value: unknown): SchemaNode[] {
  let nodes = [schema];
  let here = value;
  for (const segment of path) {
    nodes = nodes.flatMap((node) => children(node, segment, here));
    here = (here as Record<string | number, unknown> | null | undefined)?.[segment];
  }
  return nodes;
}

/** The keys that may stand in the object at a path. */
export function keysAt(schema: SchemaNode, path: Path, value: unknown): string[] {
  const here = path.reduce<unknown>(
    (v, s) => (v as Record<string | number, unknown> | undefined)?.[s],
    value,
  );
  const keys = (node: SchemaNode): string[] => {
    const { def } = unwrap(node).node;
    return def.shape !== undefined ? Object.keys(def.shape) : branches(node, here).flatMap(keys);
  };
  return [...new Set(schemasAt(schema, path, value).flatMap(keys))];
}

/** What the settings say about a path, the nearest word first: a key of a live section is live. */
export function metaAt(
  schema: SchemaNode,
  path: Path,
  value: unknown,
): { secret: boolean; reload: Reload; unit?: string } {
  let secret = false;
  let reload: Reload = 'restart';
  let unit: string | undefined;
  for (let depth = 0; depth <= path.length; depth += 1) {
    for (const node of schemasAt(schema, path.slice(0, depth), value)) {
      const { meta } = unwrap(node);
      secret ||= meta.secret === true;
      reload = meta.reload ?? reload;
      unit = meta.unit;
    }
  }
  return { secret, reload, ...(unit === undefined ? {} : { unit }) };
}

/** One setting as people write it: `presence.people[].wifi_macs`, `cameras.<name>.url`. */
export interface Setting {
  readonly path: string;
  /** One for each branch of a union that has this key. */
  readonly nodes: readonly SchemaNode[];
  readonly meta: Partial<SettingMeta>;
  readonly required: boolean;
  readonly fallback: unknown;
  /** An object or list of objects: its own settings follow. */
  readonly section: boolean;
}

/** All settings of a tree in the order of the schema, sections before what is in them. */
export function settingsOf(schema: SchemaNode): Setting[] {
  const found = new Map<string, Setting>();
  const visit = (node: SchemaNode, path: string, depth: number): void => {
    if (depth > 16) return;
    const { def } = unwrap(node).node;
    for (const [key, child] of Object.entries(def.shape ?? {})) {
      const inner = path === '' ? key : `${path}.${key}`;
      const { node: bare, ...rest } = unwrap(child);
      const known = found.get(inner);
      found.set(inner, {
        path: inner,
        ...rest,
        section: isSection(bare),
        ...known,
        nodes: [...(known?.nodes ?? []), child],
      });
      visit(child, inner, depth + 1);
    }
    if (def.element !== undefined) visit(def.element, `${path}[]`, depth + 1);
    if (def.valueType !== undefined) visit(def.valueType, `${path}.<name>`, depth + 1);
    for (const option of [...(def.options ?? []), def.left, def.right])
      if (option !== undefined) visit(option, path, depth + 1);
  };
  visit(schema, '', 0);
  return [...found.values()];
}

function isSection(node: SchemaNode): boolean {
  const { def } = unwrap(node).node;
  if (def.shape !== undefined) return true;
  const inner = [def.element, def.valueType, ...(def.options ?? []), def.left].filter((n) => n !== undefined);
  return inner.some(isSection);
}

interface JsonType {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly format?: string;
  readonly items?: JsonType;
  readonly anyOf?: readonly JsonType[];
  readonly oneOf?: readonly JsonType[];
  readonly allOf?: readonly JsonType[];
}

/** What may be written for a setting, in words: `a whole number from 1 to 65535`. */
export function typeText(schema: SchemaNode, unit?: string): string {
  const json = z.toJSONSchema(schema as unknown as z.ZodType, { io: 'input', unrepresentable: 'any' });
  return words(json as JsonType, unit);
}

const formats: Readonly<Record<string, string>> = {
  uri: 'an address (URL)',
  email: 'an e-mail address',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  cidrv4: 'an IPv4 network such as 192.0.2.0/24',
  'date-time': 'a date and time (ISO 8601)',
  duration: 'a duration (ISO 8601)',
  uuid: 'a UUID',
};

function words(json: JsonType, unit?: string): string {
  const either = json.anyOf ?? json.oneOf;
  if (either !== undefined) return [...new Set(either.map((j) => words(j, unit)))].join(' or ');
  if (json.enum !== undefined)
    return json.enum.length === 1 ? scalarText(json.enum[0]) : `one of ${json.enum.join(', ')}`;
  if (json.const !== undefined) return scalarText(json.const);
  if (json.type === 'number' || json.type === 'integer') return numberWords(json, unit);
  if (json.type === 'string')
    return formats[json.format ?? ''] ?? `text${size(json.minLength, json.maxLength, 'characters')}`;
  if (json.type === 'boolean') return 'true or false';
  if (json.type === 'array')
    return `a list${size(json.minItems, json.maxItems, 'entries')}${json.items === undefined ? '' : ` (each ${words(json.items, unit)})`}`;
  if (json.type === 'object') return 'a section of settings';
  if (json.type === 'null') return 'nothing';
  return 'a value';
}

const unitWords: Readonly<Record<string, string>> = {
  ms: 'milliseconds',
  s: 'seconds',
  min: 'minutes',
  h: 'hours',
  d: 'days',
};

function numberWords(json: JsonType, unit?: string): string {
  const kind = json.type === 'integer' ? 'a whole number' : 'a number';
  const of = unit === undefined ? '' : ` of ${unitWords[unit] ?? unit}`;
  // zod writes the range of safe integers into every integer; nobody asked for it.
  const safe = (n: number | undefined) =>
    n !== undefined && Math.abs(n) === Number.MAX_SAFE_INTEGER ? undefined : n;
  const [low, high] = [safe(json.minimum), safe(json.maximum)];
  const above = json.exclusiveMinimum === undefined ? '' : ` above ${json.exclusiveMinimum}`;
  const below = json.exclusiveMaximum === undefined ? '' : ` below ${json.exclusiveMaximum}`;
  const range =
    low !== undefined && high !== undefined
      ? ` from ${low} to ${high}`
      : low !== undefined
        ? ` of at least ${low}`
        : high !== undefined
          ? ` of at most ${high}`
          : '';
  return `${kind}${of}${of !== '' && range.startsWith(' of') ? `,${range.slice(3)}` : range}${above}${below}`;
}

function size(low: number | undefined, high: number | undefined, what: string): string {
  const least = low === undefined || low <= 1 ? undefined : low;
  if (least !== undefined && high !== undefined) return ` of ${least} to ${high} ${what}`;
  if (least !== undefined) return ` of at least ${least} ${what}`;
  return high === undefined ? '' : ` of at most ${high} ${what}`;
}
