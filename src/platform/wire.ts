import { z } from 'zod';
import type { Evidence, HouseEvent } from '#kernel/event.ts';

/** Every instant in JSON: ISO 8601, UTC, milliseconds. */
export const instant = z.iso.datetime({ precision: 3 }).meta({ description: 'ISO 8601, UTC' });

/** The body of every reply that is not a success. `code` is stable; `docs/reference/errors.md` lists them. */
export const errorBody = z.object({ code: z.string(), message: z.string() });

/** The schema of a reply that is no JSON. What is sent is bytes, which no schema looks into. */
export const binary = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.any() } },
});

export const evidenceBody = z.object({
  at: instant,
  source: z.string(),
  text: z.string(),
  weight: z.number().optional(),
  ref: z.string().optional(),
});

export const eventBody = z.object({
  id: z.string(),
  at: instant,
  kind: z.string(),
  subject: z.string(),
  cause: z.string(),
  evidence: z.array(evidenceBody),
  data: z.record(z.string(), z.unknown()),
});
export type EventBody = z.infer<typeof eventBody>;

// The largest instant that ECMAScript can write as a date.
const lastInstant = 8.64e15;

/** Epoch ms as ISO 8601; an instant that no date can hold is clamped, so that one bad record never breaks a reply. */
export function iso(at: number): string {
  const safe = Number.isFinite(at) ? Math.min(Math.max(at, 0), lastInstant) : 0;
  return new Date(safe).toISOString();
}

export function isoOrNull(at: number | undefined): string | null {
  return at === undefined ? null : iso(at);
}

export function toEvidenceBody(evidence: Evidence): z.infer<typeof evidenceBody> {
  const { at, source, text, weight, ref } = evidence;
  return {
    at: iso(at),
    source,
    text,
    ...(weight !== undefined && Number.isFinite(weight) && { weight }),
    ...(ref !== undefined && { ref }),
  };
}

export function toEventBody(event: HouseEvent): EventBody {
  const { id, at, kind, subject, cause, evidence, data } = event;
  return { id, at: iso(at), kind, subject, cause, evidence: evidence.map(toEvidenceBody), data: { ...data } };
}

// Below this a number can only mean seconds: as milliseconds it would lie before March 1973.
const smallestMs = 1e11;

/** Epoch ms of an instant as people type it: ISO 8601 with a zone or a date alone, epoch seconds, or epoch ms. Undefined when it is none of them. */
export function parseInstant(text: string): number | undefined {
  if (/^\d{1,16}(\.\d+)?$/.test(text)) {
    const number = Number(text);
    return number < smallestMs ? Math.round(number * 1000) : Math.round(number);
  }
  // Without a zone the meaning would depend on where the server stands, so only a bare date may lack one.
  if (!/^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:?\d{2}))?$/i.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}

/** A query parameter that holds an instant. */
export const instantQuery = z
  .string()
  .max(40)
  .refine((text) => parseInstant(text) !== undefined, {
    message:
      'expected an instant like 2026-01-31T08:00:00Z, 2026-01-31 or epoch seconds (a + must be written %2B)',
  })
  .meta({ description: 'ISO 8601 with a zone, a date, or epoch seconds' });
