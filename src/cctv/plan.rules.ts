import type { CameraConfig, PerformanceConfig } from './config.ts';
import type { CameraPlan, RecordPlan } from './ingest/messages.ts';

/** What all cameras share in their plans. */
export interface PlanParts {
  readonly performance: PerformanceConfig;
  readonly labels: readonly string[];
  /** The score that the tracker holds objects against. */
  readonly threshold: number;
  /** `mode` is for cameras that say nothing of their own. */
  readonly record: Omit<RecordPlan, 'folder'>;
  /** Absolute folder of the recordings of a camera. */
  readonly folderOf: (camera: string) => string;
  /** Absolute file of what a camera usually sees. */
  readonly sceneFileOf?: (camera: string) => string;
}

/** The address with credentials in it, as the reader needs it. Never for logs: see `plainUrl`. */
export function signedUrl(url: string, username?: string, password?: string): string {
  const parsed = new URL(url);
  if (parsed.username === '' && username !== undefined) parsed.username = encodeURIComponent(username);
  if (parsed.password === '' && password !== undefined) parsed.password = encodeURIComponent(password);
  return parsed.href;
}

// Recorders of Xiongmai, sold under many names, want their login in the path: /user=admin_password=…_channel=1.sdp
const passwordInPath = /((?:password|passwd|pwd|token)=)([^&_/;]+)/gi;

/** The address without credentials and query, for people and logs. */
export function plainUrl(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return 'an address that cannot be read';
  const port = parsed.port === '' ? '' : `:${parsed.port}`;
  return `${parsed.protocol}//${parsed.hostname}${port}${parsed.pathname.replaceAll(passwordInPath, '$1…')}`;
}

/** True when two addresses lead to one stream, whoever signs in. The channels of a recorder differ in their query only. */
export function sameStream(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => {
    const url = URL.parse(text);
    return url && `${url.protocol}//${url.host}${url.pathname}${url.search}`;
  });
  return a !== null && a === b;
}

/**
 * Everything in the settings of a camera that must never be shown, in every spelling in which an address may carry it.
 * A log lets short texts stand, so a login is also there as a whole.
 */
export function secretsOf({ url, streams, username, password }: CameraConfig): string[] {
  const found = [url, ...Object.values(streams ?? {})].flatMap((own) => {
    if (own === undefined) return [];
    const signed = new URL(signedUrl(own, username, password));
    const query = signed.search.slice(1);
    const inPath = [...signed.pathname.matchAll(passwordInPath)].map(([whole]) => whole);
    const login = `${signed.username}:${signed.password}@`;
    return [
      ...(signed.password === '' ? [] : [signed.password, decoded(signed.password), login, decoded(login)]),
      ...(query === '' ? [] : [query]),
      ...inPath,
    ];
  });
  return [...new Set(password === undefined ? found : [...found, password])];
}

/** What the child that reads a camera has to know. */
export function planOf(camera: CameraConfig, parts: PlanParts): CameraPlan {
  const { performance, record, labels, threshold, folderOf, sceneFileOf } = parts;
  const { url, streams = {}, username, password } = camera;
  const signed = (own: string | undefined) => signedUrl(own ?? url, username, password);
  return {
    id: camera.id,
    urls: { detect: signed(streams.detect), record: signed(streams.record), live: signed(streams.live) },
    transport: camera.transport,
    fps: Math.min(camera.fps ?? performance.fps_limit, performance.fps_limit),
    frameSkip: performance.frame_skip,
    detect: camera.detect,
    hardware: camera.hardware,
    motionMasks: camera.motion_masks,
    objectMasks: camera.object_masks,
    labels,
    threshold,
    motionGate: camera.motion_gate,
    regions: performance.regions,
    record: { ...record, mode: camera.record ?? record.mode, folder: folderOf(camera.id) },
    ...(sceneFileOf === undefined ? {} : { sceneFile: sceneFileOf(camera.id) }),
  };
}

/** Percent signs of a password that nobody encoded are part of it. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
