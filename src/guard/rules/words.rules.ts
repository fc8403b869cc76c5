/** Words for people: what is spoken and written in alerts. */

const longest = 40;

/** Text from outside (plates, names, settings): one line, no control or format characters, bounded. */
export function plain(text: string, limit = longest): string {
  const clean = text
    .replaceAll(/[\p{C}\u2028\u2029]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim();
  const letters = Array.from(clean);
  return letters.length > limit ? `${letters.slice(0, limit - 1).join('')}…` : clean;
}

/** `front_door` → `front door`. */
export const spoken = (name: string) => plain(name.replaceAll(/[_-]+/g, ' '));

/** `gate` → `the gate`; a name that already has its article or owner stays. */
export function the(name: string): string {
  const words = spoken(name);
  return /^(the|a|an|my|our|your|his|her|their)\b|['’]s\b/i.test(words) ? words : `the ${words}`;
}

const plurals = new Map([
  ['person', 'people'],
  ['mouse', 'mice'],
  ['knife', 'knives'],
  ['sheep', 'sheep'],
  ['skis', 'skis'],
  ['scissors', 'scissors'],
  ['broccoli', 'broccoli'],
  ['aircraft', 'aircraft'],
]);
// Words that cannot be counted, or are plural already.
const noArticle = new Set(['skis', 'scissors', 'broccoli']);

/** `person` → `a person`, `umbrella` → `an umbrella`. */
export function one(label: string): string {
  const words = spoken(label);
  return noArticle.has(words) ? words : `${/^[aeiou]/i.test(words) ? 'an' : 'a'} ${words}`;
}

/** `2, person` → `2 people`; 1 with its article. */
export function many(count: number, label: string): string {
  const words = spoken(label);
  if (count === 1) return one(label);
  const plural = plurals.get(words) ?? (/(s|x|ch|sh)$/.test(words) ? `${words}es` : `${words}s`);
  return `${count} ${plural}`;
}

const unit = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`;

/**
 * Metres as one says them: halves up to three metres, whole ones up to twenty, then fives and tens, because nobody
 * can do more with a number that is heard once.
 */
export function metres(m: number): string {
  if (m < 0.5) return 'less than half a metre';
  if (m < 0.75) return 'half a metre';
  const step = m < 3 ? 0.5 : m < 20 ? 1 : m < 100 ? 5 : 10;
  return unit(Math.max(1, Math.round(m / step) * step), 'metre');
}

/** Kilometres an hour for people on foot and on wheels alike. */
export function kilometresAnHour(metresPerSecond: number): string {
  return unit(Math.max(1, Math.round(metresPerSecond * 3.6)), 'kilometre').concat(' an hour');
}

/** Seconds as one says them: `about 5 seconds`, `about 2 minutes`. */
export function about(seconds: number): string {
  if (seconds < 1.5) return 'about a second';
  if (seconds < 10) return `about ${Math.round(seconds)} seconds`;
  if (seconds < 57.5) return `about ${Math.round(seconds / 5) * 5} seconds`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  return minutes === 1 ? 'about a minute' : minutes > 60 ? 'more than an hour' : `about ${minutes} minutes`;
}

/** The first letter large, as at the beginning of a sentence. */
export const sentence = (text: string) => {
  const [first = '', ...rest] = text;
  return `${first.toUpperCase()}${rest.join('')}`;
};
