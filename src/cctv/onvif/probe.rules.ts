import type { Role } from '../model.ts';
import type { Credentials } from './digest.ts';
import type { Probe, ProbedStream } from './probe.model.ts';

/** What is made of measured streams: their uses, warnings and an entry for the settings. Pure. */

// Below this people at a gate are a few pixels wide.
const leastDetectWidth = 320;
const longestKeyframeSeconds = 4;
// Recorded times and alerts would be told wrongly.
const mostDriftSeconds = 30;

function area({ width, height }: ProbedStream): number {
  return width * height;
}

/**
 * The smallest stream that is at least 320 wide is looked at, the largest is kept, and the largest of H.264 is shown,
 * as browsers show no H.265 without conversion.
 */
export function rolesOf(streams: readonly ProbedStream[]): Partial<Record<Role, string>> {
  const bySize = streams.toSorted((a, b) => area(a) - area(b));
  const largest = bySize.at(-1);
  const detect = bySize.find(({ width }) => width >= leastDetectWidth) ?? largest;
  const live = bySize.findLast(({ codec }) => codec === 'h264');
  return {
    ...(detect !== undefined && { detect: detect.url }),
    ...(largest !== undefined && { record: largest.url }),
    ...(live !== undefined && { live: live.url }),
  };
}

/** What to say of the clock of a camera, by the seconds that it is ahead; undefined where it is right or not known. */
export const wrongClock = (drift = 0): string | undefined =>
  Math.abs(drift) <= mostDriftSeconds
    ? undefined
    : `the clock of the camera is ${Math.abs(drift)} s ${drift > 0 ? 'ahead' : 'behind'}; set its time server`;

/** What to say of a stream whose keyframes are too far apart; undefined where they are not, or where it is not known. */
export const keyframesLate = ({
  width,
  height,
  keyframeSeconds = 0,
}: Pick<ProbedStream, 'width' | 'height' | 'keyframeSeconds'>): string | undefined =>
  keyframeSeconds <= longestKeyframeSeconds
    ? undefined
    : `the ${width}x${height} stream has a keyframe only every ${keyframeSeconds} s, so pictures start late and clips begin early; set the interval to 2 s in the camera`;

/** What a person who adds the camera should know, in sentences that say what to do. */
export function warningsOf(
  streams: readonly ProbedStream[],
  device: { readonly clockDriftSeconds?: number; readonly analytics?: boolean } = {},
): string[] {
  const clock = wrongClock(device.clockDriftSeconds);
  const bySize = streams.toSorted((a, b) => area(a) - area(b));
  const smallest = bySize[0];
  return [
    ...bySize.flatMap((stream) => keyframesLate(stream) ?? []),
    ...(streams.length > 0 && !streams.some(({ codec }) => codec === 'h264')
      ? [
          `no stream is H.264 (${[...new Set(bySize.map(({ codec }) => codec))].join(', ')}), and browsers show nothing else; set one stream to H.264 in the camera`,
        ]
      : []),
    ...bySize
      .filter(({ codec }) => codec === 'mjpeg')
      .map(
        ({ width, height }) =>
          `the ${width}x${height} stream is MJPEG, which cannot be recorded by copying; prefer H.264`,
      ),
    ...(smallest !== undefined && smallest.width > 1280
      ? [
          `the smallest stream is ${smallest.width}x${smallest.height}; a second stream of 640x360 would cost a tenth to look at`,
        ]
      : []),
    ...(clock === undefined ? [] : [clock]),
    ...(device.analytics === true
      ? ['the camera analyses its own pictures; switch its motion detection off if frames are lost']
      : []),
  ];
}

/** The entry under `cameras` for what was found. Whole addresses stay free of the password, which stands apart. */
export function suggestEntry(probe: Probe, id: string, credentials?: Credentials): Record<string, unknown> {
  const { roles, urls } = probe;
  const several =
    new Set(Object.values(roles)).size > 1 || Object.values(roles).some((url) => url !== urls.main);
  const name = [probe.manufacturer, probe.model]
    .filter((word) => word !== undefined)
    .join(' ')
    .slice(0, 64);
  return {
    id,
    ...(name !== '' && { name }),
    url: urls.main,
    ...(credentials !== undefined && { username: credentials.username, password: credentials.password }),
    ...(several && { streams: { ...roles } }),
    enabled: true,
    fps: 5,
  };
}

/** Paths under which common makes offer their streams, tried in this order where ONVIF does not answer. */
export const knownPaths: readonly string[] = [
  '/stream1',
  '/stream2',
  '/Streaming/Channels/101',
  '/Streaming/Channels/102',
  '/cam/realmonitor?channel=1&subtype=0',
  '/cam/realmonitor?channel=1&subtype=1',
  '/h264Preview_01_main',
  '/h264Preview_01_sub',
  '/live/ch00_0',
  '/live/ch00_1',
  '/axis-media/media.amp',
  '/live',
  '/',
];
