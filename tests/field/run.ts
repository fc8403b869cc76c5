import { existsSync, globSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Suite } from './suite.ts';

const here = import.meta.dirname;
const notSuites = new Set(['run.ts', 'suite.ts']);

/** The folder of field data: as asked for, else LARES_FIELD_DATA, else `shared/data` beside the repository. */
export function dataFolder(asked: string | undefined): string {
  return path.resolve(asked ?? process.env['LARES_FIELD_DATA'] ?? path.join(here, '../../../shared/data'));
}

/** Every suite: one file of this folder each. */
export async function loadSuites(): Promise<Suite[]> {
  const files = globSync('*.ts', { cwd: here }).filter((f) => !notSuites.has(f) && !f.endsWith('.test.ts'));
  const modules = files.toSorted().map((f) => import(path.join(here, f)) as Promise<{ default: Suite }>);
  return (await Promise.all(modules)).map((m) => m.default);
}

/** Runs suites on `data`, one after the other. Gives lines to print: a report and one line of JSON for each. */
export async function runSuites(
  suites: readonly Suite[],
  data: string,
  print: (line: string) => void,
): Promise<void> {
  for (const suite of suites) {
    const { name, folder } = suite;
    const dir = path.join(data, folder);
    const result = existsSync(dir) ? await suite.run(dir) : undefined;
    if (result === undefined) {
      print(
        `${name}: skipped, there is no data in ${dir}; give its folder with --data DIR or LARES_FIELD_DATA`,
      );
      continue;
    }
    const { items, right, scores, report } = result;
    print(`${name}\n${report}\n${JSON.stringify({ suite: name, items, right, scores })}`);
  }
}

/** `npm run field -- [--data DIR] [suite…]`. Exit code 2 for a suite that does not exist, else 0. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { data: { type: 'string' } },
    allowPositionals: true,
  });
  const suites = await loadSuites();
  const unknown = positionals.filter((p) => !suites.some((s) => s.name === p));
  if (unknown.length > 0) {
    console.error(
      `no suite is called ${unknown.join(', ')}; there are: ${suites.map((s) => s.name).join(', ')}`,
    );
    process.exitCode = 2;
    return;
  }
  const chosen = positionals.length === 0 ? suites : suites.filter((s) => positionals.includes(s.name));
  await runSuites(chosen, dataFolder(values.data), (line) => console.log(line));
}

if (import.meta.main) await main();
