import { z } from 'zod';
import { speakerId } from './config.ts';

/** What a rule writes to have an alert spoken. */
export const speakAction = z
  .strictObject({
    type: z.literal('speak').meta({ title: 'Type', description: 'Speak the alert' }),
    speaker: z
      .union([speakerId, z.array(speakerId).min(1).max(32)])
      .optional()
      .meta({
        title: 'Speaker',
        description: 'Id of a speaker or a list of them; every speaker that is on unless set',
        reload: 'live',
        examples: ['living_room', ['living_room', 'hall']],
      }),
  })
  .meta({ title: 'Speak', description: 'Says the alert aloud' });

export type SpeakAction = z.infer<typeof speakAction>;
