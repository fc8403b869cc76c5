import { afterEach, describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { until } from '../servers/process.ts';
import { electricityEdges } from './electricity-edges.ts';
import { runDriver } from './run-driver.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** What keeps this process alive, as counts: sockets, servers, timers. */
function held(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

const beyond = (now: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>) =>
  Object.entries(now).filter(([kind, count]) => count > (before[kind] ?? 0));

test('a timer that is left over is found', () => {
  const before = held();
  const timer = setInterval(() => {}, 1_000);
  closers.push(() => clearInterval(timer));
  expect(beyond(held(), before)).toEqual([['Timeout', (before['Timeout'] ?? 0) + 1]]);
});

describe.each(Object.entries(electricityEdges))('the driver %s', (_kind, start) => {
  test('lets go of every socket and timer, twenty times over', { timeout: 60_000 }, async () => {
    const simulated = await start();
    closers.push(() => simulated.close());
    const { driver } = simulated;
    // A search that is broken off has sockets and timers of its own.
    const searches = 'networks' in (driver.config as z.ZodObject).shape;
    const config = { ...simulated.config, ...(searches && { networks: ['127.9.9.0/24'] }) };
    const once = async () => {
      const run = runDriver(driver, config);
      await until(() => run.signals.length > 0);
      expect(await run.stop()).toBeUndefined();
    };
    // The first run loads libraries and lets the simulator settle.
    await once();
    const before = held();
    for (let round = 0; round < 20; round += 1) await once();
    await until(
      () => beyond(held(), before).length === 0,
      () => `left over: ${JSON.stringify(beyond(held(), before))}`,
    );
  });
});
