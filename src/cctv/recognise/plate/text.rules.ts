import { distance } from 'fastest-levenshtein';

/** A plate that the settings name. */
export interface KnownPlate {
  readonly plate: string;
  readonly name: string;
}

const longestPlate = 16;
// Shorter plates differ by one character too often.
const shortestForgiven = 5;

/** A plate as it is compared and shown: capital letters and digits only, at most 16. */
export const normalisePlate = (text: string): string =>
  Array.from(text.slice(0, 200).normalize('NFKC').toUpperCase())
    .filter((c) => /[\p{Lu}\p{Lo}\p{Nd}]/u.test(c))
    .slice(0, longestPlate)
    .join('');

/** Letters and digits that readers take for each other. */
const twins: Readonly<Record<string, string>> = { O: '0', Q: '0', I: '1', Z: '2', S: '5', G: '6', B: '8' };
const twinned = (text: string) => text.replaceAll(/[OQIZSGB]/g, (c) => twins[c]!);

/** How many characters two plates differ by, where those that look alike are the same. */
export const plateDistance = (a: string, b: string): number =>
  distance(twinned(normalisePlate(a)), twinned(normalisePlate(b)));

/** The known plate that the text is: within `tolerance` characters, and nearer than any other. */
export function knownPlate(
  text: string,
  known: readonly KnownPlate[],
  tolerance: number,
): KnownPlate | undefined {
  const ranked = known
    .map((plate) => ({ plate, off: plateDistance(text, plate.plate) }))
    .toSorted((a, b) => a.off - b.off);
  const [first, second] = ranked;
  if (first === undefined || first.off === second?.off) return undefined;
  const forgiven = normalisePlate(first.plate.plate).length < shortestForgiven ? 0 : tolerance;
  return first.off <= forgiven ? first.plate : undefined;
}
