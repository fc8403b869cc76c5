import { nearest } from '#config/explain.ts';
import { sentence } from './words.rules.ts';

/** What may stand in braces, with what is said when it is not known and cannot be left out. */
export const placeholders = {
  object: 'something',
  count: 'some',
  distance: 'an unknown distance',
  reference: 'the reference',
  movement: 'moving',
  zone: 'the picture',
  camera: 'the camera',
  time: 'now',
  speed: 'an unknown speed',
  identity: 'nobody known',
  arrives_in: 'an unknown time',
} as const;

export type Placeholder = keyof typeof placeholders;

/** What is known at the moment of an alert; a placeholder that is absent is not known. */
export type Values = Readonly<Partial<Record<Placeholder, string>>>;

type Part = string | { readonly of: Placeholder };

interface Clause {
  readonly parts: readonly Part[];
  /** The punctuation and space that follow it. */
  readonly end: string;
}

/** A template, taken apart once. */
export type Template = readonly Clause[];

const isPlaceholder = (text: string): text is Placeholder => Object.hasOwn(placeholders, text);
const token = /\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+/g;
const longestMessage = 300;

/** What is wrong with a template, as sentences with their remedy; empty for a good one. */
export function templateProblems(text: string): string[] {
  return [...text.matchAll(token)].flatMap(([whole, inner]) => {
    if (whole === '{' || whole === '}')
      return [
        `expected braces in pairs, found a single ${whole}; write ${whole}${whole} for the sign itself`,
      ];
    if (inner === undefined || isPlaceholder(inner.trim())) return [];
    const near = nearest(inner.trim(), Object.keys(placeholders));
    return [
      `expected a placeholder of ${Object.keys(placeholders).join(', ')}, found {${inner}}${near === undefined ? '' : `; did you mean {${near}}?`}`,
    ];
  });
}

/** Takes a template apart. What templateProblems complains about stays as it is written. */
export function parseTemplate(text: string): Template {
  const clauses: { parts: Part[]; end: string }[] = [{ parts: [], end: '' }];
  for (const { 0: whole, 1: inner, index } of text.matchAll(token)) {
    const key = inner?.trim() ?? '';
    if (inner !== undefined && isPlaceholder(key)) clauses.at(-1)!.parts.push({ of: key });
    else if (whole === '{{' || whole === '}}') clauses.at(-1)!.parts.push(whole.slice(1));
    else {
      const ends = index + whole.length === text.length ? /([,;.!?]+(?:\s+|$))/ : /([,;.!?]+\s+)/;
      for (const [i, piece] of whole.split(ends).entries())
        if (i % 2 === 0) clauses.at(-1)!.parts.push(...(piece === '' ? [] : [piece]));
        else {
          clauses.at(-1)!.end = piece;
          clauses.push({ parts: [], end: '' });
        }
    }
  }
  return clauses.filter((c) => c.parts.length > 0 || c.end !== '');
}

// What was nothing but control characters is as good as not known.
const known = (values: Values, { of }: Exclude<Part, string>) => (values[of] === '' ? undefined : values[of]);

const say = ({ parts }: Clause, values: Values) =>
  parts
    .map((part) => (typeof part === 'string' ? part : (known(values, part) ?? placeholders[part.of])))
    .join('');

/**
 * Fills a template in. A clause (what stands between commas and full stops) with a placeholder that is not known is
 * left out; when nothing would remain, the words for the unknown take its place. Never empty, one line, at most 300 characters.
 */
export function fill(template: Template, values: Values): string {
  const kept = template.filter((clause) =>
    clause.parts.every((part) => typeof part === 'string' || known(values, part) !== undefined),
  );
  const clauses = kept.some((clause) => say(clause, values).trim() !== '') ? kept : template;
  const text = clauses
    .map((clause, i) => {
      const said = say(clause, values);
      const begins = typeof clause.parts[0] === 'object' && /[.!?]/.test(clauses[i - 1]?.end ?? '');
      // The sentence ends as it was written, also when its last clause fell away.
      const end = i < clauses.length - 1 ? clause.end : (template.at(-1)?.end ?? '');
      return (begins ? sentence(said) : said) + end;
    })
    .join('')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const letters = Array.from(sentence(text));
  return letters.length > longestMessage
    ? `${letters.slice(0, longestMessage - 1).join('')}…`
    : letters.join('');
}
