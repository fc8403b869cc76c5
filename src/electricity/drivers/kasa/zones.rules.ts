/** Milliseconds that local time is ahead of UTC at an instant (epoch ms). */
export type OffsetAt = (at: number) => number;

const hourMs = 3_600_000;
const quarterMs = 900_000;

// Names from before 1993 that time zone databases are dropping; devices keep sending them.
const legacyNames: Readonly<Record<string, string>> = {
  GB: 'Europe/London',
  'GB-Eire': 'Europe/London',
  Eire: 'Europe/Dublin',
  EST: 'Etc/GMT+5',
  MST: 'America/Phoenix',
  HST: 'Pacific/Honolulu',
  EST5EDT: 'America/New_York',
  CST6CDT: 'America/Chicago',
  MST7MDT: 'America/Denver',
  PST8PDT: 'America/Los_Angeles',
  UCT: 'Etc/UTC',
  GMT: 'Etc/UTC',
  WET: 'Europe/Lisbon',
  CET: 'Europe/Brussels',
  MET: 'Europe/Brussels',
  EET: 'Europe/Athens',
  NZ: 'Pacific/Auckland',
  PRC: 'Asia/Shanghai',
  ROK: 'Asia/Seoul',
  'Pacific/Samoa': 'Pacific/Pago_Pago',
  'US/Hawaii': 'Pacific/Honolulu',
  'US/Alaska': 'America/Anchorage',
  'US/Arizona': 'America/Phoenix',
  'US/Pacific': 'America/Los_Angeles',
  'US/Mountain': 'America/Denver',
  'US/Central': 'America/Chicago',
  'US/Eastern': 'America/New_York',
  'Mexico/General': 'America/Mexico_City',
  'Mexico/BajaNorte': 'America/Tijuana',
  'Canada/Saskatchewan': 'America/Regina',
  'Canada/Atlantic': 'America/Halifax',
  'Canada/Newfoundland': 'America/St_Johns',
  'Brazil/West': 'America/Manaus',
  'Chile/Continental': 'America/Santiago',
};

/**
 * The zones behind `time.get_timezone.index`, in the order of the table in the devices' firmware. Entry 18 is called EST
 * there but stands for the US Eastern zone with its summer time.
 */
const byIndex: readonly string[] = (
  'Etc/GMT+12 Pacific/Samoa US/Hawaii US/Alaska Mexico/BajaNorte Etc/GMT+8 PST8PDT US/Arizona America/Mazatlan MST ' +
  'MST7MDT Mexico/General Etc/GMT+6 CST6CDT America/Monterrey Canada/Saskatchewan America/Bogota Etc/GMT+5 EST5EDT ' +
  'America/Indiana/Indianapolis America/Caracas America/Asuncion Etc/GMT+4 Canada/Atlantic America/Cuiaba Brazil/West ' +
  'America/Santiago Canada/Newfoundland America/Sao_Paulo America/Argentina/Buenos_Aires America/Cayenne ' +
  'America/Miquelon America/Montevideo Chile/Continental Etc/GMT+2 Atlantic/Azores Atlantic/Cape_Verde ' +
  'Africa/Casablanca UCT GB Africa/Monrovia Europe/Amsterdam Europe/Belgrade Europe/Brussels Europe/Sarajevo ' +
  'Africa/Lagos Africa/Windhoek Asia/Amman Europe/Athens Asia/Beirut Africa/Cairo Asia/Damascus EET Africa/Harare ' +
  'Europe/Helsinki Asia/Istanbul Asia/Jerusalem Europe/Kaliningrad Africa/Tripoli Asia/Baghdad Asia/Kuwait ' +
  'Europe/Minsk Europe/Moscow Africa/Nairobi Asia/Tehran Asia/Muscat Asia/Baku Europe/Samara Indian/Mauritius ' +
  'Asia/Tbilisi Asia/Yerevan Asia/Kabul Asia/Ashgabat Asia/Yekaterinburg Asia/Karachi Asia/Kolkata Asia/Colombo ' +
  'Asia/Kathmandu Asia/Almaty Asia/Dhaka Asia/Novosibirsk Asia/Rangoon Asia/Bangkok Asia/Krasnoyarsk Asia/Chongqing ' +
  'Asia/Irkutsk Asia/Singapore Australia/Perth Asia/Taipei Asia/Ulaanbaatar Asia/Tokyo Asia/Seoul Asia/Yakutsk ' +
  'Australia/Adelaide Australia/Darwin Australia/Brisbane Australia/Canberra Pacific/Guam Australia/Hobart ' +
  'Antarctica/DumontDUrville Asia/Magadan Asia/Srednekolymsk Etc/GMT-11 Asia/Anadyr Pacific/Auckland Etc/GMT-12 ' +
  'Pacific/Fiji Etc/GMT-13 Pacific/Apia Etc/GMT-14'
).split(' ');

