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

const dayFormats = new Map<string, Intl.DateTimeFormat>();

/** The local day of an instant (epoch ms) as `2026-01-31`; the machine's own zone unless given. */
export function localDay(at: number, timeZone?: string): string {
  const key = timeZone ?? '';
  let format = dayFormats.get(key);
  if (format === undefined) {
    // The Swedish way of writing a day is the ISO one.
    format = new Intl.DateTimeFormat('sv-SE', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    dayFormats.set(key, format);
  }
  return format.format(at);
}

const clockFormats = new Map<string, Intl.DateTimeFormat>();

/** Milliseconds that local time is ahead of UTC. `timeZone` is an IANA name; throws RangeError for one that is unknown. */
export function offset(at: number, timeZone: string): number {
  let format = clockFormats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      calendar: 'gregory',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    clockFormats.set(timeZone, format);
  }
  const part: Record<string, number> = {};
  for (const { type, value } of format.formatToParts(at)) part[type] = Number(value);
  const local = Date.UTC(part.year!, part.month! - 1, part.day, part.hour, part.minute, part.second);
  return local - Math.floor(at / 1000) * 1000;
}
