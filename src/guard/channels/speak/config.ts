import { z } from 'zod';
import type { SettingMeta } from '#config/model.ts';
import { normaliseMac } from '#devices/mac.ts';

const meta = (m: SettingMeta): SettingMeta => m;

/** The id of a speaker, as rules and commands write it. */
export const speakerId = z
  .string()
  .max(64)
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'expected lower-case letters, digits, _ and -, like living_room');

const mac = z.string().transform((text, ctx) => {
  const parsed = normaliseMac(text);
  if (parsed !== undefined) return parsed.toUpperCase();
  ctx.addIssue(`expected a MAC address like AA:BB:CC:DD:EE:FF, found ${JSON.stringify(text)}`);
  return z.NEVER;
});

const speaker = z
  .strictObject({
    id: speakerId.meta(
      meta({
        title: 'Id',
        description: 'What rules and commands call it',
        reload: 'live',
        examples: ['living_room'],
      }),
    ),
    name: z
      .string()
      .min(1)
      .max(80)
      .optional()
      .meta(meta({ title: 'Name', description: 'What people call it; the id unless set', reload: 'live' })),
    type: z
      .enum(['wired', 'bluetooth'])
      .default('wired')
      .meta(
        meta({
          title: 'Type',
          description: 'A Bluetooth speaker is connected before it speaks',
          reload: 'live',
        }),
      ),
    device: z
      .string()
      .min(1)
      .max(200)
      // A name that begins with a dash would be an option of the player.
      .regex(
        /^[A-Za-z0-9_.:=,@{}/ -]+$/,
        'expected a name as aplay -L prints it, or pulse:SINK, or pipewire:SINK',
      )
      .refine((name) => !name.startsWith('-'), { error: 'a device does not begin with -' })
      .default('default')
      .meta(
        meta({
          title: 'Device',
          description:
            'ALSA device as `aplay -L` prints it; pulse:SINK plays through PulseAudio, pipewire:SINK through PipeWire',
          reload: 'live',
          examples: ['default', 'plughw:CARD=Device,DEV=0', 'pulse:bluez_output.AA_BB_CC_DD_EE_FF.1'],
        }),
      ),
    mac: mac.optional().meta(
      meta({
        title: 'Bluetooth address',
        description: 'Address of a Bluetooth speaker that was paired once',
        reload: 'live',
        examples: ['AA:BB:CC:DD:EE:FF'],
      }),
    ),
    volume: z
      .int()
      .min(0)
      .max(100)
      .default(80)
      .meta(
        meta({
          title: 'Volume',
          description: 'Loudness of the voice; the mixer of the system applies on top',
          unit: '%',
          reload: 'live',
        }),
      ),
    voice: z
      .string()
      .max(40)
      .regex(
        /^[A-Za-z][A-Za-z0-9_+-]*$/,
        'expected a language or voice of espeak-ng, like en-gb, de or en+f3',
      )
      .default('en')
      .meta(
        meta({
          title: 'Voice',
          description: 'Language or voice of espeak-ng; `espeak-ng --voices` lists them',
          reload: 'live',
          examples: ['en-gb', 'de', 'en+f3'],
        }),
      ),
    speed: z
      .int()
      .min(80)
      .max(450)
      .default(160)
      .meta(meta({ title: 'Speed', description: 'Words a minute', reload: 'live' })),
    enabled: z
      .boolean()
      .default(true)
      .meta(meta({ title: 'On', description: 'A speaker that is off says nothing', reload: 'live' })),
    fallback: speakerId.optional().meta(
      meta({
        title: 'Fallback',
        description: 'The speaker that speaks instead when this one cannot',
        reload: 'live',
        examples: ['hall'],
      }),
    ),
  })
  .refine((s) => s.type === 'wired' || s.mac !== undefined, {
    path: ['mac'],
    error: 'a Bluetooth speaker needs its address; `bluetoothctl devices` prints it',
  });

/** The top-level section `speakers`. */
export const speakersConfig = z
  .array(speaker)
  .max(32)
  .default([])
  .superRefine((speakers, ctx) => {
    const byId = new Map(speakers.map((s) => [s.id, s]));
    for (const [i, { id, fallback }] of speakers.entries()) {
      if (speakers.findIndex((s) => s.id === id) !== i)
        ctx.addIssue({ code: 'custom', path: [i, 'id'], message: `there are two speakers ${id}` });
      if (fallback === undefined) continue;
      const known = byId.has(fallback);
      if (!known || leadsBack(id, byId))
        ctx.addIssue({
          code: 'custom',
          path: [i, 'fallback'],
          message: known
            ? `the fallback of ${id} leads back to itself`
            : `there is no speaker ${fallback}; there are ${[...byId.keys()].join(', ')}`,
        });
    }
  })
  .meta(meta({ title: 'Speakers', description: 'Where alerts are spoken', reload: 'live' }));

function leadsBack(
  start: string,
  byId: ReadonlyMap<string, { readonly fallback?: string | undefined }>,
): boolean {
  const seen = new Set<string>();
  for (let id = byId.get(start)?.fallback; id !== undefined && !seen.has(id); id = byId.get(id)?.fallback) {
    if (id === start) return true;
    seen.add(id);
  }
  return false;
}

export type SpeakersConfig = z.infer<typeof speakersConfig>;
export type Speaker = SpeakersConfig[number];
