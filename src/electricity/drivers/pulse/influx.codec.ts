import { LaresError } from '#kernel/errors.ts';
import type { Fields } from './model.ts';

/** Line protocol of InfluxDB (docs.influxdata.com, v1 and v2): `measurement,tag=v field=1,other=2i 1767225600`. */

const mostLines = 1_000;
const mostParts = 100;
const perMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  n: 1e-6,
  us: 1e-3,
  u: 1e-3,
  µ: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
/** Tags that name a counter, the most telling first; the measurement comes last. */
const idTags = ['id', 'node', 'meter', 'device', 'name', 'sensor'];

/** `precision` as in the query; nanoseconds unless given. Throws BAD_REPLY. */
export function parseLines(body: string, precision: string | null): Fields[] {
  const scale = perMs[precision ?? 'ns'];
  if (scale === undefined) throw new LaresError('BAD_REPLY', 'precision must be ns, us, ms, s, m or h');
  const lines = body.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'));
  if (lines.length > mostLines) throw new LaresError('BAD_REPLY', `expected at most ${mostLines} lines`);
  return lines.map((line, i) => {
    const parsed = parseLine(line.trim(), scale);
    if (parsed === undefined) throw new LaresError('BAD_REPLY', `line ${i + 1} is not Influx line protocol`);
    return parsed;
  });
}

function parseLine(line: string, scale: number): Fields | undefined {
  const [key, fields, time, ...more] = cut(line, ' ');
  if (key === undefined || fields === undefined || more.length > 0) return undefined;
  const [measurement = '', ...tagParts] = cut(key, ',').map((part) => part);
  if (measurement === '' || (time !== undefined && !/^-?\d{1,19}$/.test(time))) return undefined;
  const tags = tagParts.map((part) => cut(part, '=').map(plain));
  const pairs = cut(fields, ',').map((part) => cut(part, '='));
  if ([...tags, ...pairs].some((pair) => pair.length !== 2 || pair[0] === '' || pair[1] === ''))
    return undefined;
  if (pairs.length > mostParts || tags.length > mostParts) return undefined;
  const values = pairs.map(([name, text]) => [plain(name!).slice(0, 64), fieldValue(text!)] as const);
  if (values.some(([, value]) => value === undefined)) return undefined;
  return {
    ids: [
      ...idTags.flatMap((name) => tags.find(([tag]) => tag?.toLowerCase() === name)?.[1] ?? []),
      plain(measurement),
    ],
    ...(time === undefined ? {} : { at: Number(time) * scale }),
    values: new Map(values.flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : []))),
  };
}

/** A number; true for something valid that is none; undefined for what the protocol does not know. */
function fieldValue(text: string): number | true | undefined {
  if (/^".*"$/s.test(text)) return true;
  if (/^(t|true|f|false)$/i.test(text)) return true;
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[iu]?$/i.test(text)
    ? Number(text.replace(/[iu]$/i, ''))
    : undefined;
}

const plain = (text: string): string => text.replaceAll(/\\([,= \\"])/g, '$1');

/** Splits at a character that is neither escaped nor inside quotes; empty parts between blanks are dropped. */
function cut(text: string, at: string): string[] {
  const parts = [''];
  let quoted = false;
  for (let i = 0; i < text.length; i += 1) {
    const character = text[i]!;
    if (character === '\\' && i + 1 < text.length) {
      parts[parts.length - 1] += character + text[i + 1]!;
      i += 1;
    } else if (character === at && !quoted) parts.push('');
    else {
      // Quotes mean something only in the value of a field.
      if (character === '"' && (quoted || parts.at(-1)!.endsWith('=') || parts.at(-1) === ''))
        quoted = !quoted;
      parts[parts.length - 1] += character;
    }
  }
  return at === ' ' ? parts.filter((part) => part !== '') : parts;
}
