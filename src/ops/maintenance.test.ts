import { Command } from 'commander';
import { afterEach, expect, test } from 'vitest';
import { Bus } from '#kernel/bus.ts';
import { systemClock } from '#platform/clock.ts';
import { silent } from '#platform/log.ts';
import { openStore } from '#store/index.ts';
import { scratch } from '../../tests/servers/process.ts';
import { calendar, cadences, tasks } from './maintenance.rules.ts';
import { maintenanceCommand } from './maintenance.ts';

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanups.splice(0)) clean();
});

const day = 86_400_000;
const now = Date.UTC(2026, 0, 31, 12);

test('what was never done is due, what was done is due again after its time', () => {
  const at = (done: Parameters<typeof calendar>[0], id: string) =>
    calendar(done, now).find((item) => item.id === id)!;
  expect(calendar({}, now).every((item) => item.due)).toBe(true);
  expect(at({ 'review-errors': now - 7 * day + 1 }, 'review-errors')).toEqual({
    id: 'review-errors',
    ...tasks['review-errors'],
    doneAt: now - 7 * day + 1,
    dueAt: now + 1,
    due: false,
  });
  expect(at({ 'review-errors': now - 7 * day }, 'review-errors').due).toBe(true);
  expect(at({ 'tune-performance': now - 90 * day }, 'tune-performance').due).toBe(false);
});

test('all three cadences are there, the shortest first, what is due before what is not', () => {
  const items = calendar({ 'review-errors': now }, now);
  expect([...new Set(items.map((item) => item.cadence))]).toEqual(Object.keys(cadences));
  expect(items.filter((item) => item.cadence === 'weekly').map((item) => item.id)).toEqual([
    'check-freshness',
    'verify-occupancy',
    'review-errors',
  ]);
});

test('lares maintenance done is remembered by the next call; an unknown task names the known ones', async () => {
  const { dir, remove } = scratch('maintenance');
  cleanups.push(remove);
  const printed: { data: unknown; text: string }[] = [];
  const run = async (...words: string[]) => {
    const program = new Command();
    maintenanceCommand(program, {
      config: async () => ({ home: { time_zone: 'UTC' } }),
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
  expect((await run()).text).toMatch(/^EVERY +DUE +DONE +TASK/);
  expect((await run('done', 'check-token')).text).toMatch(
    /^check-token is done; due again on \d{4}-\d\d-\d\d$/,
  );
  const { text, data } = await run();
  expect(text).toContain('8 due.');
  const items = (data as { items: { id: string; due: boolean; due_at: string | null }[] }).items;
  expect(items.filter((item) => !item.due).map((item) => item.id)).toEqual(['check-token']);
  await expect(run('done', 'sweep')).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('known: review-errors, '),
  });
});
