import { availableParallelism } from 'node:os';
import { cameraSpec, startCameras } from '#cctv/sim/cameras.ts';
import type { CctvBody } from '#cctv/index.ts';
import { LaresError, reason } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { table } from '#platform/table.ts';
import { parts } from './machine.model.ts';
import { snapshot } from './machine.ts';
import { rowOf, slopePerMinute } from './monitor.rules.ts';
import { webhookSink, type WebhookSink } from './sinks.ts';
import { gatesOf, isKept, quantile, type Gate, type StressFigures } from './stress.rules.ts';
import { startTrialHouse, trialFolder, type TrialHouse } from './trial-house.ts';

export interface StressOptions {
  readonly durationMs: number;
  readonly cameras: number;
  /** At least so many are to be made. */
  readonly alerts: number;
  /** Requests a second. */
  readonly requests: number;
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Stressed {
  readonly passed: boolean;
  readonly seconds: number;
  readonly cameras: number;
  readonly gates: readonly (Gate & { readonly kept: boolean })[];
  readonly frameMs: Quantiles;
  readonly apiMs: Quantiles;
  readonly alertMs: Quantiles;
  readonly fpsPerCamera: number;
  readonly alerts: number;
  readonly requests: number;
  /** Percent of one core, and MiB, of core, camera processes and detector together. */
  readonly cpuPercent: number;
  readonly rssMib: number;
  /** Percent of one core that everything else took, the simulated camera among it; `cores` times 100 are there. */
  readonly othersPercent: number;
  readonly cores: number;
}

interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const startMs = 60_000;
const everyMs = 1_000;
/** Somebody is in the picture for most of the time from here on. */
const sceneLeadMs = 3_000;
const settleMs = 8_000;
const warmMs = 5_000;
const mib = 2 ** 20;
/** What viewers and programs ask for. */
const asked = [
  '/api/cctv',
  '/api/cctv/events?limit=50',
  '/api/cctv/alerts?limit=50',
  '/health',
  '/metrics',
] as const;

const quantiles = (values: readonly number[]): Quantiles => ({
  p50: quantile(values, 0.5),
  p95: quantile(values, 0.95),
  p99: quantile(values, 0.99),
});

/** Many cameras, many alerts and many questions at once, on a house that is thrown away. */
export async function stressTest(options: StressOptions): Promise<Stressed> {
  const { cameras, alerts, tell, signal } = options;
  await using life = new AsyncDisposableStack();
  const { dir, remove } = trialFolder();
  life.defer(remove);
  const webhook = await webhookSink();
  life.defer(() => webhook.close());
  const startAt = Date.now() - sceneLeadMs;
  // Drawn and encoded once, however many cameras send it: the load is to be on the house.
  const sim = await startCameras([
    cameraSpec('/stress', { kind: 'scene', walkers: true, startAt, weather: [] }),
  ]);
  life.defer(() => sim.close());
  const ids = Array.from({ length: cameras }, (_, i) => `stress_${i + 1}`);
  tell(`starting a house with ${cameras} cameras …`);
  const house = await startTrialHouse(dir, {
    settings: {
      cameras: ids.map((id) => ({ id, name: id, url: sim.url('/stress') })),
      processing: { detection: { classes: ['person'] } },
      monitoring: { webhooks: [{ id: 'stress', url: webhook.url }] },
      // Each rule tells of the same person at every camera.
      alert_rules: Array.from({ length: Math.ceil(alerts / cameras) }, (_, i) => ({
        id: `stress_${i + 1}`,
        classes: ['person'],
        cooldown: 0,
        presence: { residents_home: 'alert', arrivals: 'ignore' },
        actions: [{ type: 'webhook', to: 'stress' }],
      })),
    },
    calibrated: [],
    startMs,
    signal,
  });
  life.defer(() => house.close());
  await untilLive(house, cameras, signal);
  tell('all cameras give pictures; measuring …');
  return await load(house, webhook, options);
}

async function untilLive(house: TrialHouse, cameras: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + startMs;
  for (;;) {
    const body = await house.get<CctvBody>('/api/cctv');
    const live = body.cameras.filter((c) => c.state === 'live').length;
    if (live === cameras && body.detector?.state === 'ok') return;
    if (performance.now() > end || signal.aborted)
      throw new LaresError(
        'TIMEOUT',
        `${live} of ${cameras} cameras gave pictures within ${startMs / 1000} s`,
      );
    await systemClock.sleep(200, signal);
  }
}

interface Asked {
  readonly ms: number[];
  failures: number;
}

/** Asks at an even pace, whether answers come or not. */
async function askAll(url: string, perSecond: number, signal: AbortSignal): Promise<Asked> {
  const result: Asked = { ms: [], failures: 0 };
  const open = new Set<Promise<void>>();
  const startedAt = performance.now();
  for (let i = 0; !signal.aborted; i += 1) {
    const began = performance.now();
    const question = fetch(`${url}${asked[i % asked.length]}`, { signal: AbortSignal.timeout(10_000) })
      .then(async (reply) => {
        await reply.arrayBuffer();
        if (!reply.ok) throw new LaresError('BAD_REPLY', String(reply.status));
        result.ms.push(performance.now() - began);
      })
      .catch(() => void (result.failures += 1))
      .finally(() => open.delete(question));
    open.add(question);
    await systemClock.sleep(
      Math.max(1, startedAt + ((i + 1) * 1000) / perSecond - performance.now()),
      signal,
    );
  }
  await Promise.all(open);
  return result;
}

async function load(house: TrialHouse, webhook: WebhookSink, options: StressOptions): Promise<Stressed> {
  const { durationMs, cameras, alerts, requests, tell, signal } = options;
  const place = { pid: house.pid, dataDir: house.dataDir, withGpu: false };
  const over = new AbortController();
  const asking = askAll(house.url, requests, AbortSignal.any([over.signal, signal]));
  const first = await house.get<CctvBody>('/api/cctv');
  let body = first;
  const before = await snapshot(place, Date.now());
  let last = before;
  const frameMs: number[] = [];
  const memory: [number, number][] = [];
  let looked = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < durationMs && !signal.aborted) {
    await systemClock.sleep(everyMs, signal);
    body = await house.get<CctvBody>('/api/cctv');
    last = await snapshot(place, Date.now());
    memory.push([last.at, parts.reduce((sum, p) => sum + last.parts[p].rssBytes, 0) / mib]);
    for (const { fps, latency_ms: latency, infer_ms: infer } of body.cameras) {
      looked += (fps ?? 0) * (everyMs / 1000);
      // Zero is a second in which nothing reached the detector.
      if (latency !== null && infer !== null && infer > 0) frameMs.push(latency);
    }
    const seconds = (performance.now() - startedAt) / 1000;
    tell(`${seconds.toFixed(0)} s: ${webhook.received.length} alerts, ${memory.at(-1)![1].toFixed(0)} MiB`);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  over.abort();
  const answers = await asking;
  const stored = await settled(house, webhook, signal);
  const ids = webhook.received.map((r) => r.alert.id);
  const dropped = (all: CctvBody) => all.cameras.reduce((sum, c) => sum + c.dropped, 0);
  const row = rowOf(before, last);
  const alertMs = webhook.received.map(({ alert, at }) => at - Date.parse(alert.seen_at));
  const figures: StressFigures = {
    looked,
    dropped: dropped(body) - dropped(first),
    frameMs,
    apiMs: answers.ms,
    apiFailures: answers.failures,
    alertMs,
    alerts: stored,
    delivered: new Set(ids).size,
    doubled: ids.length - new Set(ids).size,
    wantedAlerts: alerts,
    memoryMibPerMinute: slopePerMinute(settledMemory(memory, webhook.received[0]?.at)),
    camerasDown: body.cameras.filter((c) => c.state !== 'live').length,
  };
  const own = parts.reduce((sum, p) => sum + row.cpuPercent[p], 0);
  const cores = availableParallelism();
  const gates = gatesOf(figures, seconds).map((g) => ({ ...g, kept: isKept(g) }));
  return {
    passed: gates.every((g) => g.kept),
    seconds,
    cameras,
    gates,
    frameMs: quantiles(frameMs),
    apiMs: quantiles(answers.ms),
    alertMs: quantiles(alertMs),
    fpsPerCamera: looked / seconds / cameras,
    alerts: stored,
    requests: answers.ms.length + answers.failures,
    cpuPercent: own,
    rssMib: memory.at(-1)?.[1] ?? 0,
    othersPercent: Math.max(0, row.systemPercent * cores - own),
    cores,
  };
}

/** What was used after the start, and after the first alert: pictures and tellers take their memory once, then. */
function settledMemory(memory: readonly [at: number, mib: number][], firstAlertAt: number | undefined) {
  const from = Math.max(memory[Math.floor(memory.length / 3)]?.[0] ?? 0, (firstAlertAt ?? 0) + warmMs);
  return memory.filter(([at]) => at >= from);
}

/** Alerts in the book once all of them have been told, or after some seconds. */
async function settled(house: TrialHouse, webhook: WebhookSink, signal: AbortSignal): Promise<number> {
  const count = async () => {
    const all = new Set<string>();
    for (let page: string | null = ''; page !== null;) {
      const query: string = page === '' ? '' : `&page=${encodeURIComponent(page)}`;
      const body: { alerts: { id: string }[]; next: string | null } = await house.get(
        `/api/cctv/alerts?limit=1000${query}`,
      );
      for (const { id } of body.alerts) all.add(id);
      page = body.next;
    }
    return all.size;
  };
  const end = performance.now() + settleMs;
  for (;;) {
    try {
      const stored = await count();
      const told = new Set(webhook.received.map((r) => r.alert.id)).size;
      if (told >= stored || performance.now() > end || signal.aborted) return stored;
    } catch (error) {
      if (performance.now() > end)
        throw new LaresError('BAD_REPLY', `the house stopped answering: ${reason(error)}`);
    }
    await systemClock.sleep(200, signal);
  }
}

export function stressText(s: Stressed): string {
  const line = (name: string, q: Quantiles) => [name, q.p50.toFixed(0), q.p95.toFixed(0), q.p99.toFixed(0)];
  return [
    `${s.cameras} cameras for ${s.seconds.toFixed(0)} s: ${s.fpsPerCamera.toFixed(1)} frames a second looked at each, ${s.alerts} alerts, ${s.requests} questions; ${s.cpuPercent.toFixed(0)} % of a core, ${s.rssMib.toFixed(0)} MiB`,
    `Everything else took ${s.othersPercent.toFixed(0)} of the ${s.cores * 100} % that the machine has.`,
    table(
      ['MILLISECONDS', 'P50', 'P95', 'P99'],
      [line('frame to objects', s.frameMs), line('frame to webhook', s.alertMs), line('API', s.apiMs)],
    ),
    '',
    table(
      ['BUDGET', 'MEASURED', 'AT MOST', ''],
      s.gates.map((g) => [
        g.name,
        `${g.value.toFixed(1)} ${g.unit}`.trim(),
        `${g.budget} ${g.unit}`.trim(),
        g.kept ? 'kept' : 'BROKEN',
      ]),
    ),
  ].join('\n');
}
