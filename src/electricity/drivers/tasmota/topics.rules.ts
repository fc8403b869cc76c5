import { label } from '../shared/json.codec.ts';

/** Topics of Tasmota: a `FullTopic` pattern such as `%prefix%/%topic%/`, then a word such as `SENSOR`. */

export type Prefix = 'tele' | 'stat';

export interface Heard {
  readonly prefix: Prefix;
  readonly topic: string;
  /** `SENSOR`, `STATE`, `LWT`, `STATUS8`, `RESULT`, `POWER1`, … */
  readonly word: string;
  /** Where the same device takes commands; the word of the command follows after a slash. */
  readonly command: string;
}

const levelsOf = (pattern: string): string[] => pattern.replace(/\/$/, '').split('/');

/** True for a pattern that tells devices and directions apart, each in a level of its own. */
export function isPattern(pattern: string): boolean {
  const levels = levelsOf(pattern);
  const once = (part: string) => levels.filter((level) => level === part).length === 1;
  const fine = (level: string) => /^%[a-z]+%$/.test(level) || /^[^%+#\0]+$/.test(level);
  return pattern.length <= 100 && once('%prefix%') && once('%topic%') && levels.every(fine);
}

/** Filters that hear every telemetry and every reply of every device under a pattern. */
export function filters(pattern: string): string[] {
  const levels = levelsOf(pattern);
  return ['tele', 'stat'].map((prefix) =>
    [
      ...levels.map((level) => (level === '%prefix%' ? prefix : level.startsWith('%') ? '+' : level)),
      '+',
    ].join('/'),
  );
}

/** Who said what; undefined for a topic of no pattern. */
export function hear(patterns: readonly string[], topic: string): Heard | undefined {
  const said = topic.split('/');
  for (const pattern of patterns) {
    const levels = levelsOf(pattern);
    if (said.length !== levels.length + 1) continue;
    if (!levels.every((level, i) => level.startsWith('%') || level === said[i])) continue;
    const prefix = said[levels.indexOf('%prefix%')];
    const name = said[levels.indexOf('%topic%')] ?? '';
    if ((prefix !== 'tele' && prefix !== 'stat') || label(name) !== name) continue;
    const command = levels.map((level, i) => (level === '%prefix%' ? 'cmnd' : said[i])).join('/');
    return { prefix, topic: name, word: said.at(-1) ?? '', command };
  }
  return undefined;
}
