import type { Identity } from '../model.ts';

// What a long stay showed at its beginning no longer counts.
const mostReadings = 12;

/** The readings of one object so far, the newest last. */
export const withReading = (before: readonly Identity[], reading: Identity): readonly Identity[] =>
  [...before, reading].slice(-mostReadings);

/**
 * What several readings of one object say together. Nothing before there are `agreeing`; a name where so many say it
 * and more than all others together; otherwise that it is not known, with the text that most confidence stands behind.
 */
export function vote(readings: readonly Identity[], agreeing: number): Identity | undefined {
  const [first] = readings;
  if (first === undefined || readings.length < agreeing) return undefined;
  const name = most(readings, (r) => r.name);
  if (name !== undefined && name.of.length >= agreeing && 2 * name.of.length > readings.length) {
    const text = most(name.of, (r) => r.text)?.value;
    return {
      kind: first.kind,
      name: name.value,
      ...(text !== undefined && { text }),
      confidence: mean(name.of),
    };
  }
  const text = most(readings, (r) => r.text);
  const share = text === undefined ? 1 : text.of.length / readings.length;
  return {
    kind: first.kind,
    ...(text !== undefined && { text: text.value }),
    confidence: mean(text?.of ?? readings) * share,
  };
}

const sum = (list: readonly Identity[]) => list.reduce((total, { confidence }) => total + confidence, 0);
const mean = (list: readonly Identity[]) => sum(list) / list.length;

/** The value with the most confidence behind it, and who gave it; of equals the one that came first. */
function most(readings: readonly Identity[], of: (reading: Identity) => string | undefined) {
  const groups = new Map<string, Identity[]>();
  for (const reading of readings) {
    const value = of(reading);
    if (value === undefined) continue;
    const group = groups.get(value);
    if (group === undefined) groups.set(value, [reading]);
    else group.push(reading);
  }
  return [...groups]
    .map(([value, list]) => ({ value, of: list }))
    .toSorted((a, b) => sum(b.of) - sum(a.of))[0];
}
