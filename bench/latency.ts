/**
 * How long it takes from a picture to people: `node bench/latency.ts [--alerts 40] [--cameras 3] [--starts 5]`.
 *
 * Simulated cameras, in a process of their own, show an empty drive; then somebody stands and walks in it from one frame to
 * the next, and the instant at which each frame was drawn is written down. A house of its own, a process as the service is,
 * tells by webhook, MQTT and voice; the player is a program that notes when its first sample comes. Two times are told:
 * from the frame that made the rule true, and from the very first frame with somebody in it, which holds the frames that
 * the tracker waits for before it believes. Then: from the start of the process to the first object that it believes.
 */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connectAsync } from 'mqtt';
import { startTrialHouse, trialFolder } from '#app/cctv/tools/trial-house.ts';
import { webhookSink, type WebhookAlert } from '#app/cctv/tools/sinks.ts';
import { table } from '#platform/table.ts';
import { freePort } from '../tests/servers/process.ts';
import { startAppearances } from './lib/appearances.ts';
import { percentile } from './lib/counting.ts';

/** Away for long enough to be forgotten: whoever comes then is somebody else. */
const thereMs = 4_000;
const awayMs = 10_000;
const startLimitMs = 60_000;

const user = { name: 'bench', password: 'only-on-loopback' } as const;

/** Plays into nothing and notes when the first two bytes came; its device is the word after -D. */
function notingPlayer(dir: string): { readonly env: Record<string, string>; readonly log: string } {
  mkdirSync(dir, { recursive: true });
  const log = path.join(dir, 'first-samples');
  const player = path.join(dir, 'aplay');
  writeFileSync(
    player,
    `#!/bin/bash\nwhile [ $# -gt 1 ]; do [ "$1" = -D ] && device="$2"; shift; done\nhead -c 2 > /dev/null\necho "$device \${EPOCHREALTIME/./}" >> ${log}\nexec cat > /dev/null\n`,
  );
  chmodSync(player, 0o755);
  return { env: { PATH: `${dir}:/usr/bin:/bin:${process.env['PATH'] ?? ''}` }, log };
}

const last = (instants: readonly number[], at: number) => instants.findLast((t) => t <= at);

