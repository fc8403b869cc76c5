import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { LaresError } from '#kernel/errors.ts';
import { binary, errorBody, instantQuery, parseInstant } from '#platform/wire.ts';
import type { BookQuery, Page, StoredAlert, StoredEvent, SuppressedRow } from './book/model.ts';
import {
  alertBody,
  cameraBody,
  cctvBody,
  seenEventBody,
  suppressedBody,
  toAlertBody,
  toCameraBody,
  toCctvBody,
  toSeenEventBody,
  toSuppressedBody,
} from './body.ts';
import type { Clip } from './keep/clip.ts';
import { wantedBytes } from './range.rules.ts';
import type { CctvView } from './view.model.ts';

/** What the routes need of the cameras. All instants are epoch ms. */
export interface CctvPort {
  view(): CctvView;
  events(query: BookQuery): Page<StoredEvent>;
  event(id: string): StoredEvent | undefined;
  alerts(query: BookQuery): Page<StoredAlert>;
  /** Alerts that were held back. */
  suppressions(query: BookQuery): Page<SuppressedRow>;
  /** Says of an alert that it was a false alarm, or was none after all. Throws NOT_FOUND. */
  falseAlarm(alert: string, on: boolean, actor: string): Promise<void>;
  /** Absolute file of the picture of an event; undefined where there is none. */
  snapshot(event: string, clean: boolean): string | undefined;
  /** One playable file (MP4) of the video of an event; `endAt` grows while the event goes on. Throws NOT_FOUND. */
  clip(event: string): Promise<Pick<Clip, 'bytes' | 'endAt' | 'stream'>>;
  onChange(listener: () => void): () => void;
}

export interface CctvRouteOptions {
  /** Throws AUTH_REFUSED unless the request may make things happen. */
  readonly mayAct: (request: { readonly headers: Readonly<Record<string, unknown>> }) => void;
}

const id = z.string().min(1).max(128);
const listQuery = z.object({
  camera: z.string().max(64).optional(),
  label: z.string().max(64).optional(),
  from: instantQuery.optional(),
  to: instantQuery.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  page: z.string().max(200).optional(),
});
const alertQuery = listQuery.extend({ rule: z.string().max(64).optional(), event: id.optional() });

function toQuery({ from, to, ...rest }: Partial<z.infer<typeof alertQuery>>): BookQuery {
  return {
    ...rest,
    ...(from === undefined ? {} : { from: parseInstant(from) }),
    ...(to === undefined ? {} : { to: parseInstant(to) }),
  };
}

