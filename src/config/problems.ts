import type { Problem } from './model.ts';
import type { Path } from './types.ts';

/** `presence.people[2].wifi_macs[0]`; keys that are no plain words are quoted. */
export function pathText(path: Path): string {
  return path
    .map((segment, i) =>
      typeof segment === 'number'
        ? `[${segment}]`
        : /^[\w-]+$/.test(segment)
          ? `${i === 0 ? '' : '.'}${segment}`
          : `[${JSON.stringify(segment)}]`,
    )
    .join('');
}

/** The reverse of `pathText`, for paths that people type: `presence.people[2].name`. */
export function parsePath(text: string): (string | number)[] {
  return [...text.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)].map(([, index, quoted, word]) =>
    index !== undefined
      ? Number(index)
      : quoted !== undefined
        ? (JSON.parse(`"${quoted}"`) as string)
        : word!,
  );
}

// A file may hold terminal escapes; what is shown must not.
const printable = (text: string) =>
  text.replaceAll(/[\p{Cc}\u2028\u2029]/gu, (c) => (c === '\t' ? ' ' : '\uFFFD'));

const widest = 120;

/**
 * All problems for people, each as `file:line:column path: message (hint)` with its source line and a caret.
 * `source` is the text of the file the problems are in; pass the redacted text of a ConfigError.
 */
export function renderProblems(
  problems: readonly Problem[],
  options: { source?: string; file?: string } = {},
): string {
  const lines = options.source?.split('\n');
  return problems
    .map((p) => {
      const where = `${p.file}:${p.line}:${p.column}`;
      const hint = p.hint === undefined ? '' : ` (${p.hint})`;
      const head = printable(`${where}${p.path === '' ? '' : ` ${p.path}`}: ${p.message}${hint}`);
      const line = options.file === undefined || options.file === p.file ? lines?.[p.line - 1] : undefined;
      return line === undefined || line.trim() === '' ? head : `${head}\n${excerpt(line, p.line, p.column)}`;
    })
    .join('\n');
}

function excerpt(line: string, number: number, column: number): string {
  const from = Math.max(0, Math.min(column - 1 - 40, line.length - widest));
  const shown = printable(line.replace(/\r$/, '').slice(from, from + widest));
  const gutter = `${String(number).padStart(5)} | `;
  return `${gutter}${shown}\n${' '.repeat(gutter.length + column - 1 - from)}^`;
}

const secretWord = /(pass(word|wd|phrase)?|token|secret|api_?key|private_?key|local_?key|credentials?|pin)$/i;

/** True for keys whose values people expect to be kept secret, whatever the schema says. */
export const soundsSecret = (key: string): boolean => secretWord.test(key);

/** A scalar as people would write it; numbers and switches without quotes. */
export function scalarText(value: unknown): string {
  return typeof value === 'string'
    ? value
    : typeof value === 'number'
      ? String(value)
      : (JSON.stringify(value) ?? '');
}
