import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { iso, isoOrNull } from '#platform/wire.ts';
import { detailedHealthBody, healthBody, type DetailedHealthBody } from '../contract.ts';
import type { HttpPorts } from '../ports.ts';

type Ports = Pick<HttpPorts, 'health' | 'stats' | 'now' | 'metrics'>;

const needsAttention = new Set(['degraded', 'down', 'parked']);

/** The whole state of the program, as `/health/detailed` and the live stream show it. */
export function toDetailedHealth(ports: Pick<Ports, 'health' | 'stats' | 'now'>): DetailedHealthBody {
  const report = ports.health.report();
  const { version, startedAt, process: self, tick, sinks, scanners, store } = ports.stats();
  return {
    status: report.status,
    at: iso(ports.now()),
    version,
    node: process.version,
    started_at: iso(startedAt),
    uptime_seconds: Math.floor(self.uptimeSeconds),
    components: report.components.map(({ name, state, detail, since, lastOk }) => ({
      name,
      state,
      detail,
      since: iso(since),
      last_ok: isoOrNull(lastOk),
    })),
    scanners: scanners.map((s) => ({
      network: s.network,
      method: s.method,
      why: s.why,
      last_at: isoOrNull(s.lastAt),
      last_took_ms: s.lastTookMs ?? null,
      last_found: s.lastFound ?? null,
    })),
    sinks: sinks.map((s) => ({
      name: s.name,
      target: s.target,
      connected: s.connected,
      sent_total: s.sentTotal,
      failures_total: s.failuresTotal,
      dropped_total: s.droppedTotal,
      backlog: s.backlog,
      oldest_at: isoOrNull(s.oldestAt),
      last_receipt_at: isoOrNull(s.lastReceiptAt),
    })),
    store: { kind: store.kind, size_bytes: store.sizeBytes ?? null, recovered: store.recovered ?? null },
    tick: {
      interval_seconds: tick.intervalSeconds,
      count: tick.count,
      missed: tick.missed,
      jitter_p50_ms: tick.jitterP50Ms,
      jitter_p99_ms: tick.jitterP99Ms,
      jitter_max_ms: tick.jitterMaxMs,
      last_at: isoOrNull(tick.lastAt),
    },
    memory: { rss_bytes: self.rssBytes, heap_used_bytes: self.heapUsedBytes },
  };
}

/** `/health`, `/health/detailed` and `/metrics`. */
export function healthRoutes(ports: Ports): FastifyPluginAsyncZod {
  const tags = ['health'];
  return async (app) => {
    app.get(
      '/health',
      {
        schema: {
          tags,
          summary: 'Whether it works: 200 while anything does, 503 when nothing does',
          response: { 200: healthBody, 503: healthBody },
        },
      },
      (_request, reply) => {
        const { status, components } = ports.health.report();
        const { version, process: self } = ports.stats();
        reply.code(status === 'down' ? 503 : 200);
        return {
          status,
          version,
          uptime_seconds: Math.floor(self.uptimeSeconds),
          attention: components.filter((c) => needsAttention.has(c.state)).map((c) => c.name),
        };
      },
    );
    app.get(
      '/health/detailed',
      {
        schema: {
          tags,
          summary: 'Every source, sink and store, and the figures of the program itself',
          response: { 200: detailedHealthBody },
        },
      },
      () => toDetailedHealth(ports),
    );
    app.get(
      '/metrics',
      {
        schema: {
          tags,
          summary: 'Prometheus text format',
          response: {
            200: { description: 'Every metric', content: { 'text/plain': { schema: z.string() } } },
          },
        },
      },
      async (_request, reply) =>
        reply.type('text/plain; version=0.0.4; charset=utf-8').send(await ports.metrics()),
    );
  };
}
