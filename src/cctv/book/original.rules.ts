/** What a row of another system's table can hold. */
export type Cell = string | number | bigint | Uint8Array | null;
export type OriginalRow = Readonly<Record<string, Cell>>;

// Below this a number can only mean seconds: as milliseconds it would lie before March 1973.
const smallestMs = 1e11;

/** Names under which such systems keep what we keep, the likeliest first. */
const names = {
  camera: ['camera', 'camera_id', 'camera_name', 'source'],
  label: ['label', 'class_name', 'class', 'object_class', 'object_type', 'object', 'event_type', 'type'],
  confidence: ['confidence', 'score', 'probability'],
  snapshot: ['snapshot', 'snapshot_path', 'image_path', 'image'],
  clip: ['clip', 'clip_path', 'video_path'],
  message: ['message', 'description', 'text'],
  rule: ['rule', 'rule_id', 'rule_name', 'alert_type', 'type'],
  severity: ['severity', 'level', 'priority'],
  distance: ['distance', 'distance_m', 'distance_to_reference'],
  event: ['event', 'event_id'],
} as const;

/** Unix seconds of a time as other systems write it: seconds, milliseconds or ISO 8601. Undefined when it is none. */
export function seconds(value: Cell | undefined): number | undefined {
  if (typeof value === 'string' && value.trim() !== '' && !Number.isFinite(Number(value))) {
    // Without a zone SQLite's own functions mean UTC.
    const text = /[zZ]|[+-]\d\d:?\d\d$/.test(value) ? value : `${value.trim().replace(' ', 'T')}Z`;
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : at / 1000;
  }
  if (value === null || value === undefined || value === '' || value instanceof Uint8Array) return undefined;
  const number = Number(value);
  if (!Number.isFinite(number)) return undefined;
  return number > smallestMs ? number / 1000 : number;
}

function pick(row: OriginalRow, what: keyof typeof names): Cell | undefined {
  const found = names[what].find((name) => row[name] !== undefined && row[name] !== null);
  return found === undefined ? undefined : row[found];
}

const text = (value: Cell | undefined): string | null =>
  value === undefined || value === null || value instanceof Uint8Array ? null : String(value);

function number(value: Cell | undefined): number | null {
  if (value === undefined || value === null || value instanceof Uint8Array || value === '') return null;
  return Number.isFinite(Number(value)) ? Number(value) : null;
}

/** The whole row as JSON: bytes as base64, integers too large for a number as text. */
function everything(row: OriginalRow): string {
  return JSON.stringify({ original: row }, (_, value: unknown) => {
    if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    return value instanceof Uint8Array ? { base64: Buffer.from(value).toString('base64') } : value;
  });
}

/** `id` names the row. The values of a row of `events` in the order of its columns; undefined without a time. */
export function eventFrom(row: OriginalRow, id: string): (string | number | null)[] | undefined {
  const at = seconds(row['timestamp']);
  if (at === undefined) return undefined;
  return [
    `original-${id}`,
    at,
    text(pick(row, 'camera')) ?? '',
    text(pick(row, 'label')) ?? '',
    number(pick(row, 'confidence')) ?? 0,
    '[0,0,0,0]',
    at,
    1,
    text(pick(row, 'snapshot')),
    0,
    text(pick(row, 'clip')),
    null,
    everything(row),
  ];
}

/** `id` names the row. The values of a row of `alerts` in the order of its columns; undefined without a time. */
export function alertFrom(row: OriginalRow, id: string): (string | number | null)[] | undefined {
  const at = seconds(row['timestamp']);
  if (at === undefined) return undefined;
  const event = text(pick(row, 'event'));
  return [
    `original-${id}`,
    at,
    text(pick(row, 'rule')) ?? '',
    text(pick(row, 'camera')) ?? '',
    event === null ? '' : `original-${event}`,
    text(pick(row, 'label')) ?? '',
    text(pick(row, 'message')) ?? '',
    text(pick(row, 'severity')) ?? '',
    number(pick(row, 'distance')),
    text(pick(row, 'snapshot')),
    (text(pick(row, 'message')) ?? '').endsWith('[false positive]') ? 1 : 0,
    everything(row),
  ];
}
