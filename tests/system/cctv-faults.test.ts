import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DetailedHealthBody } from '#http/contract.ts';
import { startCameras, type SimulatedCameras } from '#cctv/sim/cameras.ts';
import { cameraRows, others, type CameraRow, type Scene } from '../servers/camera-faults.ts';
import {
  cameraFolder,
  cameraIs,
  cameraOf,
  cctvOf,
  descriptors,
  outages,
  partsOf,
  sees,
  square,
  whole,
} from '../servers/camera-house.ts';
import { startLares, writeSettings, type LaresProcess } from '../servers/house.ts';
import { freePort, systemPath, until } from '../servers/process.ts';
import { Stalls } from '../servers/stalls.ts';
import { TcpProxy } from '../servers/tcp-proxy.ts';

const idOf = (row: CameraRow) => `victim_${cameraRows.indexOf(row)}`;
const bystanders = ['bystander_a', 'bystander_b'];
const watchMs = 500;
// Pictures are counted by the second: two seconds without are a gap.
const longestGap = 2_000 / watchMs;

const expected = ({ cause, moment }: CameraRow) =>
  cause === undefined ? 'goes on' : `is ${cause} once and comes back${moment === true ? ' by itself' : ''}`;

describe('faults of cameras', () => {
  const life = new AsyncDisposableStack();
  const stalls = life.use(new Stalls());
  const proxy = new TcpProxy();
  /** Looks in a row at which a healthy camera gave no picture: now, and the most ever. */
  const gaps = new Map(bystanders.map((id) => [id, { now: 0, most: 0, looks: 0 }]));
  const told: { fault: string; foundMs?: number; backMs?: number }[] = [];
  let sim: SimulatedCameras;
  let dir: string;
  let house: LaresProcess;
  let before: Map<number, number>;

  beforeAll(async () => {
    const folder = await cameraFolder();
    life.defer(folder.remove);
    ({ dir } = folder);
    sim = await startCameras([
      ...cameraRows.map((row) => square(`/${idOf(row)}`)),
      ...bystanders.map((id) => square(`/${id}`)),
      ...Object.entries(others).map(([place, spec]) => square(place, spec)),
    ]);
    life.defer(() => sim.close());
    const port = Number(new URL(sim.url('/smaller').replace('rtsp:', 'http:')).port);
    await proxy.start(port);
    life.defer(() => proxy.stop());
    const camera = (id: string, url: string) => ({ id, url, motion_masks: [whole], record: 'off' });
    writeSettings(dir, {
      http: { port: await freePort() },
      metrics: { interval_seconds: 1 },
      // Those in trouble share a process with those that are not.
      performance: { cameras_per_process: 10 },
      cameras: [
        ...cameraRows.map((row) => {
          const url = sim.url(`/${idOf(row)}`);
          return camera(idOf(row), row.wired === true ? url.replace(`:${port}/`, `:${proxy.port}/`) : url);
        }),
        ...bystanders.map((id) => camera(id, sim.url(`/${id}`))),
      ],
    });
    house = startLares({ dir: dir });
    life.defer(async () => void (await house.stop('SIGKILL')));
    await until(
      async () => (await cctvOf(house)).cameras.every(sees),
      () => house.lines.slice(-20).join('\n'),
      120_000,
    );
    await until(() => partsOf(house).some(({ title }) => title === 'lares-detector'));
    before = new Map(partsOf(house).map(({ pid }) => [pid, descriptors(pid)]));
    const stop = new AbortController();
    life.defer(() => stop.abort());
    void watch(stop.signal);
  });
  afterAll(() => life.disposeAsync());

  async function watch(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const view = await cctvOf(house).catch(() => undefined);
      for (const [id, gap] of gaps) {
        const one = view?.cameras.find((c) => c.id === id);
        if (one === undefined) continue;
        gap.looks += 1;
        gap.now = sees(one) ? 0 : gap.now + 1;
        gap.most = Math.max(gap.most, gap.now);
      }
      await new Promise((resolve) => setTimeout(resolve, watchMs));
    }
  }

  /** Nothing listens any more at the port of a camera; and then somebody does again. */
  function lineOf(): Scene['line'] {
    const { port } = proxy;
    const target = Number(new URL(sim.url('/smaller').replace('rtsp:', 'http:')).port);
    return {
      refuse: () => proxy.stop(),
      heal: () => proxy.start(target, port),
    };
  }

  /** The camera is down of this, and health says so with words. */
  async function isTold(id: string, cause: string): Promise<boolean> {
    const camera = await cameraOf(house, id);
    const { components } = await house.get<DetailedHealthBody>('/health/detailed');
    const component = components.find((c) => c.name === `camera.${id}`);
    return (
      camera.state === 'down' &&
      camera.cause === cause &&
      component?.state === 'down' &&
      component.detail === `${cause}: ${camera.detail}` &&
      (camera.detail ?? '').length > 5
    );
  }

  const since = (from: number) => performance.now() - from;

  for (const row of cameraRows)
    test.concurrent(`${row.fault}: ${expected(row)}, and nobody else notices`, async () => {
      const id = idOf(row);
      const scene: Scene = { sim, path: `/${id}`, line: lineOf() };
      const frames = (await cameraOf(house, id)).decode_errors;
      const brokeAt = performance.now();
      await row.breaks(scene);
      const result: (typeof told)[number] = { fault: row.fault };
      told.push(result);
      await until(
        async () =>
          row.cause === undefined ||
          (row.moment === true ? outages(house, id) === 1 : await isTold(id, row.cause ?? '')),
        () => `${id} is not told:\n${house.lines.filter((line) => line.includes(id)).join('\n')}`,
        60_000,
      );
      if (row.cause !== undefined) result.foundMs = since(brokeAt);
      // Long enough for several tries.
      const looks = gaps.get(bystanders[0]!)!.looks;
      await until(() => gaps.get(bystanders[0]!)!.looks >= looks + 8);
      const healedAt = performance.now();
      await (row.heals === undefined ? sim.heal(`/${id}`) : row.heals(scene));
      const camera = await cameraIs(
        house,
        id,
        (c) =>
          sees(c) &&
          Object.entries(row.becomes ?? {}).every(([k, v]) => c.streams.detect?.[k as 'width'] === v),
        120_000,
      );
      if (row.cause !== undefined) result.backMs = since(healedAt);
      // One line an outage, however many tries it took, and its code is the cause.
      const lost = house.lines.filter(
        (line) => line.includes(`|camera ${id} `) && line.includes('reconnect'),
      );
      const codes = lost.map((line) => line.split('|').slice(1, 4).join(' '));
      const causes = row.first ?? [row.cause ?? ''];
      expect(codes).toHaveLength(row.cause === undefined ? 0 : 1);
      expect(codes.filter((code) => !causes.some((cause) => code === `ERROR cctv ${cause}`))).toEqual([]);
      expect(camera.reconnects).toBe(codes.length);
      expect(camera.decode_errors).toBeGreaterThanOrEqual(frames);
    });

  test('meanwhile those beside them never missed pictures for two seconds, and nothing was left open', async () => {
    console.table(
      told.map(({ fault, foundMs, backMs }) => ({
        fault,
        'found after s': foundMs === undefined ? '' : (foundMs / 1000).toFixed(1),
        'back after s': backMs === undefined ? '' : (backMs / 1000).toFixed(1),
      })),
    );
    for (const [id, { most, looks }] of gaps) {
      expect(looks).toBeGreaterThan(20);
      expect(most, id).toBeLessThan(longestGap + stalls.totalMs / watchMs);
      expect(outages(house, id)).toBe(0);
      expect(await sim.counts(`/${id}`)).toMatchObject({ connected: 1, mostConnections: 1 });
    }
    const parts = partsOf(house);
    expect(new Set(parts.map(({ pid }) => pid))).toEqual(new Set(before.keys()));
    // Each camera has one line to the detector, once that is there.
    const lines = { 'lares-detector': cameraRows.length + bystanders.length, 'lares-cameras': 10 };
    for (const { pid, title } of parts)
      await until(
        () => descriptors(pid) <= before.get(pid)! + lines[title as keyof typeof lines],
        () => `${title} has ${descriptors(pid)} descriptors open, before ${before.get(pid)}`,
      );
    for (const row of cameraRows)
      await until(async () => (await sim.counts(`/${idOf(row)}`)).connections === 1);
  });

  test('operators count outages and errors with the commands of the original', async () => {
    const run = (command: string) =>
      execFileSync('/bin/bash', ['--norc', '-c', command], {
        cwd: dir,
        encoding: 'utf8',
        env: { PATH: systemPath },
      });
    const log = path.join(dir, 'data/logs/app.log');
    await until(() => readFileSync(log, 'utf8').split('\n').length > house.lines.length - 1);
    expect(run('grep "reconnect" data/logs/app.log | wc -l').trim()).toBe(String(house.count(/reconnect/)));
    const counts = run(`grep "ERROR" data/logs/app.log | cut -d'|' -f4 | sort | uniq -c | sort -rn`);
    const byCode = new Map(
      counts
        .trim()
        .split('\n')
        .map((line) => line.trim().split(' ') as [string, string])
        .map(([n, code]) => [code, Number(n)]),
    );
    const lost = cameraRows.filter((row) => row.cause !== undefined);
    for (const { cause } of lost) expect(byCode.get(cause ?? '')).toBeGreaterThanOrEqual(1);
    for (const code of byCode.keys()) expect(code).toMatch(/^[A-Z][A-Z_]+$/);
    expect(run('grep -c . data/logs/errors.log').trim()).toBe(
      String([...byCode.values()].reduce((a, b) => a + b)),
    );
    expect(await house.stop()).toBe(0);
    expect(house.lines.filter((line) => /exception|unhandled|TypeError/i.test(line))).toEqual([]);
  });
});

test('docs/faults.md tells of every fault of a camera', () => {
  const text = readFileSync(new URL('../../docs/faults.md', import.meta.url), 'utf8');
  const section = text.slice(text.indexOf('\n## Cameras'), text.indexOf('\n## The house with cameras'));
  const rows = [...section.matchAll(/^\| ([^|]*?) +\| /gm)].map(([, fault]) => fault);
  expect(rows.filter((fault) => cameraRows.some((row) => row.fault === fault))).toEqual(
    cameraRows.map((row) => row.fault),
  );
});
