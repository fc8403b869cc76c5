import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import type { RetentionOptions } from './retention.ts';

const meta = (setting: SettingMeta): SettingMeta => setting;
const gigabyte = 1e9;

const days = (preset: number) => z.number().min(0.04).max(3_660).default(preset);
const gigabytes = z.number().positive().max(1_000_000).optional();

const folder = z.string().min(1).max(1_000).optional();

/** The section `cctv.recording`. */
export const recordingConfig = z
  .strictObject({
    mode: z
      .enum(['off', 'events', 'continuous'])
      .default('events')
      .meta(
        meta({
          title: 'What is recorded',
          description:
            'events: from before something is seen to after it is gone. continuous: always. A camera may say otherwise. Video is kept as the camera sends it (H.264 or H.265), without sound',
          reload: 'live',
        }),
      ),
    folder: folder.meta(
      meta({
        title: 'Folder',
        description:
          'Where video is kept; recordings in the data directory unless told. Nothing is written while its disk is not mounted',
        reload: 'restart',
        examples: ['/mnt/video/lares'],
      }),
    ),
    pre_seconds: z
      .number()
      .min(0)
      .max(60)
      .default(5)
      .meta(
        meta({
          title: 'Before',
          description: 'Video kept from before an event, at least',
          unit: 's',
          reload: 'live',
        }),
      ),
    post_seconds: z
      .number()
      .min(0)
      .max(600)
      .default(10)
      .meta(
        meta({
          title: 'After',
          description: 'Video kept after the end of an event',
          unit: 's',
          reload: 'live',
        }),
      ),
    segment_seconds: z
      .number()
      .min(5)
      .max(3_600)
      .default(60)
      .meta(
        meta({
          title: 'Length of a file',
          description: 'A new file begins at the first keyframe after this time',
          unit: 's',
          reload: 'live',
        }),
      ),
  })
  .prefault({})
  .meta(meta({ title: 'Recording', description: 'Video of the cameras on disk' }));

/** The section `cctv.snapshots`. */
export const snapshotsConfig = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .meta(
        meta({ title: 'Keep snapshots', description: 'The best picture of each object', reload: 'live' }),
      ),
    folder: folder.meta(
      meta({
        title: 'Folder',
        description: 'Where pictures are kept; snapshots in the data directory unless told',
        reload: 'restart',
        examples: ['/mnt/video/snapshots'],
      }),
    ),
    clean: z
      .boolean()
      .default(true)
      .meta(
        meta({
          title: 'Without box too',
          description: 'Keep each picture also without the drawn box',
          reload: 'live',
        }),
      ),
  })
  .prefault({})
  .meta(meta({ title: 'Snapshots', description: 'Pictures of what was seen' }));

/** The section `cctv.retention`. */
export const retentionConfig = z
  .strictObject({
    snapshot_days: days(7).meta(
      meta({
        title: 'Snapshots',
        description: 'Pictures are deleted after this',
        unit: 'days',
        reload: 'live',
      }),
    ),
    snapshot_gigabytes: gigabytes.meta(
      meta({
        title: 'Size of snapshots',
        description: 'Beyond this the oldest go first',
        unit: 'GB',
        reload: 'live',
        examples: [5],
      }),
    ),
    clip_days: days(14).meta(
      meta({
        title: 'Clips',
        description: 'Video of events is deleted after this',
        unit: 'days',
        reload: 'live',
      }),
    ),
    clip_gigabytes: gigabytes.meta(
      meta({
        title: 'Size of clips',
        description: 'Beyond this the oldest go first',
        unit: 'GB',
        reload: 'live',
        examples: [50],
      }),
    ),
    continuous_days: days(3).meta(
      meta({
        title: 'Continuous video',
        description: 'Video in which nothing was seen is deleted after this',
        unit: 'days',
        reload: 'live',
      }),
    ),
    continuous_gigabytes: gigabytes.meta(
      meta({
        title: 'Size of continuous video',
        description: 'Beyond this the oldest goes first',
        unit: 'GB',
        reload: 'live',
        examples: [200],
      }),
    ),
    event_days: days(90).meta(
      meta({
        title: 'Events and alerts',
        description: 'Rows of events.db are deleted after this',
        unit: 'days',
        reload: 'live',
      }),
    ),
    path_days: days(30).meta(
      meta({
        title: 'Paths',
        description: 'Where objects went; how far back rules can be tried',
        unit: 'days',
        reload: 'live',
      }),
    ),
  })
  .prefault({})
  .meta(meta({ title: 'Retention', description: 'How long pictures, video and records are kept' }));

/** The limits of `sweep` as the settings say them. */
export function limitsOf(
  config: z.infer<typeof retentionConfig>,
): Pick<RetentionOptions, 'limits' | 'eventDays' | 'pathDays'> {
  const bytes = (gb: number | undefined) => (gb === undefined ? undefined : gb * gigabyte);
  return {
    limits: {
      snapshots: { days: config.snapshot_days, bytes: bytes(config.snapshot_gigabytes) },
      clips: { days: config.clip_days, bytes: bytes(config.clip_gigabytes) },
      continuous: { days: config.continuous_days, bytes: bytes(config.continuous_gigabytes) },
    },
    eventDays: config.event_days,
    pathDays: config.path_days,
  };
}
