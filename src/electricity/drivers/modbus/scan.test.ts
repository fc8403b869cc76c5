import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../../../tests/servers/process.ts';
import type { Found } from '../../model.ts';
import { config, protocol } from './driver.ts';
import { bestTemplate } from './scan.rules.ts';
import { scanBuses } from './scan.ts';
import { ModbusSim, type SimMeter } from './sim.ts';
import { loadTemplate, shippedTemplates } from './templates.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** Everything that is not there is dead at once: the gateway says so instead of being silent. */
async function bus(framing: 'tcp' | 'rtu', meters: readonly SimMeter[]) {
  const sim = await new ModbusSim({ framing, meters, gateway: true }).listen();
  closers.push(() => sim.close());
  return sim;
}

async function search(settings: object) {
  const found: Found[] = [];
  const progress: [number, string][] = [];
  const io = {
    signal: new AbortController().signal,
    progress: (done: number, text: string) => progress.push([done, text]),
  };
  for await (const one of protocol.discover!(config.parse(settings), io)) found.push(one.found);
  return { found, progress };
}

test.each(['tcp', 'rtu'] as const)(
  'a scan over %s finds every meter and says which template fits',
  async (framing) => {
    const sim = await bus(framing, [
      { unit: 1, template: 'sdm630', power: () => 900, energyWh: 5000, strict: true },
      { unit: 17, template: 'sdm120', power: () => 90, energyWh: 5000, strict: true },
      { unit: 90, template: 'abb-b23', power: () => 70, energyWh: 5000, strict: true },
      { unit: 101, template: 'em340', power: () => 70, energyWh: 5000, strict: true },
      { unit: 247, template: 'sdm72', power: () => 60, energyWh: 5000, strict: true },
    ]);
    const address = `127.0.0.1:${sim.port}`;
    const { found, progress } = await search({
      buses: [
        { host: '127.0.0.1', port: sim.port, units: [{ name: 'Cellar', unit: 17, template: 'sdm120' }] },
      ],
    });
    const model = (f: Found) => /template ([^)]+)\)/.exec(f.model ?? '')?.[1];
    expect(found.map((f) => [f.host, f.name, model(f), f.metered])).toEqual([
      [`${address}/17`, 'Cellar', expect.stringMatching(/^sdm(120|230)$/), true],
      [`${address}/1`, undefined, 'sdm630', true],
      [`${address}/90`, undefined, 'abb-b23', true],
      [`${address}/101`, undefined, 'em340', true],
      [`${address}/247`, undefined, 'sdm72', true],
    ]);
    expect(found[0]?.needs).toBeUndefined();
    expect(found[1]?.needs).toBe('add it to units of the bus: { unit: 1, name: ..., template: sdm630 }');
    const done = progress.map(([share]) => share);
    expect(done).toEqual(done.toSorted((a, b) => a - b));
    expect(progress.at(-1)).toEqual([1, `${address}: done`]);
    expect(new Set(sim.requests.map((r) => r.unit)).size).toBe(247);
  },
);

test('several buses are searched at the same time, and one that is closed does not hide the others', async () => {
  const sim = await bus('tcp', [{ unit: 5, template: 'sdm120', power: () => 5 }]);
  const closed = await freePort();
  const { found, progress } = await search({
    buses: [
      { host: '127.0.0.1', port: closed },
      { host: '127.0.0.1', port: sim.port },
    ],
  });
  expect(found.map((f) => f.host)).toEqual([`127.0.0.1:${sim.port}/5`]);
  expect(progress.some(([, text]) => text.includes(`127.0.0.1:${closed}: nothing listens there`))).toBe(true);
  const alone = search({ buses: [{ host: '127.0.0.1', port: closed }] });
  await expect(alone).rejects.toThrow(/nothing listens there/);
});

test('without buses nothing is searched', async () => {
  expect((await search({})).found).toEqual([]);
  expect(protocol.discoversOnDemand).toBe(true);
});

test('a scan stops when it is told to', async () => {
  const sim = await bus('tcp', [{ unit: 5, template: 'sdm120', power: () => 5 }]);
  const stop = new AbortController();
  const found: Found[] = [];
  const settings = config.parse({ buses: [{ host: '127.0.0.1', port: sim.port }] });
  for await (const one of protocol.discover!(settings, { signal: stop.signal })) {
    found.push(one.found);
    stop.abort();
  }
  expect(found).toHaveLength(1);
  expect(new Set(sim.requests.map((r) => r.unit)).size).toBeLessThan(20);
});

test('values that no mains has fit no template', () => {
  const template = loadTemplate('sdm120');
  const fit = (voltage_volts: number, frequency_hertz: number) =>
    bestTemplate([
      {
        template,
        refused: 0,
        values: new Map([
          ['voltage_volts', voltage_volts],
          ['frequency_hertz', frequency_hertz],
        ]),
      },
    ]);
  expect(fit(230, 50)).toBe(template);
  expect(fit(120, 60)).toBe(template);
  expect(fit(23, 50)).toBeUndefined();
  expect(fit(1e-38, 50)).toBeUndefined();
  expect(fit(230, 5000)).toBeUndefined();
  expect(fit(0, 0)).toBeUndefined();
});

test('of several templates that fit, the one that explains most is named', () => {
  const fits = shippedTemplates()
    .map(loadTemplate)
    .filter((t) => t.registers.every((r) => r.fn === 4 && r.type === 'float32'))
    .map((template) => ({
      template,
      refused: 0,
      values: new Map(
        template.registers.map((r) => [
          r.quantity,
          /voltage/.test(r.quantity) ? 230 : /hertz/.test(r.quantity) ? 50 : 0,
        ]),
      ),
    }));
  expect(bestTemplate(fits)?.name).toBe('sdm630');
});

test('before a scan it is told how long it may take, and a bus that is silent for ever is left then', async () => {
  const sim = await bus('tcp', [{ unit: 1, template: 'sdm120', power: () => 90, energyWh: 5000 }]);
  sim.fault('hang');
  const settings = config.parse({ buses: [{ host: '127.0.0.1', port: sim.port, framing: 'tcp' }] });
  const told: string[] = [];
  const io = {
    signal: new AbortController().signal,
    progress: (_done: number, text: string) => told.push(text),
  };
  await expect(scanBuses(settings, io, 700)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: `127.0.0.1:${sim.port}: not all unit ids could be tried in the time; name its meters in units`,
  });
  expect(told[0]).toBe(`127.0.0.1:${sim.port}: 247 unit ids are tried, which takes at most 1 min`);
});
