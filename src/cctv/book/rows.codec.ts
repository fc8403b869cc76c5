import type { Box, Identity } from '../model.ts';
import type {
  AlertRow,
  DeliveryRow,
  DeliveryState,
  EventRow,
  SegmentRow,
  StoredAlert,
  StoredEvent,
  SuppressedRow,
} from './model.ts';

export type Value = string | number | bigint | Uint8Array | null;
export type Row = Readonly<Record<string, Value | undefined>>;

/** Epoch milliseconds to Unix seconds and back, exact for whole milliseconds. */
export const toSeconds = (at: number): number => at / 1000;
export const toMs = (seconds: Value | undefined): number => Math.round(Number(seconds) * 1000);

const json = (value: unknown): string => JSON.stringify(value) ?? 'null';

function parsed(value: Value | undefined): unknown {
  if (typeof value !== 'string') return undefined;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return undefined;
  }
}

function record(value: Value | undefined): Readonly<Record<string, unknown>> {
  const found = parsed(value);
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? { ...found } : {};
}

export const boxText = ({ left, top, width, height }: Box): string => json([left, top, width, height]);

function box(value: Value | undefined): Box {
  const found = parsed(value);
  const [left = 0, top = 0, width = 0, height = 0] = (Array.isArray(found) ? found : []).map(Number);
  return { left, top, width, height };
}

/** In the order of the columns of `events`. */
export const eventValues = (row: EventRow): Value[] => [
  row.id,
  toSeconds(row.at),
  row.camera,
  row.label,
  row.confidence,
  boxText(row.box),
  toSeconds(row.seenAt),
  row.closed ? 1 : 0,
  row.snapshot ?? null,
  0,
  row.clip ?? null,
  row.identity === undefined ? null : json(row.identity),
  json(row.data),
];

export function toEvent(row: Row): StoredEvent {
  const identity = parsed(row['identity']) as Identity | undefined;
  return {
    id: String(row['id']),
    at: toMs(row['timestamp']),
    camera: String(row['camera']),
    label: String(row['label']),
    confidence: Number(row['confidence']),
    box: box(row['box']),
    seenAt: toMs(row['last_seen']),
    closed: row['closed'] === 1,
    ...(typeof row['snapshot'] === 'string' && { snapshot: row['snapshot'] }),
    snapshotGone: row['snapshot_gone'] === 1,
    ...(typeof row['clip'] === 'string' && { clip: row['clip'] }),
    ...(identity !== undefined && { identity }),
    data: record(row['data']),
  };
}

/** In the order of the columns of `alerts`. */
export const alertValues = (row: AlertRow): Value[] => [
  row.id,
  toSeconds(row.at),
  row.rule,
  row.camera,
  row.event,
  row.label,
  row.message,
  row.severity,
  row.distance ?? null,
  row.snapshot ?? null,
  0,
  json(row.why),
];

export function toAlert(row: Row): StoredAlert {
  return {
    id: String(row['id']),
    at: toMs(row['timestamp']),
    rule: String(row['rule']),
    camera: String(row['camera']),
    event: String(row['event']),
    label: String(row['label']),
    message: String(row['message']),
    severity: String(row['severity']),
    ...(typeof row['distance'] === 'number' && { distance: row['distance'] }),
    ...(typeof row['snapshot'] === 'string' && { snapshot: row['snapshot'] }),
    why: record(row['why']),
    falsePositive: row['false_positive'] === 1,
  };
}

/** In the order of the columns of `deliveries`. */
export const deliveryValues = (row: DeliveryRow): Value[] => [
  row.id,
  row.alert,
  row.channel,
  json(row.action),
  row.state,
  row.attempts,
  toSeconds(row.dueAt),
  row.detail ?? null,
];

export function toDelivery(row: Row): DeliveryRow {
  return {
    id: String(row['id']),
    alert: String(row['alert']),
    channel: String(row['channel']),
    action: record(row['action']),
    state: String(row['state']) as DeliveryState,
    attempts: Number(row['attempts']),
    dueAt: toMs(row['due']),
    ...(typeof row['detail'] === 'string' && { detail: row['detail'] }),
  };
}

export function toSuppressed(row: Row): SuppressedRow {
  return {
    at: toMs(row['timestamp']),
    rule: String(row['rule']),
    camera: String(row['camera']),
    event: String(row['event']),
    reason: String(row['reason']),
  };
}

/** In the order of the columns of `segments`. */
export const segmentValues = (row: SegmentRow): Value[] => [
  row.file,
  row.camera,
  toSeconds(row.startAt),
  toSeconds(row.endAt),
  row.bytes,
  row.closed ? 1 : 0,
  json(row.events),
];

export function toSegment(row: Row): SegmentRow {
  const events = parsed(row['events']);
  return {
    camera: String(row['camera']),
    file: String(row['file']),
    startAt: toMs(row['started']),
    endAt: toMs(row['ended']),
    bytes: Number(row['bytes']),
    closed: row['closed'] === 1,
    events: Array.isArray(events) ? events.map(String) : [],
  };
}
