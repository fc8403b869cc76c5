const formats = new Map<string, Intl.DateTimeFormat>();

/** Local hour of day, 0 to 23, of an instant (epoch ms) in an IANA time zone; the machine's own zone when undefined. */
export function localHour(at: number, timeZone?: string): number {
  const key = timeZone ?? '';
  const format =
    formats.get(key) ??
    new Intl.DateTimeFormat('en-GB', {
      hour: 'numeric',
      hourCycle: 'h23',
      ...(timeZone === undefined ? {} : { timeZone }),
    });
  formats.set(key, format);
  return Number(format.format(at));
}
