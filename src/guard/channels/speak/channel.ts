import { defineChannel } from '../contract.ts';
import { speakAction } from './action.ts';
import { lateMs, openSpeech } from './speech.ts';

/** Says alerts aloud on the speakers of the settings. */
export const speak = defineChannel({
  kind: 'speak',
  title: 'Voice',
  action: speakAction,
  example: { type: 'speak', speaker: 'living_room' },
  staleAfterMs: lateMs,
  deadlineMs: 90_000,
  reads: ['speakers'],
  concurrency: 32,
  lane: ({ speaker }) => [speaker ?? '*'].flat().toSorted().join(','),
  lacks: ({ speaker }, { speakers }) => {
    if (speakers.length === 0) return 'there is no speaker; name one under speakers';
    if (!speakers.some((s) => s.enabled)) return 'no speaker is on; set enabled: true of one';
    const unknown = [speaker ?? []].flat().filter((id) => !speakers.some((s) => s.id === id));
    return unknown.length === 0
      ? undefined
      : `there is no speaker ${unknown.join(', ')}; there are ${speakers.map((s) => s.id).join(', ')}`;
  },
  open: ({ speakers }, io) => openSpeech(speakers, io),
});
