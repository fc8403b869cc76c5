/** One problem of an env file: the line (from 1) and what is wrong with it. Never quotes the line, which may hold a secret. */
export interface EnvFileTrouble {
  readonly line: number;
  readonly message: string;
}

/**
 * Reads `KEY=value` lines as a POSIX shell would when it sources them, without expanding anything:
 * `export`, comments, single quotes, double quotes with backslash, and values over several quoted lines.
 * (systemd's EnvironmentFile= has the same form.)
 */
export function parseEnvFile(text: string): {
  values: ReadonlyMap<string, string>;
  troubles: readonly EnvFileTrouble[];
} {
  const values = new Map<string, string>();
  const troubles: EnvFileTrouble[] = [];
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  let at = 0;
  while (at < source.length) {
    const line = source.slice(0, at).split('\n').length;
    const end = lineEnd(source, at);
    const rest = source.slice(at, end);
    const assignment = /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)=/.exec(rest);
    if (/^[ \t]*(?:#|;|$)/.test(rest)) at = end + 1;
    else if (assignment === null) {
      troubles.push({ line, message: 'expected KEY=value without blanks around =' });
      at = end + 1;
    } else {
      const read = readValue(source, at + assignment[0].length);
      if (read === undefined) {
        troubles.push({ line, message: `expected a closing quote for ${assignment[1]}` });
        at = end + 1;
      } else {
        values.set(assignment[1]!, read.value);
        at = lineEnd(source, read.next) + 1;
      }
    }
  }
  return { values, troubles };
}

const lineEnd = (text: string, from: number) => {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
};

/** The value that begins at `from`; undefined when a quote is never closed. */
function readValue(text: string, from: number): { value: string; next: number } | undefined {
  let value = '';
  let at = from;
  for (;;) {
    const char = text[at];
    if (char === undefined || char === '\n') return { value: value.trimEnd(), next: at };
    if (char === "'" || char === '"') {
      const close = closing(text, at + 1, char);
      if (close === -1) return undefined;
      const inside = text.slice(at + 1, close);
      const plain = char === "'" ? inside : inside.replaceAll(/\\([\\"$`])/g, '$1').replaceAll('\\\n', '');
      const after = close + 1;
      // Nothing but blanks or a comment may follow, or another quoted part.
      value += plain;
      at = after;
      if (/^[ \t]*(#.*)?(\n|$)/.test(text.slice(at, lineEnd(text, at) + 1))) return { value, next: at };
    } else if (char === '\\' && text[at + 1] !== undefined) {
      value += text[at + 1] === '\n' ? '' : text[at + 1];
      at += 2;
    } else if (char === '#' && /\s/.test(text[at - 1] ?? '')) {
      return { value: value.trimEnd(), next: at };
    } else {
      value += char;
      at += 1;
    }
  }
}

function closing(text: string, from: number, quote: string): number {
  for (let at = from; at < text.length; at += 1) {
    if (quote === '"' && text[at] === '\\') at += 1;
    else if (text[at] === quote) return at;
  }
  return -1;
}

/** One line of an env file that a shell and systemd read back as the same value. */
export function envLine(key: string, value: string): string {
  return /^[\w./:@%+,=-]*$/.test(value) ? `${key}=${value}` : `${key}='${value.replaceAll("'", `'"'"'`)}'`;
}
