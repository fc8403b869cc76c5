/**
 * The pulse driver: `node bench/pulse.ts [--seconds 3] [--data ../shared/data]`.
 * 1. Messages a second that it takes over HTTP, against a bare node:http server that only parses JSON; senders run in a
 *    child process. 2. Power of a real household through a simulated light and ESP32, against counting pulses in 5 s.
 */
import { fork } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { createServer, Agent, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { makePulseDriver } from '#electricity/drivers/pulse/driver.ts';
import { advance, powerAt, type Power } from '#electricity/drivers/pulse/power.rules.ts';
import { PulseSim } from '#electricity/drivers/pulse/sim.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { MemoryState } from '../tests/servers/memory-store.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    data: { type: 'string', default: path.join(import.meta.dirname, '../../shared/data') },
    send: { type: 'string' },
  },
});
const seconds = Number(options.seconds);
const token = 'token-for-the-benchmark';
const senders = 20;

/** The child: posts as fast as replies come, on kept connections, each sender a meter of its own. */
async function send(url: string): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: senders });
  const end = performance.now() + seconds * 1_000;
  let done = 0;
  let refused = 0;
  const post = (body: string) =>
    new Promise<void>((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        'content-length': body.length,
      };
      const call = request(url, { method: 'POST', agent, headers }, (reply) => {
        if (reply.statusCode !== 200) refused += 1;
        reply.resume().on('end', resolve);
      });
      call.on('error', reject);
      call.end(body);
    });
  const sender = async (id: number) => {
    for (let n = 1; performance.now() < end; n += 1) {
      const message = {
        id: `m${id}`,
        total_pulses: n,
        uptime_ms: n * 5_000,
        sequence: n,
        boot: 'b',
        pulses: [n * 5_000 - 900],
      };
      await post(JSON.stringify(message));
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: senders }, (_, id) => sender(id)));
  agent.destroy();
  process.send!({ done, refused });
}

function measure(url: string): Promise<{ done: number; refused: number }> {
  return new Promise((resolve, reject) => {
    const child = fork(import.meta.filename, ['--send', url, '--seconds', String(seconds)]);
    child.once('message', (message) => resolve(message as { done: number; refused: number }));
    child.once('error', reject);
  });
}

async function throughput(): Promise<string> {
  const bare = createServer((call, reply) => {
    let body = '';
    call.on('data', (chunk) => (body += String(chunk)));
    call.on('end', () => {
      JSON.parse(body);
      reply.end('{"ok":true}');
    });
  });
  await new Promise<void>((resolve) => bare.listen(0, '127.0.0.1', resolve));
  const rival = await measure(
    `http://127.0.0.1:${(bare.address() as AddressInfo).port}/api/electricity/pulse`,
  );
  bare.closeAllConnections();
  bare.close();

  const driver = makePulseDriver({ state: new MemoryState() });
  const stop = new AbortController();
  const meters = Array.from({ length: senders }, (_, id) => ({ name: `m${id}`, id: `m${id}`, token }));
  // The brake on floods counts by its own clock; here it must not brake.
  const clock = { ...systemClock, monotonic: () => performance.now() * 1_000 };
  const run = driver.run(driver.config.parse({ meters, http: { port: 0 } }), {
    clock,
    log: silent,
    signal: stop.signal,
    random: Math.random,
    emit: () => {},
    alive: () => {},
  });
  while (driver.port === undefined) await systemClock.sleep(10);
  const ours = await measure(`http://127.0.0.1:${driver.port}/api/electricity/pulse`);
  stop.abort();
  await run;
  const rate = (done: number) => Math.round(done / seconds);
  return table(
    ['HTTP', 'MESSAGES/S', 'REFUSED', 'OF BARE'],
    [
      ['bare node:http, JSON.parse only', String(rate(rival.done)), String(rival.refused), '1.00'],
      ['pulse driver', String(rate(ours.done)), String(ours.refused), (ours.done / rival.done).toFixed(2)],
    ],
  );
}

/** W by minute: a real household where the data is there, else three appliances. */
function household(): { name: string; watts: readonly number[] } {
  const dir = path.join(options.data, 'electricity/uci');
  const [file] = existsSync(dir) ? globSync('*.csv', { cwd: dir }) : [];
  const watts =
    file === undefined
      ? Array.from({ length: 1_440 }, (_, m) => 90 + (m % 45 < 15 ? 85 : 0) + (m % 240 < 4 ? 2_800 : 0))
      : readFileSync(path.join(dir, file), 'utf8')
          .split('\n')
          .flatMap((line) => {
            const kw = Number(line.split(/[,;]/).find((cell) => /^\d+\.\d{3}$/.test(cell)));
            return Number.isFinite(kw) ? [kw * 1_000] : [];
          })
          .slice(0, 1_440);
  return { name: file ?? 'three appliances', watts };
}

function accuracy(): string {
  const { name, watts } = household();
  const start = Date.UTC(2026, 0, 1);
  const power = (at: number) => watts[Math.min(watts.length - 1, Math.floor((at - start) / 60_000))]!;
  const rows = [1_000, 3_200].flatMap((imp) => {
    let now = start;
    const sim = new PulseSim({ now: () => now, power, impPerKwh: imp, jitterMs: 3 });
    let state: Power | undefined;
    let total = 0;
    const errors: [ours: number[], counting: number[]] = [[], []];
    while (now < start + watts.length * 60_000) {
      now += 5_000;
      const message = JSON.parse(sim.message()) as {
        total_pulses: number;
        uptime_ms: number;
        pulses: number[];
        boot: string;
      };
      const { boot, pulses } = message;
      state = advance(
        state,
        { boot, pulses, total: message.total_pulses, uptimeMs: message.uptime_ms },
        now,
        imp,
      );
      const truth = power(now - 1);
      const ours = powerAt(state, now);
      const counting = ((message.total_pulses - total) * 3.6e9) / (imp * 5_000);
      total = message.total_pulses;
      // The first half of a minute still holds pulses of the load before.
      if (ours === undefined || (now - start) % 60_000 <= 30_000) continue;
      errors[0].push(Math.abs(ours / truth - 1));
      errors[1].push(Math.abs(counting / truth - 1));
    }
    const at = (list: number[], share: number) =>
      `${((list.toSorted((a, b) => a - b)[Math.floor(list.length * share)] ?? 0) * 100).toFixed(2)} %`;
    return (['spacing (Lares)', 'count in 5 s'] as const).map((method, i) => [
      String(imp),
      method,
      at(errors[i]!, 0.5),
      at(errors[i]!, 0.95),
    ]);
  });
  return `${name}, ${watts.length} minutes\n${table(['IMP/KWH', 'POWER BY', 'ERROR P50', 'ERROR P95'], rows)}`;
}

if (options.send !== undefined) await send(options.send);
else console.log(`${await throughput()}\n\n${accuracy()}`);