const zones = new Map<string, OffsetAt | undefined>();

/** The offsets of a zone by its name, old or new, or by its index in the firmware; undefined for one that nobody knows. */
export function zoneOffsets(zone: unknown): OffsetAt | undefined {
  const name = typeof zone === 'number' ? byIndex[zone] : zone;
  if (typeof name !== 'string' || name.length > 64) return undefined;
  const current = Object.hasOwn(legacyNames, name) ? (legacyNames[name] ?? name) : name;
  if (!zones.has(current)) zones.set(current, openZone(current));
  return zones.get(current);
}

function openZone(name: string): OffsetAt | undefined {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('sv-SE', { timeZone: name, dateStyle: 'short', timeStyle: 'medium' });
  } catch {
    return undefined;
  }
  // Offsets change on quarter hours only, so the newest answer serves for all of its quarter.
  let [quarter, offset] = [Number.NaN, 0];
  return (at) => {
    const start = Math.floor(at / quarterMs) * quarterMs;
    if (start !== quarter) {
      quarter = start;
      offset = Date.parse(`${format.format(start).replace(' ', 'T')}Z`) - start;
    }
    return offset;
  };
}

/** The instant of a local time that is given as if it were UTC; the first one where it occurs twice, the change where it does not occur. */
export function epochOfLocal(localMs: number, offsetAt: OffsetAt): number {
  const [before, after] = [offsetAt(localMs - 14 * hourMs), offsetAt(localMs + 14 * hourMs)];
  const [first, second] = [localMs - before, localMs - after];
  if (offsetAt(first) === before) return first;
  if (offsetAt(second) === after) return second;
  return changeBetween(second, first, offsetAt);
}

/** The instant of the change of offset between two instants, to the quarter of an hour. */
function changeBetween(from: number, to: number, offsetAt: OffsetAt): number {
  const start = Math.floor(from / quarterMs) * quarterMs;
  for (let at = start; at <= to; at += quarterMs) if (offsetAt(at) !== offsetAt(start)) return at;
  return to;
}

/** How the clock of a device relates to the true time. */
export interface DeviceClock {
  readonly offsetAt: OffsetAt;
  /** Milliseconds that the device's clock is ahead. */
  readonly skewMs: number;
}

// A reply takes a moment and clocks tell whole seconds; a day that starts this much early or late is on time.
const onTimeMs = 10_000;

/**
 * From the local time that a device shows (as if it were UTC) and its zone. Without a zone that can be understood, the
 * whole quarter hours between its clock and `now` are its offset and the rest is its error.
 */
export function deviceClock(localMs: number, offsetAt: OffsetAt | undefined, now: number): DeviceClock {
  const fixed = Math.round((localMs - now) / quarterMs) * quarterMs;
  const offsets = offsetAt ?? (() => fixed);
  const skew = localMs - offsets(now) - now;
  return { offsetAt: offsets, skewMs: Math.abs(skew) < onTimeMs ? 0 : skew };
}
