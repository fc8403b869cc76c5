import * as z from 'zod';
import type { SettingMeta } from '#config/model.ts';

/** What everybody reads before recognition is switched on or a face is enrolled; docs/recognition.md holds the same. */
export const consentText = [
  'A face or a number plate tells who somebody is. In most countries the law protects it more than other data.',
  'Lares compares faces only with people who were enrolled here. It keeps numbers of their faces, no pictures, in',
  'faces/ of the data directory, and tells a name only to the rules, the events and the presence of this house.',
  'Before you go on: each person who is enrolled knows this and agrees, and can have it undone at any time',
  '(lares cctv faces forget PERSON). Cameras that recognise look only at your own ground, and a sign says so.',
].join('\n');

const pattern = /^I have the consent of \S.*$/is;

/** The sentence by which somebody answers for it that the people agree. */
export const consentSetting = z
  .string()
  .max(500)
  .regex(
    pattern,
    'write whose consent you have, in your own words after these: I have the consent of alex and sam',
  )
  .optional()
  .meta({
    title: 'Consent',
    description:
      'A sentence that begins with "I have the consent of" and says of whom. Nothing is recognised without it',
    reload: 'live',
    examples: ['I have the consent of alex and sam, given on 2026-01-31'],
  } satisfies SettingMeta);

/** Refuses recognition that is on while nobody answers for the consent of those who are recognised. */
export const needsConsent =
  (of: string) =>
  ({ enabled, consent }: { enabled: boolean; consent?: string | undefined }, ctx: z.RefinementCtx): void => {
    if (!enabled || consent !== undefined) return;
    ctx.addIssue({
      code: 'custom',
      path: ['consent'],
      message: `${of} must agree before they are recognised, because it tells who somebody is; write: consent: I have the consent of … (docs/recognition.md says what that means), or set enabled: false`,
    });
  };
