import { LaresError } from '#kernel/errors.ts';
import type { Imported, Intensity } from '../model.ts';
import { untangle } from '../rates.rules.ts';
import { found, instant, isRecord, listOf, parseJson, type Origin } from './octopus.codec.ts';

/**
 * Carbon intensity in the JSON of api.carbonintensity.org.uk: `data[{from, to, intensity: {forecast, actual}}]` in
 * grams of CO2 per kWh; the regional replies nest one `data` in another. What was measured wins over what was
 * forecast; half-hours with neither are left out. Throws `origin.code`.
 */
export function parseCarbon(text: string, origin: Origin): Imported<Intensity> {
  const entries = listOf(dataOf(parseJson(text, origin)), 'data', origin);
  const listed = entries.flatMap((entry, index): Intensity[] => {
    const { from: start, to: end, intensity } = isRecord(entry) ? entry : {};
    const [from, to] = [instant(start), instant(end)];
    if (from === undefined || to === undefined || !isRecord(intensity))
      throw new LaresError(
        origin.code,
        `${origin.name}: data[${index}]: expected from, to and intensity, found ${found(entry)}`,
      );
    const grams = [intensity['actual'], intensity['forecast']].find(
      (g) => typeof g === 'number' && Number.isFinite(g) && g >= 0,
    );
    return typeof grams === 'number' ? [{ from, to, gramsPerKwh: grams }] : [];
  });
  return { rates: untangle(listed), notes: [] };
}

function dataOf(document: unknown): unknown {
  const data = isRecord(document) ? document['data'] : undefined;
  const inner = Array.isArray(data) ? (data[0] as unknown) : data;
  return isRecord(inner) && Array.isArray(inner['data']) ? inner['data'] : data;
}
