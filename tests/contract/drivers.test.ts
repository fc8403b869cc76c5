import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { makeLanDriver } from '#devices/lan/driver.ts';
import { mainsHabits, simulatedScanner } from '#devices/lan/sim.ts';
import { LaresError } from '#kernel/errors.ts';
import { systemClock } from '#platform/clock.ts';
import { sourceDrivers } from '#presence/sources/index.ts';
import { simulate as simulateHomeAssistant } from '#presence/sources/homeassistant/sim.ts';
import { accountKey, type TadoAccount } from '#presence/sources/tado/model.ts';
import { simulate as simulateTado } from '#presence/sources/tado/sim.ts';
import { MemoryState } from '../servers/memory-store.ts';
import { until } from '../servers/process.ts';
import { electricityEdges, type Simulated } from './electricity-edges.ts';
import { runDriver } from './run-driver.ts';

type Edges<Registry> = { [K in keyof Registry]: () => Promise<Simulated> };

// Each registered source with its simulator; one that is registered without does not compile.
const sources: Edges<typeof sourceDrivers> = {
  homeassistant: async () => ({
    ...(await simulateHomeAssistant()),
    folder: 'src/presence/sources/homeassistant',
    driver: sourceDrivers.homeassistant() as Simulated['driver'],
  }),
  tado: async () => {
    const state = new MemoryState();
    const { cloud, ...sim } = await simulateTado(state);
    return {
      ...sim,
      folder: 'src/presence/sources/tado',
      driver: sourceDrivers.tado(state, cloud) as Simulated['driver'],
      // It keeps to its quota over restarts; without this the next run would wait instead of asking.
      close: async () => {
        await sim.close();
        await state.set(accountKey, { ...(await state.get<TadoAccount>(accountKey)), nextPollAt: 0 });
      },
    };
  },
};

// A kind that two areas have is two drivers here.
const electricity = Object.fromEntries(
  Object.entries(electricityEdges).map(([kind, start]) => [`electricity.${kind}`, start]),
);

const edges: Readonly<Record<string, () => Promise<Simulated>>> = {
  ...sources,
  ...electricity,
  lan: async (): Promise<Simulated> => {
    const always = { here: true, since: 0, until: Number.POSITIVE_INFINITY };
    const scanner = simulatedScanner({
      network: '192.0.2.0/24',
      devices: [
        {
          name: 'lamp',
          mac: '02:aa:bb:cc:dd:01',
          ip: '192.0.2.11',
          habits: mainsHabits,
          presence: () => always,
        },
      ],
      clock: systemClock,
      seed: 'contract',
    });
    return {
      folder: 'src/devices/lan',
      driver: makeLanDriver(async () => scanner) as Simulated['driver'],
      config: { networks: ['192.0.2.0/24'] },
      close: async () => scanner.fail(1_000),
    };
  },
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(kind: string) {
  const simulated = await edges[kind]!();
  closers.push(() => simulated.close());
  return simulated;
}

/** Title and description of a setting; the outermost word wins, as in the reference. */
function wordsOf(schema: z.core.$ZodType): { title?: unknown; description?: unknown } | undefined {
  const { def } = schema._zod;
  return (
    z.globalRegistry.get(schema) ??
    ('innerType' in def ? wordsOf(def.innerType as z.core.$ZodType) : undefined)
  );
}

/** Paths of settings without a title and a description. */
function undocumented(schema: z.core.$ZodType, path: string): string[] {
  const { def } = schema._zod;
  const own = wordsOf(schema);
  const missing = own?.title === undefined || own.description === undefined ? [path] : [];
  const inside =
    schema instanceof z.ZodObject
      ? Object.entries(schema.shape).flatMap(([key, value]) =>
          undocumented(value as z.core.$ZodType, `${path}.${key}`),
        )
      : schema instanceof z.ZodArray
        ? undocumentedInside(schema.element as z.core.$ZodType, `${path}[]`)
        : 'innerType' in def
          ? undocumentedInside(def.innerType as z.core.$ZodType, path)
          : [];
  return [...missing, ...inside];
}

/** What stands in a list or under a default needs no title of its own, but the settings within it do. */
const undocumentedInside = (schema: z.core.$ZodType, path: string): string[] =>
  undocumented(schema, path).filter((found) => found !== path);

test('a setting without words is found', () => {
  const words = { title: 'T', description: 'D' };
  const schema = z.strictObject({
    good: z.string().meta(words),
    bad: z.string().default('x'),
    list: z.array(z.strictObject({ deep: z.number() })).meta(words),
  });
  expect(undocumented(schema.meta(words), 'x')).toEqual(['x.bad', 'x.list[].deep']);
});

describe.each(Object.keys(edges))('the driver %s', (kind) => {
  test('is registered under its own kind and ships a simulator', async () => {
    const { driver, folder } = await start(kind);
    expect(driver.kind).toBe(kind.replace('electricity.', ''));
    expect(driver.title).not.toBe('');
    expect(existsSync(`${folder}/sim.ts`)).toBe(true);
  });

  test('accepts its own example and refuses unknown keys', async () => {
    const { driver } = await start(kind);
    expect(driver.config.parse(driver.example)).toMatchObject(driver.example as object);
    expect(() => driver.config.parse({ ...(driver.example as object), surprise: 1 })).toThrow(/surprise/);
  });

  test('documents every setting', async () => {
    const { driver } = await start(kind);
    expect(undocumented(driver.config as z.ZodObject, kind)).toEqual([]);
  });

  test('reports what its simulator shows and stops within a second of its signal', async () => {
    const { driver, config } = await start(kind);
    const run = runDriver(driver, config);
    await until(() => run.signals.length > 0 && run.details.length > 0);
    const late = Symbol('still running after a second');
    let timer: NodeJS.Timeout | undefined;
    const second = new Promise((resolve) => (timer = setTimeout(() => resolve(late), 1_000)));
    expect(await Promise.race([run.stop(), second])).toBeUndefined();
    clearTimeout(timer);
  });

  test('survives the death of its simulator: the error asks for another try', async () => {
    const simulated = await start(kind);
    const { driver, config } = simulated;
    if (simulated.mayFallSilent === true) return;
    const living = runDriver(driver, config);
    await until(() => living.signals.length > 0 && living.details.length > 0);
    await simulated.close();
    const next = runDriver(driver, config);
    closers.push(() => next.stop());
    const trouble = () =>
      next.signals.find((s) => (s as { kind?: string }).kind === 'trouble') as { error: unknown };
    if (simulated.goesOn === true) await until(() => trouble() !== undefined);
    const error = simulated.goesOn === true ? trouble().error : await next.ended;
    expect(error).toBeInstanceOf(LaresError);
    expect(error).toMatchObject({ remedy: 'retry' });
    const last = await living.stop();
    expect(last === undefined || last instanceof LaresError).toBe(true);
  });
});
