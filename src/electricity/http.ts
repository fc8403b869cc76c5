import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import type { HouseEvent } from '#kernel/event.ts';
import { errorBody, eventBody, instantQuery, iso, parseInstant, toEventBody } from '#platform/wire.ts';
import type { ChartPoint } from '#store/model.ts';
import type { IngressReply, IngressRequest } from './drivers/pulse/ingress.ts';
import type { PeriodEnergy } from './energy/model.ts';
import {
  cheapestBody,
  costBody,
  electricDeviceBody,
  electricityBody,
  energyBody,
  historyBody,
  kwh,
  money,
  switchedBody,
  toElectricDeviceBody,
  toElectricityBody,
} from './body.ts';
import { insightBody, toInsightBody } from './insight.body.ts';
import type { InsightReport } from './insight/service.ts';
import type { Cost } from './money/model.ts';
import type { Window } from './money/window.rules.ts';
import { quantities, type Quantity } from './model.ts';
import type { Switched } from './service.ts';
import type { DeviceView, ElectricityView } from './view.model.ts';

/** What a device (or `house`) cost on one local day, epoch ms. */
export interface DayCost extends Cost {
  readonly path: string;
  readonly from: number;
  readonly to: number;
  /** Wh drawn. */
  readonly wh: number;
}

/** What the routes need of electricity. All instants are epoch ms. */
export interface ElectricityPort {
  view(): ElectricityView;
  /** Throws NOT_FOUND or USAGE. */
  find(name: string): DeviceView;
  /** `subject` is a path, or `house`. */
  chart(path: string, leaf: string, from: number, to: number, points: number): Promise<readonly ChartPoint[]>;
  /** Local days; `device` is an id, or `house`. */
  days(device: string, from: number, to: number): Promise<readonly PeriodEnergy[]>;
  /** Per local day, of one device or of everything. Throws USAGE where there is no tariff. */
  costs(device: string | undefined, from: number, to: number): Promise<readonly DayCost[]>;
  /** What stands out: standby, base load, anomalies, appliance events. */
  insight(): Promise<InsightReport>;
  /** When a constant load costs least; undefined without a tariff, or where prices are missing. All ms. */
  cheapest(durationMs: number, withinMs: number): Window | undefined;
  events(device: string, limit: number): Promise<readonly HouseEvent[]>;
  turn(name: string, on: boolean, actor: string, why: string, signal: AbortSignal): Promise<Switched>;
  onChange(listener: () => void): () => void;
  /** Takes a message of a pulse meter; 503 while none is set up. */
  ingest(request: IngressRequest): IngressReply;
}

const dayMs = 86_400_000;
const longestSpanMs = 400 * dayMs;
const switchLimitMs = 10_000;

/** The span of a query: the last `usualMs` unless said. Throws USAGE when it is empty or longer than 400 days. */
function span(query: { from?: string | undefined; to?: string | undefined }, now: number, usualMs: number) {
  const to = query.to === undefined ? now : parseInstant(query.to)!;
  const from = query.from === undefined ? to - usualMs : parseInstant(query.from)!;
  if (from >= to) throw new LaresError('USAGE', `from (${iso(from)}) must lie before to (${iso(to)})`);
  if (to - from > longestSpanMs)
    throw new LaresError('USAGE', 'the span is longer than 400 days; ask for less');
  return { from, to };
}

export interface ElectricityRouteOptions {
  /** Wall clock, epoch ms. */
  readonly now: () => number;
  /** Throws AUTH_REFUSED unless the request may make things happen. */
  readonly mayAct: (request: { readonly headers: Readonly<Record<string, unknown>> }) => void;
}

