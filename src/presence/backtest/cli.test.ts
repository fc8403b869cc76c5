import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { backtestCommand } from './cli.ts';

const hour = 3_600_000;
let dir: string;
let printed: { data: unknown; text: string }[];

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'lares-backtest-'));
  printed = [];
});

afterEach(() => rmSync(dir, { recursive: true, force: true }));

async function run(...words: string[]): Promise<void> {
  const program = new Command().exitOverride();
  const house = {
    print: (data: unknown, human: () => string) => void printed.push({ data, text: human() }),
    progress: () => {},
  };
  backtestCommand(program, house, (_seed, { from, to }) => [
    {
      name: 'alex',
      home: Array.from({ length: (to - from) / (24 * hour) }, (_, d) => ({
        from: from + d * 24 * hour,
        to: from + (d * 24 + 9) * hour,
      })),
    },
  ]);
  await program.parseAsync(['backtest', ...words], { from: 'user' });
}

test('generated days give one result for each policy, in a table and as data', async () => {
  await run('--generated', '3', '--seeds', '2');
  expect(printed).toHaveLength(1);
  expect(printed[0]?.data).toMatchObject({
    schedules: ['alex'],
    seeds: 2,
    usual: [
      { policy: 'original', pooled: { departures: 6 }, perSeed: [expect.any(Number), expect.any(Number)] },
      { policy: 'ours', pooled: { departures: 6 } },
      { policy: 'ours_exit', pooled: { departures: 6 } },
    ],
    sleepier: [{ policy: 'original' }, { policy: 'ours' }, { policy: 'ours_exit' }],
  });
  expect(printed[0]?.text.split('\n')[0]).toMatch(/^POLICY +FALSE\/PERSON-WEEK +SPREAD/);
});

test('a recorded schedule is replayed under the name of its file', async () => {
  const rows = Array.from(
    { length: 48 },
    (_, i) =>
      `2026-01-05 ${String(Math.floor(i / 2)).padStart(2, '0')}:${i % 2 === 0 ? '00' : '30'},${i < 20 ? 1 : 0}`,
  );
  const file = path.join(dir, 'flat.csv');
  writeFileSync(file, `time,occupied\n${rows.join('\n')}\n`);
  await run('--schedule', file, '--seeds', '1');
  expect(printed[0]?.data).toMatchObject({
    schedules: ['flat.csv'],
    usual: [{ pooled: { departures: 1 } }, {}, {}],
  });
});

test.each([
  [['--seeds', '0'], 'USAGE', '--seeds 0: expected a whole number from 1 to 100'],
  [['--generated', 'soon'], 'USAGE', '--generated soon: expected a whole number from 1 to 366'],
  [['--generated', '3', '--schedule', 'x.csv'], 'USAGE', 'give either --schedule or --generated, not both'],
  [
    ['--schedule', '/nonexistent/x.csv'],
    'USAGE',
    expect.stringContaining('--schedule /nonexistent/x.csv cannot be read: '),
  ],
])('%j is refused with the reason', async (words, code, message) => {
  await expect(run(...words)).rejects.toMatchObject({ code, message });
  expect(printed).toEqual([]);
});
