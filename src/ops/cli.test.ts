import path from 'node:path';
import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { LaresError } from '#kernel/errors.ts';
import { graphiteConfig } from '#metrics/index.ts';
import { silent } from '#platform/log.ts';
import { freePort } from '../../tests/servers/process.ts';
import { closeAll, folder } from './checks/fixture.ts';
import { doctorCommand } from './cli.ts';
import type { DoctorSettings } from './doctor.ts';

afterEach(async () => {
  process.exitCode = undefined;
  await closeAll();
});

async function doctor(args: string[], settings: Partial<DoctorSettings> = {}) {
  const printed: { data: unknown; text: string }[] = [];
  const program = new Command('lares').exitOverride();
  doctorCommand(program, {
    config: async () => ({ presence: { people: [] }, metrics: { interval_seconds: 5 }, ...settings }),
    configFile: () => 'lares.yaml',
    dataDir: () => path.join(folder(), 'data'),
    store: async () => Promise.reject(new LaresError('INTERNAL', 'not needed')),
    get: async () => Promise.reject(new LaresError('UNREACHABLE', 'Lares does not answer')),
    log: silent,
    env: {},
    print: (data, human) => printed.push({ data, text: human() }),
    progress: () => {},
    signal: new AbortController().signal,
  });
  await program.parseAsync(['doctor', ...args], { from: 'user' });
  return { ...printed[0]!, exit: process.exitCode ?? 0 };
}

test('counts missing dependencies in the words of the original', async () => {
  const { text, exit } = await doctor(['deps']);
  expect(text.split('\n').at(-1)).toBe('Dependencies: 0');
  expect(exit).toBe(0);
});

test('an unknown area names the known ones', async () => {
  await expect(doctor(['teeth'])).rejects.toThrow('there is no area teeth; known: config, permissions, deps');
});

test('a failure sets the exit code, and JSON carries every finding', async () => {
  const graphite = graphiteConfig.parse({ host: '127.0.0.1', port: await freePort() });
  const { data, exit } = await doctor(['graphite'], { graphite });
  expect(exit).toBe(1);
  expect(data).toMatchObject({ ok: false, findings: [{ check: 'graphite', state: 'fail' }] });
});

test('a house that does not run is a warning, not a failure', async () => {
  const { data, exit } = await doctor(['service']);
  expect([exit, data]).toMatchObject([
    0,
    { ok: true, findings: [{ state: 'warn', text: 'Lares does not answer' }] },
  ]);
});
