import { z } from 'zod';
import { instant, iso } from '#platform/wire.ts';
import type { StoredAlert, StoredEvent, SuppressedRow } from './book/model.ts';
import type { Box, StreamInfo } from './model.ts';
import type { CameraView, CctvView, SeenObject } from './view.model.ts';

const boxBody = z
  .object({ left: z.number(), top: z.number(), width: z.number(), height: z.number() })
  .meta({ description: 'Fractions of the picture, 0 to 1, from its top left' });

const identityBody = z.object({
  kind: z.enum(['face', 'plate']),
  name: z.string().nullable(),
  text: z.string().nullable(),
  confidence: z.number(),
});

const objectBody = z.object({
  event: z.string(),
  label: z.string(),
  score: z.number(),
  box: boxBody,
  since: instant,
  stationary: z.boolean(),
  distances: z.record(z.string(), z.object({ metres: z.number(), sigma: z.number() })),
  speed_metres_per_second: z.number().nullable(),
  zones: z.array(z.string()),
  identity: identityBody.nullable(),
});

const streamBody = z.object({
  codec: z.string(),
  width: z.number(),
  height: z.number(),
  fps: z.number().nullable(),
  keyframe_seconds: z.number().nullable(),
});

export const cameraBody = z.object({
  id: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  address: z.string(),
  state: z.enum(['off', 'connecting', 'live', 'down']),
  since: instant,
  cause: z.string().nullable(),
  detail: z.string().nullable(),
  picture: z.object({ problem: z.string(), detail: z.string(), since: instant }).nullable(),
  streams: z.partialRecord(z.enum(['detect', 'record', 'live']), streamBody),
  calibrated: z.boolean(),
  record: z.enum(['off', 'events', 'continuous']),
  recording: z.boolean(),
  fps: z.number().nullable(),
  decoded_fps: z.number().nullable(),
  infer_ms: z.number().nullable(),
  latency_ms: z.number().nullable(),
  motion_share: z.number().nullable(),
  detections: z.number(),
  dropped: z.number(),
  decode_errors: z.number(),
  reconnects: z.number(),
  objects: z.array(objectBody),
  service_level: z.object({ since: instant, live: z.number(), kept: z.number() }).nullable().meta({
    description:
      'Shares, 0 to 1, of the last 30 days (or since the camera came) in which it gave pictures, and in which what it saw was written down as well; null until known',
  }),
});
export type CameraBody = z.infer<typeof cameraBody>;

export const cctvBody = z.object({
  at: instant,
  detector: z.object({ model: z.string(), device: z.string(), state: z.string() }).nullable(),
  events_today: z.number(),
  alerts_today: z.number(),
  recordings_bytes: z.number().nullable(),
  snapshots_bytes: z.number().nullable(),
  cameras: z.array(cameraBody),
});
export type CctvBody = z.infer<typeof cctvBody>;

export const seenEventBody = z.object({
  id: z.string(),
  at: instant,
  until: instant,
  open: z.boolean(),
  camera: z.string(),
  label: z.string(),
  confidence: z.number(),
  box: boxBody,
  snapshot: z.string().nullable(),
  identity: identityBody.nullable(),
  data: z.record(z.string(), z.unknown()),
});
export type SeenEventBody = z.infer<typeof seenEventBody>;

export const alertBody = z.object({
  id: z.string(),
  at: instant,
  rule: z.string(),
  camera: z.string(),
  event: z.string(),
  label: z.string(),
  message: z.string(),
  severity: z.string(),
  distance_metres: z.number().nullable(),
  snapshot: z.string().nullable(),
  false_alarm: z.boolean(),
  why: z.record(z.string(), z.unknown()),
});
export type AlertBody = z.infer<typeof alertBody>;

export const suppressedBody = z.object({
  at: instant,
  rule: z.string(),
  camera: z.string(),
  event: z.string(),
  reason: z.string().meta({ description: 'alex is home' }),
});
export type SuppressedBody = z.infer<typeof suppressedBody>;

/** A file under `snapshots/` as the address to fetch it from. */
const snapshotPath = (event: string, file: string | undefined) =>
  file === undefined ? null : `/api/cctv/events/${encodeURIComponent(event)}/snapshot.jpg`;

