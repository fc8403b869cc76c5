import { Document, type YAMLSeq } from 'yaml';
import { z } from 'zod';
import type { SettingMeta } from './model.ts';
import { nodeOf, settingsOf, typeText, unwrap, type SchemaNode, type Setting } from './schema.ts';
import { SecretRef, yamlOptions } from './source.ts';

/** The reference of all settings as Markdown: a section for each area, a table for its settings. */
export function configReference(schema: z.ZodType): string {
  const settings = settingsOf(nodeOf(schema));
  const areas = settings.filter((s) => !s.path.includes('.') && !s.path.includes('['));
  const out = [
    '# Settings',
    '',
    'Made from the schema by `npm run generate`; do not edit. Every setting stands in `lares.yaml`; one that is left out has its default.',
    'A secret is written `!secret name` and kept elsewhere. `live` settings take effect when the file is saved, the others after a restart.',
    '',
  ];
  const plain = areas.filter((a) => !a.section);
  if (plain.length > 0) out.push(...table(plain, settings), '');
  for (const area of areas.filter((a) => a.section)) {
    const { title, description } = area.meta;
    out.push(`## ${area.path}`, '');
    if (title !== undefined || description !== undefined)
      out.push([title, description].filter((t) => t !== undefined).join(': ') + '.', '');
    const inside = settings.filter(
      (s) => s.path.startsWith(`${area.path}.`) || s.path.startsWith(`${area.path}[`),
    );
    out.push(...table(inside, settings), '');
  }
  return `${out.join('\n').trimEnd()}\n`;
}

/** The nearest section above that says when its settings take effect. */
function reloadOf(setting: Setting, all: readonly Setting[]): string {
  if (setting.meta.reload !== undefined) return setting.meta.reload;
  const above = all.filter((s) => s.meta.reload !== undefined && setting.path.startsWith(s.path));
  return above.toSorted((a, b) => b.path.length - a.path.length)[0]?.meta.reload ?? 'restart';
}

function table(settings: readonly Setting[], all: readonly Setting[]): string[] {
  const rows = settings.map((s) => [
    `\`${s.path}\``,
    s.meta.secret === true
      ? 'secret text'
      : [...new Set(s.nodes.map((node) => typeText(node)))].join(' or ').replace(/^an? /, ''),
    defaultText(s),
    s.meta.unit ?? '',
    s.section ? (s.meta.reload ?? '') : reloadOf(s, all),
    sentence(s.meta),
    s.meta.examples === undefined ? '' : s.meta.examples.map((e) => `\`${flow(e)}\``).join(', '),
  ]);
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  return [
    '| setting | type | default | unit | change | meaning | example |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  ];
}

function defaultText({ fallback, required, section }: Setting): string {
  if (required) return 'required';
  if (fallback === undefined || (section && !Array.isArray(fallback))) return '';
  return `\`${flow(fallback)}\``;
}

const sentence = ({ title, description }: Partial<SettingMeta>) =>
  [title, description].filter((t) => t !== undefined && t !== '').join(': ');

/** A value on one line of YAML. */
function flow(value: unknown): string {
  const document = new Document([value], yamlOptions);
  (document.contents as unknown as YAMLSeq).flow = true;
  return document.toString({ lineWidth: 0, flowCollectionPadding: false }).trim().slice(1, -1);
}

/** JSON Schema (draft 2020-12) of what may be written, for completion and checks in editors. */
export function configJsonSchema(schema: z.ZodType): object {
  const json = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const extra = jsonSchema as Record<string, unknown>;
      const { unit, reload } = extra as { unit?: string; reload?: string };
      const notes = [
        unit === undefined ? '' : `Unit: ${unit}.`,
        reload === 'live'
          ? 'Takes effect at once.'
          : reload === 'restart'
            ? 'Takes effect after a restart.'
            : '',
        extra['secret'] === true ? 'Write !secret NAME.' : '',
      ].filter((note) => note !== '');
      if (notes.length > 0)
        extra['description'] = [extra['description'], ...notes]
          .filter(Boolean)
          .join('. ')
          .replaceAll('..', '.');
      delete extra['unit'];
      delete extra['reload'];
      delete extra['secret'];
    },
  });
  return { ...json, title: 'Lares settings' };
}

/**
 * A starter file that names every setting: what must be set is set to its example, everything else is a comment
 * with its default. The result is valid as it stands.
 */
export function exampleConfig(schema: z.ZodType): string {
  const lines = [
    '# Settings of Lares. Every line that begins with "#" after its blanks is a comment; remove the "# " to set something else than the default.',
    '# Check the file with: lares check lares.yaml',
    '',
  ];
  for (const [key, child] of Object.entries(unwrap(nodeOf(schema)).node.def.shape ?? {}))
    lines.push(...exampleOf([key], child), '');
  return `${lines.join('\n').trimEnd()}\n`;
}

/** The lines of one setting, from column 0; what may be left out is commented out. */
function exampleOf(path: readonly string[], schema: SchemaNode, commented = true): string[] {
  const { node, meta, required, fallback } = unwrap(schema);
  const key = path.at(-1)!;
  const unit = meta.unit === undefined ? '' : ` (${meta.unit})`;
  // Inside a section that is itself a comment nothing needs to be commented out again.
  const off = commented && !required;
  const said = sentence(meta);
  const about = said === '' ? [] : [`# ${said}${unit}.`];
  const { shape } = node.def;
  const lines =
    shape === undefined
      ? valueLines(
          key,
          meta.secret === true ? new SecretRef(path.join('_')) : shownValue(node, meta, fallback),
        )
      : [
          `${key}:`,
          ...Object.entries(shape).flatMap(([k, c]) =>
            exampleOf([...path, k], c, commented && !off).map((line) => `  ${line}`),
          ),
        ];
  return [...about, ...(off ? lines.map((line) => `# ${line}`) : lines)];
}

function shownValue(node: SchemaNode, meta: Partial<SettingMeta>, fallback: unknown): unknown {
  const isEmpty =
    fallback === undefined ||
    (typeof fallback === 'object' && fallback !== null && Object.keys(fallback).length === 0);
  if (!isEmpty) return fallback;
  if (meta.examples !== undefined) return meta.examples[0];
  const { element } = node.def;
  const entry = element === undefined ? undefined : sample(element);
  return entry === undefined ? (fallback ?? null) : [entry];
}

/** An entry of a list made of the examples of its settings. */
function sample(schema: SchemaNode): Record<string, unknown> | undefined {
  const { shape } = unwrap(schema).node.def;
  if (shape === undefined) return undefined;
  const known = Object.entries(shape).map(([key, child]) => [key, unwrap(child).meta.examples?.[0]] as const);
  return Object.fromEntries(known.filter(([, value]) => value !== undefined));
}

function valueLines(key: string, value: unknown): string[] {
  if (Array.isArray(value) && typeof value[0] === 'object')
    return new Document({ [key]: value }, yamlOptions).toString({ lineWidth: 0 }).trimEnd().split('\n');
  return [value === null ? `${key}:` : `${key}: ${flow(value)}`];
}
