import type { CameraConfig } from './config.ts';
import { toSeen, type Kept } from './kept.rules.ts';
import type { CameraState, CameraStats, Cause, Role, StreamInfo } from './model.ts';
import type { Observer, Passage } from './observer.rules.ts';
import { plainUrl } from './plan.rules.ts';
import type { CameraView } from './view.model.ts';

/** What a camera says of itself. */
interface Said {
  state: CameraState;
  since: number;
  cause: Cause | undefined;
  detail: string | undefined;
  stats: CameraStats | undefined;
  picture: CameraView['picture'];
  /** Of a clock that never jumps. */
  recordingUntil: number;
}

/** One camera as the service knows it. */
export interface Watched extends Said {
  settings: CameraConfig;
  readonly observer: Observer;
  readonly streams: Partial<Record<Role, StreamInfo>>;
  readonly current: Map<string, Kept>;
  /** Passages of objects that are still seen, by event: who it was may be known only later. */
  readonly passed: Map<string, Passage & { readonly person: string | undefined }>;
}

/** What is known of a camera that is switched on or off at `now`. */
export const unheard = ({ enabled }: CameraConfig, now: number): Said => ({
  state: enabled ? 'connecting' : 'off',
  since: now,
  cause: undefined,
  detail: undefined,
  stats: undefined,
  picture: undefined,
  recordingUntil: Number.NEGATIVE_INFINITY,
});

/** A camera as people see it. `monotonic` is of the clock that never jumps. */
export function viewOf(
  { settings, state, since, stats, cause, detail, picture, streams, current, recordingUntil }: Watched,
  about: {
    readonly calibrated: boolean;
    readonly record: CameraView['record'];
    readonly monotonic: number;
  },
): CameraView {
  return {
    id: settings.id,
    name: settings.name ?? settings.id,
    enabled: settings.enabled,
    address: plainUrl(settings.url),
    state,
    since,
    streams,
    calibrated: about.calibrated,
    record: about.record,
    recording: recordingUntil > about.monotonic,
    objects: state === 'live' ? [...current.values()].map(({ seen }) => toSeen(seen)) : [],
    ...(stats === undefined ? {} : { stats }),
    ...(cause === undefined ? {} : { cause }),
    ...(detail === undefined ? {} : { detail }),
    ...(picture === undefined ? {} : { picture }),
  };
}
