import { z } from 'zod';
import { evidenceBody, instant, iso, toEvidenceBody } from '#platform/wire.ts';
import type { InsightReport } from './insight/service.ts';

export const insightBody = z.object({
  at: instant,
  standby: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      kind: z.enum(['standby', 'always-on', 'cycling', 'none']),
      watts: z.number(),
      hours_per_day: z.number(),
      kwh_per_year: z.number(),
      cost_per_year: z.number().nullable(),
      /** Hours of history that it rests on. */
      hours_seen: z.number(),
      note: z.string(),
    }),
  ),
  base_load: z
    .object({
      watts: z.number(),
      kwh_per_year: z.number(),
      nights: z.number(),
      unexplained_watts: z.number(),
      explained: z.array(z.object({ id: z.string(), watts: z.number() })),
    })
    .nullable(),
  anomalies: z.array(
    z.object({
      kind: z.string(),
      subject: z.string(),
      severity: z.enum(['info', 'warning', 'urgent']),
      since: instant,
      text: z.string(),
      evidence: z.array(evidenceBody),
    }),
  ),
  appliances: z.array(
    z.object({
      appliance: z.string(),
      from: instant,
      to: instant,
      kwh: z.number(),
      confidence: z.number(),
      text: z.string(),
    }),
  ),
});
export type InsightBody = z.infer<typeof insightBody>;

const to = (digits: number) => (value: number) => Math.round(value * 10 ** digits) / 10 ** digits;
const tenth = to(1);
const cent = to(2);

export function toInsightBody({ at, standby, baseLoad, anomalies, appliances }: InsightReport): InsightBody {
  return {
    at: iso(at),
    standby: standby.map((s) => ({
      id: s.id,
      name: s.name,
      kind: s.kind,
      watts: tenth(s.watts),
      hours_per_day: tenth(s.hoursPerDay),
      kwh_per_year: tenth(s.kwhPerYear),
      cost_per_year: s.costPerYear === undefined ? null : cent(s.costPerYear),
      hours_seen: Math.round(s.hoursSeen),
      note: s.note,
    })),
    base_load:
      baseLoad === undefined
        ? null
        : {
            watts: tenth(baseLoad.watts),
            kwh_per_year: tenth(baseLoad.kwhPerYear),
            nights: baseLoad.nights,
            unexplained_watts: tenth(baseLoad.unexplainedWatts),
            explained: baseLoad.explained.map(({ id, watts }) => ({ id, watts: tenth(watts) })),
          },
    anomalies: anomalies.map((a) => ({
      kind: a.kind,
      subject: a.subject,
      severity: a.severity,
      since: iso(a.since),
      text: a.text,
      evidence: a.evidence.map(toEvidenceBody),
    })),
    appliances: appliances.map((a) => ({
      appliance: a.appliance,
      from: iso(a.from),
      to: iso(a.to),
      kwh: to(3)(a.wh / 1000),
      confidence: cent(a.confidence),
      text: a.text,
    })),
  };
}
