import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { renderDocs } from '../docs.ts';

const files = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/page.js': { file: 'page.js', type: 'text/javascript; charset=utf-8' },
  '/lib.js': { file: 'lib.js', type: 'text/javascript; charset=utf-8' },
  '/electricity.js': { file: 'electricity.js', type: 'text/javascript; charset=utf-8' },
  '/cameras.js': { file: 'cameras.js', type: 'text/javascript; charset=utf-8' },
  '/live.js': { file: 'live.js', type: 'text/javascript; charset=utf-8' },
  '/presence.css': { file: 'presence.css', type: 'text/css; charset=utf-8' },
  '/cameras.css': { file: 'cameras.css', type: 'text/css; charset=utf-8' },
  '/electricity.css': { file: 'electricity.css', type: 'text/css; charset=utf-8' },
  '/icon.svg': { file: 'icon.svg', type: 'image/svg+xml' },
} as const;

/** The status page and the list of routes. All files are ours: no build, nothing from elsewhere. */
export function pageRoutes(documented: FastifyInstance): FastifyPluginAsyncZod {
  return async (app) => {
    for (const [url, { file, type }] of Object.entries(files)) {
      const body = readFileSync(path.join(import.meta.dirname, '../page', file));
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
      app.get(url, { schema: { hide: true } }, (request, reply) => {
        reply.header('cache-control', 'no-cache').header('etag', etag);
        if (request.headers['if-none-match'] === etag) return reply.code(304).send();
        return reply.type(type).send(body);
      });
    }
    app.get('/docs', { schema: { hide: true } }, (_request, reply) =>
      reply.type('text/html; charset=utf-8').send(renderDocs(documented.swagger())),
    );
    app.get('/docs/json', { schema: { hide: true } }, () => documented.swagger());
  };
}