/** The routes under `/api/cctv` that answer with data; live pictures are in `live/routes.ts`. */
export function cctvRoutes(port: CctvPort, { mayAct }: CctvRouteOptions): FastifyPluginAsyncZod {
  const tags = ['cameras'];
  const errors = { 400: errorBody, 404: errorBody };
  const found = (event: string): StoredEvent => {
    const row = port.event(event);
    if (row === undefined) throw new LaresError('NOT_FOUND', `there is no event ${event.slice(0, 64)}`);
    return row;
  };
  return async (app) => {
    app.get(
      '/api/cctv',
      { schema: { tags, summary: 'Every camera, and what each sees now', response: { 200: cctvBody } } },
      () => toCctvBody(port.view()),
    );
    app.get(
      '/api/cctv/cameras/:id',
      {
        schema: {
          tags,
          summary: 'One camera',
          params: z.object({ id }),
          response: { 200: cameraBody, ...errors },
        },
      },
      ({ params }) => {
        const view = port.view().cameras.find((c) => c.id === params.id);
        if (view === undefined)
          throw new LaresError('NOT_FOUND', `there is no camera ${params.id.slice(0, 64)}`);
        return toCameraBody(view);
      },
    );
    app.get(
      '/api/cctv/events',
      {
        schema: {
          tags,
          summary: 'What was seen, newest first',
          querystring: listQuery,
          response: {
            200: z.object({ events: z.array(seenEventBody), next: z.string().nullable() }),
            ...errors,
          },
        },
      },
      ({ query }) => {
        const { rows, next } = port.events(toQuery(query));
        return { events: rows.map(toSeenEventBody), next: next ?? null };
      },
    );
    app.get(
      '/api/cctv/events/:id',
      {
        schema: {
          tags,
          summary: 'One event with the alerts that it made',
          params: z.object({ id }),
          response: { 200: seenEventBody.extend({ alerts: z.array(alertBody) }), ...errors },
        },
      },
      ({ params }) => ({
        ...toSeenEventBody(found(params.id)),
        alerts: port.alerts({ event: params.id }).rows.map(toAlertBody),
      }),
    );
    app.get(
      '/api/cctv/events/:id/snapshot.jpg',
      {
        schema: {
          tags,
          summary: 'The best picture of an event, with the box around the object or clean',
          params: z.object({ id }),
          querystring: z.object({ clean: z.enum(['true', 'false']).default('false') }),
          response: { 200: binary('The picture', 'image/jpeg'), 404: errorBody },
        },
      },
      async ({ params, query }, reply) => {
        found(params.id);
        const file = port.snapshot(params.id, query.clean === 'true');
        const size = file === undefined ? undefined : (await stat(file).catch(() => undefined))?.size;
        if (file === undefined || size === undefined)
          throw new LaresError('NOT_FOUND', 'there is no picture of this event, or it was let go already');
        return reply
          .type('image/jpeg')
          .header('content-length', size)
          .header('cache-control', 'private, no-cache')
          .send(createReadStream(file));
      },
    );
    app.get(
      '/api/cctv/events/:id/clip.mp4',
      {
        schema: {
          tags,
          summary: 'The video of an event, its first two hours',
          params: z.object({ id }),
          response: {
            200: binary('The video', 'video/mp4'),
            206: binary('The part of it that Range asked for', 'video/mp4'),
            404: errorBody,
            416: binary('Nothing of that range exists', 'video/mp4'),
          },
        },
      },
      async ({ params, headers }, reply) => {
        found(params.id);
        const { bytes, endAt, stream } = await port.clip(params.id);
        const tag = `"${Math.round(endAt)}-${bytes}"`;
        // Safari plays nothing from a server that gives no parts.
        const wanted = wantedBytes(headers.range, bytes, tag, headers['if-range']?.toString());
        void reply.headers({ 'accept-ranges': 'bytes', etag: tag, 'cache-control': 'private, no-cache' });
        if (wanted === 'none') return reply.code(416).header('content-range', `bytes */${bytes}`).send();
        const { from, to } = wanted ?? { from: 0, to: bytes };
        if (wanted !== undefined)
          void reply.code(206).header('content-range', `bytes ${from}-${to - 1}/${bytes}`);
        return reply
          .type('video/mp4')
          .header('content-length', to - from)
          .send(Readable.from(stream(from, to)));
      },
    );
    app.get(
      '/api/cctv/alerts',
      {
        schema: {
          tags,
          summary: 'What people were told, newest first, and why',
          querystring: alertQuery,
          response: {
            200: z.object({ alerts: z.array(alertBody), next: z.string().nullable() }),
            ...errors,
          },
        },
      },
      ({ query }) => {
        const { rows, next } = port.alerts(toQuery(query));
        return { alerts: rows.map(toAlertBody), next: next ?? null };
      },
    );
    app.get(
      '/api/cctv/suppressed',
      {
        schema: {
          tags,
          summary: 'What would have been told and was held back, newest first, each with its reason',
          querystring: alertQuery.omit({ label: true }),
          response: {
            200: z.object({ suppressed: z.array(suppressedBody), next: z.string().nullable() }),
            ...errors,
          },
        },
      },
      ({ query }) => {
        const { rows, next } = port.suppressions(toQuery(query));
        return { suppressed: rows.map(toSuppressedBody), next: next ?? null };
      },
    );
    app.post(
      '/api/cctv/alerts/:id/false',
      {
        schema: {
          tags,
          summary: 'Says that an alert was a false alarm, or with on: false that it was none',
          params: z.object({ id }),
          body: z.strictObject({ on: z.boolean().default(true) }),
          response: {
            200: z.object({ id: z.string(), false_alarm: z.boolean() }),
            401: errorBody,
            ...errors,
          },
        },
      },
      async (request) => {
        mayAct(request);
        await port.falseAlarm(request.params.id, request.body.on, 'user:http');
        return { id: request.params.id, false_alarm: request.body.on };
      },
    );
  };
}
