import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { configJsonSchema, configReference } from '#config/describe.ts';
import { openApi } from '#http/index.ts';
import { codes } from '#kernel/errors.ts';
import { generated as dashboards } from '#metrics/dashboards/index.ts';
import { metricReference } from '#metrics/dashboards/reference.ts';
import { houseConfig } from './config.ts';

/** Every generated file of the repository. CI fails when one of them is stale. */
async function files(): Promise<{ path: string; content: string }[]> {
  const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;
  return [
    { path: 'docs/reference/config.md', content: configReference(houseConfig) },
    { path: 'docs/reference/lares.schema.json', content: json(configJsonSchema(houseConfig)) },
    { path: 'docs/reference/openapi.json', content: json(await openApi()) },
    { path: 'docs/reference/errors.md', content: errorReference() },
    { path: 'docs/reference/metrics.md', content: metricReference() },
    ...dashboards(),
  ];
}

function errorReference(): string {
  const remedies = {
    retry: 'tried again by itself',
    'fix-config': 'waits until you change something',
    'fix-device': 'the device or file needs you',
    'report-bug': 'please report it',
  } as const;
  const rows = Object.entries(codes).map(
    ([code, { title, remedy }]) => `| \`${code}\` | ${title} | ${remedies[remedy]} |`,
  );
  return [
    '# Error codes',
    '',
    'The fourth field of a log line, and `code` in the body of an HTTP error.',
    '',
    '| code | meaning | what happens next |',
    '|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const check = process.argv.includes('--check');
const root = path.join(import.meta.dirname, '../..');
const stale: string[] = [];
for (const file of await files()) {
  const target = path.join(root, file.path);
  if (existsSync(target) && readFileSync(target, 'utf8') === file.content) continue;
  stale.push(file.path);
  if (check) continue;
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, file.content);
}
if (stale.length > 0) console.log(`${check ? 'stale, run make generate' : 'written'}: ${stale.join(', ')}`);
process.exitCode = check && stale.length > 0 ? 1 : 0;
