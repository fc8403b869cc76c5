import type { Role, StreamInfo } from '../model.ts';
import { keyframesLate, wrongClock } from './probe.rules.ts';

/** What the house looks at again of its cameras, when, and what is worth saying of it. Pure. */

export type Topic = 'clock' | 'firmware' | 'stream' | 'keyframes' | 'shape';

/** One thing that somebody should know of a camera. */
export interface Note {
  readonly topic: Topic;
  /** Goes on from "the camera: ". */
  readonly text: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What was found at the last look; outlives a restart. */
export interface Memory {
  /** The addresses that it is about: another address may be another camera. */
  readonly address: string;
  /** Epoch milliseconds of the last look, and of the last login that was refused. */
  readonly lookedAt?: number;
  readonly refusedAt?: number;
  readonly firmware?: string;
  /** Codec and size by use. */
  readonly streams: Readonly<Partial<Record<Role, string>>>;
  /** The pair of shapes that was told: that of the calibration and that of the picture. */
  readonly shape?: string;
  readonly notes: readonly Note[];
}

/** What a camera said over ONVIF; empty for one that does not speak it. */
export interface Said {
  /** Seconds by which its clock is ahead. */
  readonly clockDriftSeconds?: number;
  readonly firmware?: string;
  readonly refused?: boolean;
}

/** What one look found. */
export interface Findings {
  readonly said: Said;
  readonly streams: Readonly<Partial<Record<Role, StreamInfo>>>;
  /** Width over height of the picture that the camera was calibrated on. */
  readonly calibratedAspect?: number;
}

const dayMs = 86_400_000;
// A camera that has just come back has other things to do, and its first keyframes say little.
const settleMs = 60_000;
// One that comes and goes is not asked each time.
const restMs = 15 * 60_000;

export const nothingKnown = (address: string): Memory => ({ address, streams: {}, notes: [] });

/** Whether a time lies less than `ms` before `now`. After the clock was set back nothing does. */
const within = (at: number | undefined, now: number, ms: number): boolean =>
  at !== undefined && at <= now && now - at < ms;

/** Whether it is time for a look: once a day, and after each outage. `liveSince` in epoch milliseconds. */
export function isDue({ lookedAt }: Memory, liveSince: number, now: number): boolean {
  if (within(liveSince, now, settleMs) || within(lookedAt, now, restMs)) return false;
  return !within(lookedAt, now, dayMs) || liveSince > lookedAt!;
}

/** A login that was refused is not tried again for a day: cameras lock accounts after a few. */
export const mayLogin = ({ refusedAt }: Memory, now: number): boolean => !within(refusedAt, now, dayMs);

/** Takes what a look found. `news` is what has not been said before; of a change the note stands for a day. */
export function compared(
  memory: Memory,
  { said, streams, calibratedAspect }: Findings,
  now: number,
): { readonly memory: Memory; readonly news: readonly Note[] } {
  const looks = Object.entries(streams).map(([role, info]) => [role, lookOf(info)] as const);
  const { firmware = memory.firmware } = said;
  const shape = shapeOf(streams.detect, calibratedAspect);
  const changes: readonly (readonly [Topic, string])[] = [
    ...(memory.firmware !== undefined && firmware !== memory.firmware
      ? [['firmware', `its firmware changed from ${memory.firmware} to ${firmware}`] as const]
      : []),
    ...changedLooks(memory.streams, looks).map((text) => ['stream', text] as const),
    ...(shape !== undefined && shape !== memory.shape ? [['shape', shape] as const] : []),
  ];
  const states: readonly (readonly [Topic, string | undefined])[] = [
    ['clock', wrongClock(said.clockDriftSeconds)],
    [
      'keyframes',
      Object.values(streams)
        .map(keyframesLate)
        .find((text) => text !== undefined),
    ],
  ];
  const told = (topic: Topic) => memory.notes.find((note) => note.topic === topic);
  const recent = memory.notes.filter(
    ({ topic, at }) => states.every(([state]) => state !== topic) && within(at, now, dayMs),
  );
  const stand = states.flatMap(([topic, text]): Note[] =>
    // The words are those of now, the time that of the first look which found it.
    text === undefined ? [] : [{ topic, text, at: told(topic)?.at ?? now }],
  );
  const fresh = changes.map(([topic, text]): Note => ({ topic, text, at: now }));
  const { lookedAt: _looked, refusedAt, ...before } = memory;
  const login = said.refused === true ? now : refusedAt;
  return {
    news: [...fresh, ...stand.filter(({ topic }) => told(topic) === undefined)],
    memory: {
      ...before,
      lookedAt: now,
      ...(login !== undefined && { refusedAt: login }),
      ...(firmware !== undefined && { firmware }),
      streams: { ...memory.streams, ...Object.fromEntries(looks) },
      ...(shape !== undefined && { shape }),
      notes: [...recent, ...fresh, ...stand],
    },
  };
}

const lookOf = ({ codec, width, height }: StreamInfo): string => `${codec} ${width}x${height}`;

/** One sentence for all uses that changed in the same way: they often share one stream. */
function changedLooks(before: Memory['streams'], now: readonly (readonly [string, string])[]): string[] {
  const changed = now.flatMap(([role, look]) => {
    const was = before[role as Role];
    return was === undefined || was === look ? [] : [{ role, change: `from ${was} to ${look}` }];
  });
  return [...Map.groupBy(changed, ({ change }) => change)].map(
    ([change, of]) => `its stream (${of.map(({ role }) => role).join(', ')}) changed ${change}`,
  );
}

/** What to say of a picture of another shape than the one that was calibrated. */
function shapeOf(detect: StreamInfo | undefined, aspect: number | undefined): string | undefined {
  if (detect === undefined || aspect === undefined || !(detect.height > 0)) return undefined;
  const { width, height } = detect;
  if (Math.abs(width / height / aspect - 1) < 0.02) return undefined;
  return `its picture is ${width}x${height}, and it was calibrated on one ${aspect.toFixed(2)} times as wide as high: where one is a part of the other, distances are wrong; see what lares cctv calibrate --check says, and calibrate on this stream`;
}
