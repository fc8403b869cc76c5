import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { networkProblem } from '#devices/lan/codec/ipv4.ts';
import { recordingConfig, retentionConfig, snapshotsConfig } from './keep/config.ts';
import { cameraNode, defaultPrefix } from './metrics.ts';
import { idPattern, polygon, unique, zone } from './outline.config.ts';
import { recognitionConfig } from './recognise/config.ts';

const meta = (m: SettingMeta) => m;

const schemes = ['rtsp:', 'rtsps:', 'http:', 'https:', 'file:'];

/** A login with a sign that ends the host. */
const signs = /\/\/[^@]*[/?#].*@/;

const cameraUrl = z.string().superRefine((text, ctx) => {
  const url = URL.parse(text);
  if (url === null || !schemes.includes(url.protocol))
    ctx.addIssue(
      `expected an address like rtsp://192.0.2.20:554/stream1 (${schemes.map((s) => `${s}//`).join(', ')})${signs.test(text) ? '; a password with # / or ? in it belongs under password' : ''}`,
    );
  else if (url.protocol !== 'file:' && url.hostname === '') ctx.addIssue('the address names no host');
});

const streams = z.strictObject({
  detect: cameraUrl.optional().meta(
    meta({
      title: 'Stream to look at',
      description: 'Small: 640×360 at 5 to 10 frames a second is plenty',
      reload: 'live',
      secret: true,
    }),
  ),
  record: cameraUrl
    .optional()
    .meta(meta({ title: 'Stream to keep', description: 'The best one', reload: 'live', secret: true })),
  live: cameraUrl.optional().meta(
    meta({
      title: 'Stream for browsers',
      description: 'H.264, because browsers show no H.265 without conversion',
      reload: 'live',
      secret: true,
    }),
  ),
});

export const cameraConfig = z.strictObject({
  id: z
    .string()
    .regex(idPattern, 'expected lower-case letters, digits, - and _, at most 32')
    .meta(
      meta({
        title: 'Camera',
        description: 'Its name in commands, folders, logs and series',
        reload: 'live',
        examples: ['camera_1'],
      }),
    ),
  name: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .meta(
      meta({
        title: 'Display name',
        description: 'How pages and messages call it; the id unless given',
        reload: 'live',
        examples: ['Front gate'],
      }),
    ),
  url: cameraUrl.meta(
    meta({
      title: 'Address',
      description:
        'RTSP, RTSPS, or MJPEG over HTTP; user name and password may stand in it, or apart under username and password',
      reload: 'live',
      secret: true,
      examples: ['rtsp://192.0.2.20:554/stream1'],
    }),
  ),
  username: z
    .string()
    .min(1)
    .optional()
    .meta(meta({ title: 'User name', description: 'Where the address does not hold it', reload: 'live' })),
  password: z
    .string()
    .min(1)
    .optional()
    .meta(
      meta({
        title: 'Password',
        description: 'Where the address does not hold it; best as !secret',
        reload: 'live',
        secret: true,
      }),
    ),
  streams: streams.optional().meta(
    meta({
      title: 'Streams by use',
      description: 'Where a camera has more than one; each is the address above unless given',
      reload: 'live',
    }),
  ),
  enabled: z
    .boolean()
    .default(true)
    .meta(
      meta({ title: 'Enabled', description: 'A camera that is off opens no connection', reload: 'live' }),
    ),
  fps: z
    .number()
    .min(0.1)
    .max(60)
    .optional()
    .meta(
      meta({
        title: 'Frames to look at',
        description: 'At most this many a second, below performance.fps_limit',
        unit: '1/s',
        reload: 'live',
        examples: [5],
      }),
    ),
  transport: z
    .enum(['tcp', 'udp'])
    .default('tcp')
    .meta(meta({ title: 'RTP transport', description: 'UDP only where TCP does not work', reload: 'live' })),
  hardware: z
    .enum(['auto', 'off'])
    .default('auto')
    .meta(
      meta({
        title: 'Hardware decoding',
        description: 'auto uses what the machine has and the processor otherwise',
        reload: 'live',
      }),
    ),
  detect: z
    .boolean()
    .default(true)
    .meta(
      meta({
        title: 'Look for objects',
        description: 'Without it the camera is only shown and recorded, and nothing is decoded',
        reload: 'live',
      }),
    ),
  motion_gate: z
    .boolean()
    .default(true)
    .meta(
      meta({
        title: 'Look only where something moves',
        description: 'Without it every frame is looked at',
        reload: 'live',
      }),
    ),
  zones: z
    .array(zone)
    .max(32)
    .superRefine(unique('zone', 'name'))
    .default([])
    .meta(meta({ title: 'Zones', description: 'Named parts of the picture, for rules', reload: 'live' })),
  motion_masks: z
    .array(polygon)
    .max(32)
    .default([])
    .meta(
      meta({
        title: 'Motion masks',
        description: 'Where movement means nothing: a tree, a street, the clock that the camera draws',
        reload: 'live',
      }),
    ),
  object_masks: z
    .array(polygon)
    .max(32)
    .default([])
    .meta(
      meta({
        title: 'Object masks',
        description: 'Objects whose feet stand there are passed over',
        reload: 'live',
      }),
    ),
  record: z
    .enum(['off', 'events', 'continuous'])
    .optional()
    .meta(
      meta({
        title: 'Recording',
        description:
          'Nothing, what happens with some seconds before and after, or everything; as cctv.recording.mode says unless given',
        reload: 'live',
      }),
    ),
  notes: z
    .string()
    .max(500)
    .optional()
    .meta(meta({ title: 'Notes', description: 'For people', reload: 'live' })),
});

/** A password that no address and no user name goes with would never be sent. */
const signable = cameraConfig.superRefine(({ url, streams = {}, username, password }, ctx) => {
  const named = [url, ...Object.values(streams)].some((one) => (URL.parse(one ?? '')?.username ?? '') !== '');
  if (password !== undefined && username === undefined && !named)
    ctx.addIssue({ code: 'custom', path: ['password'], message: 'a password needs a username beside it' });
});

export const camerasConfig = z
  .array(signable)
  .max(64)
  .superRefine(unique('camera', 'id', cameraNode))
  .default([])
  .meta(
    meta({
      title: 'Cameras',
      description: 'Add one with: lares cctv add',
      reload: 'live',
    }),
  );

export const performanceConfig = z
  .strictObject({
    fps_limit: z
      .number()
      .min(0.1)
      .max(60)
      .default(5)
      .meta(
        meta({
          title: 'Frames looked at',
          description: 'At most this many a second of each camera. 5 is right for people and cars',
          unit: '1/s',
          reload: 'live',
        }),
      ),
    frame_skip: z
      .int()
      .min(0)
      .max(60)
      .default(0)
      .meta(
        meta({
          title: 'Frames skipped',
          description: 'Frames passed over after each one that is looked at',
          reload: 'live',
        }),
      ),
    cameras_per_process: z
      .int()
      .min(1)
      .max(16)
      .default(4)
      .meta(
        meta({
          title: 'Cameras per process',
          description: 'Fewer isolate cameras better, more save memory: about 45 MB of it each',
          reload: 'live',
        }),
      ),
    regions: z
      .int()
      .min(0)
      .max(4)
      .default(1)
      .meta(
        meta({
          title: 'Close looks',
          description:
            'Parts of the picture, at most, that are looked at in full resolution beside the whole, for what is small or far',
          reload: 'live',
        }),
      ),
  })
  .prefault({})
  .meta(meta({ title: 'Performance', description: 'How much is looked at', reload: 'live' }));

const network = z
  .string()
  .regex(/^\d{1,3}(\.\d{1,3}){3}\/\d{1,2}$/, { error: 'expected a network like 192.0.2.0/24', abort: true })
  .superRefine((text, ctx) => {
    const problem = networkProblem(text);
    // Simulated cameras are on loopback.
    if (problem !== undefined && !text.startsWith('127.')) ctx.addIssue(problem);
  });

const networks = z
  .array(network)
  .max(16)
  .default([])
  .meta(
    meta({
      title: 'Networks',
      description: 'Where lares cctv discover may look for cameras; nothing is looked at that is not named',
      reload: 'live',
      examples: [['192.0.2.0/24']],
    }),
  );

/** The top-level section `cctv`: what is kept of the cameras, and where they may be looked for. */
export const cctvConfig = z
  .strictObject({
    prefix: z
      .string()
      .regex(/^[a-z0-9_]+(\.[a-z0-9_]+)*$/, 'expected a dotted path like home.cctv')
      .default(defaultPrefix)
      .meta(meta({ title: 'Prefix', description: 'Path of the readings of the cameras', reload: 'restart' })),
    networks,
    recording: recordingConfig,
    snapshots: snapshotsConfig,
    retention: retentionConfig,
    recognition: recognitionConfig,
  })
  .prefault({})
  .meta(meta({ title: 'CCTV', description: 'What is kept of the cameras', reload: 'live' }));

export type CctvConfig = z.infer<typeof cctvConfig>;
export type CameraConfig = z.infer<typeof cameraConfig>;
export type PerformanceConfig = z.infer<typeof performanceConfig>;
