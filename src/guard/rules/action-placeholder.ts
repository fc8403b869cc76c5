import * as z from 'zod';

/** Stands in for the registry of channels until that is there. */
export const actionSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('speak'),
    speaker: z.union([z.string(), z.array(z.string())]).optional(),
  }),
  z.strictObject({ type: z.literal('email') }),
  z.strictObject({ type: z.literal('mqtt') }),
]);