/** The routes under `/api/electricity`. */
export function electricityRoutes(
  port: ElectricityPort,
  { now, mayAct }: ElectricityRouteOptions,
): FastifyPluginAsyncZod {
  const tags = ['electricity'];
  const errors = { 400: errorBody, 404: errorBody };
  const name = z.string().min(1).max(128);
  const spanQuery = { from: instantQuery.optional(), to: instantQuery.optional() };
  /** Path and id of a device, or of the whole house. */
  const meant = (device: string | undefined) => {
    if (device === undefined || device === 'house') return { path: 'house', id: 'house' };
    const found = port.find(device);
    return { path: found.path, id: found.device.id };
  };
  return async (app) => {
    app.get(
      '/api/electricity',
      {
        schema: {
          tags,
          summary: 'What the house draws now, and what it used',
          response: { 200: electricityBody },
        },
      },
      () => toElectricityBody(port.view()),
    );
    app.get(
      '/api/electricity/devices/:name',
      {
        schema: {
          tags,
          summary: 'One device, with what happened to it last; by id, path or name',
          params: z.object({ name }),
          querystring: z.object({ limit: z.coerce.number().int().min(1).max(100).default(10) }),
          response: { 200: electricDeviceBody.extend({ events: z.array(eventBody) }), ...errors },
        },
      },
      async ({ params, query }) => {
        const view = port.find(params.name);
        const events = await port.events(view.device.id, query.limit);
        return { ...toElectricDeviceBody(view), events: events.map(toEventBody) };
      },
    );
    app.get(
      '/api/electricity/history',
      {
        schema: {
          tags,
          summary: 'A quantity of a device or of the house over time; the last 24 hours unless told',
          querystring: z.object({
            device: name.optional(),
            quantity: z.enum(Object.keys(quantities) as [Quantity, ...Quantity[]]).default('power_watts'),
            points: z.coerce.number().int().min(1).max(5_000).default(500),
            ...spanQuery,
          }),
          response: { 200: historyBody, ...errors },
        },
      },
      async ({ query }) => {
        const { from, to } = span(query, now(), dayMs);
        const { path } = meant(query.device);
        const points = await port.chart(path, query.quantity, from, to, query.points);
        return {
          series: `${path}.${query.quantity}`,
          from: iso(from),
          to: iso(to),
          points: points.map((p) => ({ at: iso(p.at), mean: p.mean, min: p.min, max: p.max })),
        };
      },
    );
    app.get(
      '/api/electricity/energy',
      {
        schema: {
          tags,
          summary: 'Energy per local day, with how it is known; the last 7 days unless told',
          querystring: z.object({ device: name.optional(), ...spanQuery }),
          response: { 200: energyBody, ...errors },
        },
      },
      async ({ query }) => {
        const { from, to } = span(query, now(), 7 * dayMs);
        const { path, id } = meant(query.device);
        const days = await port.days(id, from, to);
        return {
          path,
          days: days.map((d) => ({
            from: iso(d.from),
            to: iso(d.to),
            kwh: kwh(d.wh),
            export_kwh: kwh(d.exportWh),
            covered: Math.min(1, d.coveredMs / (d.to - d.from)),
            how: d.how,
          })),
        };
      },
    );
    app.get(
      '/api/electricity/cost',
      {
        schema: {
          tags,
          summary: 'Cost per local day, per device and for the house; the last 7 days unless told',
          querystring: z.object({ device: name.optional(), ...spanQuery }),
          response: { 200: costBody, ...errors },
        },
      },
      async ({ query }) => {
        const { from, to } = span(query, now(), 7 * dayMs);
        const only = query.device === undefined ? undefined : meant(query.device).id;
        const days = await port.costs(only, from, to);
        return {
          currency: port.view().house.currency ?? null,
          days: days.map((d) => ({
            path: d.path,
            from: iso(d.from),
            to: iso(d.to),
            kwh: kwh(d.wh),
            total: money(d.total),
            import: money(d.import),
            export: money(d.export),
            standing: money(d.standing),
            unpriced_kwh: kwh(d.unpricedWh),
          })),
        };
      },
    );
    app.get(
      '/api/electricity/insight',
      {
        schema: {
          tags,
          summary: 'Standby, base load, appliance events and what is out of the ordinary',
          response: { 200: insightBody },
        },
      },
      async () => toInsightBody(await port.insight()),
    );
    app.get(
      '/api/electricity/cheapest',
      {
        schema: {
          tags,
          summary:
            'When something that runs for so many minutes costs least, within the hours that are asked for',
          querystring: z.object({
            minutes: z.coerce.number().int().min(1).max(1440),
            within_hours: z.coerce.number().min(1).max(48).default(24),
          }),
          response: { 200: cheapestBody, ...errors },
        },
      },
      ({ query }) => {
        const found = port.cheapest(query.minutes * 60_000, query.within_hours * 3_600_000);
        if (found === undefined)
          throw new LaresError(
            'NOT_FOUND',
            'no stretch of that length is priced throughout; see: lares electricity cost',
          );
        return {
          from: iso(found.from),
          to: iso(found.to),
          price_per_kwh: found.perKwh,
          currency: port.view().house.currency ?? null,
        };
      },
    );
    app.post(
      '/api/electricity/devices/:name/switch',
      {
        schema: {
          tags,
          summary: 'Switches a device and answers with what it says afterwards; needs the token',
          params: z.object({ name }),
          body: z.strictObject({
            on: z.boolean(),
            /** For the journal. */
            why: z.string().max(200).default('asked over HTTP'),
            actor: z
              .string()
              .regex(/^[a-z]+(:[a-z0-9_-]{1,64})?$/)
              .default('user:api'),
          }),
          response: {
            200: switchedBody,
            401: errorBody,
            403: errorBody,
            502: errorBody,
            504: errorBody,
            ...errors,
          },
        },
      },
      async (request) => {
        mayAct(request);
        const { on, actor, why } = request.body;
        const done = await port.turn(request.params.name, on, actor, why, AbortSignal.timeout(switchLimitMs));
        return { device: done.device, path: done.path, is_on: done.isOn, event: done.event };
      },
    );
  };
}
