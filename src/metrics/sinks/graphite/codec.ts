import { isSeries, type Batch } from '#kernel/reading.ts';

// Carbon closes the connection at a line of more than 16 KiB, and everything after it is lost.
const longestLine = 1_024;
// Whisper keeps instants as unsigned 32-bit seconds; 0 and negative ones have a special meaning to Carbon.
const latestSecond = 2 ** 32 - 1;

/** The shortest decimal that reads back as the same number, written out without an exponent where the line allows. */
export function formatValue(value: number): string {
  const text = String(value);
  const [mantissa = '', exponent] = text.split('e');
  if (exponent === undefined) return text;
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const digits = whole + fraction;
  const point = whole.length + Number(exponent);
  const plain =
    point <= 0
      ? `0.${'0'.repeat(-point)}${digits}`
      : point >= digits.length
        ? digits + '0'.repeat(point - digits.length)
        : `${digits.slice(0, point)}.${digits.slice(point)}`;
  return value < 0 ? `-${plain}` : plain;
}

/**
 * One line of Carbon's plaintext protocol, `name value epoch\n`, epoch in whole seconds; undefined for a reading
 * that must never be sent: a name that is not a normalised path, a value that is not finite, an instant out of range.
 * Grammar: carbon lib/carbon/protocols.py, MetricLineReceiver.
 */
export function encodeLine(series: string, value: number, at: number): string | undefined {
  const epoch = Math.floor(at / 1000);
  if (!isSeries(series) || !Number.isFinite(value) || !(epoch >= 1 && epoch <= latestSecond))
    return undefined;
  const line = `${series} ${formatValue(value)} ${epoch}\n`;
  return line.length <= longestLine ? line : undefined;
}

export interface Encoded {
  readonly payload: string;
  /** Lines in the payload. */
  readonly points: number;
}

/** The lines of some ticks in order. Readings that may not be sent are left out. */
export function encode(batches: Iterable<Batch>): Encoded {
  const lines: string[] = [];
  for (const { at, values } of batches)
    for (const [series, value] of values) {
      const line = encodeLine(series, value, at);
      if (line !== undefined) lines.push(line);
    }
  return { payload: lines.join(''), points: lines.length };
}