async function alerts(wanted: number, count: number): Promise<void> {
  const { dir, remove } = trialFolder();
  const sim = await startAppearances({ cameras: count, thereMs, awayMs });
  const webhook = await webhookSink();
  const broker = await freePort();
  const player = notingPlayer(path.join(dir, 'player'));
  const ids = Array.from({ length: count }, (_, i) => `c${i}`);
  const house = await startTrialHouse(dir, {
    settings: {
      cameras: ids.map((id) => ({ id, url: `rtsp://127.0.0.1:${sim.port}/${id}` })),
      processing: { detection: { classes: ['person'] } },
      broker: { port: broker, users: [user] },
      speakers: ids.map((id) => ({ id, device: id })),
      monitoring: { webhooks: [{ id: 'bench', url: webhook.url }] },
      alert_rules: ids.map((id) => ({
        id,
        cameras: [id],
        classes: ['person'],
        cooldown: 0,
        conditions: { distance_to_reference: { reference: 'drive', operator: '<', value: 30 } },
        presence: { residents_home: 'alert', arrivals: 'ignore' },
        actions: [{ type: 'webhook', to: 'bench' }, { type: 'mqtt' }, { type: 'speak', speaker: id }],
      })),
    },
    calibrated: ids,
    env: player.env,
    startMs: 60_000,
    signal: new AbortController().signal,
  });
  const byMqtt = new Map<string, number>();
  const client = await connectAsync(`mqtt://127.0.0.1:${broker}`, {
    username: user.name,
    password: user.password,
  });
  client.on('message', (_topic, payload) => {
    byMqtt.set((JSON.parse(payload.toString()) as WebhookAlert).id, Date.now());
  });
  await client.subscribeAsync('+/alerts/#');
  // The first round is that of a house that warms up.
  await sleep(thereMs + awayMs);
  const skip = webhook.received.length;
  const until = performance.now() + ((wanted / count) * 2 + 3) * (thereMs + awayMs);
  while (webhook.received.length < skip + wanted && performance.now() < until) await sleep(200);
  await sleep(3_000);
  const sounds = existsSync(player.log) ? readFileSync(player.log, 'utf8').trim().split('\n') : [];
  const firstSamples = sounds.map((line) => {
    const [device, micros] = line.split(' ');
    return { device, at: Number(micros) / 1000 };
  });
  const figures = {
    decided: [] as number[],
    mqtt: [] as number[],
    seen: [] as number[],
    voice: [] as number[],
  };
  for (const { alert, at } of webhook.received.slice(skip)) {
    const camera = Number(alert.camera.slice(1));
    const frame = last(sim.frames[camera]!, Date.parse(alert.seen_at));
    const appeared = last(sim.appearances[camera]!, at);
    if (frame === undefined || appeared === undefined || at - appeared > thereMs) continue;
    figures.decided.push(at - frame);
    figures.seen.push(at - appeared);
    const mqtt = byMqtt.get(alert.id);
    if (mqtt !== undefined) figures.mqtt.push(mqtt - frame);
    const sound = firstSamples.find(
      (s) => s.device === alert.camera && s.at >= appeared && s.at < appeared + thereMs,
    );
    if (sound !== undefined) figures.voice.push(sound.at - appeared);
  }
  await client.endAsync();
  await house.stop();
  await house.close();
  await webhook.close();
  sim.close();
  remove();
  const row = (name: string, all: readonly number[], goal: string) => [
    name,
    String(all.length),
    percentile(all, 0.5).toFixed(0),
    percentile(all, 0.95).toFixed(0),
    Math.max(...all).toFixed(0),
    goal,
  ];
  console.log(
    table(
      ['MILLISECONDS', 'N', 'P50', 'P95', 'MOST', 'GOAL P95'],
      [
        row('frame to webhook', figures.decided, '700'),
        row('frame to MQTT', figures.mqtt, '700'),
        row('first photon to webhook', figures.seen, ''),
        row('first photon to first sample', figures.voice, '1500'),
      ],
    ),
  );
  const all = Object.entries(figures).map(([name, ms]) => [
    name,
    { n: ms.length, p50: percentile(ms, 0.5), p95: percentile(ms, 0.95) },
  ]);
  console.log(JSON.stringify({ bench: 'latency', cameras: count, ...Object.fromEntries(all) }));
}

/** From the start of the process to the first event that its API tells. The first start makes the model ready. */
async function starts(count: number): Promise<void> {
  const { dir, remove } = trialFolder();
  const sim = await startAppearances({ cameras: 1, thereMs, awayMs: 0 });
  const ms: number[] = [];
  for (let i = 0; i <= count; i += 1) {
    const startedAt = performance.now();
    const house = await startTrialHouse(dir, {
      settings: {
        cameras: [{ id: `c${i}`, url: `rtsp://127.0.0.1:${sim.port}/c0` }],
        processing: { detection: { classes: ['person'] } },
      },
      calibrated: [],
      startMs: 60_000,
      signal: new AbortController().signal,
    });
    // A camera of a new name: events of the start before are none of it.
    for (;;) {
      if (performance.now() - startedAt > startLimitMs)
        throw new Error(`nobody was seen: ${house.tail().join('\n')}`);
      const { events } = await house.get<{ events: unknown[] }>(`/api/cctv/events?camera=c${i}`);
      if (events.length > 0) break;
      await sleep(10);
    }
    ms.push(performance.now() - startedAt);
    await house.stop();
    await house.close();
  }
  sim.close();
  remove();
  const [first, ...rest] = ms;
  console.log(
    `process start to first object: ${percentile(rest, 0.5).toFixed(0)} ms p50, ${Math.max(...rest).toFixed(0)} ms at most of ${rest.length} (goal 3000); ${first!.toFixed(0)} ms where the model is made ready first`,
  );
}

const { values } = parseArgs({
  options: {
    alerts: { type: 'string', default: '40' },
    cameras: { type: 'string', default: '3' },
    starts: { type: 'string', default: '5' },
  },
});
await starts(Number(values.starts));
await alerts(Number(values.alerts), Number(values.cameras));
