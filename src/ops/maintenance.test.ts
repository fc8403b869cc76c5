import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { calendar, cadences, tasks } from './maintenance.rules.ts';
import { areasOf, maintenanceCommand } from './maintenance.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

const day = 86_400_000;
const everywhere = ['presence', 'cctv'] as const;
const now = Date.UTC(2026, 0, 31, 12);

test('what was never done is due, what was done is due again after its time', () => {
  const at = (done: Parameters<typeof calendar>[0], id: string) =>
    calendar(done, now, everywhere).find((item) => item.id === id)!;
  expect(calendar({}, now, everywhere).every((item) => item.due)).toBe(true);
  expect(at({ 'review-errors': now - 7 * day + 1 }, 'review-errors')).toEqual({
    id: 'review-errors',
    area: 'presence',
    ...tasks['review-errors'],
    doneAt: now - 7 * day + 1,
    dueAt: now + 1,
    due: false,
  });
  expect(at({ 'review-errors': now - 7 * day }, 'review-errors').due).toBe(true);
  expect(at({ 'tune-performance': now - 90 * day }, 'tune-performance').due).toBe(false);
});

test('every cadence is there, the shortest first, what is due before what is not', () => {
  expect([...new Set(calendar({}, now, everywhere).map((item) => item.cadence))]).toEqual(
    Object.keys(cadences),
  );
  const items = calendar({ 'review-errors': now }, now, ['presence']);
  expect([...new Set(items.map((item) => item.cadence))]).toEqual(['weekly', 'monthly', 'quarterly']);
  expect(items.filter((item) => item.cadence === 'weekly').map((item) => item.id)).toEqual([
    'check-freshness',
    'verify-occupancy',
    'review-errors',
  ]);
});

test('the cameras have the fourteen tasks of the original schedule, with how often and how long', () => {
  const rows = calendar({}, now, ['cctv']).map(({ title, cadence, minutes }) => [title, cadence, minutes]);
  expect(rows).toEqual([
    ['Check logs', 'daily', 5],
    ['Verify cameras', 'daily', 2],
    ['Review alerts', 'daily', 5],
    ['Log analysis', 'weekly', 15],
    ['Database vacuum', 'weekly', 5],
    ['Disk cleanup', 'weekly', 5],
    ['System updates', 'monthly', 30],
    ['Camera maintenance', 'monthly', 20],
    ['Backup system', 'monthly', 10],
    ['Performance review', 'monthly', 30],
    ['Security audit', 'quarterly', 60],
    ['Full system test', 'quarterly', 90],
    ['Hardware inspection', 'quarterly', 30],
    ['Complete review', 'annually', 240],
  ]);
});

test('a house without cameras has no work with cameras', () => {
  expect(areasOf({ cameras: [] })).toEqual(['presence']);
  expect(areasOf({ cameras: ['one'] })).toEqual(['presence', 'cctv']);
  expect(calendar({}, now, ['presence']).some((item) => item.area === 'cctv')).toBe(false);
});

test('lares maintenance done is remembered by the next call; an unknown task names the known ones', async () => {
  const { dir, remove } = scratch('maintenance');
  cleanups.push(remove);
  const printed: { data: unknown; text: string }[] = [];
  const run = async (...words: string[]) => {
    const program = new Command();
    maintenanceCommand(program, {
      config: async () => ({ home: { time_zone: 'UTC' }, cameras: [{}] }),
      configFile: () => 'lares.yaml',
      dataDir: () => dir,
      store: () =>
        openStore({ dataDir: dir, clock: systemClock, log: silent, bus: new Bus(() => {}), migrations: [] }),
      get: async () => ({}),
      log: silent,
      env: {},
      print: (data, human) => printed.push({ data, text: human() }),
      progress: () => {},
      signal: new AbortController().signal,
    });
    await program.parseAsync(['maintenance', ...words], { from: 'user' });
    return printed.at(-1)!;
  };
  expect((await run()).text).toMatch(/^EVERY +TAKES +DUE +DONE +TASK/);
  expect((await run('done', 'check-token')).text).toMatch(
    /^check-token is done; due again on \d{4}-\d\d-\d\d$/,
  );
  const { text, data } = await run();
  expect(text).toContain('22 due.');
  const items = (data as { items: { id: string; due: boolean; due_at: string | null }[] }).items;
  expect(items.filter((item) => !item.due).map((item) => item.id)).toEqual(['check-token']);
  await expect(run('done', 'sweep')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('known: review-errors, '),
  });
});
