const formats = new Map<string, Intl.DateTimeFormat>();

function parts(at: number, timeZone: string): Record<string, string> {
  const format =
    formats.get(timeZone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      second: '2-digit',
      hourCycle: 'h23',
    });
  formats.set(timeZone, format);
  return Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
}

/** `2026-03-01`: the local day of an instant (epoch ms). */
export function dayFolder(at: number, timeZone: string): string {
  const { year, month, day } = parts(at, timeZone);
  return `${year}-${month}-${day}`;
}

/** `snapshot_123456.jpg`, for the second of the same second `snapshot_123456_2.jpg`. */
export function timeName(prefix: string, at: number, timeZone: string, n: number, suffix: string): string {
  const { hour, minute, second } = parts(at, timeZone);
  return `${prefix}${hour}${minute}${second}${n === 1 ? '' : `_${n}`}${suffix}`;
}

export const isDayFolder = (name: string): boolean => /^\d{4}-\d{2}-\d{2}$/.test(name);
