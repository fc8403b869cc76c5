/**
 * Four cameras in one process lose their connection again and again: by FIN, by RST, by silence and by noise. Each must be
 * live again afterwards. Does the process that reads them grow?
 * `node bench/reconnect.ts [--reconnects 1000]`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { CameraFleet } from '#cctv/ingest/fleet.ts';
import { cameraSpec, startCameras } from '#cctv/sim/cameras.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { table } from '#platform/table.ts';
import { planFor } from '#cctv/ingest/fixture.ts';
import { usageOf } from './lib/processes.ts';

const { values } = parseArgs({ options: { reconnects: { type: 'string', default: '1000' } } });
const wanted = Number(values.reconnects);

const names = ['a', 'b', 'c', 'd'];
const sim = await startCameras(names.map((name) => cameraSpec(`/${name}`, { kind: 'square' }, { fps: 10 })));
const fleet = new CameraFleet({ clock: systemClock, log: silent });
const live = new Map<string, boolean>();
const lost = new Map<string, number>();
fleet.onSignal((signal) => {
  if (signal.kind !== 'state') return;
  live.set(signal.camera, signal.state === 'live');
  if (signal.lost === true) lost.set(signal.camera, (lost.get(signal.camera) ?? 0) + 1);
});
const stop = new AbortController();
const done = fleet.run(stop.signal);
fleet.configure(
  names.map((name) => planFor(name, sim.url(`/${name}`))),
  { timeZone: 'UTC' },
);

/** Nine of ten are cut, which is quick; every tenth is silent or sends noise until it was noticed. */
const ways = ['fin', 'rst', 'fin', 'rst', 'silence', 'fin', 'rst', 'fin', 'rst', 'noise'] as const;

async function until(holds: () => boolean): Promise<boolean> {
  for (const end = performance.now() + 30_000; performance.now() < end; await sleep(10))
    if (holds()) return true;
  return false;
}

let count = 0;
let stuck = 0;
const backMs: number[] = [];
async function abuse(name: string, first: number): Promise<void> {
  const path = `/${name}`;
  for (let i = first; count < wanted; i += 1) {
    const before = lost.get(name) ?? 0;
    const way = ways[i % ways.length]!;
    if (way === 'fin' || way === 'rst') sim.cut(path, way);
    else sim.fault(path, way === 'silence' ? { halfOpen: true } : { garbage: true });
    const noticed = await until(() => (lost.get(name) ?? 0) > before);
    sim.heal(path);
    const healedAt = performance.now();
    if (!noticed || !(await until(() => live.get(name) === true))) stuck += 1;
    backMs.push(performance.now() - healedAt);
    count += 1;
    // A connection that just began is a harder case than one in its stride; take some of both.
    await sleep(i % 3 === 0 ? 0 : 100);
  }
}

const rows: string[][] = [];
let processes = 0;
function note(): void {
  const pids = fleet.pids();
  processes = Math.max(processes, pids.length);
  const { rss, pss, descriptors, threads } = usageOf(pids[0]!);
  rows.push([
    String(count),
    rss.toFixed(1),
    pss.toFixed(1),
    String(descriptors),
    String(threads),
    String(pids.length),
    String(pids[0]),
  ]);
}

await until(() => names.every((name) => live.get(name) === true));
await sleep(3000);
note();
const abused = Promise.all(names.map((name, i) => abuse(name, i * 3)));
for (let next = wanted / 10; next <= wanted; next += wanted / 10) {
  while (count < next) await sleep(50);
  note();
}
await abused;
await sleep(3000);
note();
console.log(table(['reconnects', 'RSS MiB', 'PSS MiB', 'descriptors', 'threads', 'processes', 'pid'], rows));
const sorted = backMs.toSorted((a, b) => a - b);
const at = (share: number) =>
  Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);
console.log(
  `live again after the camera was back: median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${at(1)} ms`,
);
console.log(
  `outages told: ${[...lost.values()].reduce((a, b) => a + b, 0)} of ${count}; never back: ${stuck}`,
);
stop.abort();
await done;
await sim.close();
