import { isRecord, type Json } from '../shared/json.codec.ts';
import { commands, hasSession, type DataPoints, type DataValue, type Version } from './model.ts';

const longestValue = 4096;
const mostPoints = 256;

export interface Request {
  readonly command: number;
  readonly body: Buffer;
}

/** Whom a request is for: a device, or a sub-device behind it by its node id. */
export interface Addressee {
  readonly id: string;
  readonly cid?: string | undefined;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));
const seconds = (now: number) => Math.floor(now / 1000);

/** Asks for the whole state. `now` is epoch ms. */
export function queryRequest(version: Version, { id, cid }: Addressee, now: number): Request {
  if (hasSession(version))
    return { command: commands.queryNew, body: json(cid === undefined ? {} : { cid }) };
  const body =
    cid === undefined ? { gwId: id, devId: id, uid: id, t: String(seconds(now)) } : { t: seconds(now), cid };
  return { command: commands.query, body: json(body) };
}

/**
 * Asks for the state of devices that refuse a query with `data unvalid` (mostly those with ids of 22 characters):
 * they answer to a set command whose data points are all null.
 */
export function nullsRequest(
  version: Version,
  to: Addressee,
  points: readonly number[],
  now: number,
): Request {
  const dps = Object.fromEntries(points.map((dp) => [String(dp), null]));
  if (hasSession(version)) return controlBody(version, to, dps, now);
  const { id } = to;
  return { command: commands.controlNew, body: json({ devId: id, uid: id, t: String(seconds(now)), dps }) };
}

/** Sets data points. */
export function controlRequest(
  version: Version,
  to: Addressee,
  points: ReadonlyMap<number, DataValue>,
  now: number,
): Request {
  return controlBody(version, to, Object.fromEntries(points), now);
}

function controlBody(version: Version, { id, cid }: Addressee, dps: object, now: number): Request {
  const t = seconds(now);
  if (hasSession(version)) {
    const data = cid === undefined ? { dps } : { cid, ctype: 0, dps };
    return { command: commands.controlNew, body: json({ protocol: 5, t, data }) };
  }
  const body = cid === undefined ? { devId: id, uid: id, t: String(t), dps } : { t, cid, dps };
  return { command: commands.control, body: json(body) };
}

/** Asks the device to measure these data points now; without it many say the power of minutes ago. */
export function refreshRequest(points: readonly number[]): Request {
  return { command: commands.refresh, body: json({ dpId: points }) };
}

/** Keeps the connection open; devices drop one that is idle for 30 s. */
export function heartbeatRequest(version: Version, { id }: Addressee): Request {
  return { command: commands.heartbeat, body: json(hasSession(version) ? {} : { gwId: id, devId: id }) };
}

/** What a body says: data points, or words where the device refuses. */
export interface Said {
  readonly points?: DataPoints;
  /** Of the sub-device that it is about. */
  readonly cid?: string;
  /** Of the device that answers, where it says so. */
  readonly id?: string;
  readonly text?: string;
}

/** Reads any body; nothing in it makes this throw. */
export function readBody(body: Buffer): Said {
  if (body.length === 0) return {};
  const text = body.toString('utf8');
  if (body[0] !== 0x7b) return { text: clean(text) };
  const value = parsed(text);
  if (value === undefined) return { text: clean(text) };
  const data = isRecord(value['data']) ? value['data'] : undefined;
  const points = readPoints(value['dps']) ?? readPoints(data?.['dps']);
  const cid = value['cid'] ?? data?.['cid'];
  const id = value['devId'] ?? value['gwId'];
  return {
    ...(points !== undefined && { points }),
    ...(typeof cid === 'string' && { cid }),
    ...(typeof id === 'string' && { id }),
  };
}

function parsed(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function readPoints(dps: unknown): DataPoints | undefined {
  if (!isRecord(dps)) return undefined;
  const points = new Map<number, DataValue>();
  for (const key of Object.keys(dps)) {
    const value = dps[key];
    if (points.size < mostPoints && /^\d{1,5}$/.test(key) && isValue(value)) points.set(Number(key), value);
  }
  return points;
}

const isValue = (value: unknown): value is DataValue =>
  typeof value === 'boolean' ||
  (typeof value === 'number' && Number.isFinite(value)) ||
  (typeof value === 'string' && value.length <= longestValue);
const clean = (text: string) => text.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