const round = (value: number, digits = 3) => Math.round(value * 10 ** digits) / 10 ** digits;
const orNull = (value: number | undefined) => (value === undefined ? null : round(value));

const toBox = (b: Box) => ({
  left: round(b.left, 4),
  top: round(b.top, 4),
  width: round(b.width, 4),
  height: round(b.height, 4),
});

const toIdentity = (identity: SeenObject['identity']) =>
  identity === undefined
    ? null
    : {
        kind: identity.kind,
        name: identity.name ?? null,
        text: identity.text ?? null,
        confidence: round(identity.confidence),
      };

const toObject = (o: SeenObject): z.infer<typeof objectBody> => ({
  event: o.event,
  label: o.label,
  score: round(o.score),
  box: toBox(o.box),
  since: iso(o.since),
  stationary: o.stationary,
  distances: Object.fromEntries(
    Object.entries(o.distances).map(([name, d]) => [
      name,
      { metres: round(d.metres, 2), sigma: round(d.sigma, 2) },
    ]),
  ),
  speed_metres_per_second: orNull(o.speed),
  zones: [...o.zones],
  identity: toIdentity(o.identity),
});

const toStream = (s: StreamInfo) => ({
  codec: s.codec,
  width: s.width,
  height: s.height,
  fps: orNull(s.fps),
  keyframe_seconds: orNull(s.keyframeSeconds),
});

export function toCameraBody(c: CameraView): CameraBody {
  const live = c.state === 'live' ? c.stats : undefined;
  return {
    id: c.id,
    name: c.name,
    enabled: c.enabled,
    address: c.address,
    state: c.state,
    since: iso(c.since),
    cause: c.cause ?? null,
    detail: c.detail ?? null,
    picture: c.picture === undefined ? null : { ...c.picture, since: iso(c.picture.since) },
    streams: Object.fromEntries(Object.entries(c.streams).map(([role, info]) => [role, toStream(info)])),
    calibrated: c.calibrated,
    record: c.record,
    recording: c.recording,
    fps: orNull(live?.fps),
    decoded_fps: orNull(live?.decodedFps),
    infer_ms: orNull(live?.inferMs),
    latency_ms: orNull(live?.latencyMs),
    motion_share: orNull(live?.motion),
    detections: c.stats?.detections ?? 0,
    dropped: c.stats?.dropped ?? 0,
    decode_errors: c.stats?.decodeErrors ?? 0,
    reconnects: c.stats?.reconnects ?? 0,
    objects: c.objects.map(toObject),
    service_level:
      c.level === undefined
        ? null
        : { since: iso(c.level.since), live: round(c.level.live, 5), kept: round(c.level.kept, 5) },
  };
}

export const toCctvBody = (view: CctvView): CctvBody => ({
  at: iso(view.at),
  detector: view.detector ?? null,
  events_today: view.eventsToday,
  alerts_today: view.alertsToday,
  recordings_bytes: view.diskBytes?.recordings ?? null,
  snapshots_bytes: view.diskBytes?.snapshots ?? null,
  cameras: view.cameras.map(toCameraBody),
});

export const toSeenEventBody = (e: StoredEvent): SeenEventBody => ({
  id: e.id,
  at: iso(e.at),
  until: iso(e.seenAt),
  open: !e.closed,
  camera: e.camera,
  label: e.label,
  confidence: round(e.confidence),
  box: toBox(e.box),
  snapshot: e.snapshotGone ? null : snapshotPath(e.id, e.snapshot),
  identity: toIdentity(e.identity),
  data: { ...e.data },
});

export const toAlertBody = (a: StoredAlert): AlertBody => ({
  id: a.id,
  at: iso(a.at),
  rule: a.rule,
  camera: a.camera,
  event: a.event,
  label: a.label,
  message: a.message,
  severity: a.severity,
  distance_metres: orNull(a.distance),
  snapshot: snapshotPath(a.event, a.snapshot),
  false_alarm: a.falsePositive,
  why: { ...a.why },
});

export const toSuppressedBody = ({ at, rule, camera, event, reason }: SuppressedRow): SuppressedBody => ({
  at: iso(at),
  rule,
  camera,
  event,
  reason,
});
