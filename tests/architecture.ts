import { globSync, readFileSync } from 'node:fs';
import path from 'node:path/posix';
import { parseSync } from 'oxc-parser';

/** Tiers of `docs/architecture.md`: an area may import areas of lower tiers; `exceptions` narrows or widens that. */
export const tiers: Readonly<Record<string, number>> = {
  kernel: 0,
  platform: 1,
  store: 1,
  config: 1,
  devices: 2,
  presence: 3,
  electricity: 3,
  cctv: 3,
  guard: 4,
  metrics: 4,
  mind: 4,
  ops: 5,
  http: 5,
  cli: 5,
  demo: 6,
  app: 7,
};

/** Areas of tiers 0 to 2 are shared ground; from tier 3 on only `index.ts` of another area is its public face. */
const facesFrom = 3;
const pure =
  /^src\/kernel\/|\/(rules|codec|model|render)(\.ts$|\/)|\/[a-z0-9-]+\.(rules|codec|model|render)\.ts$/;
/** What several tests of an area share. Like a test it may call the servers of `tests/`. */
const forTests = /(^|\/|\.)fixture\.ts$/;
const impure = /^node:(?!path|assert|buffer)/;
const pureLibraries = new Set(['zod', 'dns-packet', 'fastest-levenshtein', 'kysely']);

/** Every module that a file imports: static, re-exported and dynamic. */
export function imports(file: string, source: string): string[] {
  const { module } = parseSync(file, source);
  const dynamic = module.dynamicImports.map((i) =>
    source.slice(i.moduleRequest.start, i.moduleRequest.end).replaceAll(/^['"`]|['"`]$/g, ''),
  );
  return [
    ...module.staticImports.map((i) => i.moduleRequest.value),
    ...module.staticExports.flatMap((e) => e.entries.map((x) => x.moduleRequest?.value ?? '')),
    ...dynamic,
  ].filter((to) => to !== '');
}

/** One sentence per broken rule, so that a failing test reads as a list of things to do. */
export function violations(file: string, source: string): string[] {
  const area = file.split('/')[1] ?? '';
  const tier = tiers[area];
  if (tier === undefined) return [`${file}: area ${area} has no tier`];
  return imports(file, source).flatMap((to) => {
    const target = to.startsWith('#')
      ? `src/${to.slice(1)}`
      : to.startsWith('.')
        ? path.join(path.dirname(file), to)
        : to;
    const there = target.startsWith('src/') ? (target.split('/')[1] ?? '') : undefined;
    if (forTests.test(file) && target.startsWith('tests/')) return [];
    if (to.startsWith('.') && there !== area) return [`${file}: reach ${there} as #${there}/..., not ${to}`];
    if (area === 'kernel' && there !== 'kernel') return [`${file}: the kernel imports nothing, not ${to}`];
    if (
      pure.test(file) &&
      there === undefined &&
      (impure.test(to) || !(to.startsWith('node:') || pureLibraries.has(to)))
    )
      return [`${file}: is pure, may not import ${to}`];
    if (there === undefined || there === area || there === 'kernel') return [];
    const theirs = tiers[there];
    if (theirs === undefined) return [`${file}: area ${there} has no tier`];
    const allowed = theirs < tier || (tier === 1 && theirs === 1);
    if (!allowed) return [`${file}: ${area} may not know ${there}`];
    if (theirs < facesFrom || tier >= 6 || target === `src/${there}/index.ts`) return [];
    return [`${file}: import #${there}/index.ts, not its inside (${to})`];
  });
}

export function scan(root = '.'): { files: number; found: string[] } {
  const files = globSync('src/**/*.ts', { cwd: root }).filter((f) => !f.endsWith('.test.ts'));
  return {
    files: files.length,
    found: files.flatMap((f) => violations(f, readFileSync(path.join(root, f), 'utf8'))),
  };
}
