import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { distance } from 'fastest-levenshtein';
import { LineCounter, parseDocument } from 'yaml';
import { LaresError, reason } from '#kernel/errors.ts';
import { complete, templateFile, type Template } from './template.model.ts';

const folder = path.join(import.meta.dirname, 'templates');
const longestFile = 256 * 1024;

/** Names of the meters that Lares brings along, sorted. */
export function shippedTemplates(): string[] {
  return globSync('*.yaml', { cwd: folder })
    .map((file) => path.basename(file, '.yaml'))
    .toSorted();
}

/** A path, as opposed to the name of a shipped template. */
const isPath = (name: string) => /[/\\]|\.ya?ml$/i.test(name);

/** Why `name` cannot be a template, as a sentence; undefined when it is a shipped one or a path. */
export function templateProblem(name: string): string | undefined {
  const known = shippedTemplates();
  if (isPath(name) || known.includes(name)) return undefined;
  const near = known.toSorted((a, b) => distance(a, name) - distance(b, name))[0] ?? '';
  return `no template is called ${name}; did you mean ${near}? There are ${known.join(', ')}, or give the path of a YAML file (docs/modbus-templates.md)`;
}

/** Reads a shipped template by name or a file by path. Throws CONFIG_INVALID with file, line and what to write instead. */
export function loadTemplate(name: string): Template {
  const problem = templateProblem(name);
  if (problem !== undefined) throw new LaresError('CONFIG_INVALID', problem);
  const file = isPath(name) ? path.resolve(name) : path.join(folder, `${name}.yaml`);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new LaresError('CONFIG_INVALID', `the Modbus template ${file} cannot be read: ${reason(error)}`);
  }
  return parseTemplate(text, file);
}

/** The template in a YAML text. `file` is for the error, which names every problem with its line. */
export function parseTemplate(text: string, file: string): Template {
  if (text.length > longestFile) throw new LaresError('CONFIG_INVALID', `${file} is too long for a template`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, strict: true });
  const broken = document.errors[0];
  if (broken !== undefined)
    throw new LaresError(
      'CONFIG_INVALID',
      `${file}:${lines.linePos(broken.pos[0]).line}: ${firstLine(broken.message)}`,
    );
  const parsed = templateFile.safeParse(document.toJS({ maxAliasCount: 20 }));
  if (parsed.success) return complete(parsed.data);
  const problems = parsed.error.issues.map((issue) => {
    const where = issue.path.map(String);
    const line = lineOf(document, where, lines);
    return `${file}:${line}: ${pathText(where)}${issue.message}`;
  });
  throw new LaresError('CONFIG_INVALID', problems.join('\n'));
}

const firstLine = (text: string) => text.split('\n')[0] ?? text;
const pathText = (where: readonly string[]) =>
  where.length === 0 ? '' : `${where.join('.').replaceAll(/\.(\d+)/g, '[$1]')}: `;

/** Line of the deepest node of the path that the file has; a missing key is reported where it should stand. */
function lineOf(
  document: ReturnType<typeof parseDocument>,
  where: readonly string[],
  lines: LineCounter,
): number {
  for (let depth = where.length; depth >= 0; depth -= 1) {
    const keys = where.slice(0, depth).map((key) => (/^\d+$/.test(key) ? Number(key) : key));
    const node = depth === 0 ? document.contents : document.getIn(keys, true);
    const range = (node as { range?: [number, number, number] } | null | undefined)?.range;
    if (range !== undefined) return lines.linePos(range[0]).line;
  }
  return 1;
}
